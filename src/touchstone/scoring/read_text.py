"""Reads text: a short answer, or all of it."""

from __future__ import annotations

import re

from touchstone.data.base import Case
from touchstone.scoring.base import AnswerSpec, Reading
from touchstone.scoring.source import Narrowing

_SAID = re.compile(
    r"^[ \t>#*_-]{0,8}(?:final[ \t]|the[ \t])?(?:answer|答案)[*_】]{0,3}[ \t]?[:：][*_]{0,3}[ \t]*(\S.*)$",
    re.IGNORECASE | re.MULTILINE,
)


class TextReader:
    """
    Reads a short text, without blanks at its ends.

    `auto` takes what follows the last line that begins with `Answer:` (also `Final answer:`, 答案：), else the whole
    text; `last` the last line that is not blank. An empty text is no answer.
    """

    name = "text"

    def __init__(self, spec: AnswerSpec) -> None:
        self.spec = spec
        self._narrowing = Narrowing(spec)

    def read(self, text: str, case: Case) -> Reading:
        """The text that answers."""
        part, step = self._narrowing.narrow(text)
        if part is None:
            return Reading(answer=None, how="nothing found")
        if self.spec.source == "auto":
            step = "whole"
            for found in _SAID.finditer(part):
                part, step = found.group(1), "after Answer:"
            part = part.strip("*") if step != "whole" else part
        elif self.spec.source == "last":
            part, step = part.strip().rpartition("\n")[2], "last line"
        part = part.strip()
        return Reading(answer=part, how=step) if part else Reading(answer=None, how="nothing found")


class FreeReader:
    """Reads everything there is, as it is; only an empty text is no answer."""

    name = "free"

    def __init__(self, spec: AnswerSpec) -> None:
        self.spec = spec
        self._narrowing = Narrowing(spec)

    def read(self, text: str, case: Case) -> Reading:
        """The whole text, or the part that `from` names."""
        part, step = self._narrowing.narrow(text)
        if part is None or not part.strip():
            return Reading(answer=None, how="nothing found")
        return Reading(answer=part, how="whole" if step in ("auto", "last") else step)
