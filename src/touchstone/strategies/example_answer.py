"""The answer of an example as the task's answer reader would want to read it."""

from __future__ import annotations

import json
from typing import Any

from touchstone.data.base import Case
from touchstone.data.values import LETTERS
from touchstone.errors import SettingsError
from touchstone.scoring.base import AnswerReader, AnswerSpec
from touchstone.scoring.json_text import canonical, first_value
from touchstone.scoring.normal import label_key
from touchstone.scoring.numerals import only_number
from touchstone.scoring.targets import accepted
from touchstone.strategies.structured import nested
from touchstone.strategies.template import case_values, check_slots, fill


class AnswerWriter:
    """
    Writes down targets so that a model that imitates them is understood.

    The form is the one that the system text asks for: a label alone, `Answer: B`, `Answer: 42`, the JSON field that
    `from` names. Whatever is written is read once by the reader; a form that it would not read is never shown.

    Args:
        answer: In what form the candidate answers.
        reader: The task's.
        template: A form of the user's own, with `{target}` and the columns of the cases: `{reason} Answer: {target}`.
        name: The candidate's, for errors.
    """

    def __init__(self, answer: AnswerSpec, reader: AnswerReader, template: str | None, name: str) -> None:
        self.answer = answer
        self.reader = reader
        self.template = template
        self.name = name

    def check(self, columns: frozenset[str]) -> None:
        """Raises `SettingsError` where the template names a column that the cases do not have."""
        if self.template is not None:
            check_slots(self.template, columns | {"target"}, where=self.name)

    def write(self, case: Case) -> str:
        """
        The answer of a case that has a target.

        Raises:
            SettingsError: no form of it would be read as this answer.
        """
        assert case.target is not None
        value = self._value(case)
        if self.template is not None:
            forms = [fill(self.template, {**case_values(case), "target": value})]
        else:
            forms = list(dict.fromkeys((self._asked_for(value), value, f"Answer: {value}")))
        for form in forms:
            if self._is(self.reader.read(form, case).answer, value):
                return form
        raise SettingsError(
            "{name}: the answer of the example {case}, written as {form!r}, would not be read as {value!r}; "
            "say how with example_answer: a text with {{target}}",
            name=self.name,
            case=case.id,
            form=forms[0][:120],
            value=value[:120],
        )

    def _value(self, case: Case) -> str:
        target = case.target or ""
        if self.answer.kind == "choice" and target in case.options and target not in LETTERS[: len(case.options)]:
            return LETTERS[case.options.index(target)]
        # A list of answers that would all be right is no answer; its first member is.
        return target if self.answer.kind == "json" else accepted(target)[0]

    def _asked_for(self, value: str) -> str:
        source, argument = self.answer.source, self.answer.argument
        if source == "json" and (argument or self.answer.kind != "json"):
            return json.dumps(nested(argument or "answer", self._typed(value)), ensure_ascii=False)
        if source == "after" and argument:
            return f"{argument.rstrip()} {value}"
        if source == "auto" and self.answer.kind in ("choice", "number"):
            return f"Answer: {value}"
        return value

    def _typed(self, value: str) -> Any:
        if self.answer.kind not in ("number", "json"):
            return value
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return value
        if self.answer.kind == "number" and (isinstance(found, bool) or not isinstance(found, int | float)):
            return value
        return found

    def _is(self, read: str | None, value: str) -> bool:
        """Whether what was read is the answer that was meant."""
        if read is None:
            return False
        kind = self.answer.kind
        if kind == "label":
            return label_key(read) == label_key(value)
        if kind == "number":
            meant = only_number(value)
            return meant is None or read == meant.canonical
        if kind == "json":
            try:
                return read == canonical(first_value(value))
            except ValueError:
                return False
        return read.strip() == value.strip() if kind in ("choice", "text", "free") else True
