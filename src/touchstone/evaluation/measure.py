"""
A run: asks cells in the shared order until the race is over, everything is asked, or something stops it.

What happened before is taken over first, so going on after a stop, a crash, a higher cap or with a further candidate
asks only for what is missing. Keeping the outcomes is the caller's job.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from touchstone.data.base import Case
from touchstone.errors import BudgetStop, ModelError
from touchstone.evaluation.base import Outcome
from touchstone.evaluation.crash_points import crash_point
from touchstone.evaluation.engine import Unasked
from touchstone.evaluation.lane_doors import LaneClosed
from touchstone.evaluation.purse import NotStored, Purse
from touchstone.evaluation.race import Ask, Race, Standing
from touchstone.evaluation.scorecard import Scorecard
from touchstone.evaluation.workers import Workers

FINISH_IN_FLIGHT_S = 30.0
"""How long a run that was told to stop waits for the calls in flight (promises.md, F22)."""

READ_LAST_S = 1.0
"""And then for what takes no call that is paid: the last replies are read and scored."""

LONGEST_PAUSE_S = 120.0
"""A run waits so long for an account that asked for a pause when nothing else is left to do; else it ends (F1)."""

Ending = Literal["finished", "budget", "cancel", "lanes", "offline", "store"]
"""
Why a run ended: nothing is left to ask; the cap; told to stop; accounts that cannot be asked; replies not stored; no
room left in the store.
"""


class Cell(NamedTuple):
    """What is asked of whom."""

    candidate: int
    ordinal: int
    repeat: int
    case: Case


Result = tuple[Cell, Outcome | Unasked | None]
"""A cell and what came of asking; None where it was not asked after all."""


class Answered(NamedTuple):
    """A cell and what became of it."""

    candidate: int
    ordinal: int
    outcome: Outcome


@dataclass
class StopSignal:
    """Tells a run to stop: once to finish what is in flight, twice to stop at once."""

    asked: int = 0
    _heard: list[Callable[[], None]] = field(default_factory=list, repr=False)

    def ask(self) -> None:
        """Ask the run to stop."""
        self.asked += 1
        for callback in list(self._heard):
            callback()

    def on_ask(self, callback: Callable[[], None]) -> None:
        """Call this whenever somebody asks."""
        self._heard.append(callback)


@dataclass
class Measurement:
    """
    One run over a scorecard.

    Args:
        scorecard: What is known already; it grows while the run goes on.
        purse: Pays for all of it.
        answer: Answers one cell.
        load_cases: Cases by their ordinals, in the order asked for.
        candidates: How many there are.
        left_out: Candidates that the race was told to leave out from the start.
        concurrency: Cells being answered at most.
        race: Who is asked what; None asks everybody everything.
        stop: Tells it to stop.
        on_round: Told after every round of the race how it stands.
        on_closed: Told when a candidate cannot be asked any further, and why.
        unproven: Once the race has nothing more to ask: who gets another batch all the same, such as a leader that has
            not yet shown that it meets the constraints.
    """

    scorecard: Scorecard
    purse: Purse
    answer: Callable[[Cell], Awaitable[Outcome | Unasked]]
    load_cases: Callable[[Sequence[int]], Sequence[Case]]
    candidates: int
    left_out: frozenset[int] = frozenset()
    concurrency: int = 16
    race: Race | None = None
    stop: StopSignal = field(default_factory=StopSignal)
    on_round: Callable[[Standing], None] = lambda _standing: None
    unproven: Callable[[Standing], Sequence[Ask]] = lambda _standing: ()
    on_closed: Callable[[int, str], None] = lambda _candidate, _reason: None
    ending: Ending = "finished"
    closed: dict[int, str] = field(default_factory=dict)
    """Candidate to why it cannot be asked any further."""
    _open_again: dict[int, float] = field(default_factory=dict)
    _asked: set[tuple[int, int, int]] = field(default_factory=set)
    """(candidate, ordinal, repeat) of what was fed and has not come back."""
    _unit: int = 0

    async def run(self) -> AsyncGenerator[Answered]:
        """Yield every cell that was answered, as they come; `ending` and `closed` say afterwards how it ended."""
        workers = Workers(self._work, self.concurrency)
        halt = asyncio.Event()
        self.stop.on_ask(lambda: self._halt(workers, halt))
        if self.stop.asked:
            self._halt(workers, halt)
        waiter = asyncio.create_task(halt.wait())
        try:
            while not self.stop.asked:
                if not workers.busy or (self.race is None and workers.waiting < self.concurrency):
                    if came := self._take(workers.leftover()):
                        # A race is told everything before it is asked, or it would ask for the same again.
                        for answered in came:
                            yield answered
                        continue
                    self._reopen()
                    workers.feed(self._next())
                if not workers.busy:
                    if await self._wait_for_lanes(waiter):
                        continue
                    break
                for answered in await self._results(workers, waiter):
                    yield answered
            async with aclosing(self._last_results(workers)) as rest:
                async for answered in rest:
                    yield answered
        finally:
            waiter.cancel()
            await workers.close()
        self._conclude()

    async def _work(self, cell: Cell) -> Result:
        # Fed before its candidate was closed: an answer that nobody can judge is not worth its price.
        return cell, None if cell.candidate in self.closed else await self.answer(cell)

    def _halt(self, workers: Workers[Cell, Result], halt: asyncio.Event) -> None:
        self.purse.stop()
        workers.drop_waiting()
        halt.set()

    async def _results(self, workers: Workers[Cell, Result], waiter: asyncio.Task[bool]) -> list[Answered]:
        """What was answered since the last look; nothing when the run was told to stop meanwhile."""
        results = asyncio.ensure_future(workers.results())
        await asyncio.wait((results, waiter), return_when=asyncio.FIRST_COMPLETED)
        if not results.done():
            results.cancel()
            await asyncio.gather(results, return_exceptions=True)
            return []
        return self._take(results.result())

    async def _last_results(self, workers: Workers[Cell, Result]) -> AsyncGenerator[Answered]:
        """After a stop: what is in flight has some seconds to arrive, unless somebody asks again."""
        deadline = time.monotonic() + FINISH_IN_FLIGHT_S
        while workers.busy and self.stop.asked == 1 and time.monotonic() < deadline and self.purse.in_flight:
            await asyncio.sleep(0.02)
        deadline = time.monotonic() + READ_LAST_S
        while workers.busy and self.stop.asked == 1 and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        await workers.close()
        for answered in self._take(workers.leftover()):
            yield answered

    def _take(self, results: Sequence[Result]) -> list[Answered]:
        found = []
        for cell, result in results:
            self._asked.discard((cell.candidate, cell.ordinal, cell.repeat))
            if result is None:
                continue
            if isinstance(result, Unasked):
                self._unasked(cell, result)
                continue
            if result.kind == "skipped_budget":
                self._exhausted(cell.candidate, "budget")
            else:
                done = self.scorecard.add(cell.candidate, cell.ordinal, result)
                if done is not None and self.race is not None:
                    self.race.tell(
                        cell.candidate, done.unit, low=done.low, high=done.high, bars=done.bars, cost_usd=done.cost_usd
                    )
            found.append(Answered(cell.candidate, cell.ordinal, result))
        return found

    def _unasked(self, cell: Cell, result: Unasked) -> None:
        reason = result.reason
        if isinstance(reason, BudgetStop):
            self._exhausted(cell.candidate, "budget")
        elif isinstance(reason, NotStored):
            # A race needs the cases in their order; without one, whatever is stored counts.
            self._exhausted(cell.candidate, "offline", withdraw=self.race is not None)
        elif isinstance(reason, LaneClosed | ModelError):
            for candidate in range(self.candidates) if result.of_judge else (cell.candidate,):
                if candidate not in self.closed and candidate not in self.left_out:
                    self.closed[candidate] = str(reason)
                    self.on_closed(candidate, str(reason))
                    if self.race is not None:
                        self.race.withdraw(candidate)
                if candidate in self.closed and isinstance(reason, LaneClosed) and reason.seconds is not None:
                    self._open_again[candidate] = time.monotonic() + reason.seconds

    def _exhausted(self, candidate: int, ending: Ending, *, withdraw: bool = True) -> None:
        """The cap, or the store, covers no further call of this candidate; others go on."""
        self.ending = ending
        if withdraw and candidate not in self.closed:
            self.closed[candidate] = ""
            if self.race is not None:
                self.race.withdraw(candidate)

    def _reopen(self) -> None:
        now = time.monotonic()
        for candidate in [one for one, when in self._open_again.items() if when <= now]:
            del self._open_again[candidate]
            if self.closed.get(candidate):
                del self.closed[candidate]
                if self.race is not None:
                    self.race.restore(candidate)
                else:
                    self._unit = 0

    async def _wait_for_lanes(self, waiter: asyncio.Task[bool]) -> bool:
        """Whether an account that asked for a short pause was waited for."""
        pauses = [when - time.monotonic() for when in self._open_again.values()]
        if not pauses or min(pauses) > LONGEST_PAUSE_S or self.stop.asked:
            return False
        await asyncio.wait((waiter,), timeout=max(0.0, min(pauses)) + 0.01)
        return True

    def _next(self) -> list[Cell]:
        """The cells to ask now: a round of the race, or the next cases of everybody."""
        if self.race is not None:
            return self._round(self.race)
        found: list[Cell] = []
        while not found and self._unit < self.scorecard.order.units:
            stop = min(self.scorecard.order.units, self._unit + max(64, self.concurrency))
            found = self._cells([(candidate, self._unit, stop) for candidate in range(self.candidates)])
            self._unit = stop
        return found

    def _round(self, race: Race) -> list[Cell]:
        while True:
            asks, standing = race.next(), race.standing()
            self.on_round(standing)
            crash_point("after-round")
            asks = asks or tuple(self.unproven(standing))
            found = self._cells([(ask.candidate, ask.start, ask.stop) for ask in asks])
            if found or not asks:
                return found
            raise AssertionError("the race asks for units that are answered already")

    def _cells(self, wanted: Sequence[tuple[int, int, int]]) -> list[Cell]:
        """Cells of (candidate, first unit, unit to stop before), all candidates of a case at about the same time."""
        missing = [
            (
                candidate,
                [
                    (ordinal, repeat)
                    for ordinal, repeat in self.scorecard.missing(candidate, start, stop)
                    if (candidate, ordinal, repeat) not in self._asked
                ],
            )
            for candidate, start, stop in wanted
            if candidate not in self.closed
        ]
        self._asked.update((candidate, *cell) for candidate, cells in missing for cell in cells)
        ordinals = list(dict.fromkeys(ordinal for _, cells in missing for ordinal, _ in cells))
        cases = dict(zip(ordinals, self.load_cases(ordinals), strict=True))
        return list(_interleaved(missing, cases))

    def _conclude(self) -> None:
        if self.stop.asked:
            self.ending = "cancel"
        elif self.ending == "finished" and any(self.closed.values()):
            settled = set()
            if self.race is not None:
                # Who was withdrawn is settled for the race and open for the run.
                found = self.race.standing().settled
                settled = {one.candidate for one in found if one.reason != "withdrawn"}
            if any(reason and candidate not in settled for candidate, reason in self.closed.items()):
                self.ending = "lanes"


def _interleaved(missing: Sequence[tuple[int, Sequence[tuple[int, int]]]], cases: dict[int, Case]) -> Iterator[Cell]:
    longest = max((len(cells) for _, cells in missing), default=0)
    for place in range(longest):
        for candidate, cells in missing:
            if place < len(cells):
                ordinal, repeat = cells[place]
                yield Cell(candidate, ordinal, repeat, cases[ordinal])
