"""Answers that must be the same: exact, label, choice."""

from __future__ import annotations

from collections.abc import Callable

from touchstone.data.base import Case
from touchstone.models.base import Completion
from touchstone.scoring.base import Reading, Score
from touchstone.scoring.normal import label_key, plain, short


class Exact:
    """
    1 when the answer is the target, else 0.

    Both are brought to Unicode NFC and lose the blanks at their ends; nothing else is forgiven, unless `ignore_case`.
    """

    name = "exact"
    reads_answer = True
    needs_target = True

    def __init__(self, ignore_case: bool = False) -> None:
        self.ignore_case = ignore_case

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """1 or 0; None without a target or an answer."""
        return compare(self.name, case.target, reading.answer, self._key)

    def _key(self, text: str) -> str:
        return plain(text).casefold() if self.ignore_case else plain(text)


class Label:
    """1 when the answer is the target's label, else 0; case, quotes and `_`, `-` or blank do not matter."""

    name = "label"
    reads_answer = True
    needs_target = True

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """1 or 0; None without a target or an answer."""
        return compare(self.name, case.target, reading.answer, label_key)


class Choice:
    """
    1 when the answer is the target's letter, else 0.

    A target that is no single letter but the text of one of the case's options stands for that option's letter.
    """

    name = "choice"
    reads_answer = True
    needs_target = True

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """1 or 0; None without a target or an answer."""
        target = case.target
        if target is not None and len(plain(target).strip("().")) != 1 and target in case.options:
            target = chr(ord("A") + case.options.index(target))
        return compare(self.name, target, reading.answer, _letter)


def compare(scorer: str, target: str | None, answer: str | None, key: Callable[[str], str]) -> Score:
    """1 when both have the same key, else 0; None when one of them is unknown."""
    if target is None or answer is None:
        return Score(scorer=scorer, value=None, reason="no target" if target is None else "no answer")
    same = key(answer) == key(target) and key(answer) != ""
    return Score(scorer=scorer, value=float(same), reason="" if same else f"{short(answer)} is not {short(target)}")


def _letter(text: str) -> str:
    return plain(text).strip("().").upper()
