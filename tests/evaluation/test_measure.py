"""What a run promises: every cell asked once, in order, until it is over or something stops it; and it goes on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.catalog.base import Price
from touchstone.data.base import Case
from touchstone.errors import BudgetStop, OutOfCredit
from touchstone.evaluation import measure as module
from touchstone.evaluation.base import Outcome, OutcomeKind, Recipe
from touchstone.evaluation.engine import Unasked, answer_cell
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.lane import LaneClosed
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.measure import Answered, Cell, Measurement, StopSignal
from touchstone.evaluation.order import CaseOrder
from touchstone.evaluation.purse import NotStored, Purse, Stopped
from touchstone.evaluation.race import Ask, Race, Rules, Settled, Standing
from touchstone.evaluation.race_rules import Reason
from touchstone.evaluation.scorecard import Scorecard
from touchstone.models.base import ChatRequest, Completion, Message
from touchstone.models.fake import FakeModel
from touchstone.scoring.base import Reading, Score

Says = Callable[[Cell], "Outcome | Unasked | BaseException"]


@dataclass
class OpenPurse:
    """Knows what is in flight and whether it was told to stop; pays for anything."""

    in_flight: int = 0
    stopping: bool = False

    def stop(self) -> None:
        self.stopping = True


@dataclass
class Answers:
    """Answers cells as `says` says, after some turns of the loop, and remembers who was asked what and when."""

    says: Says
    purse: OpenPurse = field(default_factory=OpenPurse)
    turns: int = 1
    gate: asyncio.Event | None = None
    asked: list[tuple[int, int, int]] = field(default_factory=list)
    ended: list[tuple[int, int, int]] = field(default_factory=list)
    most: int = 0

    async def __call__(self, cell: Cell) -> Outcome | Unasked:
        place = (cell.candidate, cell.ordinal, cell.repeat)
        assert cell.case.id == f"c{cell.ordinal}"
        self.asked.append(place)
        self.purse.in_flight += 1
        self.most = max(self.most, self.purse.in_flight)
        try:
            if self.gate is not None:
                await self.gate.wait()
            for _ in range(self.turns):
                await asyncio.sleep(0)
            found = self.says(cell)
        finally:
            self.purse.in_flight -= 1
        if isinstance(found, BaseException):
            raise found
        self.ended.append(place)
        return found


def outcome(cell: Cell, score: float = 1.0, kind: OutcomeKind = "scored") -> Outcome:
    return Outcome(
        case=cell.case.id,
        candidate=f"m{cell.candidate}",
        repeat=cell.repeat,
        kind=kind,
        scores=(Score(scorer="s", value=score),) if kind == "scored" else (),
    )


def right(cell: Cell) -> Outcome:
    return outcome(cell)


def closed_for(seconds: float | None) -> LaneClosed:
    return LaneClosed("acme is not asked", kind="parked", seconds=seconds)


class Batches:
    """A race that asks everybody who runs for the next units together, and remembers what it was told."""

    def __init__(self, candidates: int, units: int, batch: int) -> None:
        self.candidates, self.units, self.batch = candidates, units, batch
        self.told: dict[tuple[int, int], tuple[float, float]] = {}
        self.withdrawn: set[int] = set()
        self.said: list[str] = []
        self.proven: set[int] = set()

    def next(self) -> tuple[Ask, ...]:
        running = [one for one in range(self.candidates) if one not in self.withdrawn | self.proven]
        for start in range(0, self.units, self.batch):
            stop = min(self.units, start + self.batch)
            asks = [
                Ask(one, unit, unit + 1)
                for one in running
                for unit in range(start, stop)
                if (one, unit) not in self.told
            ]
            if asks:
                return tuple(asks)
        return ()

    def tell(self, candidate: int, unit: int, *, low: float, high: float, bars: Any, cost_usd: float | None) -> None:
        assert (candidate, unit) not in self.told
        self.told[candidate, unit] = (low, high)

    def withdraw(self, candidate: int) -> None:
        self.withdrawn.add(candidate)
        self.said.append(f"withdraw {candidate}")

    def restore(self, candidate: int) -> None:
        self.withdrawn.discard(candidate)
        self.said.append(f"restore {candidate}")

    def standing(self) -> Standing:
        """As the real one: who was withdrawn counts as settled, by that reason."""
        reasons: dict[int, Reason] = dict.fromkeys(self.withdrawn, "withdrawn")
        reasons |= dict.fromkeys(self.proven, "race")
        settled = tuple(Settled(one, None, 0, 0, 0, reason) for one, reason in sorted(reasons.items()))
        return replace(Race(1, [1], Rules()).standing(), settled=settled)


def measurement(
    answers: Any,
    *,
    cases: int = 10,
    candidates: int = 2,
    repeats: int = 1,
    card: Scorecard | None = None,
    purse: Any = None,
    **more: Any,
) -> Measurement:
    return Measurement(
        card or Scorecard(CaseOrder.draw(cases, 7), candidates, repeats),
        purse or getattr(answers, "purse", OpenPurse()),
        answers,
        lambda ordinals: [Case(id=f"c{ordinal}", input=f"q{ordinal}") for ordinal in ordinals],
        candidates,
        **more,
    )


async def collect(run: Measurement) -> list[Answered]:
    async with asyncio.timeout(30):
        return [answered async for answered in run.run()]


def places(found: Sequence[Answered]) -> list[tuple[int, int, int]]:
    return [(one.candidate, one.ordinal, one.outcome.repeat) for one in found]


def everything(candidates: int, cases: int, repeats: int = 1) -> set[tuple[int, int, int]]:
    return {(one, case, repeat) for one in range(candidates) for case in range(cases) for repeat in range(repeats)}


# All cells


@given(
    cases=st.integers(0, 30),
    candidates=st.integers(1, 3),
    repeats=st.integers(1, 3),
    concurrency=st.integers(1, 9),
    batch=st.none() | st.integers(1, 9),
    kinds=st.lists(
        st.sampled_from(["scored", "unparsed", "refused", "error", "in_doubt", "judge_unparsed"]),
        min_size=1,
        max_size=9,
    ),
)
@settings(max_examples=60, deadline=None)
def test_every_cell_is_asked_once_and_has_one_outcome(
    cases: int, candidates: int, repeats: int, concurrency: int, batch: int | None, kinds: list[OutcomeKind]
) -> None:
    """Whatever became of the others, with a race and without; a failure is an outcome, and it is over afterwards."""

    def says(cell: Cell) -> Outcome:
        return outcome(cell, kind=kinds[(cell.ordinal + cell.repeat) % len(kinds)])

    async def scenario() -> None:
        answers = Answers(says)
        race: Any = None if batch is None else Batches(candidates, cases, batch)
        run = measurement(
            answers, cases=cases, candidates=candidates, repeats=repeats, concurrency=concurrency, race=race
        )
        found = await collect(run)

        assert Counter(places(found)) == Counter(answers.asked) == Counter(everything(candidates, cases, repeats))
        assert (run.ending, run.closed) == ("finished", {})
        assert answers.most <= concurrency
        for candidate in range(candidates):
            assert run.scorecard.answered(candidate) == cases * repeats
            assert list(run.scorecard.missing(candidate, 0, cases)) == []
        if race is not None:
            assert set(race.told) == {(one, unit) for one in range(candidates) for unit in range(cases)}

    asyncio.run(scenario())


@pytest.mark.parametrize("concurrency", [1, 4, 16])
async def test_no_more_cells_are_in_flight_than_allowed(concurrency: int) -> None:
    """Over all candidates together, and all of it is used."""
    answers = Answers(right, turns=5)
    await collect(measurement(answers, cases=40, concurrency=concurrency))

    assert answers.most == concurrency


async def test_candidates_get_a_case_at_about_the_same_time() -> None:
    """In the shared order: what changes during a run changes for all of them."""
    answers = Answers(right)
    run = measurement(answers, cases=100, candidates=3, concurrency=4)
    await collect(run)

    order = run.scorecard.order.ordinals.tolist()
    assert [(one, case) for one, case, _ in answers.asked] == [(one, case) for case in order for one in range(3)]


async def test_cases_are_loaded_no_faster_than_they_are_asked() -> None:
    """Of ten thousand cases a few hundred at a time: memory does not grow with their number."""
    loaded: list[int] = []
    answers = Answers(right)
    run = measurement(answers, cases=10_000, concurrency=8)
    load = run.load_cases
    run.load_cases = lambda ordinals: loaded.append(len(ordinals)) or load(ordinals)  # type: ignore[func-returns-value]
    farthest = 0
    async with aclosing(run.run()) as stream:
        async for _ in stream:
            farthest = max(farthest, sum(loaded) - len(answers.ended) // 2)
            if len(answers.ended) > 3_000:
                break

    assert max(loaded) <= 64
    assert farthest <= 2 * 64


async def test_a_slow_listener_holds_the_asking_back() -> None:
    """What cannot be kept yet is not asked for without end."""
    answers = Answers(right)
    async with aclosing(measurement(answers, cases=10_000, concurrency=8).run()) as stream:
        async for _ in stream:
            for _ in range(1_000):
                await asyncio.sleep(0)
            break

    assert len(answers.asked) <= 2 * 64 + 8


async def test_without_cases_there_is_nothing_to_ask() -> None:
    """An empty run ends, with a race and without."""
    for race in (None, Batches(2, 0, 5)):
        run = measurement(Answers(right), cases=0, race=race)
        assert await collect(run) == []
        assert run.ending == "finished"


# The race


async def test_a_race_is_asked_after_every_round_and_told_every_unit() -> None:
    """Rounds follow each other: nobody is asked for the next one before this one has come back."""
    race: Any = Batches(2, 10, 4)
    rounds: list[tuple[int, int]] = []
    answers = Answers(lambda cell: outcome(cell, 0.25 * cell.candidate))
    run = measurement(answers, race=race, concurrency=3)
    run.on_round = lambda _standing: rounds.append((len(answers.asked), len(answers.ended)))
    await collect(run)

    assert rounds == [(0, 0), (8, 8), (16, 16), (20, 20)]
    assert set(race.told.values()) == {(0.0, 0.0), (0.25, 0.25)}


async def test_a_real_race_stops_asking_who_cannot_win() -> None:
    """The better one is asked no longer than needed either; who was asked what is told by the race alone."""
    answers = Answers(lambda cell: outcome(cell, float(cell.candidate == 1)))
    card = Scorecard(CaseOrder.draw(2_000, 1), 2)
    race = Race(2, card.order.sizes.tolist(), Rules())
    run = measurement(answers, card=card, race=race)
    found = await collect(run)

    assert run.ending == "finished"
    assert len(found) < 1_000
    standing = race.standing()
    assert (standing.leader, standing.finished) == (1, "proven")
    assert list(standing.answered) == [run.scorecard.answered(candidate) for candidate in (0, 1)]


async def test_who_has_not_shown_enough_is_asked_on() -> None:
    """When the race has nothing more to ask, another batch goes to whom `unproven` names, until it names nobody."""
    race: Any = Batches(2, 10, 10)
    race.proven = {0}
    answers = Answers(right)

    def unproven(_standing: Standing) -> tuple[Ask, ...]:
        done = run.scorecard.answered(0)
        return (Ask(0, done, done + 3),) if done < 6 else ()

    run = measurement(answers, race=race, unproven=unproven)
    await collect(run)

    assert Counter(one for one, _, _ in answers.asked) == {1: 10, 0: 6}
    assert run.ending == "finished"


async def test_a_race_that_asks_for_what_is_known_is_our_own_mistake() -> None:
    """It would turn for ever; the run ends with an error instead."""
    run = measurement(Answers(right), race=Batches(2, 10, 5))
    for ordinal in range(10):
        for candidate in (0, 1):
            run.scorecard.add(candidate, ordinal, outcome(Cell(candidate, ordinal, 0, Case(id=f"c{ordinal}"))))
    with pytest.raises(AssertionError, match="answered already"):
        await collect(run)


# Going on


def reloaded(card: Scorecard, candidates: int, repeats: int, found: Sequence[Answered]) -> Scorecard:
    """A scorecard that knows what an earlier session kept."""
    again = Scorecard(card.order, candidates, repeats)
    for one in found:
        again.add(one.candidate, one.ordinal, one.outcome)
    return again


@given(
    cases=st.integers(1, 20),
    candidates=st.integers(1, 3),
    repeats=st.integers(1, 2),
    batch=st.none() | st.integers(1, 7),
    breaks=st.lists(st.integers(0, 30), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_sessions_that_broke_off_ask_together_what_one_would_have(
    cases: int, candidates: int, repeats: int, batch: int | None, breaks: list[int]
) -> None:
    """Wherever they broke off: what was kept is not asked again, and nothing is forgotten."""

    async def scenario() -> None:
        kept: list[Answered] = []
        card = Scorecard(CaseOrder.draw(cases, 3), candidates, repeats)
        for end in [*breaks, 10_000]:
            race: Any = None if batch is None else Batches(candidates, cases, batch)
            card = reloaded(card, candidates, repeats, kept)
            if race is not None:
                for candidate in range(candidates):
                    for unit in range(cases):
                        if not list(card.missing(candidate, unit, unit + 1)):
                            race.told[candidate, unit] = (1.0, 1.0)
            answers = Answers(right)
            run = measurement(answers, card=card, candidates=candidates, concurrency=3, race=race)
            before = set(places(kept))
            async with aclosing(run.run()) as stream:
                async for answered in stream:
                    kept.append(answered)
                    if len(kept) - len(before) >= end:
                        break
            assert not before & set(answers.asked)
        assert Counter(places(kept)) == Counter(everything(candidates, cases, repeats))

    asyncio.run(scenario())


async def test_a_race_in_two_sessions_asks_what_it_would_have_asked_in_one() -> None:
    """The same cells, the same leader, the same certificate, wherever the first one broke off."""

    def says(cell: Cell) -> Outcome:
        return outcome(cell, float((cell.ordinal * 7 + cell.candidate) % 10 < 3 + 3 * cell.candidate))

    def begin(kept: Sequence[Answered]) -> tuple[Measurement, Race]:
        card = Scorecard(CaseOrder.draw(1_000, 1), 3)
        race = Race(3, card.order.sizes.tolist(), Rules())
        for one in kept:
            done = card.add(one.candidate, one.ordinal, one.outcome)
            assert done is not None
            race.tell(one.candidate, done.unit, low=done.low, high=done.high, bars=done.bars, cost_usd=done.cost_usd)
        return measurement(Answers(says), card=card, candidates=3, race=race), race

    run, race = begin([])
    whole = await collect(run)
    for end in (1, 76, len(whole) - 1):
        first, _ = begin([])
        kept: list[Answered] = []
        async with aclosing(first.run()) as stream:
            async for answered in stream:
                kept.append(answered)
                if len(kept) == end:
                    break
        second, other = begin(kept)
        kept += await collect(second)
        assert sorted(places(kept)) == sorted(places(whole))
        assert other.standing() == race.standing()


async def test_a_run_that_has_everything_asks_nobody() -> None:
    """The result of a finished run is there at once (P6)."""
    first = measurement(Answers(right))
    kept = await collect(first)
    answers = Answers(right)
    again = measurement(answers, card=reloaded(first.scorecard, 2, 1, kept))

    assert await collect(again) == []
    assert answers.asked == []
    assert again.ending == "finished"


# Told to stop


@pytest.mark.parametrize("race", [False, True])
async def test_told_to_stop_once_it_finishes_what_is_in_flight(monkeypatch: pytest.MonkeyPatch, race: bool) -> None:
    """Nothing further is begun or paid; what was sent is answered and kept; the rest is asked by the next run (F22)."""
    monkeypatch.setattr(module, "READ_LAST_S", 0.02)
    stop = StopSignal()
    answers = Answers(right, gate=asyncio.Event())
    run = measurement(answers, concurrency=4, stop=stop, race=Batches(2, 10, 5) if race else None)
    task = asyncio.create_task(collect(run))
    while len(answers.asked) < 4:
        await asyncio.sleep(0)
    stop.ask()
    await asyncio.sleep(0.2)
    assert not task.done()
    assert answers.purse.stopping
    assert answers.gate is not None
    answers.gate.set()

    assert sorted(places(await task)) == sorted(answers.asked)
    assert len(answers.asked) == 4
    assert run.ending == "cancel"


async def test_told_to_stop_twice_it_stops_at_once() -> None:
    """What is in flight is given up, and no task is left behind."""
    before = asyncio.all_tasks()
    stop = StopSignal()
    answers = Answers(right, gate=asyncio.Event())
    run = measurement(answers, concurrency=4, stop=stop)
    task = asyncio.create_task(collect(run))
    while len(answers.asked) < 4:
        await asyncio.sleep(0)
    stop.ask()
    await asyncio.sleep(0.03)
    stop.ask()

    assert await task == []
    assert (answers.ended, answers.purse.in_flight) == ([], 0)
    assert run.ending == "cancel"
    assert asyncio.all_tasks() == before


async def test_what_is_in_flight_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """After half a minute a call that hangs is given up like the others."""
    monkeypatch.setattr(module, "FINISH_IN_FLIGHT_S", 0.05)
    monkeypatch.setattr(module, "READ_LAST_S", 0.05)
    stop = StopSignal()
    answers = Answers(right, gate=asyncio.Event())
    task = asyncio.create_task(collect(measurement(answers, concurrency=4, stop=stop)))
    while len(answers.asked) < 4:
        await asyncio.sleep(0)
    stop.ask()

    assert await task == []
    assert answers.purse.in_flight == 0


async def test_what_is_not_paid_has_a_moment_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies that came are read and scored, and a free candidate's answer is not thrown away either."""
    monkeypatch.setattr(module, "READ_LAST_S", 60.0)
    stop, turn = StopSignal(), asyncio.Event()
    asked: list[int] = []

    async def answer(cell: Cell) -> Outcome:
        asked.append(cell.ordinal)
        await turn.wait()
        return outcome(cell)

    task = asyncio.create_task(collect(measurement(answer, concurrency=4, stop=stop)))
    while len(asked) < 4:
        await asyncio.sleep(0)
    stop.ask()
    await asyncio.sleep(0.1)
    turn.set()

    assert len(await task) == len(asked) == 4


