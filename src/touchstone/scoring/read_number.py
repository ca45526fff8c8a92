"""Reads a number."""

from __future__ import annotations

import re
from collections import deque

from touchstone.data.base import Case
from touchstone.scoring.base import AnswerSpec, Reading
from touchstone.scoring.json_text import field
from touchstone.scoring.numerals import Numeral, first_number, last_number, only_number
from touchstone.scoring.source import Narrowing, without_reasoning

_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]{0,200}\}){0,400})\}")
_FINAL = re.compile(r"####[ \t]*(.+)")
_SAID = re.compile(r"(?:[Aa]nswer|ANSWER|答案)[*_]{0,3}(?:\s?(?:[:：]|is\b|为|是)[*_]{0,3}\s?){1,2}([^\n]+)")
_END = 30


class NumberReader:
    r"""
    Reads one number and gives it as a plain decimal or fraction, with its percent sign: `1260`, `-0.5`, `1/3`, `20%`.

    Currency, thousands, units, full-width digits and powers of ten are understood (`numerals.numbers`); a Chinese
    numeral is read where it is all the answer says.

    Where `from` names a place, the first number there is the answer. A JSON field that holds words and no number
    ("cannot be determined") is an answer, and a wrong one: its words are given. Where the field is not found at all, a
    `\boxed{…}` within the last 30 characters is taken.

    `last` takes the last number. `auto` takes the first of these that is there:
    1. the field `answer` of a JSON object,
    2. the number after the last `####`,
    3. the first number behind the last "answer is", "answer:" or 答案 on its line,
    4. the last `\boxed{…}`,
    5. the only number of the text,
    6. the last number of the text.
    """

    name = "number"

    def __init__(self, spec: AnswerSpec) -> None:
        self.spec = spec
        self._narrowing = Narrowing(spec)

    def read(self, text: str, case: Case) -> Reading:
        """The number that `text` gives."""
        part, step = self._narrowing.narrow(text)
        if part is None:
            tail = without_reasoning(text)[-2_000:]
            boxed = _last(_BOXED, tail) if self.spec.source == "json" and "boxed" in tail[-_END:] else None
            return _reading(first_number(boxed) if boxed else None, f"{step}, boxed")
        if self.spec.source == "auto":
            return self._auto(part)
        if self.spec.source == "last":
            return _reading(last_number(part), "last number")
        found = first_number(part)
        if found is None and self.spec.source == "json" and self.spec.argument and part.strip():
            return Reading(answer=part.strip(), how=f"{step}, no number in it")
        return _reading(found, step)

    def _auto(self, text: str) -> Reading:
        if '"answer"' in text and (value := field(text, "answer")) and (found := first_number(value[0])):
            return _reading(found, f"json.answer, {value[1]}" if value[1] else "json.answer")
        for pattern, how in ((_FINAL, "after ####"), (_SAID, "after answer"), (_BOXED, "boxed")):
            if (last := _last(pattern, text)) and (found := first_number(last)):
                return _reading(found, how)
        if found := only_number(text) or first_number(text.strip()[:60] if not any(map(str.isdigit, text)) else ""):
            return _reading(found, "only number")
        return _reading(last_number(text), "last number")


def _last(pattern: re.Pattern[str], text: str) -> str | None:
    found = next(iter(deque(pattern.finditer(text), maxlen=1)), None)
    return found.group(1) if found else None


def _reading(found: Numeral | None, how: str) -> Reading:
    return Reading(answer=found.canonical, how=how) if found else Reading(answer=None, how="nothing found")
