"""
From what a task file calls a model to a model that can be asked.

`PROVIDER/SERVED_NAME` for a preset of the catalog, `openai-compatible` with an address of one's own, and
`KIND/REST` for a model plug-in. Nothing goes online here.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_type_hints

from touchstone import plugins
from touchstone.catalog.addresses import check_base_url, origin_of
from touchstone.catalog.base import Price, Provider
from touchstone.catalog.prices import find_price
from touchstone.catalog.providers import base_url_of, find_provider, key_may_travel, provider_names
from touchstone.errors import SettingsError, UnknownName, refusal
from touchstone.models.base import ChatModel

OWN_ENDPOINT = "openai-compatible"
"""The reference, and the plug-in, for an endpoint that no preset knows."""

_PRESET_SETS = frozenset({"name", "max_tokens_field", "stream_usage", "key_header", "start_hint"})


_PATHS = ("script", "folder")
"""Parameters that name a place; one that lies beside the task file is found there."""


def make_model(
    reference: str,
    *,
    name: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> ChatModel:
    """
    The model that a reference means.

    Args:
        reference: `deepseek/deepseek-chat`, `openai-compatible`, `fake/parrot`.
        name: What people call it; the reference by default.
        parameters: What stands beside the reference in the task file: `base_url`, `served_name`, `key_env`, `stream`,
            `price`, deadlines and so on; a plug-in's constructor parameters.
        folder: Where relative paths among the parameters start; the working directory by default.

    Raises:
        UnknownName: no preset and no plug-in is called so; the closest are named.
        SettingsError: a parameter is unknown, missing or has a value that cannot be used.
    """
    given = dict(parameters or {})
    kind, slash, rest = reference.partition("/")
    known = model_parameters(reference)
    for parameter in given:
        if parameter not in known:
            raise _unknown(parameter, reference, known)
    if "price" in given:
        given["price"] = _price(given["price"], reference)
    constructor = plugins.load("model", OWN_ENDPOINT if kind in provider_names() else kind)
    _check_types(constructor, given, reference)
    served_name = str(given.pop("served_name", None) or rest)
    if not served_name:
        raise SettingsError(
            "model {reference!r} does not say which model; add served_name, or write it as {kind}/NAME",
            reference=reference,
            kind=kind,
        )
    if kind in provider_names():
        given = _preset(find_provider(kind), served_name, given)
        kind = OWN_ENDPOINT
    elif kind == OWN_ENDPOINT and "base_url" not in given:
        raise SettingsError("model {reference!r} needs base_url, such as http://127.0.0.1:8000/v1", reference=reference)
    if kind == OWN_ENDPOINT:
        _guard_key(given)
    elif folder is not None:
        for key in _PATHS:
            if isinstance(given.get(key), str) and (folder / given[key]).exists():
                given[key] = str(folder / given[key])
    if "name" in inspect.signature(constructor).parameters:  # a plug-in may name itself
        given["name"] = name or (reference if slash else served_name)
    model: ChatModel = constructor(served_name, **given)
    return model


def model_parameters(reference: str) -> frozenset[str]:
    """
    Names of the parameters that the model behind a reference takes, `served_name` among them.

    Raises:
        UnknownName: no preset and no plug-in is called so.
    """
    kind = reference.partition("/")[0]
    if kind in provider_names():
        kind, own = OWN_ENDPOINT, _PRESET_SETS
    else:
        own = frozenset({"name", "start_hint"})
        if kind not in plugins.names("model"):
            raise UnknownName(kind="model provider", name=kind, known=[*provider_names(), *plugins.names("model")])
    constructor = plugins.load("model", kind)
    return frozenset(inspect.signature(constructor).parameters) - own | {"served_name"}


def _preset(provider: Provider, served_name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor parameters for a preset, with what the task file says instead."""
    base_url = check_base_url(given["base_url"]) if "base_url" in given else base_url_of(provider)
    filled: dict[str, Any] = {
        "base_url": base_url,
        "key_env": provider.key_env,
        "key_required": provider.key_required,
        "key_header": provider.key_header,
        "max_tokens_field": provider.max_tokens_field,
        "stream_usage": provider.stream_usage,
        "start_hint": provider.start_hint,
    }
    if "price" not in given:
        filled["price"] = find_price(provider, served_name, base_url=base_url)
    key_env = provider.key_env
    if "base_url" in given and "key_env" not in given and key_env and not key_may_travel(key_env, base_url):
        # Another host gets another key, or none: the preset's own stays at home.
        filled["key_env"], filled["key_required"] = None, False
    return {**filled, **given}


def _guard_key(given: Mapping[str, Any]) -> None:
    key_env, base_url = given.get("key_env"), check_base_url(given["base_url"])
    if key_env is not None and not key_may_travel(key_env, base_url):
        raise SettingsError(
            "the key in {variable} belongs to another host than {origin}; use a variable of its own for this one",
            variable=key_env,
            origin=origin_of(base_url),
        )


def _check_types(constructor: Any, given: Mapping[str, Any], reference: str) -> None:
    """Compare the parameters with the constructor's annotations; what a plug-in leaves without one is let through."""
    from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

    hints = get_type_hints(constructor.__init__ if inspect.isclass(constructor) else constructor)
    for parameter, value in given.items():
        try:
            TypeAdapter(hints.get(parameter, Any)).validate_python(value, strict=True)
        except PydanticSchemaGenerationError:
            continue  # a type of the plug-in's own, which only it can check
        except ValidationError as error:
            raise SettingsError(
                "parameter {parameter!r} of model {reference} is {value!r}: {reason}",
                parameter=parameter,
                reference=reference,
                value=value,
                reason=refusal(error.errors()[0]),
            ) from None


def _price(given: object, reference: str) -> Price:
    from pydantic import ValidationError

    if isinstance(given, Price):
        return given
    try:
        return Price.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(
            "price of {reference}: {field}: {reason}; write price: {{input_usd: 0.1, output_usd: 0.4}}, USD per "
            "million tokens",
            reference=reference,
            field=".".join(map(str, first["loc"])) or "price",
            reason=refusal(first),
        ) from None


def _unknown(parameter: str, reference: str, known: frozenset[str]) -> SettingsError:
    close = get_close_matches(parameter, known, n=1, cutoff=0.5)
    if close:
        return SettingsError(
            "model {reference} takes no parameter {parameter!r}; did you mean {close!r}?",
            reference=reference,
            parameter=parameter,
            close=close[0],
        )
    return SettingsError(
        "model {reference} takes no parameter {parameter!r}; it takes {known}",
        reference=reference,
        parameter=parameter,
        known=", ".join(sorted(known)),
    )
