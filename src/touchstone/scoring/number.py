"""Answers that must be the same number."""

from __future__ import annotations

from fractions import Fraction

from touchstone.data.base import Case
from touchstone.models.base import Completion
from touchstone.scoring.base import Reading, Score
from touchstone.scoring.normal import short
from touchstone.scoring.numerals import Numeral, first_number


class Number:
    """
    1 when the answer is the target's number within the tolerance, else 0.

    Both are read by `numerals.first_number`: currency, thousands, units, fractions. A percent sign on one side only is
    dropped when the digits agree (`20%` is `20`) and honoured when they do not (`20%` is `0.2`). Equal means
    |answer - target| <= max(abs_tol, rel_tol x |target|), in exact arithmetic. An answer without any number is wrong.
    A target without any number is nobody's wrong answer: the value is None.
    """

    name = "number"
    reads_answer = True
    needs_target = True

    def __init__(self, abs_tol: float = 1e-9, rel_tol: float = 1e-9) -> None:
        self.abs_tol = abs_tol
        self.rel_tol = rel_tol

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """1 or 0; None without an answer or a number to compare it with."""
        if case.target is None or reading.answer is None:
            return Score(scorer=self.name, value=None, reason="no target" if case.target is None else "no answer")
        target = first_number(case.target)
        if target is None:
            return Score(scorer=self.name, value=None, reason=f"the target {short(case.target)} is no number")
        answer = first_number(reading.answer)
        if answer is None:
            return Score(scorer=self.name, value=0.0, reason=f"{short(reading.answer)} is no number")
        same = self._same(answer, target)
        reason = "" if same else f"{short(reading.answer)} is not {short(case.target)}"
        return Score(scorer=self.name, value=float(same), reason=reason)

    def _same(self, answer: Numeral, target: Numeral) -> bool:
        if self._close(answer.value, target.value):
            return True
        if answer.percent == target.percent:
            return False
        return self._close(_share(answer), _share(target))

    def _close(self, answer: Fraction, target: Fraction) -> bool:
        if answer == target:
            return True
        return abs(answer - target) <= max(Fraction(self.abs_tol), Fraction(self.rel_tol) * abs(target))


def _share(numeral: Numeral) -> Fraction:
    return numeral.value / 100 if numeral.percent else numeral.value