async def test_who_waits_for_an_account_is_not_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a stop nobody waits half a minute for cells that were never sent."""
    monkeypatch.setattr(module, "FINISH_IN_FLIGHT_S", 1_000.0)
    monkeypatch.setattr(module, "READ_LAST_S", 0.05)
    stop, turn = StopSignal(), asyncio.Event()
    waiting: list[int] = []

    async def answer(cell: Cell) -> Outcome:
        waiting.append(cell.ordinal)
        await turn.wait()
        return outcome(cell)

    task = asyncio.create_task(collect(measurement(answer, concurrency=4, stop=stop)))
    while len(waiting) < 4:
        await asyncio.sleep(0)
    stop.ask()

    assert await task == []


async def test_a_run_that_was_told_to_stop_beforehand_asks_nobody() -> None:
    """A second signal during the preparation is heard as well."""
    stop = StopSignal()
    stop.ask()
    answers = Answers(right)
    run = measurement(answers, stop=stop)

    assert await collect(run) == []
    assert answers.asked == []
    assert (run.ending, answers.purse.stopping) == ("cancel", True)


async def test_cells_that_a_stop_kept_from_being_asked_stay_open() -> None:
    """Whoever waited for money or for his turn has no outcome; the run that goes on asks for it."""
    stop = StopSignal()

    def says(cell: Cell) -> Outcome | Unasked:
        stop.ask()
        return Unasked(Stopped())

    run = measurement(Answers(says), stop=stop)
    assert await collect(run) == []
    assert (run.ending, run.closed) == ("cancel", {})
    assert run.scorecard.answered(0) == run.scorecard.answered(1) == 0


# Accounts that cannot be asked


@pytest.mark.parametrize(
    "reason", [closed_for(None), closed_for(10_000.0), OutOfCredit("no money")], ids=["closed", "parked", "failure"]
)
@pytest.mark.parametrize("racing", [False, True])
async def test_who_cannot_be_asked_is_left_out_and_the_others_go_on(reason: Any, racing: bool) -> None:
    """Its cells stay open, the reason is told once, and the run ends by it instead of passing for finished."""

    def says(cell: Cell) -> Outcome | Unasked:
        return Unasked(reason) if cell.candidate == 1 and len(answers.ended) > 8 else outcome(cell)

    answers = Answers(says)
    race: Any = Batches(3, 20, 5) if racing else None
    told: list[tuple[int, str]] = []
    run = measurement(
        answers,
        cases=20,
        candidates=3,
        concurrency=4,
        race=race,
        on_closed=lambda candidate, why: told.append((candidate, why)),
    )
    found = await collect(run)

    assert run.ending == "lanes"
    assert run.closed == {1: str(reason)}
    assert told == [(1, str(reason))]
    assert {place for place in places(found) if place[0] != 1} == {
        place for place in everything(3, 20) if place[0] != 1
    }
    assert 0 < sum(one.candidate == 1 for one in found) < 20
    assert len(answers.asked) < 60
    if racing:
        assert race.said == ["withdraw 1"]


async def test_the_cases_of_those_who_cannot_be_asked_are_not_read() -> None:
    """Of ten thousand cases the first few are enough to see that nobody answers."""
    run = measurement(Answers(lambda _cell: Unasked(closed_for(None))), cases=10_000, candidates=1)
    loaded: list[int] = []
    load = run.load_cases
    run.load_cases = lambda ordinals: loaded.append(len(ordinals)) or load(ordinals)  # type: ignore[func-returns-value]

    assert await collect(run) == []
    assert sum(loaded) <= 2 * 64


async def test_who_was_settled_before_its_account_closed_does_not_hold_up_the_end() -> None:
    """Nothing more was wanted of it, so nothing is missing."""
    race: Any = Batches(2, 10, 5)

    def says(cell: Cell) -> Outcome | Unasked:
        if cell.candidate == 0 or cell.ordinal in first:
            return outcome(cell)
        race.proven.add(1)
        return Unasked(closed_for(None))

    run = measurement(Answers(says), race=race)
    first = set(run.scorecard.order.cases_of(0, 5).tolist())
    await collect(run)

    assert set(run.closed) == {1}
    assert run.ending == "finished"


@pytest.mark.parametrize("racing", [False, True])
async def test_a_short_pause_is_waited_for(racing: bool) -> None:
    """When nothing else is left to do; then the candidate catches up, and it is as if nothing had happened."""
    paused: list[int] = []

    def says(cell: Cell) -> Outcome | Unasked:
        if cell.candidate == 1 and len(paused) < 3:
            paused.append(cell.ordinal)
            return Unasked(closed_for(0.05))
        return outcome(cell)

    answers = Answers(says)
    race: Any = Batches(2, 10, 5) if racing else None
    run = measurement(answers, race=race, concurrency=2)
    found = await collect(run)

    assert Counter(places(found)) == Counter(everything(2, 10))
    assert (run.ending, run.closed) == ("finished", {})
    if racing:
        assert race.said[:2] == ["withdraw 1", "restore 1"]
        assert race.withdrawn == set()


async def test_a_candidate_that_can_be_asked_again_repeats_nobodys_cells() -> None:
    """Others' cells that are in flight at that moment are not asked a second time."""
    gate = asyncio.Event()
    answers: Any = None

    async def answer(cell: Cell) -> Outcome | Unasked:
        if cell.candidate == 0 and not gate.is_set():
            if len(answers.asked) > 40:
                gate.set()  # the pause is over, and the other one's cells are still on their way
            return Unasked(closed_for(0.0))
        if cell.candidate == 1:
            answers.asked.append((cell.candidate, cell.ordinal, cell.repeat))
            for _ in range(20):
                await asyncio.sleep(0)
        return outcome(cell)

    answers = Answers(right)
    run = measurement(answer, cases=300, concurrency=4, purse=answers.purse)
    found = await collect(run)

    assert Counter(answers.asked) == Counter(place for place in everything(2, 300) if place[0] == 1)
    assert Counter(places(found)) == Counter(everything(2, 300))


