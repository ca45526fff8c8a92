"""What the money of a run promises: whatever is held and settled, in whatever order, the cap holds and all adds up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from tests.conftest import examples

from touchstone.evaluation import tables
from touchstone.evaluation.budget import Balance, Books, Hold, Settle
from touchstone.evaluation.statements import Row, Statements
from touchstone.storage.database import open_database

NO_ROW: Row = ()

usd = st.integers(0, 32).map(lambda eighths: eighths / 8)
"""Exact sums, so that a difference of one bit is a mistake."""


def in_memory() -> sa.Engine:
    engine = sa.create_engine("sqlite://")
    tables.metadata.create_all(engine)
    return engine


@dataclass(frozen=True)
class Call:
    """A call in flight, as the reference sees it."""

    run: str
    held_usd: float
    retry: bool


class Reference:
    """One run's money in the plainest way: every call that was sent, and what became of it."""

    def __init__(self, cap_usd: float | None) -> None:
        self.cap_usd = cap_usd
        self.in_flight: list[Call] = []
        self.booked: list[float] = []
        self.sent: list[bool] = []
        self.in_doubt = self.unpriced = 0

    @property
    def balance(self) -> tuple[float, float, int, int, int, int]:
        held = sum(call.held_usd for call in self.in_flight)
        return held, sum(self.booked), len(self.sent), sum(self.sent), self.in_doubt, self.unpriced

    def fits(self, worst_usd: float) -> bool:
        held, spent, *_ = self.balance
        return worst_usd == 0 or self.cap_usd is None or spent + held + worst_usd <= self.cap_usd


class Sums(RuleBasedStateMachine):
    """Two runs in one store; each transaction holds and settles something of both."""

    calls: Bundle[Call] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.engine = in_memory()
        self.statements = Statements(self.engine.dialect)
        self.connection = self.engine.connect()
        self.runs = {"capped": Reference(4.0), "free": Reference(None)}
        for run, reference in self.runs.items():
            self.statements.put_budget.run(self.connection, [(run, reference.cap_usd, 0.0, 0.0, 0, 0, 0, 0)])

    def teardown(self) -> None:
        self.connection.close()
        self.engine.dispose()

    def read(self, run: str) -> Balance:
        [row] = self.statements.find_budget.find(self.connection, (run,))
        return Balance(*row)

    @rule(
        target=calls,
        wanted=st.lists(st.tuples(st.sampled_from(["capped", "free"]), usd, st.booleans()), max_size=6),
    )
    def hold(self, wanted: list[tuple[str, float, bool]]) -> Any:
        """Several requests in one transaction, granted in their order."""
        books = Books(self.connection, self.statements)
        granted = []
        for run, worst_usd, retry in wanted:
            reference = self.runs[run]
            fits = reference.fits(worst_usd)
            before = books.balance(run)
            assert books.hold(Hold(run, worst_usd, retry, NO_ROW)) == fits == before.covers(worst_usd)
            if fits:
                granted.append(Call(run, worst_usd, retry))
                reference.in_flight.append(granted[-1])
                reference.sent.append(retry)
            else:
                assert books.balance(run) == before
        books.write()
        return multiple(*granted)

    @rule(call=consumes(calls), share=st.integers(0, 8), in_doubt=st.booleans(), unpriced=st.booleans())
    def settle(self, call: Call, share: int, in_doubt: bool, unpriced: bool) -> None:
        """It cost anything from nothing to its worst case."""
        cost_usd = call.held_usd * share / 8
        self._settle(Settle(call.run, call.held_usd, cost_usd, in_doubt, unpriced, NO_ROW))
        reference = self.runs[call.run]
        reference.in_flight.remove(call)
        reference.booked.append(cost_usd)
        reference.in_doubt += in_doubt
        reference.unpriced += unpriced

    @rule(call=consumes(calls))
    def give_up(self, call: Call) -> None:
        """It was never sent after all: then it is no call."""
        self._settle(Settle(call.run, call.held_usd, 0.0, False, False, NO_ROW, sent=False, retry=call.retry))
        reference = self.runs[call.run]
        reference.in_flight.remove(call)
        reference.sent.remove(call.retry)

    @rule(run=st.sampled_from(["capped", "free"]), booked=usd, cost=usd)
    def read_late(self, run: str, booked: float, cost: float) -> None:
        """A reply that had been booked at its worst case turns out to have cost less."""
        reference = self.runs[run]
        if booked in reference.booked and cost <= booked:
            self._settle(Settle(run, 0.0, cost - booked, False, False, NO_ROW))
            reference.booked[reference.booked.index(booked)] = cost

    def _settle(self, item: Settle) -> None:
        books = Books(self.connection, self.statements)
        books.settle(item)
        books.write()

    @invariant()
    def all_adds_up(self) -> None:
        """What the store says is what a list of all calls says."""
        for run, reference in self.runs.items():
            found = self.read(run)
            assert (
                found.held_usd,
                found.spent_usd,
                found.made,
                found.retries,
                found.in_doubt,
                found.unpriced,
            ) == reference.balance
            assert found.cap_usd == reference.cap_usd

    @invariant()
    def the_cap_holds(self) -> None:
        """At every instant, also if all that is in flight costs as much as it may."""
        found = self.read("capped")
        assert found.cap_usd is not None
        assert found.spent_usd + found.held_usd <= found.cap_usd


