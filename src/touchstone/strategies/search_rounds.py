"""Measuring many variants on few cases and few on many: successive halving under a number of calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, fsum

from touchstone.data.base import Case
from touchstone.errors import BudgetStop, RequestRejected, TouchstoneError
from touchstone.evaluation.base import STRICT_ZEROS, Candidate
from touchstone.evaluation.engine import score_completion
from touchstone.strategies.base import Bench, BuildCost


@dataclass(frozen=True)
class Round:
    """How many variants are measured on how many of the cases, those of earlier rounds included."""

    field: int
    cases: int


def plan_rounds(variants: int, cases: int, calls: int, rounds: int) -> tuple[Round, ...]:
    """
    The rounds of a search; together at most `calls` answers.

    The field shrinks by the same factor each round, to no fewer than two; every round has the same share of the calls,
    and what one cannot spend goes to the next (Karnin, Koren and Somekh 2013, "Almost optimal exploration in
    multi-armed bandits", ICML). Who goes on keeps its answers, so a round asks only for further cases.

    Args:
        variants: At the start, at least 1.
        cases: That there are.
        calls: Answers that may be asked for.
        rounds: At most.
    """
    planned: list[Round] = []
    left, done = calls, 0
    for number in range(rounds):
        # Whatever the money allows, the first round is everybody's.
        size = min(variants, max(2, ceil(variants / variants ** (number / rounds)))) if planned else variants
        upto = min(cases, done + left // (rounds - number) // size)
        if upto > done:
            left -= size * (upto - done)
            planned.append(Round(size, upto))
            done = upto
    return tuple(planned)


def planned_calls(rounds: Sequence[Round]) -> int:
    """Answers that the rounds ask for."""
    before = [0, *(one.cases for one in rounds)]
    return sum(one.field * (one.cases - done) for one, done in zip(rounds, before, strict=False))


class Tally:
    """
    What a search took, over the rounds that were finished.

    Stored replies count like bought ones, and sums do not depend on the order in which they came: the same search takes
    the same, whenever it is made again.
    """

    def __init__(self) -> None:
        self._usd: list[float | None] = []
        self._took_s: list[float | None] = []
        self.rejected = 0
        """Requests that no model would take; they count as wrong answers."""

    def book(self, usd: float | None, took_s: float | None) -> None:
        """One answer more; None where nobody knows."""
        self._usd.append(usd)
        self._took_s.append(took_s)

    @property
    def calls(self) -> int:
        """Answers so far."""
        return len(self._usd)

    def add(self, other: Tally) -> None:
        """What a finished round took."""
        self._usd += other._usd
        self._took_s += other._took_s
        self.rejected += other.rejected

    def cost(self) -> BuildCost:
        """What it came to."""
        return BuildCost(usd=_sum(self._usd), took_s=_sum(self._took_s), calls=self.calls)


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fsum(known) if len(known) == len(values) else None


@dataclass
class Board:
    """Scores of the variants so far."""

    scores: dict[int, list[float | None]] = field(default_factory=dict)
    """Variant to the scores of its cases, in their order; None where its scorer could not say."""

    def mean(self, variant: int, cases: int) -> float:
        """Mean score on the first cases; 0 where none could be scored."""
        known = [score for score in self.scores[variant][:cases] if score is not None]
        return fsum(known) / len(known) if known else 0.0

    def best(self, field: Sequence[int], cases: int) -> list[int]:
        """The field, best first; of equals the earlier variant."""
        return sorted(field, key=lambda variant: (-self.mean(variant, cases), variant))


async def measure_rounds(
    variants: Sequence[Candidate],
    cases: Sequence[Case],
    rounds: Sequence[Round],
    bench: Bench,
    tally: Tally,
) -> tuple[int, int, Board, BudgetStop | None]:
    """
    (the best variant, cases it was measured on, all scores, why it ended early).

    The first variant is what there was; it stays to the end, so that the winner is compared with it on the same cases.

    Raises:
        BudgetStop: the money did not cover the first round; what it bought is kept.
        ModelError: somebody cannot be asked for now; the same search goes on later, from what it has.
    """
    board = Board({place: [] for place in range(len(variants))})
    going = list(range(len(variants)))
    best, measured = 0, 0
    for number, one in enumerate(rounds):
        if number:
            rest = [variant for variant in board.best(going, measured) if variant != 0]
            going = sorted([0, *rest[: max(1, one.field - 1)]])
        cells = [(variant, place) for variant in going for place in range(len(board.scores[variant]), one.cases)]
        took = Tally()
        try:
            scores = await _ask([(variants[variant], cases[place]) for variant, place in cells], bench, took)
        except BudgetStop as stop:
            if measured == 0:
                raise
            return best, measured, board, stop
        tally.add(took)
        for (variant, _), score in zip(cells, scores, strict=True):
            board.scores[variant].append(score)
        measured = one.cases
        best = board.best(going, measured)[0]
    return best, measured, board, None


async def _ask(cells: Sequence[tuple[Candidate, Case]], bench: Bench, tally: Tally) -> list[float | None]:
    """Scores in the order of the cells. After a first failure that ends the search nothing further is sent."""
    gate = asyncio.Semaphore(max(1, bench.concurrency))
    ended: list[TouchstoneError] = []

    async def ask(candidate: Candidate, case: Case) -> float | None:
        async with gate:
            if ended:
                return None
            try:
                return await _score(candidate, case, bench, tally)
            except TouchstoneError as error:  # raised below, once what is in flight has come back
                ended.append(error)
                return None

    scores = await asyncio.gather(*(ask(candidate, case) for candidate, case in cells))
    if ended:
        # A cap that is reached stays reached, whatever else failed beside it.
        raise next((error for error in ended if isinstance(error, BudgetStop)), ended[0])
    return list(scores)


async def _score(candidate: Candidate, case: Case, bench: Bench, tally: Tally) -> float | None:
    try:
        completion = await candidate.answer(case)
    except RequestRejected:
        # Too long, an image that is gone: it would fail in service as well.
        tally.rejected += 1
        return 0.0
    outcome = await score_completion(candidate.name, case, completion, bench.reader, bench.scorers)
    judged = [score.cost_usd for score in outcome.scores if score.cost_usd is not None]
    tally.book(None if completion.cost_usd is None else completion.cost_usd + fsum(judged), completion.latency_s)
    if outcome.kind == "skipped_budget":
        raise BudgetStop("judging a variant: {reason}", reason=outcome.error or "")
    if outcome.kind in STRICT_ZEROS:
        return 0.0
    return outcome.scores[0].value if outcome.kind == "scored" else None


def table(names: Sequence[str], board: Board) -> list[Mapping[str, object]]:
    """For the report: every variant with its mean score and on how many cases it was measured."""
    return [
        {"variant": name, "cases": len(board.scores[place]), "score": round(board.mean(place, 10**9), 6)}
        for place, name in enumerate(names)
        if board.scores[place]
    ]
