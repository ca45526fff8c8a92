"""A new Hugging Face card, written from a model and its results, that our own reader reads back with the same facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from touchstone.catalog.card_text import write_body
from touchstone.catalog.claims import Benchmark, Claim
from touchstone.catalog.front_matter import FrontMatter, dump_yaml
from touchstone.catalog.hf_card import understand
from touchstone.catalog.hf_results import OURS, Origin, write_results
from touchstone.catalog.hub_terms import CHAT_TAG, LICENCES, PIPELINE_OF, RELATION_OF
from touchstone.catalog.model import Model
from touchstone.errors import UnknownName
from touchstone.language import N_

_PLACE = "README.md"
_FACTS_OF_TEXT = ("summary", "intended_use", "limits", "training_data")


def to_hf_card(
    model: Model,
    claims: Iterable[Claim] = (),
    *,
    benchmarks: Mapping[str, Benchmark],
    repository_of: Mapping[str, str] | None = None,
) -> str:
    """
    A README.md for the model's repository: front matter, and the sections of the Hub's template that are known.

    What the Hub's keys cannot say stands under `touchstone`, so that nothing is lost between us. The Hub ignores it.

    Args:
        model: The model, of whichever lab.
        claims: Its results.
        benchmarks: Those that the results name, by id.
        repository_of: Ids of our cards to repositories on the Hub, for the base model and the successor.

    Raises:
        UnknownName: a result names a benchmark that is not given.
    """
    rows = list(claims)
    for claim in rows:
        if claim.benchmark not in benchmarks:
            raise UnknownName(kind=N_("benchmark"), name=claim.benchmark, known=benchmarks)
    names = repository_of or {}
    keys = _keys(model, names)
    if rows:
        # Nothing of it equals what a result says, so that every result says all of itself, whoever reads it when.
        nobody = Origin(model=model.id, lab="", source="", url="", as_of="1970", ours=True)
        keys["model-index"] = write_results(model.name, keys["pipeline_tag"], rows, nobody, benchmarks)
    body = write_body(model, rows, benchmarks, base=names.get(model.base_model or ""))
    keys[OURS] = _rest(model, keys, body, {names[card].casefold(): card for card in names})
    return _joined(keys, body)


def _keys(model: Model, names: Mapping[str, str]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    if model.languages:
        keys["language"] = list(model.languages)
    if model.licence is not None:
        keys |= _licence(model.licence)
    keys["pipeline_tag"] = PIPELINE_OF.get(model.tasks[0], "text-generation")
    tags = [*((CHAT_TAG,) if "chat" in model.tasks else ()), *(("code",) if "code-generation" in model.tasks else ())]
    if tags:
        keys["tags"] = tags
    if model.base_model is not None:
        keys["base_model"] = names.get(model.base_model, model.base_model)
        if model.relation is not None and model.relation in RELATION_OF:
            keys["base_model_relation"] = RELATION_OF[model.relation]
    if model.successor is not None:
        keys["new_version"] = names.get(model.successor, model.successor)
    return keys


def _licence(licence: str) -> dict[str, str]:
    if licence in LICENCES:
        return {"license": licence}
    return {"license": "other", "license_name": licence}


def _rest(model: Model, keys: Mapping[str, Any], body: str, repositories: Mapping[str, str]) -> dict[str, Any]:
    """The facts that a reader of the keys and the text would not get, or would get otherwise."""
    said = model.model_dump(mode="json")
    named = {"id": model.id, "name": model.name, "tasks": list(model.tasks), "sources": said["sources"]}
    draft = FrontMatter.of_text(_joined({**keys, OURS: named}, body), place=_PLACE)
    read = understand(draft, as_of="1970", benchmarks={}, repositories=repositories, ours=True).model
    found = read.model_dump(mode="json")
    differs = {key: value for key, value in said.items() if key != "ours" and value != found[key]}
    kept = {key: said[key] for key in _FACTS_OF_TEXT if said[key] is not None}
    # A None at the top stays: it says that nothing is known, whatever the other keys would lead a reader to think.
    return {key: _without_none(value) for key, value in {**named, **kept, **differs}.items()}


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, list) else value


def _joined(keys: Mapping[str, Any], body: str) -> str:
    return f"---\n{dump_yaml(dict(keys))}---\n\n{body}"