async def test_a_pause_is_not_waited_for_after_a_stop() -> None:
    """Nor is a long one: the run ends, and says when it can go on."""
    stop = StopSignal()
    run = measurement(Answers(lambda _cell: Unasked(closed_for(100.0))), stop=stop)
    task = asyncio.create_task(collect(run))
    await asyncio.sleep(0.05)
    assert not task.done()
    stop.ask()

    assert await task == []
    assert run.ending == "cancel"


@pytest.mark.parametrize("racing", [False, True])
async def test_without_a_judge_nobody_is_asked_any_further(racing: bool) -> None:
    """An answer that nobody can judge is not worth its price: every candidate is closed, and the run ends by it."""

    def says(cell: Cell) -> Outcome | Unasked:
        broken = cell.candidate == 0 and len(answers.asked) > 10
        return Unasked(closed_for(None), of_judge=True) if broken else outcome(cell)

    answers = Answers(says)
    race: Any = Batches(2, 100, 10) if racing else None
    run = measurement(answers, cases=100, concurrency=2, race=race)
    await collect(run)

    assert run.ending == "lanes"
    assert set(run.closed) == {0, 1}
    assert len(answers.asked) < 200
    if racing:
        assert race.withdrawn == {0, 1}


async def test_who_was_left_out_from_the_start_does_not_come_back_with_the_others() -> None:
    """A judge that pauses closes everybody and lets everybody in again, but for whom facts had ruled out."""
    pausing = [True]

    def says(cell: Cell) -> Outcome | Unasked:
        if pausing and len(answers.asked) > 10:
            pausing.pop()
            return Unasked(closed_for(0.05), of_judge=True)
        return outcome(cell)

    answers = Answers(says)
    race: Any = Batches(3, 30, 10)
    race.withdraw(2)
    run = measurement(answers, cases=30, candidates=3, concurrency=2, race=race, left_out=frozenset({2}))
    await collect(run)

    assert run.ending == "finished"
    assert {"restore 0", "restore 1"} <= set(race.said)
    assert race.withdrawn == {2}
    assert {candidate for candidate, _, _ in answers.asked} == {0, 1}


