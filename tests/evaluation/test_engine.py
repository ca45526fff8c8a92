"""What the engine promises: one outcome per cell, drawn as fast as they are answered, and no silent death."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.catalog.base import Price
from touchstone.data.base import Case
from touchstone.errors import BudgetStop, ModelError, NoReply, ProviderFailed
from touchstone.evaluation.base import Candidate, Outcome, OutcomeCounts, Recipe
from touchstone.evaluation.engine import answer_cell, outcomes
from touchstone.evaluation.journal import CallTally, Journal
from touchstone.evaluation.ledger import Ledger
from touchstone.models.base import ChatRequest, Completion, Message, TextPart
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.scoring.base import Reading, Score
from touchstone.scoring.refusal import Refusal

RECIPE = Recipe(model="m", strategy="test")


class Whole:
    """Reads the whole text; finds nothing in a text that says so."""

    name = "whole"

    def read(self, text: str, case: Case) -> Reading:
        return Reading(answer=None if "nothing" in text or not text else text, how="whole")


class Same:
    """1 when the answer is the target."""

    name = "same"
    reads_answer = True
    needs_target = True

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        return Score(scorer=self.name, value=float(reading.answer == case.target))


class Judge:
    """Does what it is told to: a verdict, a breakdown or an error."""

    name = "judge"
    reads_answer = False
    needs_target = False

    def __init__(self, says: float | Exception | None) -> None:
        self.says = says

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        if isinstance(self.says, Exception):
            raise self.says
        return Score(scorer=self.name, value=self.says, failed=self.says is None)


class Answering:
    """A candidate that answers with what a function says, and counts."""

    def __init__(self, name: str = "m", answer: Any = None, wait_s: float | None = None) -> None:
        self.name = name
        self.recipe = RECIPE
        self.says = answer or (lambda case, draw: "yes")
        self.wait_s = wait_s
        self.asked: list[tuple[str, int]] = []
        self.in_flight = self.most_in_flight = 0

    async def answer(self, case: Case, *, draw: int = 0) -> Completion:
        self.asked.append((case.id, draw))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.wait_s is not None:
                await asyncio.sleep(self.wait_s)
            found = self.says(case, draw)
            if isinstance(found, BaseException):
                raise found
            return Completion(parts=(TextPart(text=found),))
        finally:
            self.in_flight -= 1

    async def close(self) -> None:
        """Nothing is held open."""


class Asking:
    """A candidate that asks a journalled model."""

    def __init__(self, caller: Journal) -> None:
        self.name = caller.name
        self.recipe = RECIPE
        self.caller = caller

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


def some_cases(count: int, **fields: Any) -> list[tuple[int, Case]]:
    return [
        (number, Case(**{"id": f"c{number}", "input": f"q{number}", "target": "yes", **fields}))
        for number in range(count)
    ]


async def no_sleep(_seconds: float) -> None:
    await asyncio.sleep(0)


async def run(
    candidates: Sequence[Candidate], cases: Iterable[tuple[int, Case]], scorers: Sequence[Any] = (Same(),), **more: Any
) -> list[tuple[int, int, Outcome]]:
    async with asyncio.timeout(30):
        return [found async for found in outcomes(candidates, cases, Whole(), scorers, **more)]


def counted(found: Iterable[Outcome], planned: int) -> OutcomeCounts:
    return OutcomeCounts(planned=planned, **Counter(outcome.kind for outcome in found))


# What becomes of a cell


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (FakeReply(text="yes"), "scored"),
        (FakeReply(text="I would rather not", finish="refusal"), "refused"),
        (FakeReply(finish="filter"), "filtered"),
        (FakeReply(text="ye", finish="length"), "truncated"),
        (FakeReply(text=" \n"), "empty"),
        (FakeReply(text="nothing to read"), "unparsed"),
        (ProviderFailed("down"), "error"),
        ("in doubt", "in_doubt"),
    ],
)
async def test_every_way_a_cell_can_end_has_its_own_kind(
    ledger: Ledger, reply: FakeReply | ModelError | str, kind: str
) -> None:
    """Only a scored cell has scores; a failure is told in words and has no completion."""
    if reply == "in doubt":
        model = FakeModel(paid=True, fail={"error": "no_reply", "times": None})
    else:
        model = FakeModel(paid=True, reply=lambda _request: reply)
    candidate = Asking(Journal(model, ledger, sleep=no_sleep))
    found = await answer_cell(candidate, Case(id="c", input="q", target="yes"), Whole(), [Same()])

    assert found.kind == kind
    scored = kind == "scored"
    assert ([score.value for score in found.scores] == [1.0]) == scored
    assert (found.error is not None) == (kind in ("error", "in_doubt"))
    assert (found.completion is None) == (kind in ("error", "in_doubt"))


@pytest.mark.parametrize(("times", "kind", "lost"), [(0, "scored", 0), (1, "scored", 1), (None, "in_doubt", 2)])
async def test_what_lost_replies_may_cost_belongs_to_the_cell(
    ledger: Ledger, times: int | None, kind: str, lost: int
) -> None:
    """All that the run booked is in some cell: the completion's cost, and the sends that brought none."""
    fail = None if times == 0 else {"error": "no_reply", "times": times}
    price = Price(input_usd=0, output_usd=0, per_call_usd=0.25)
    journal = Journal(FakeModel(price=price, fail=fail), ledger, sleep=no_sleep)
    found = await answer_cell(Asking(journal), Case(id="c", input="yes", target="yes"), Whole(), [Same()])

    assert (found.kind, found.retry_usd) == (kind, 0.25 * lost)
    answered = found.completion.cost_usd if found.completion else 0.0
    assert answered is not None
    assert answered + found.retry_usd == journal.tally.spent_usd


