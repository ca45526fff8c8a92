"""Answers that must be JSON: valid, of a schema, or equal field by field."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from touchstone.data.base import Case
from touchstone.errors import ExtraMissing, SettingsError
from touchstone.models.base import Completion
from touchstone.scoring.base import Reading, Score
from touchstone.scoring.json_text import first_value, parse, walk
from touchstone.scoring.normal import plain, short
from touchstone.scoring.schema_keywords import check_patterns, linear
from touchstone.scoring.source import without_reasoning

_ABSENT = object()
_FENCED = re.compile(r"\A\s*```(?:json|JSON)?[ \t]*\n(.*?)\n?[ \t]*```\s*\Z", re.DOTALL)


class JsonValid:
    """
    1 when the whole output is JSON (RFC 8259), else 0.

    One code fence around it is allowed unless `fence` is False; words around it are not, and NaN is no JSON.
    """

    name = "json_valid"
    reads_answer = False
    needs_target = False

    def __init__(self, fence: bool = True) -> None:
        self.fence = fence

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """1 or 0, never None."""
        text = without_reasoning(completion.text)
        if self.fence and (found := _FENCED.match(text)):
            text = found.group(1)
        try:
            parse(text)
        except ValueError as error:
            return Score(scorer=self.name, value=0.0, reason=short(str(error)))
        return Score(scorer=self.name, value=1.0)


class JsonSchema:
    """
    1 when the answer is JSON that the schema accepts, else 0 with the first violation.

    JSON Schema 2020-12 or as its `$schema` says; `format` is checked as far as no further library is needed. Patterns
    are RE2, so that no answer keeps them busy. References to other documents are never fetched. Needs the extra
    `metrics`.
    """

    name = "json_schema"
    reads_answer = True
    needs_target = False

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        try:
            import jsonschema  # type: ignore[import-untyped]
            from referencing import Registry
        except ImportError:
            raise ExtraMissing(feature="the scorer json_schema", extra="metrics") from None
        kind = jsonschema.validators.validator_for(dict(schema), default=jsonschema.Draft202012Validator)
        try:
            kind.check_schema(dict(schema))
        except jsonschema.SchemaError as error:
            raise SettingsError("json_schema: the schema is not valid: {reason}", reason=error.message) from None
        check_patterns(schema)
        self._validator: Any = linear(kind)(dict(schema), registry=Registry(), format_checker=kind.FORMAT_CHECKER)

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """1 or 0; None without an answer."""
        if reading.answer is None:
            return Score(scorer=self.name, value=None, reason="no answer")
        try:
            value = first_value(reading.answer)
        except ValueError:
            return Score(scorer=self.name, value=0.0, reason="not JSON")
        try:
            error = next(iter(self._validator.iter_errors(value)), None)
        except RecursionError:
            return Score(scorer=self.name, value=0.0, reason="nested too deeply")
        if error is None:
            return Score(scorer=self.name, value=1.0)
        place = ".".join(str(part) for part in error.absolute_path) or "the whole"
        return Score(scorer=self.name, value=0.0, reason=short(f"{place}: {error.message}"))


class JsonFields:
    """
    Share of the target's fields that the answer has with an equal value, from 0 to 1; the reason lists the others.

    A nested object counts field by field (`address.city`), a list as one field in its order, keys in any order. Numbers
    are equal within `rel_tol` and `abs_tol`, and `1` is `1.0`; texts after NFC and stripping, with case ignored on
    request; a number is never equal to a text. `fields` limits the comparison to those (dotted) names. With `strict`,
    fields that the target does not have count as wrong ones. A target that is no object must be equal as a whole.
    """

    name = "json_fields"
    reads_answer = True
    needs_target = True

    def __init__(
        self,
        fields: Sequence[str] | None = None,
        rel_tol: float = 1e-9,
        abs_tol: float = 0.0,
        ignore_case: bool = False,
        strict: bool = False,
    ) -> None:
        self.fields = fields
        self.rel_tol = rel_tol
        self.abs_tol = abs_tol
        self.ignore_case = ignore_case
        self.strict = strict

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """The share; None without an answer or a target that is JSON."""
        if case.target is None or reading.answer is None:
            return Score(scorer=self.name, value=None, reason="no target" if case.target is None else "no answer")
        try:
            target = parse(case.target)
        except ValueError:
            return Score(scorer=self.name, value=None, reason=f"the target {short(case.target)} is not JSON")
        try:
            answer = first_value(reading.answer)
        except ValueError:
            return Score(scorer=self.name, value=0.0, reason="not JSON")
        try:
            return self._compared(answer, target)
        except RecursionError:
            return Score(scorer=self.name, value=0.0, reason="nested too deeply")

    def _compared(self, answer: Any, target: Any) -> Score:
        if not isinstance(target, dict) or not target:
            same = self._equal(answer, target)
            return Score(scorer=self.name, value=float(same), reason="" if same else "differs")
        if self.fields:
            wanted = len(self.fields)
            wrong = [name for name in self.fields if not self._equal(walk(answer, name), walk(target, name))]
        else:
            leaves = list(_leaves(target))
            wanted = len(leaves)
            wrong = [".".join(path) for path in leaves if not self._equal(_at(answer, path), _at(target, path))]
        extra = []
        if self.strict:
            extra = [".".join(path) for path in _leaves(answer) if _at(target, path) is _ABSENT]
        value = 1 - (len(wrong) + len(extra)) / (wanted + len(extra))
        reason = "differs: " + short(", ".join((*wrong, *extra))) if wrong or extra else ""
        return Score(scorer=self.name, value=value, reason=reason)

    def _equal(self, ours: Any, theirs: Any) -> bool:
        if isinstance(ours, bool) or isinstance(theirs, bool):
            return ours is theirs
        if isinstance(ours, int | float) and isinstance(theirs, int | float):
            return self._close(ours, theirs)
        if isinstance(ours, str) and isinstance(theirs, str):
            return self._key(ours) == self._key(theirs)
        if isinstance(ours, list) and isinstance(theirs, list):
            return len(ours) == len(theirs) and all(map(self._equal, ours, theirs))
        if isinstance(ours, dict) and isinstance(theirs, dict):
            return ours.keys() == theirs.keys() and all(self._equal(ours[key], theirs[key]) for key in ours)
        return ours is theirs

    def _close(self, ours: float, theirs: float) -> bool:
        try:
            return math.isclose(ours, theirs, rel_tol=self.rel_tol, abs_tol=self.abs_tol)
        except OverflowError:
            return ours == theirs

    def _key(self, text: str) -> str:
        return plain(text).casefold() if self.ignore_case else plain(text)


def _leaves(value: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of the fields that hold no further object; an empty object is a field itself."""
    if not isinstance(value, dict):
        return
    for key, member in value.items():
        if isinstance(member, dict) and member:
            yield from _leaves(member, (*before, key))
        else:
            yield (*before, key)


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return _ABSENT
        value = value[key]
    return value
