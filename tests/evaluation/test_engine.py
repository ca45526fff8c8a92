"""What answering a cell promises: one outcome of exactly one kind, or why nobody was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from touchstone.catalog.base import Price
from touchstone.data.base import Case
from touchstone.errors import AccessDenied, BudgetStop, ModelError, OutOfCredit, ProviderFailed, RequestRejected
from touchstone.evaluation.base import Candidate, Outcome, Recipe
from touchstone.evaluation.engine import Unasked, answer_cell, score_completion
from touchstone.evaluation.journal import Journal, cell_calls
from touchstone.evaluation.lane import Lane, LaneClosed
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import NotStored, Purse, Stopped
from touchstone.evaluation.recovery import balance_of
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
    """A candidate that answers with a text, or fails."""

    def __init__(self, says: str | BaseException = "yes") -> None:
        self.name = "m"
        self.recipe = RECIPE
        self.says = says

    async def answer(self, case: Case, *, draw: int = 0) -> Completion:
        if isinstance(self.says, BaseException):
            raise self.says
        return Completion(parts=(TextPart(text=self.says),))

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


@pytest.fixture
def purse(ledger: Ledger) -> Purse:
    return Purse(ledger, "run")


CASE = Case(id="c", input="q", target="yes")


async def no_sleep(_seconds: float) -> None:
    await asyncio.sleep(0)


async def outcome_of(candidate: Candidate, case: Case, *scorers: Any, **more: Any) -> Outcome:
    found = await answer_cell(candidate, case, Whole(), scorers or (Same(),), **more)
    assert isinstance(found, Outcome)
    return found


async def unasked(candidate: Candidate, *scorers: Any) -> Unasked:
    found = await answer_cell(candidate, CASE, Whole(), scorers or (Same(),))
    assert isinstance(found, Unasked)
    return found


def closed() -> LaneClosed:
    return LaneClosed("acme is not asked", kind="parked", seconds=30.0)


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
    purse: Purse, reply: FakeReply | ModelError | str, kind: str
) -> None:
    """Only a scored cell has scores; a failure is told in words and has no completion."""
    if reply == "in doubt":
        model = FakeModel(paid=True, fail={"error": "no_reply", "times": None})
    else:
        model = FakeModel(paid=True, reply=lambda _request: reply)
    candidate = Asking(Journal(model, purse, sleep=no_sleep))
    found = await outcome_of(candidate, CASE)

    assert (found.case, found.candidate, found.repeat) == ("c", candidate.name, 0)
    assert found.kind == kind
    scored = kind == "scored"
    assert ([score.value for score in found.scores] == [1.0]) == scored
    assert (found.error is not None) == (kind in ("error", "in_doubt"))
    assert (found.completion is None) == (kind in ("error", "in_doubt"))


async def test_a_repeat_is_a_draw_of_its_own(purse: Purse) -> None:
    """The candidate is asked for that draw, and the outcome says which it was."""
    model = FakeModel(paid=True)
    found = [await outcome_of(Asking(Journal(model, purse)), CASE, repeat=repeat) for repeat in (0, 2)]

    assert [outcome.repeat for outcome in found] == [0, 2]
    assert [request.draw for request in model.calls] == [0, 2]


@pytest.mark.parametrize(("times", "kind", "lost"), [(0, "scored", 0), (1, "scored", 1), (None, "in_doubt", 2)])
async def test_what_lost_replies_may_cost_belongs_to_the_cell(
    purse: Purse, times: int | None, kind: str, lost: int
) -> None:
    """All that the run booked is in some cell: the completion's cost, and the sends that brought none."""
    fail = None if times == 0 else {"error": "no_reply", "times": times}
    price = Price(input_usd=0, output_usd=0, per_call_usd=0.25)
    journal = Journal(FakeModel(price=price, fail=fail), purse, sleep=no_sleep)
    found = await outcome_of(Asking(journal), Case(id="c", input="yes", target="yes"))

    assert (found.kind, found.retry_usd) == (kind, 0.25 * lost)
    answered = found.completion.cost_usd if found.completion else 0.0
    assert answered is not None
    await purse.ledger.drain()
    balance = balance_of(purse.ledger, "run")
    assert balance is not None
    assert answered + found.retry_usd == balance.spent_usd