async def test_what_a_lost_reply_costs_without_a_price_is_unknown(ledger: Ledger) -> None:
    """The cell says so, and the run's sum as well."""
    journal = Journal(FakeModel(paid=True, fail={"error": "no_reply", "times": 1}), ledger, sleep=no_sleep)
    found = await answer_cell(Asking(journal), Case(id="c", input="yes", target="yes"), Whole(), [Same()])

    assert (found.kind, found.retry_usd) == ("scored", None)
    assert journal.tally.unpriced == 2


async def test_a_scorer_of_refusals_sees_what_the_provider_calls_one(ledger: Ledger) -> None:
    """In a safety set declining is right: where such a scorer decides, the cell is scored rather than refused."""
    model = FakeModel(paid=True, reply=lambda _request: FakeReply(text="I would rather not", finish="refusal"))
    for expect, value in ((True, 1.0), (False, 0.0)):
        candidate = Asking(Journal(model, ledger, sleep=no_sleep))
        found = await answer_cell(candidate, Case(id="c", input="q"), Whole(), [Refusal(expect=expect)])
        assert (found.kind, [score.value for score in found.scores]) == ("scored", [value])


@pytest.mark.parametrize(
    ("says", "kind"),
    [(0.5, "scored"), (None, "judge_unparsed"), (ProviderFailed("judge down"), "judge_unparsed")],
)
async def test_a_judge_that_breaks_down_is_nobodys_wrong_answer(says: float | Exception | None, kind: str) -> None:
    """Its verdict is unknown, never 0."""
    found = await answer_cell(Answering(), Case(id="c"), Whole(), [Judge(says)])

    assert found.kind == kind
    assert found.scores[0].value == (0.5 if kind == "scored" else None)
    assert found.scores[0].failed == (kind != "scored")


class Beyond:
    """A plug-in that gives whatever value it likes."""

    name = "beyond"
    reads_answer = True
    needs_target = False

    def __init__(self, value: Any) -> None:
        self.value = value

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        return Score(scorer=self.name, value=self.value)


@pytest.mark.parametrize("value", [2.0, -0.001, float("nan"), float("inf"), "good"])
async def test_a_scorer_whose_value_is_no_score_has_failed(value: Any) -> None:
    """The cell has no score, its answer is kept, and the reason names the scorer and the value; the run goes on."""
    found = await answer_cell(Answering(), Case(id="c", target="yes"), Whole(), [Beyond(value)])
    assert found.kind == "judge_unparsed"
    assert found.completion is not None
    assert (found.scores[0].value, found.scores[0].failed) == (None, True)
    assert "beyond" in found.scores[0].reason
    assert str(value) in found.scores[0].reason

    further = await answer_cell(Answering(), Case(id="c", target="yes"), Whole(), [Same(), Beyond(value)])
    assert further.kind == "scored"
    assert [score.value for score in further.scores] == [1.0, None]


async def test_a_further_judge_that_breaks_down_leaves_the_first_score() -> None:
    """Only the first scorer decides; the others are shown as far as they came."""
    for says in (None, ProviderFailed("down"), BudgetStop("enough")):
        found = await answer_cell(Answering(), Case(id="c", target="yes"), Whole(), [Same(), Judge(says)])
        assert found.kind == "scored"
        assert [score.value for score in found.scores] == [1.0, None]
        assert found.scores[1].failed


async def test_a_cell_whose_judge_the_cap_stopped_keeps_its_answer() -> None:
    """The answer was paid for; the cell has no score and says why."""
    found = await answer_cell(Answering(), Case(id="c"), Whole(), [Judge(BudgetStop("enough"))])

    assert (found.kind, found.scores, found.error) == ("skipped_budget", (), "enough")
    assert found.completion is not None


