"""
P1 to P5 over both ledgers: what a run left in our store against what the provider says it sold.

`interrupted` holds after every kill, `finished` when a run has come to its end. P6 and P7 need the command line and
stand in the tests.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from tests.faults.bill import requests, sales, sales_by_digest, spent_usd
from tests.faults.store import Row, Store

from touchstone.models.base import ChatRequest
from touchstone.models.chat_request import request_body

OPEN = ("intent", "unread")
CLOSED = ("replied", "failed", "in_doubt")


def sent_digest(attempt: Row) -> str:
    """SHA-256 of the body that an attempt of an `openai-compatible` endpoint sends: the key to the other ledger."""
    _adapter, _address, served_name, transfer = attempt["endpoint"].split("|")
    request = ChatRequest.model_validate_json(attempt["request"])
    body, _size = request_body(request, served_name, stream=transfer == "stream")
    return hashlib.sha256(body).hexdigest()


def interrupted(store: Store, bill: Path, *, in_flight: int) -> None:
    """After a kill: an intent for everything that was sent, at most `in_flight` of them open, no reply lost."""
    if not store.begun:
        assert requests(bill) == 0, "P1: something was sent before there was a store"
        return
    attempts = store.attempts()
    _everything_sent_was_written_down_before(attempts, bill)
    _no_reply_is_lost(store, attempts)
    still_open = [attempt for attempt in attempts if attempt["state"] in OPEN]
    assert len(still_open) <= in_flight, f"P2: {len(still_open)} attempts are open, {in_flight} were in flight"


def finished(store: Store, bill: Path, *, cap_usd: float | None, kills: int, in_flight: int) -> None:
    """After the end: the two ledgers agree on what was bought, and nothing was bought that need not be."""
    attempts = store.attempts()
    _everything_sent_was_written_down_before(attempts, bill)
    _no_reply_is_lost(store, attempts)
    _nothing_is_bought_twice(attempts, bill, kills=kills, in_flight=in_flight)
    _doubt_is_bounded_and_paid_for(attempts, kills=kills, in_flight=in_flight)
    _money_adds_up(store, attempts, bill, cap_usd)
    _every_cell_is_there(store)


def _everything_sent_was_written_down_before(attempts: list[Row], bill: Path) -> None:
    intended = Counter(sent_digest(attempt) for attempt in attempts)
    for digest, sold in sales_by_digest(bill).items():
        assert len(sold) <= intended[digest], (
            f"P1: {digest[:8]} was sold {len(sold)} times, intended {intended[digest]}"
        )
    assert requests(bill) <= len(attempts)


def _no_reply_is_lost(store: Store, attempts: list[Row]) -> None:
    replies = {reply["key"]: reply for reply in store.replies()}
    for reply in replies.values():
        assert hashlib.sha256(reply["body"]).hexdigest() == reply["digest"], "P1: a stored reply is damaged"
    for attempt in attempts:
        if attempt["state"] == "replied":
            # An empty answer is kept with its attempt instead.
            assert attempt["key"] in replies or attempt["received"] is not None, "P1: a committed reply is gone"


def _nothing_is_bought_twice(attempts: list[Row], bill: Path, *, kills: int, in_flight: int) -> None:
    answered = Counter(attempt["key"] for attempt in attempts if attempt["state"] == "replied")
    twice = [key for key, number in answered.items() if number > 1]
    assert not twice, f"P1: {len(twice)} requests were answered and asked again"
    for digest, sold in sales_by_digest(bill).items():
        whole_before = [attempt for attempt in attempts if sent_digest(attempt) == digest]
        assert len(sold) <= len(whole_before)
    extra = len(sales(bill)) - len(sales_by_digest(bill))
    retries = sum(attempt["retry"] for attempt in attempts)
    assert extra <= retries + in_flight * kills, f"P3: {extra} bought besides, {retries} retries, {kills} kills"


def _doubt_is_bounded_and_paid_for(attempts: list[Row], *, kills: int, in_flight: int) -> None:
    assert {attempt["state"] for attempt in attempts} <= set(CLOSED), "P2: an attempt was never closed"
    lost = [attempt for attempt in attempts if attempt["state"] == "in_doubt" and not attempt["error"]]
    assert len(lost) <= in_flight * kills, f"P2: {len(lost)} in doubt after {kills} kills of {in_flight} in flight"
    for attempt in attempts:
        if attempt["state"] == "in_doubt":
            assert attempt["cost_usd"] == attempt["hold_usd"], "P2: a call in doubt is not charged at its worst case"


def _money_adds_up(store: Store, attempts: list[Row], bill: Path, cap_usd: float | None) -> None:
    booked = sum(attempt["cost_usd"] or 0.0 for attempt in attempts)
    budgets = store.rows("SELECT * FROM budget")
    assert sum(budget["spent_usd"] for budget in budgets) == pytest.approx(booked), "the budget is not its attempts"
    assert all(budget["held_usd"] == pytest.approx(0.0, abs=1e-12) for budget in budgets), "P4: money is still held"
    assert spent_usd(bill) <= booked + 1e-12, "P2: the provider charges more than was booked"
    if cap_usd is not None:
        assert spent_usd(bill) <= cap_usd, "P4: more was spent than the cap allows"
        assert booked <= cap_usd + 1e-12, "P4: more was booked than the cap allows"
    charged = sales_by_digest(bill)
    for attempt in attempts:
        if attempt["state"] == "replied":
            assert attempt["cost_usd"] in [pytest.approx(sale.usd) for sale in charged[sent_digest(attempt)]]


def _every_cell_is_there(store: Store) -> None:
    cells = Counter((cell["trial"], cell["ordinal"], cell["repeat"]) for cell in store.cells())
    assert set(cells.values()) <= {1}, "P5: a cell has two outcomes"
    assert "planned" not in {cell["kind"] for cell in store.cells()}, "P5: a finished run has open cells"
