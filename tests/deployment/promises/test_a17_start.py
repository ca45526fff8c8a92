"""A17: a start looks at what was under way, not at all that was ever asked; `benchmarks/gateway_start.py` times it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from tests.deployment.govern.books import Books, a_key

from touchstone.deployment.govern.meter import Ending
from touchstone.deployment.govern.recovery import doubts, recover


async def test_a_start_reads_no_row_of_what_has_ended(books: Books) -> None:
    """Every statement about charges uses the index of those that are not settled, or a row's own key."""
    await books.ask(a_key(), 0.01, 0.01)
    await books.open(a_key(), 0.01)
    plans: list[str] = []

    @sa.event.listens_for(books.engine, "before_cursor_execute")
    def _note(connection: Any, cursor: Any, statement: str, given: Any, _context: Any, many: bool) -> None:
        if "charge" in statement and not statement.startswith("EXPLAIN"):
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", given[0] if many else given)
            plans.extend(str(row[3]) for row in cursor.fetchall() if "charge" in str(row[3]))

    recover(books.engine, "next")
    doubts(books.engine)
    assert len(plans) >= 4
    assert not [plan for plan in plans if "charge_unsettled" not in plan and "INTEGER PRIMARY KEY" not in plan]


async def test_nothing_is_written_for_what_has_ended(books: Books) -> None:
    """A start after a clean end changes no row of a request."""
    await books.ask(a_key(), 0.01, 0.01)
    await books.meter.note(books.intent(a_key()), Ending("cached", usd=0.0))
    before = books.rows()

    assert recover(books.engine, "next") == 0
    assert books.rows() == before