async def test_what_a_lost_reply_costs_without_a_price_is_unknown(purse: Purse) -> None:
    """The cell says so, and the run's sum as well."""
    journal = Journal(FakeModel(paid=True, fail={"error": "no_reply", "times": 1}), purse, sleep=no_sleep)
    found = await outcome_of(Asking(journal), Case(id="c", input="yes", target="yes"))
    await purse.ledger.drain()

    assert (found.kind, found.retry_usd) == ("scored", None)
    assert purse.spent_usd is None
    assert purse.balance.unpriced == 2


async def test_a_scorer_of_refusals_sees_what_the_provider_calls_one(purse: Purse) -> None:
    """In a safety set declining is right: where such a scorer decides, the cell is scored rather than refused."""
    model = FakeModel(paid=True, reply=lambda _request: FakeReply(text="I would rather not", finish="refusal"))
    for expect, value in ((True, 1.0), (False, 0.0)):
        found = await outcome_of(Asking(Journal(model, purse)), Case(id="c", input="q"), Refusal(expect=expect))
        assert (found.kind, [score.value for score in found.scores]) == ("scored", [value])


# Nobody was asked


@pytest.mark.parametrize(
    "reason",
    [BudgetStop("enough"), Stopped(), NotStored(model="m"), closed(), AccessDenied("no"), OutOfCredit("no money")],
    ids=lambda reason: type(reason).__name__,
)
async def test_a_cell_that_could_not_be_asked_stays_open(reason: Exception) -> None:
    """It is no outcome and no error of this cell: the cap, a stop, an account that nobody can ask."""
    found = await unasked(Answering(reason))

    assert type(found.reason) is type(reason)
    assert str(found.reason) == str(reason)
    assert not found.of_judge


async def test_a_refused_request_is_an_outcome_unless_every_other_would_be_refused_alike() -> None:
    """A context that is too long is this cell's own error; a model that does not exist is nobody's (F5)."""
    gone = RequestRejected("no such model")
    gone.stops_lane = True
    assert (await outcome_of(Answering(RequestRejected("too long")), CASE)).kind == "error"
    assert (await unasked(Answering(gone))).reason is gone


async def test_the_failure_that_closes_an_account_is_the_same_for_all_its_cells(purse: Purse) -> None:
    """The first one hears of it from the provider, the others from the lane; none of them has an outcome."""
    model = FakeModel(paid=True, latency_s=0.01, fail={"error": "out_of_credit", "times": None})
    candidate = Asking(Journal(model, purse, lane=Lane("acme", concurrency=1)))
    found = await asyncio.gather(
        *(answer_cell(candidate, Case(id=str(at), input=str(at)), Whole(), [Same()]) for at in range(4))
    )
    assert all(isinstance(one, Unasked) for one in found)
    assert [type(one.reason) for one in found if isinstance(one, Unasked)] == [OutOfCredit] + [LaneClosed] * 3
    assert len(model.calls) == 1


@pytest.mark.parametrize(
    "reason",
    [Stopped(), NotStored(model="judge"), closed(), AccessDenied("no key"), OutOfCredit("no money")],
    ids=lambda reason: type(reason).__name__,
)
async def test_an_answer_whose_judge_cannot_be_asked_waits_for_it(reason: Exception) -> None:
    """The cell stays open, and says that it was the judge: its answer lies in the store and is not bought again."""
    found = await unasked(Answering(), Judge(reason))

    assert type(found.reason) is type(reason)
    assert found.of_judge


@pytest.mark.parametrize("reason", [Stopped(), NotStored(model="judge"), closed(), AccessDenied("no key")])
async def test_a_further_judge_that_cannot_be_asked_leaves_the_first_score(reason: Exception) -> None:
    """Only the first scorer decides; a verdict that is only shown is missing, and the cell is done."""
    found = await outcome_of(Answering(), CASE, Same(), Judge(reason))

    assert (found.kind, [score.value for score in found.scores]) == ("scored", [1.0, None])
    assert found.scores[1].failed
    assert str(reason) in found.scores[1].reason