async def test_a_real_race_without_accounts_does_not_pass_for_finished() -> None:
    """Who was withdrawn is settled for the race, and open for the run."""
    card = Scorecard(CaseOrder.draw(100, 1), 2)
    run = measurement(
        Answers(lambda _cell: Unasked(closed_for(None))), card=card, race=Race(2, card.order.sizes.tolist(), Rules())
    )
    assert await collect(run) == []
    assert run.ending == "lanes"


# The cap


@pytest.mark.parametrize("racing", [False, True])
async def test_what_the_cap_does_not_cover_is_left_out_and_free_candidates_go_on(racing: bool) -> None:
    """Open cells of the one that costs, all cells of the one that does not; an unpaid cell is no outcome."""

    def says(cell: Cell) -> Outcome | Unasked:
        return Unasked(BudgetStop("enough")) if cell.candidate == 0 and len(answers.ended) > 6 else outcome(cell)

    answers = Answers(says)
    race: Any = Batches(2, 20, 5) if racing else None
    run = measurement(answers, cases=20, concurrency=4, race=race)
    found = await collect(run)

    assert (run.ending, run.closed) == ("budget", {0: ""})
    assert sum(one.candidate == 1 for one in found) == 20
    assert 0 < sum(one.candidate == 0 for one in found) < 20
    assert len(answers.asked) < 40


