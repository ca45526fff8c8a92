"""Making a scorer from what the task file says."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from touchstone import plugins
from touchstone.errors import SettingsError, refusal
from touchstone.scoring.base import Scorer

ModelMaker = Callable[[str, Mapping[str, Any]], Any]
"""(reference, parameters) to something with `async complete(request) -> Completion`."""

_DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "label": ("label",),
    "choice": ("choice",),
    "number": ("number",),
    "text": ("exact",),
    "json": ("json_fields",),
    "free": (),
}


def default_scorers(kind: str) -> tuple[str, ...]:
    """What scores an answer of `kind` when the task names nothing; empty for `free`, where the task must choose."""
    return _DEFAULTS.get(kind, ("exact",))


def make_scorer(spec: str | Mapping[str, Any], *, models: ModelMaker | None = None) -> Scorer:
    """
    The scorer that a task file asks for.

    Args:
        spec: `exact`, `{regex: {pattern: …}}`, `{regex: …}` (its first parameter), or `{scorer: regex, pattern: …}`
            (also with `name`).
        models: Makes the model of a judge from the parameter `model`: a reference, or a mapping with the key `model`.

    Raises:
        UnknownName: no scorer has that name.
        SettingsError: a parameter is unknown, missing or unusable; the closest name is told.
    """
    name, parameters = _parts(spec)
    maker = plugins.load("scorer", name)
    known = [one for one in inspect.signature(maker).parameters.values() if one.kind is not one.VAR_KEYWORD]
    if not isinstance(parameters, Mapping):
        if not known:
            raise SettingsError("the scorer {name} takes no parameters; got {value!r}", name=name, value=parameters)
        parameters = {known[0].name: parameters}
    names = [one.name for one in known]
    for key in parameters:
        if key not in names:
            close = get_close_matches(str(key), names, n=2, cutoff=0.4) or names or ["none"]
            raise SettingsError(
                "the scorer {name} has no parameter {key!r}; known: {close}", name=name, key=key, close=", ".join(close)
            )
    for one in known:
        if one.default is one.empty and one.name not in parameters:
            raise SettingsError(
                "the scorer {name} needs {key}; write {{{name}: {{{key}: …}}}}", name=name, key=one.name
            )
    values = {key: value for key, value in parameters.items() if key != "model"}
    values = _typed(name, maker, values)
    if "model" in parameters:
        values["model"] = _model(name, parameters["model"], models)
    scorer: Scorer = maker(**values)
    return scorer


def _parts(spec: str | Mapping[str, Any]) -> tuple[str, Any]:
    if isinstance(spec, str):
        return spec, {}
    if isinstance(spec, Mapping):
        for key in ("scorer", "name"):
            if isinstance(spec.get(key), str):
                return spec[key], {name: value for name, value in spec.items() if name != key}
        if len(spec) == 1:
            ((name, parameters),) = spec.items()
            return str(name), {} if parameters is None else parameters
    raise SettingsError("a scorer is a name or {{name: {{parameter: value}}}}, not {spec!r}", spec=spec)


def _typed(name: str, maker: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the constructor's annotations ask for them."""
    hints = get_type_hints(maker.__init__ if inspect.isclass(maker) else maker)
    typed = {}
    for key, value in values.items():
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(
                hints.get(key, Any), config=ConfigDict(arbitrary_types_allowed=True)
            )
            typed[key] = adapter.validate_python(value)
        except ValidationError as error:
            raise SettingsError(
                "the scorer {name} cannot use {key}: {value!r}; {reason}",
                name=name,
                key=key,
                value=value,
                reason=refusal(error.errors()[0]),
            ) from None
    return typed


def _model(name: str, value: Any, models: ModelMaker | None) -> Any:
    if not isinstance(value, str | Mapping):
        return value
    if models is None:
        raise SettingsError("the scorer {name} needs a model, and models cannot be called here", name=name)
    if isinstance(value, str):
        return models(value, {})
    reference = value.get("model")
    if not isinstance(reference, str):
        raise SettingsError("the model of {name} is {value!r}; write `model: provider/name`", name=name, value=value)
    return models(reference, {key: part for key, part in value.items() if key != "model"})
