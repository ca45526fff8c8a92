"""Reads answers that name the passages they rest on."""

from __future__ import annotations

from touchstone.data.base import Case
from touchstone.scoring.base import AnswerReader, Reading
from touchstone.scoring.citations import cited, last_marks, without_marks

_SHOWN = 10
"""Numbers that a reading names."""


class CitedReader:
    """
    Reads an answer without its marks of citation, and says what it cites.

    Args:
        reader: Reads the text without the marks at the end of it and of its sentences.
        marked: Reads the same answer with its marks, or the part of the text that it stands in.
    """

    def __init__(self, reader: AnswerReader, marked: AnswerReader) -> None:
        self.name = reader.name
        self._reader = reader
        self._marked = marked

    def read(self, text: str, case: Case) -> Reading:
        """The answer, and in `cited` the same with its marks."""
        found = self._reader.read(text, case)
        if found.answer is None:
            return found
        part = self._marked.read(text, case).answer
        with_marks = part if part is not None and _is(part, found.answer) else found.answer
        if not cited(with_marks) and (end := last_marks(text)):
            # The marks stand on a line of their own, below the one that answers.
            with_marks = f"{with_marks} {end}"
        numbers = cited(with_marks)
        if not numbers:
            return found.model_copy(update={"cited": with_marks})
        named = "".join(f"[{number}]" for number in numbers[:_SHOWN]) + ("…" if len(numbers) > _SHOWN else "")
        return Reading(answer=found.answer, how=f"{found.how}, without the citations {named}", cited=with_marks)


def _is(part: str, answer: str) -> bool:
    return without_marks(part).strip() == answer.strip()