async def test_an_answer_whose_judge_the_cap_stopped_is_kept_and_stays_open() -> None:
    """It was paid for, so it is stored; its score is missing, so a higher cap asks for it."""

    def says(cell: Cell) -> Outcome:
        return outcome(cell, kind="skipped_budget" if cell.candidate == 0 and len(answers.ended) > 6 else "scored")

    answers = Answers(says)
    run = measurement(answers, cases=20, concurrency=1)
    found = await collect(run)

    assert run.ending == "budget"
    skipped = sum(one.outcome.kind == "skipped_budget" for one in found)
    assert 0 < skipped < 5
    assert run.scorecard.answered(0) == sum(one.candidate == 0 for one in found) - skipped
    assert run.scorecard.answered(1) == 20


class Whole:
    """Reads the whole text."""

    name = "whole"

    def read(self, text: str, case: Case) -> Reading:
        return Reading(answer=text, how="whole")


class Same:
    """1 when the answer is the input."""

    name, reads_answer, needs_target = "same", True, False

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        return Score(scorer=self.name, value=float(reading.answer == case.input))


class Asking:
    """A candidate that asks a journalled model."""

    def __init__(self, caller: Journal) -> None:
        self.name, self.caller, self.recipe = caller.name, caller, Recipe(model="m", strategy="test")

    async def answer(self, case: Case, *, draw: int = 0) -> Completion:
        return await self.caller.complete(
            ChatRequest(messages=(Message(role="user", content=case.text),), max_tokens=50, draw=draw)
        )

    async def close(self) -> None:
        await self.caller.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store.db")
    yield ledger
    ledger.close()


