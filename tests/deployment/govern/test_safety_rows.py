"""What guards decided, read again: newest first, page by page, and counted."""

from __future__ import annotations

import orjson
import sqlalchemy as sa

from touchstone.deployment.govern.safety_rows import decided_counts, decisions
from touchstone.deployment.govern.tables import safety_records


def keep(engine: sa.Engine, number: int, **more: object) -> None:
    said = {"findings": [{"rule": "pii.email", "way": "in", "start": 4, "end": 9, "place": "messages[0].content"}]}
    row = {
        "id": number, "request": f"req_{number}", "endpoint": "helpdesk", "way": "in", "action": "masked",
        "findings": orjson.dumps(said), "at": f"2026-11-27T12:00:{number // 2:02d}", **more,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(safety_records.insert().values(**row))


def test_a_decision_says_which_rule_and_where(engine: sa.Engine) -> None:
    """And what nobody looked at; what a version of ours does not know of is left aside."""
    keep(engine, 1, not_checked=orjson.dumps(["messages[0].content[1]"]), reason="down")
    [row] = decisions(engine)
    assert (row.findings[0].rule, row.findings[0].place, row.findings[0].start) == (
        "pii.email", "messages[0].content", 4,
    )  # fmt: skip
    assert (row.not_checked, row.reason, row.status) == (("messages[0].content[1]",), "down", "masked")


def test_pages_leave_nothing_out_and_show_nothing_twice(engine: sa.Engine) -> None:
    """Although two decisions have the same moment."""
    for number in range(7):
        keep(engine, number)
    seen: list[int] = []
    before: tuple[str, int] | None = None
    while rows := decisions(engine, before=before, limit=3):
        seen += [row.id for row in rows]
        before = (rows[-1].at, rows[-1].id)
    assert seen == [6, 5, 4, 3, 2, 1, 0]


def test_of_one_endpoint_status_and_way(engine: sa.Engine) -> None:
    """Each alone or together; counted since a moment."""
    keep(engine, 1)
    keep(engine, 2, endpoint="other", action="blocked", way="out")
    assert [row.id for row in decisions(engine, endpoint="other")] == [2]
    assert [row.id for row in decisions(engine, status="masked", way="in")] == [1]
    assert decisions(engine, status="masked", way="out") == []
    assert decided_counts(engine, "2026-11-27") == {"helpdesk": {"masked": 1}, "other": {"blocked": 1}}
    assert decided_counts(engine, "2026-11-28") == {}
