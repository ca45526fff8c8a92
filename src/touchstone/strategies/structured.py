"""Structured output: a JSON Schema made of the kind of answer, for models whose provider holds them to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.data.base import Case
from touchstone.data.values import LETTERS
from touchstone.errors import SettingsError
from touchstone.scoring.base import AnswerSpec
from touchstone.scoring.json_text import canonical
from touchstone.scoring.reading import make_reader

_FIELD = "answer"
_SAMPLES = {"number": 7, "choice": "B", "text": "x"}
"""An answer of each kind, to see whether the reader would find it."""


def structure(answer: AnswerSpec, wanted: Any, name: str) -> tuple[AnswerSpec, Mapping[str, Any]]:
    """
    (in what form the candidate answers, `response_format` of its requests).

    Labels become an enumeration, numbers a number, choices a letter, and what is JSON follows the schema that the entry
    gives; without one, any JSON object will do.

    Args:
        answer: How the task reads answers.
        wanted: True, or a JSON Schema for answers of kind `json`.
        name: The candidate's.

    Raises:
        SettingsError: this kind of answer has no structure, or the task's reader would not find it there.
    """
    schema = wanted if isinstance(wanted, Mapping) else None
    if wanted is not True and not schema:
        raise SettingsError(
            "{name}: structured is {value!r}; write true, or a JSON Schema for answers of kind json",
            name=name,
            value=wanted,
        )
    if answer.kind == "json":
        if schema is None:
            return answer, {"type": "json_object"}
        return answer, _format(schema, strict=False)
    if schema is not None:
        raise SettingsError(
            "{name}: a schema of one's own goes with answers of kind json, and these are of kind {kind}; write "
            "structured: true",
            name=name,
            kind=answer.kind,
        )
    kinds: dict[str, Mapping[str, Any]] = {
        "label": {"type": "string", **({"enum": list(answer.labels)} if answer.labels else {})},
        "number": {"type": "number"},
        "choice": {"type": "string", "enum": list(LETTERS)},
        "text": {"type": "string"},
    }
    if answer.kind not in kinds:
        raise SettingsError(
            "{name}: answers of kind {kind} have no structure; leave structured out", name=name, kind=answer.kind
        )
    place = (answer.argument if answer.source == "json" else None) or _FIELD
    sample = answer.labels[0] if answer.kind == "label" and answer.labels else _SAMPLES.get(answer.kind, "x")
    written = canonical(nested(place, sample))
    read = make_reader(answer).read(written, Case(id="sample", input="", options=("x", "y"))).answer
    if read != str(sample):
        raise SettingsError(
            "{name}: a structured reply such as {written} would not be read by this task; "
            "write answer: {{kind: {kind}, from: json.{place}}}",
            name=name,
            written=written,
            kind=answer.kind,
            place=place,
        )
    inner: Mapping[str, Any] = kinds[answer.kind]
    for part in reversed(place.split(".")):
        inner = {"type": "object", "properties": {part: inner}, "required": [part], "additionalProperties": False}
    return answer.model_copy(update={"source": "json", "argument": place}), _format(inner, strict=True)


def nested(dotted: str, value: Any) -> Any:
    """`{"a": {"b": value}}` for `a.b`."""
    for part in reversed(dotted.split(".")):
        value = {part: value}
    return value


def _format(schema: Mapping[str, Any], *, strict: bool) -> Mapping[str, Any]:
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": dict(schema), **({"strict": True} if strict else {})},
    }