TestSums = Sums.TestCase
TestSums.settings = settings(examples(15), stateful_step_count=20)


@given(
    holds=st.lists(st.floats(1e-6, 10), min_size=1, max_size=30),
    order=st.randoms(use_true_random=False),
    cap=st.none() | st.floats(0, 50),
)
@examples(15)
def test_when_everything_is_settled_nothing_is_held(holds: Sequence[float], order: Any, cap: float | None) -> None:
    """Not even a rest of a sum of floats: who waits for it to come free would wait for ever."""
    engine = in_memory()
    statements = Statements(engine.dialect)
    with engine.connect() as connection:
        statements.put_budget.run(connection, [("r", cap, 0.0, 0.0, 0, 0, 0, 0)])
        books = Books(connection, statements)
        granted = [worst_usd for worst_usd in holds if books.hold(Hold("r", worst_usd, False, NO_ROW))]
        order.shuffle(granted)
        for worst_usd in granted:
            books.settle(Settle("r", worst_usd, worst_usd / 3, False, False, NO_ROW))
        books.write()

        assert books.balance("r").held_usd == 0.0
        assert cap is None or books.balance("r").spent_usd <= cap
    engine.dispose()


@given(cap=st.none() | usd, spent=usd, held=usd, more=usd)
def test_what_could_be_covered_later_is_more_than_what_is_covered_now(
    cap: float | None, spent: float, held: float, more: float
) -> None:
    """What fits now fits later; what costs nothing always fits; without a cap everything does."""
    balance = Balance("r", cap_usd=cap, held_usd=held, spent_usd=spent)

    assert balance.covers(more) <= balance.could_cover(more)
    assert balance.covers(0.0)
    assert balance.could_cover(0.0)
    assert cap is not None or balance.covers(more)
    if more and cap is not None:
        assert balance.covers(more) == (spent + held + more <= cap)
        assert balance.could_cover(more) == (spent + more <= cap)


def test_a_run_nobody_opened_has_no_cap(tmp_path: Path) -> None:
    """Its balance begins with nothing, and is written with its first call."""
    engine = open_database(tmp_path / "store.db")
    tables.metadata.create_all(engine)
    statements = Statements(engine.dialect)
    with engine.connect() as connection:
        books = Books(connection, statements)
        assert books.balance("new") == Balance("new")
        assert books.hold(Hold("new", 1_000.0, False, NO_ROW))
        books.write()
        assert [tuple(row) for row in statements.find_budget.find(connection, ("new",))] == [
            ("new", None, 1_000.0, 0.0, 1, 0, 0, 0)
        ]
    engine.dispose()


def test_the_row_is_the_balance() -> None:
    """Column by column, in the same order: a balance is read from its row by position."""
    assert list(Balance._fields) == [column.name for column in tables.budgets.c]