async def test_a_real_cap_is_used_up_and_a_higher_one_goes_on(ledger: Ledger) -> None:
    """Twenty of a hundred are paid for; the same run under twice the cap pays for twenty more, and for none twice."""
    price = Price(input_usd=0, output_usd=0, per_call_usd=0.25)
    card = Scorecard(CaseOrder.draw(100, 7), 2)
    for cap_usd, answered in ((5.0, 20), (10.0, 40), (None, 100)):
        purse = Purse(ledger, "run", cap_usd=cap_usd)
        purse.open()
        models = [FakeModel("paid", price=price), FakeModel("free")]
        candidates = [Asking(Journal(model, purse)) for model in models]

        async def answer(cell: Cell, candidates: Any = candidates) -> Outcome | Unasked:
            return await answer_cell(candidates[cell.candidate], cell.case, Whole(), [Same()])

        run = measurement(answer, card=card, purse=purse, concurrency=64)
        found = await collect(run)
        await ledger.drain()

        assert run.ending == ("finished" if cap_usd is None else "budget")
        assert card.answered(0) == answered
        assert card.answered(1) == 100
        assert len(models[0].calls) == sum(one.candidate == 0 for one in found)
        assert purse.spent_usd == 0.25 * answered


# Offline


async def test_offline_whatever_is_stored_counts(ledger: Ledger) -> None:
    """Open cells are left out one by one: without a race no order is needed; and it ends by that."""
    answers = Answers(lambda cell: outcome(cell) if cell.ordinal % 3 else Unasked(NotStored(model="m")))
    run = measurement(answers, cases=20)
    found = await collect(run)

    assert sorted(places(found)) == sorted(place for place in everything(2, 20) if place[1] % 3)
    assert (run.ending, run.closed) == ("offline", {})


