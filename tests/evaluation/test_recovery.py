"""What recovery promises: after a crash every call is accounted for, at its worst case, and nothing stays held."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.evaluation.budget import Balance
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.recovery import Unread, balance_of, open_budget, recover, unread
from touchstone.models.base import Reply


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    ledger = Ledger(file)
    yield ledger
    ledger.close()


def on_disk(file: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


REPLY = Reply(body=b"{}", latency_s=1.0)


async def sent(ledger: Ledger, run: str, key: str, worst_usd: float | None) -> int:
    attempt, _ = await ledger.intend(run, key, "e", "answer", b"{}", worst_usd)
    assert attempt is not None
    return attempt


async def test_an_intent_without_a_reply_is_in_doubt_at_its_worst_case(ledger: Ledger, file: Path) -> None:
    """It was sent or not, nobody knows: it is shown, counted and booked, and no longer held."""
    open_budget(ledger, "run", 5.0)
    attempt = await sent(ledger, "run", "key", 0.75)
    assert recover(ledger) == 1

    assert on_disk(file, "SELECT id, state, hold_usd, cost_usd FROM attempt") == [(attempt, "in_doubt", 0.75, 0.75)]
    assert balance_of(ledger, "run") == Balance("run", cap_usd=5.0, spent_usd=0.75, made=1, in_doubt=1)


async def test_an_intent_whose_reply_is_stored_waits_to_be_read(ledger: Ledger, file: Path) -> None:
    """A committed reply is not in doubt: its worst case stands only until it is read."""
    attempt = await sent(ledger, "run", "key", 0.75)
    await ledger.keep_reply("key", REPLY, attempt, "run")
    assert recover(ledger) == 0

    assert on_disk(file, "SELECT state, cost_usd FROM attempt") == [("unread", 0.75)]
    assert dict(unread(ledger)) == {attempt: Unread("run", 0.75)}
    assert balance_of(ledger, "run") == Balance("run", spent_usd=0.75, made=1)


async def test_a_reply_of_another_attempt_is_none_of_this_one(ledger: Ledger) -> None:
    """A resend that was cut off is in doubt although an older attempt's reply lies under the same key."""
    first = await sent(ledger, "run", "key", 0.5)
    await ledger.keep_reply("key", REPLY, first, "run")
    await ledger.settle(first, "run", state="replied", released_usd=0.5, cost_usd=0.25)
    await sent(ledger, "run", "key", 0.5)
    assert recover(ledger) == 1
    assert balance_of(ledger, "run") == Balance("run", spent_usd=0.75, made=2, in_doubt=1)


async def test_a_call_of_unknown_price_makes_the_sum_unknown(ledger: Ledger) -> None:
    """What it may have cost is not nothing."""
    await sent(ledger, "run", "key", None)
    recover(ledger)
    assert balance_of(ledger, "run") == Balance("run", made=1, in_doubt=1, unpriced=1)


async def test_a_hold_without_an_intent_comes_free(ledger: Ledger, file: Path) -> None:
    """Whatever left it: nobody is asking, so nothing is held."""
    open_budget(ledger, "run", 5.0)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE budget SET held_usd = 0.5, spent_usd = 0.25")
        connection.commit()
    assert recover(ledger) == 0
    assert balance_of(ledger, "run") == Balance("run", cap_usd=5.0, spent_usd=0.25)


async def test_what_is_open_is_found_without_reading_every_attempt(ledger: Ledger) -> None:
    """Both queries use the index of open attempts, however many have ended."""
    await sent(ledger, "run", "key", 0.75)
    asked: list[tuple[str, Any]] = []

    @sa.event.listens_for(ledger.engine, "before_cursor_execute")
    def _note(_c: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        if statement.startswith("SELECT") and "FROM attempt" in statement:
            asked.append((statement, values))

    recover(ledger)
    unread(ledger)
    assert len(asked) == 2
    with ledger.engine.connect() as connection:
        for statement, values in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            assert "attempt_open" in plan[0][-1], plan


async def test_what_has_ended_is_left_alone(ledger: Ledger, file: Path) -> None:
    """Answers, failures and earlier doubts; recovering twice is recovering once."""
    for state, cost in (("replied", 0.25), ("failed", 0.0), ("in_doubt", 0.5)):
        attempt = await sent(ledger, "run", state, 0.5)
        await ledger.settle(attempt, "run", state=state, released_usd=0.5, cost_usd=cost)
    await sent(ledger, "run", "open", 0.5)
    assert recover(ledger) == 1
    before = on_disk(file, "SELECT * FROM attempt"), on_disk(file, "SELECT * FROM budget")
    assert recover(ledger) == 0

    assert (on_disk(file, "SELECT * FROM attempt"), on_disk(file, "SELECT * FROM budget")) == before
    assert [state for (state,) in on_disk(file, "SELECT state FROM attempt ORDER BY id")] == [
        "replied",
        "failed",
        "in_doubt",
        "in_doubt",
    ]


@given(
    calls=st.lists(
        st.tuples(
            st.sampled_from(["one", "two"]),
            st.integers(0, 8).map(lambda eighths: eighths / 8),
            st.sampled_from(["intent", "reply", "replied", "failed"]),
        ),
        max_size=12,
    )
)
@settings(max_examples=12, deadline=None)
def test_after_a_crash_the_money_of_every_run_adds_up(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[str, float, str]]
) -> None:
    """Nothing is held; what was settled stays, what was open costs its worst case; calls in doubt are the open ones."""
    file = tmp_path_factory.mktemp("store") / "store.db"

    async def session() -> None:
        ledger = Ledger(file)
        for at, (run, worst_usd, end) in enumerate(calls):
            attempt = await sent(ledger, run, str(at), worst_usd)
            if end in ("reply", "replied"):
                await ledger.keep_reply(str(at), REPLY, attempt, run)
            if end in ("replied", "failed"):
                cost = worst_usd / 2 if end == "replied" else 0.0
                await ledger.settle(attempt, run, state=end, released_usd=worst_usd, cost_usd=cost)
        ledger.close()

    asyncio.run(session())
    ledger = Ledger(file)
    assert recover(ledger) == sum(end == "intent" for _, _, end in calls)
    share = {"intent": 1.0, "reply": 1.0, "replied": 0.5, "failed": 0.0}
    for run in {run for run, _, _ in calls}:
        own = [(worst_usd, end) for name, worst_usd, end in calls if name == run]
        assert balance_of(ledger, run) == Balance(
            run,
            spent_usd=sum(worst_usd * share[end] for worst_usd, end in own),
            made=len(own),
            in_doubt=sum(end == "intent" for _, end in own),
        )
    assert len(unread(ledger)) == sum(end == "reply" for _, _, end in calls)
    ledger.close()


def test_a_run_that_never_sent_anything_has_no_balance(ledger: Ledger) -> None:
    """None; opened, it has one of nothing under its cap; a later session may raise it or take it away."""
    assert balance_of(ledger, "run") is None
    assert open_budget(ledger, "run", 2.0) == Balance("run", cap_usd=2.0) == balance_of(ledger, "run")
    assert open_budget(ledger, "run", None) == Balance("run")
    assert recover(ledger) == 0
