"""The cells of one trial as arrays: what every number of a report is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from touchstone.evaluation.base import NOT_ASKED, STRICT_ZEROS, OutcomeCounts, OutcomeKind
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.packed import KINDS, is_kind

Vector = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Cells:
    """
    One trial's cells, one entry per stored cell (case and repeat), in the order of the cases.

    Numbers that nobody knows are NaN inside this class; everything it returns says so with None or leaves them out.
    """

    planned_cases: int
    repeats: int
    rest: OutcomeKind
    """What the planned cells without a row are."""
    ordinal: Vector
    repeat: Vector
    kind: Vector
    """Places in `packed.KINDS`."""
    here: Vector
    """Whether the comparison that is looked at asked for the cell."""
    score: Vector
    cost_usd: Vector
    retry_usd: Vector
    judge_usd: Vector
    latency_s: Vector
    queue_s: Vector
    first_token_s: Vector
    input_tokens: Vector
    output_tokens: Vector
    estimated: Vector
    retries: Vector
    from_cache: Vector

    @classmethod
    def load(
        cls,
        comparisons: Comparisons,
        trial: int,
        *,
        planned_cases: int,
        repeats: int,
        run: str | None = None,
        rest: OutcomeKind = "planned",
    ) -> Cells:
        """
        The stored cells of a trial, as far as a comparison planned them.

        Args:
            run: The comparison.
            rest: What the cells without a row are.
        """
        columns = comparisons.numbers(trial, run)
        columns["ordinal"] = columns["ordinal"].astype(np.int64)
        columns["repeat"] = columns["repeat"].astype(np.int64)
        if columns["repeat"].size and int(columns["repeat"].max()) >= repeats:
            # Another comparison asked more often; its further draws are none of this one's.
            planned = columns["repeat"] < repeats
            columns = {name: values[planned] for name, values in columns.items()}
        return cls(planned_cases=planned_cases, repeats=repeats, rest=rest, **columns)

    def counts(self) -> OutcomeCounts:
        """How many cells ended how; the planned cells without a row are `rest`."""
        numbers = np.bincount(self.kind, minlength=len(KINDS))
        found = {kind: int(number) for kind, number in zip(KINDS, numbers, strict=True)}
        planned = self.planned_cases * self.repeats
        found[self.rest] += planned - sum(found.values())
        if self.rest != "planned":
            return OutcomeCounts(**{**found, "planned": planned})
        return OutcomeCounts(**{**found, "unasked": found["planned"], "planned": planned})

    def asked(self) -> Vector:
        """Which stored cells somebody was asked for, shape (cells,)."""
        return ~is_kind(self.kind, NOT_ASKED)

    def whole(self) -> Vector:
        """Cases of which every answer was asked for, shape (planned_cases,)."""
        whole: Vector = np.bincount(self.ordinal[self.asked()], minlength=self.planned_cases) == self.repeats
        return whole

    def strict(self) -> Vector:
        """Score per case (planned_cases,): strict zeros are 0, cells without a score NaN; repeats are averaged."""
        values = np.where(is_kind(self.kind, ("scored",)), self.score, np.nan).astype(float)
        values[is_kind(self.kind, STRICT_ZEROS)] = 0.0
        return self._by_case(values)

    def strict_draws(self) -> Vector:
        """Strict score of every answer (planned_cases, repeats), NaN where there is none."""
        found = np.full((self.planned_cases, self.repeats), np.nan)
        values = np.where(is_kind(self.kind, ("scored",)), self.score, np.nan).astype(float)
        values[is_kind(self.kind, STRICT_ZEROS)] = 0.0
        found[self.ordinal, self.repeat] = values
        return found

    def answered(self) -> Vector:
        """Score per case (planned_cases,), NaN where nothing was answered that could be scored."""
        return self._by_case(np.where(is_kind(self.kind, ("scored",)), self.score, np.nan).astype(float))

    def refused(self) -> Vector:
        """Share of each case's answers that were declined, of those with a strict score; NaN where none has one."""
        with_score = is_kind(self.kind, STRICT_ZEROS | {"scored"})
        return self._by_case(np.where(with_score, is_kind(self.kind, ("refused",)).astype(float), np.nan))

    def score_sum(self) -> float:
        """Sum of the scores of all cells that have one; strict zeros add nothing."""
        return float(np.nansum(self.score[is_kind(self.kind, ("scored",))]))

    def _by_case(self, values: Vector) -> Vector:
        known = ~np.isnan(values)
        where = self.ordinal[known]
        total = np.bincount(where, weights=values[known], minlength=self.planned_cases)
        number = np.bincount(where, minlength=self.planned_cases)
        with np.errstate(invalid="ignore"):
            return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def scorer_names(scorers: Sequence[str]) -> tuple[str, ...]:
    """Names by which a task's scorers can be told apart: the second `contains` of a list is `contains 2`."""
    seen: Counter[str] = Counter()
    found = []
    for name in scorers:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return tuple(found)


def further_scores(
    comparisons: Comparisons, trial: int, *, planned_cases: int, repeats: int, scorers: Sequence[str]
) -> dict[str, Vector]:
    """
    Scores per case (planned_cases,) of every scorer but the first, by the strict convention, NaN where it has none.

    Cells without a usable answer count 0, as they do for the first scorer: else a scorer would be shown for other cells
    of each candidate. That is so where only this scorer needs an answer that was read. A scorer that could not say, and
    a judge that broke down, leave the cell out.

    Args:
        repeats: Answers per case of the comparison; further ones that another asked for are none of this one's.
        scorers: Names of the task's scorers in their order; see `scorer_names`.
    """
    columns = comparisons.columns(trial, ("ordinal", "kind", "answer", "scores"), repeats)
    totals = {name: np.zeros(planned_cases) for name in scorers[1:]}
    numbers = {name: np.zeros(planned_cases) for name in scorers[1:]}
    for ordinal, kind, answer, body in zip(
        columns["ordinal"].astype(np.int64), columns["kind"], columns["answer"], columns["scores"], strict=True
    ):
        scores = orjson.loads(body) if body is not None else []
        for place, name in enumerate(scorers[1:], start=1):
            score = scores[place] if place < len(scores) else {"value": None}
            value = further_value(kind, answer is not None, score)
            if value is not None:
                totals[name][ordinal] += value
                numbers[name][ordinal] += 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return {name: np.where(numbers[name] > 0, totals[name] / numbers[name], np.nan) for name in totals}


def further_value(kind: str, has_answer: bool, score: Mapping[str, Any]) -> float | None:
    """
    What one cell counts with a further scorer, by the strict convention; None leaves it out. See `further_scores`.

    Args:
        score: A `Score` as plain values.
    """
    value: float | None = score["value"]
    unusable = kind in STRICT_ZEROS or (kind == "scored" and not has_answer)
    return 0.0 if value is None and unusable and not score.get("failed") else value
