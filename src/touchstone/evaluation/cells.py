"""The cells of one trial as arrays: what every number of a report is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from touchstone.evaluation.base import STRICT_ZEROS, OutcomeCounts
from touchstone.evaluation.ledger import Ledger

Vector = np.ndarray[Any, Any]

_COLUMNS = (
    "ordinal",
    "kind",
    "score",
    "cost_usd",
    "retry_usd",
    "judge_usd",
    "latency_s",
    "first_token_s",
    "input_tokens",
    "output_tokens",
    "estimated",
    "retries",
    "from_cache",
)


@dataclass(frozen=True)
class Cells:
    """
    One trial's cells, one entry per stored cell (case and repeat), in the order of the cases.

    Numbers that nobody knows are NaN inside this class; everything it returns says so with None or leaves them out.
    """

    planned_cases: int
    repeats: int
    ordinal: Vector
    kind: Vector
    score: Vector
    cost_usd: Vector
    retry_usd: Vector
    judge_usd: Vector
    latency_s: Vector
    first_token_s: Vector
    input_tokens: Vector
    output_tokens: Vector
    estimated: Vector
    retries: Vector
    from_cache: Vector

    @classmethod
    def load(cls, ledger: Ledger, trial: int, *, planned_cases: int, repeats: int) -> Cells:
        """The stored cells of a trial."""
        columns = ledger.cell_columns(trial, _COLUMNS)
        columns["ordinal"] = columns["ordinal"].astype(np.int64)
        return cls(planned_cases=planned_cases, repeats=repeats, **columns)

    def counts(self) -> OutcomeCounts:
        """How many cells ended how; cells without a row are `skipped_cancel`, because a run planned them."""
        kinds, numbers = np.unique(self.kind.astype(str), return_counts=True)
        found = {str(kind): int(number) for kind, number in zip(kinds, numbers, strict=True)}
        planned = self.planned_cases * self.repeats
        missing = planned - sum(found.values())
        found["skipped_cancel"] = found.get("skipped_cancel", 0) + missing
        return OutcomeCounts(**{**found, "planned": planned})

    def strict(self) -> Vector:
        """Score per case (planned_cases,): strict zeros are 0, cells without a score NaN; repeats are averaged."""
        values = np.where(self.kind == "scored", self.score, np.nan).astype(float)
        values[np.isin(self.kind, list(STRICT_ZEROS))] = 0.0
        return self._by_case(values)

    def answered(self) -> Vector:
        """Score per case (planned_cases,), NaN where nothing was answered that could be scored."""
        return self._by_case(np.where(self.kind == "scored", self.score, np.nan).astype(float))

    def score_sum(self) -> float:
        """Sum of the scores of all cells that have one; strict zeros add nothing."""
        return float(np.nansum(self.score[self.kind == "scored"]))

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


def further_scores(ledger: Ledger, trial: int, *, planned_cases: int, scorers: Sequence[str]) -> dict[str, Vector]:
    """
    Scores per case (planned_cases,) of every scorer but the first, by the strict convention, NaN where it has none.

    Cells without a usable answer count 0, as they do for the first scorer: else a scorer would be shown for other cells
    of each candidate. That is so where only this scorer needs an answer that was read. A scorer that could not say, and
    a judge that broke down, leave the cell out.

    Args:
        scorers: Names of the task's scorers in their order; see `scorer_names`.
    """
    columns = ledger.cell_columns(trial, ("ordinal", "kind", "answer", "scores"))
    totals = {name: np.zeros(planned_cases) for name in scorers[1:]}
    numbers = {name: np.zeros(planned_cases) for name in scorers[1:]}
    for ordinal, kind, answer, body in zip(
        columns["ordinal"].astype(np.int64), columns["kind"], columns["answer"], columns["scores"], strict=True
    ):
        unusable = kind in STRICT_ZEROS or (kind == "scored" and answer is None)
        scores = orjson.loads(body) if body is not None else []
        for place, name in enumerate(scorers[1:], start=1):
            score = scores[place] if place < len(scores) else {"value": None}
            value = score["value"]
            if value is None and unusable and not score.get("failed"):
                value = 0.0
            if value is not None:
                totals[name][ordinal] += value
                numbers[name][ordinal] += 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return {name: np.where(numbers[name] > 0, totals[name] / numbers[name], np.nan) for name in totals}