async def test_a_judges_calls_are_no_calls_of_the_cell(purse: Purse) -> None:
    """What judging took is told apart: its retries are none of the candidate's."""

    class Asked(Judge):
        async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
            assert cell_calls.get() is None
            return await super().score(case, completion, reading)

    found = await outcome_of(Asking(Journal(FakeModel(paid=True), purse)), CASE, Asked(0.5))
    assert found.kind == "scored"
    assert cell_calls.get() is None


# Scores


@pytest.mark.parametrize(
    ("says", "kind"),
    [(0.5, "scored"), (None, "judge_unparsed"), (ProviderFailed("judge down"), "judge_unparsed")],
)
async def test_a_judge_that_breaks_down_is_nobodys_wrong_answer(says: float | Exception | None, kind: str) -> None:
    """Its verdict is unknown, never 0."""
    found = await outcome_of(Answering(), Case(id="c"), Judge(says))

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
    found = await outcome_of(Answering(), CASE, Beyond(value))
    assert found.kind == "judge_unparsed"
    assert found.completion is not None
    assert (found.scores[0].value, found.scores[0].failed) == (None, True)
    assert "beyond" in found.scores[0].reason
    assert str(value) in found.scores[0].reason

    further = await outcome_of(Answering(), CASE, Same(), Beyond(value))
    assert further.kind == "scored"
    assert [score.value for score in further.scores] == [1.0, None]


async def test_a_further_judge_that_breaks_down_leaves_the_first_score() -> None:
    """Only the first scorer decides; the others are shown as far as they came."""
    for says in (None, ProviderFailed("down"), BudgetStop("enough")):
        found = await outcome_of(Answering(), CASE, Same(), Judge(says))
        assert found.kind == "scored"
        assert [score.value for score in found.scores] == [1.0, None]
        assert found.scores[1].failed


async def test_a_cell_whose_judge_the_cap_stopped_keeps_its_answer() -> None:
    """The answer was paid for; the cell has no score and says why."""
    found = await outcome_of(Answering(), Case(id="c"), Judge(BudgetStop("enough")))

    assert (found.kind, found.scores, found.error) == ("skipped_budget", (), "enough")
    assert found.completion is not None


async def test_an_unread_answer_is_not_shown_to_scorers_that_score_answers() -> None:
    """It is unparsed, which is no 0; a scorer of the whole output still sees it."""

    class Never(Same):
        async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
            raise AssertionError("there was no answer to score")

    found = await outcome_of(Answering("nothing"), Case(id="c"), Never(), Judge(0.5))
    assert found.kind == "unparsed"
    assert [score.value for score in found.scores] == [None, 0.5]


async def test_a_cell_knows_its_retries_and_whether_it_was_bought_before(ledger: Ledger) -> None:
    """The first run retried; the second took the reply from the store; asked again, the first one had bought it."""
    model = FakeModel(paid=True, fail={"times": 2})
    case = Case(id="c", input="q", target="q")
    one, two = (Asking(Journal(model, Purse(ledger, run), sleep=no_sleep)) for run in ("one", "two"))
    first, again, second = [await outcome_of(candidate, case) for candidate in (one, one, two)]

    assert (first.retries, first.from_cache) == (2, False)
    assert (again.retries, again.from_cache) == (0, False)
    assert (second.retries, second.from_cache) == (0, True)
    assert first.completion == second.completion


async def test_a_stored_answer_is_scored_like_a_new_one() -> None:
    """Scoring is free and repeatable: the same completion gives the same outcome without asking anybody."""
    completion = Completion(parts=(TextPart(text="yes"),))
    found = [await score_completion("m", CASE, completion, Whole(), [Same()], repeat=1) for _ in range(2)]

    assert found[0] == found[1]
    assert (found[0].kind, found[0].repeat, found[0].retries, found[0].from_cache) == ("scored", 1, 0, False)
    assert (await outcome_of(Answering("yes"), CASE)).scores == found[0].scores