async def test_an_unread_answer_is_not_shown_to_scorers_that_score_answers() -> None:
    """It is unparsed, which is no 0; a scorer of the whole output still sees it."""

    class Never(Same):
        async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
            raise AssertionError("there was no answer to score")

    found = await answer_cell(Answering(answer=lambda *_: "nothing"), Case(id="c"), Whole(), [Never(), Judge(0.5)])
    assert found.kind == "unparsed"
    assert [score.value for score in found.scores] == [None, 0.5]


async def test_a_cell_knows_its_retries_and_whether_it_was_bought_before(ledger: Ledger) -> None:
    """The first run retried; the second took the reply from the store."""
    model = FakeModel(paid=True, fail={"times": 2})
    candidate = Asking(Journal(model, ledger, sleep=no_sleep))
    case = Case(id="c", input="q", target="q")
    first = await answer_cell(candidate, case, Whole(), [Same()])
    second = await answer_cell(candidate, case, Whole(), [Same()])

    assert (first.retries, first.from_cache) == (2, False)
    assert (second.retries, second.from_cache) == (0, True)
    assert first.completion == second.completion


# All cells


@given(
    replies=st.lists(
        st.sampled_from(["yes", "no", "", "nothing", "refusal", "filter", "length", "error", "doubt", "stop"]),
        max_size=30,
    ),
    repeats=st.integers(1, 3),
    concurrency=st.integers(1, 9),
)
@settings(max_examples=60, deadline=None)
def test_kinds_add_up_to_what_was_planned(replies: list[str], repeats: int, concurrency: int) -> None:
    """Every case, candidate and repeat has exactly one outcome, whatever happened."""

    class Mixed(Answering):
        async def answer(self, case: Case, *, draw: int = 0) -> Completion:
            what = case.input or ""
            if what in ("refusal", "filter", "length"):
                return Completion(parts=(TextPart(text="x"),), finish=what)
            errors = {"error": ProviderFailed("no"), "doubt": NoReply("lost"), "stop": BudgetStop("enough")}
            if what in errors:
                raise errors[what]
            return Completion(parts=(TextPart(text=what),))

    cases = [(at, Case(id=str(at), input=what, target="yes")) for at, what in enumerate(replies)]
    found = asyncio.run(run([Mixed("a"), Mixed("b")], cases, concurrency=concurrency, repeats=repeats))

    planned = len(replies) * repeats
    assert len({(position, at, outcome.repeat) for position, at, outcome in found}) == 2 * planned == len(found)
    for position in (0, 1):
        counts = counted((outcome for place, _, outcome in found if place == position), planned)
        assert sum(counts.model_dump(exclude={"planned"}).values()) == planned
        assert counts.in_doubt == replies.count("doubt") * repeats
        assert counts.scored == (replies.count("yes") + replies.count("no")) * repeats


async def test_after_the_stop_the_rest_is_skipped(ledger: Ledger) -> None:
    """The cap stops the run; every cell still has an outcome and no call is made."""
    model = FakeModel(reply="yes", price=Price(input_usd=0, output_usd=0, per_call_usd=0.25))
    tally = CallTally(cap_usd=5.0)
    found = await run([Asking(Journal(model, ledger, tally))], some_cases(100), concurrency=64)

    counts = counted((outcome for _, _, outcome in found), 100)
    assert (counts.scored, counts.skipped_budget) == (20, 80)
    assert len(model.calls) == 20
    assert tally.spent_usd == 5.0


async def test_a_second_run_buys_nothing(ledger: Ledger) -> None:
    """And finds the same outcomes, marked as bought before."""
    models = [FakeModel(paid=True), FakeModel(paid=True)]
    first, second = [
        {at: outcome for _, at, outcome in await run([Asking(Journal(model, ledger))], some_cases(30))}
        for model in models
    ]

    assert [len(model.calls) for model in models] == [30, 0]
    assert {at: outcome.model_copy(update={"from_cache": True}) for at, outcome in first.items()} == second


async def test_repeats_are_draws() -> None:
    """Each cell is asked once per repeat, with the repeat as the draw."""
    candidate = Answering()
    found = await run([candidate], some_cases(3), repeats=3)

    assert sorted(candidate.asked) == [(f"c{case}", draw) for case in range(3) for draw in range(3)]
    assert sorted((at, outcome.repeat) for _, at, outcome in found) == sorted(itertools.product(range(3), range(3)))


@pytest.mark.parametrize("concurrency", [1, 4, 16])
async def test_no_more_cells_are_in_flight_than_allowed(concurrency: int) -> None:
    """Over all candidates together, and all of it is used."""
    lone = Answering(wait_s=0.001)
    await run([lone, lone], some_cases(20), concurrency=concurrency)

    assert lone.most_in_flight == concurrency