async def test_offline_a_race_goes_as_far_as_the_store_does() -> None:
    """It needs the cases in their order, so a candidate ends where its first reply is missing."""
    race: Any = Batches(2, 20, 5)
    run = measurement(
        Answers(lambda cell: Unasked(NotStored(model="m")) if cell.candidate == 0 else outcome(cell)),
        cases=20,
        race=race,
    )
    found = await collect(run)

    assert {one.candidate for one in found} == {1}
    assert len(found) == 20
    assert race.said == ["withdraw 0"]
    assert run.ending == "offline"


# Loud ends


@pytest.mark.parametrize("what", ["answer", "cases", "later cases", "cancellation from within"])
@pytest.mark.parametrize("racing", [False, True])
async def test_an_unexpected_error_ends_the_run(what: str, racing: bool) -> None:
    """It reaches the caller at once instead of hanging or passing for an outcome, and no worker is left behind."""
    before = asyncio.all_tasks()
    broken = {"answer": RuntimeError("candidate is broken"), "cancellation from within": asyncio.CancelledError()}
    answers = Answers(lambda cell: broken.get(what) or outcome(cell))
    run = measurement(answers, cases=300, concurrency=8, race=Batches(2, 300, 5) if racing else None)
    load = run.load_cases

    def load_cases(ordinals: Sequence[int]) -> Sequence[Case]:
        if what == "cases" or (what == "later cases" and answers.ended):
            raise RuntimeError("the cases are gone")
        return load(ordinals)

    run.load_cases = load_cases
    task = asyncio.create_task(collect(run))
    done, _ = await asyncio.wait([task], timeout=20)
    assert done
    if what == "cancellation from within":
        assert task.cancelled()
    else:
        assert isinstance(task.exception(), RuntimeError)
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("ends", ["breaks off", "fails", "is cancelled"])
async def test_a_listener_that_leaves_ends_the_asking(ends: str) -> None:
    """Workers stop although nobody collects what they have, and nothing more is asked."""
    before = asyncio.all_tasks()
    answers = Answers(right)
    run = measurement(answers, cases=10_000, concurrency=4)

    async def listen() -> None:
        async with aclosing(run.run()) as stream:
            async for _ in stream:
                await asyncio.sleep(0.02)
                if ends == "breaks off":
                    return
                if ends == "fails":
                    raise OSError("the disk is full")

    task = asyncio.create_task(listen())
    if ends == "is cancelled":
        await asyncio.sleep(0.03)
        task.cancel()
    done, _ = await asyncio.wait([task], timeout=20)
    assert done
    asked = len(answers.asked)
    await asyncio.sleep(0.02)

    assert len(answers.asked) == asked
    assert asyncio.all_tasks() == before
    if ends == "fails":
        assert isinstance(task.exception(), OSError)


def test_everybody_who_asked_is_told_of_a_stop() -> None:
    """Each time it is asked for, in order."""
    stop = StopSignal()
    heard: list[int] = []
    stop.on_ask(lambda: heard.append(stop.asked))
    stop.on_ask(lambda: heard.append(-stop.asked))
    stop.ask()
    stop.ask()
    assert heard == [1, -1, 2, -2]