async def test_candidates_get_a_case_at_about_the_same_time() -> None:
    """What changes during a run changes for all of them."""
    order: list[tuple[int, str]] = []
    candidates = [
        Answering(f"m{place}", lambda case, _draw, place=place: order.append((place, case.id)) or "yes")
        for place in range(3)
    ]
    await run(candidates, some_cases(20), concurrency=4)

    assert [case for _, case in order] == [f"c{number}" for number in range(20) for _ in range(3)]


# Memory


class Tap:
    """A hundred thousand cases, made as they are drawn."""

    def __init__(self) -> None:
        self.drawn = 0

    def __iter__(self) -> Iterator[tuple[int, Case]]:
        for number in range(100_000):
            self.drawn += 1
            yield number, Case(id=str(number), target="yes")


@pytest.mark.parametrize("wait_s", [None, 0.0], ids=["at once", "later"])
async def test_cases_are_drawn_no_faster_than_they_are_answered(wait_s: float | None) -> None:
    """Of a hundred thousand cases never more than a few hundred are ahead: memory does not grow with them."""
    tap, answered, farthest = Tap(), 0, 0
    async with aclosing(outcomes([Answering(wait_s=wait_s)], tap, Whole(), [Same()], concurrency=64)) as stream:
        async for _ in stream:
            answered += 1
            farthest = max(farthest, tap.drawn - answered)
            if answered == 5_000:
                break

    assert farthest <= 5 * 64
    assert tap.drawn <= 5_000 + 5 * 64


async def test_a_slow_listener_holds_the_asking_back() -> None:
    """What cannot be kept yet is not asked for yet."""
    tap = Tap()
    async with aclosing(outcomes([Answering()], tap, Whole(), [Same()], concurrency=8)) as stream:
        async for _ in stream:
            await asyncio.sleep(0.05)
            break

    assert tap.drawn <= 5 * 8 + 1


# Loud ends


def broken_cases() -> Iterator[tuple[int, Case]]:
    yield from some_cases(5)
    raise RuntimeError("row 6 is gone")


class BrokenReader(Whole):
    def read(self, text: str, case: Case) -> Reading:
        raise RuntimeError("reader is broken")


@pytest.mark.parametrize(
    ("candidate", "cases", "reader", "scorers"),
    [
        (Answering(answer=lambda *_: RuntimeError("candidate is broken")), some_cases(50), Whole(), [Same()]),
        (Answering(), broken_cases(), Whole(), [Same()]),
        (Answering(), some_cases(50), BrokenReader(), [Same()]),
        (Answering(), some_cases(50), Whole(), [Judge(RuntimeError("scorer is broken"))]),
        (Answering(wait_s=0.0), broken_cases(), Whole(), [Same()]),
    ],
    ids=["candidate", "cases", "reader", "scorer", "cases, later"],
)
async def test_an_unexpected_error_ends_the_run(candidate: Any, cases: Any, reader: Any, scorers: Any) -> None:
    """It reaches the caller at once instead of hanging or passing for an outcome, and no worker is left behind."""
    before = asyncio.all_tasks()
    stream = outcomes([candidate], cases, reader, scorers, concurrency=8)
    async with asyncio.timeout(10):
        with pytest.raises(RuntimeError):
            await anext(outcome async for outcome in stream if outcome is None)

    assert asyncio.all_tasks() == before


async def test_a_cancellation_from_within_ends_the_run() -> None:
    """A library that cancels its own caller does not leave the run waiting for a worker that is gone."""
    task = asyncio.create_task(run([Answering(answer=lambda *_: asyncio.CancelledError())], some_cases(50)))
    done, _ = await asyncio.wait([task], timeout=10)

    assert done
    assert task.cancelled()


@pytest.mark.parametrize("ends", ["breaks off", "fails", "is cancelled"])
async def test_a_listener_that_leaves_ends_the_asking(ends: str) -> None:
    """Workers stop although the queue to the listener is full, and nothing more is asked."""
    candidate = Answering()

    async def listen() -> None:
        stream: AsyncIterator[Any] = outcomes([candidate], Tap(), Whole(), [Same()], concurrency=4)
        async with aclosing(stream):  # type: ignore[type-var]
            async for _ in stream:
                await asyncio.sleep(0.02)  # the queue fills up meanwhile
                if ends == "breaks off":
                    return
                if ends == "fails":
                    raise OSError("the disk is full")

    task = asyncio.create_task(listen())
    if ends == "is cancelled":
        await asyncio.sleep(0.03)
        task.cancel()
    done, _ = await asyncio.wait([task], timeout=10)
    assert done
    asked = len(candidate.asked)
    await asyncio.sleep(0.02)
    assert len(candidate.asked) == asked
    if ends == "fails":
        assert isinstance(task.exception(), OSError)


async def test_no_cases_no_outcomes() -> None:
    """An empty run ends."""
    assert await run([Answering()], []) == []
