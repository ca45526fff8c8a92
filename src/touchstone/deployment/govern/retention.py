"""
What is taken out of the store again, by age and by size (A21).

A few hundred rows at a time, each in a transaction of its own, so that requests come between them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import sqlalchemy as sa
from pydantic import Field

from touchstone.deployment.govern.state import stamp, writing
from touchstone.deployment.govern.tables import (
    cached_replies,
    charges,
    content,
    idempotent,
    key_windows,
    safety_records,
    shadow_replies,
)
from touchstone.evaluation.store_errors import store_errors
from touchstone.noun import Noun

_GoesOn = Callable[[], bool]
_BLOCK = 500
_DAY_S = 86_400
_WINDOWS = 1_000
"""So many windows of a budget are kept: six weeks of hours, three years of days."""


class Retention(Noun):
    """How long things are kept, and how much of them. The audit log, keys and alerts are kept for good."""

    charges_days: int | None = Field(default=400, ge=32)
    """Rows of requests; None keeps them for good. At least a month, which a budget may last."""
    safety_days: int = Field(default=90, ge=1)
    """What guards decided."""
    content_bytes: int = Field(default=1 << 30, ge=0)
    """Of prompts and answers in all, beside the days that each endpoint's policy names; the oldest go first."""
    replies_bytes: int = Field(default=1 << 30, ge=0)
    """Of kept replies, replies for idempotency keys and copies for scoring in all; each may have a third of it."""


def _always() -> bool:
    return True


def sweep(
    engine: sa.Engine, rules: Retention, *, now_s: float | None = None, goes_on: _GoesOn = _always
) -> Mapping[str, int]:
    """
    Take out what has had its time; returns how many rows of each table went. Blocks: run it in a thread.

    Requests that are under way or in doubt stay, however old they are.

    Args:
        engine: The store.
        rules: What has had its time.
        now_s: Seconds since 1970; now by default.
        goes_on: Asked before each block, so that whoever stops need not wait for all of them.
    """
    at_s = time.time() if now_s is None else now_s
    gone = {
        table.name: _delete(engine, table, table.c.expires_s <= int(at_s), goes_on)
        for table in (idempotent, cached_replies, content, shadow_replies)
    }
    gone["content"] += _shrink(engine, content, content.c.size_bytes, rules.content_bytes, goes_on)
    size = sa.func.length(cached_replies.c.body)
    gone["cached_reply"] += _shrink(engine, cached_replies, size, rules.replies_bytes // 3, goes_on)
    gone["shadow_reply"] += _shrink(
        engine, shadow_replies, shadow_replies.c.size_bytes, rules.replies_bytes // 3, goes_on
    )
    _let_go_of_replies(engine, rules.replies_bytes // 3, goes_on)
    gone["safety_record"] = _delete(
        engine, safety_records, safety_records.c.at < stamp(at_s - rules.safety_days * _DAY_S), goes_on
    )
    gone["charge"] = gone["key_window"] = 0
    if rules.charges_days is not None:
        before = stamp(at_s - rules.charges_days * _DAY_S)
        ended = charges.c.status.not_in(("running", "in_doubt"))
        gone["charge"] = _delete(engine, charges, sa.and_(charges.c.started_at < before, ended), goes_on)
        gone["key_window"] = _old_windows(engine)
    return gone


def _delete(engine: sa.Engine, table: sa.Table, condition: sa.ColumnElement[bool], goes_on: _GoesOn) -> int:
    keys = list(table.primary_key)
    some = sa.select(*keys).where(condition).limit(_BLOCK)
    gone = 0
    while goes_on():
        with writing(engine) as connection:
            found = connection.execute(table.delete().where(sa.tuple_(*keys).in_(some))).rowcount
        gone += found
        if found < _BLOCK:
            break
    return gone


def _shrink(engine: sa.Engine, table: sa.Table, size: sa.ColumnElement[int], most_bytes: int, goes_on: _GoesOn) -> int:
    """Take out what would expire first until the rest is small enough."""
    gone = 0
    while goes_on():
        with store_errors(), engine.connect() as connection:
            total = connection.execute(sa.select(sa.func.coalesce(sa.func.sum(size), 0))).scalar_one()
        over = int(total) - most_bytes
        if over <= 0:
            break
        [key] = table.primary_key
        with writing(engine) as connection:
            oldest = connection.execute(sa.select(key, size).order_by(table.c.expires_s, key).limit(_BLOCK)).all()
            victims = []
            for number, taken in oldest:
                if over <= 0:
                    break
                victims.append(number)
                over -= int(taken)
            connection.execute(table.delete().where(key.in_(victims)))
        gone += len(victims)
    return gone


def _let_go_of_replies(engine: sa.Engine, most_bytes: int, goes_on: _GoesOn) -> None:
    """
    Take the oldest replies away from their idempotency keys until the rest is small enough.

    The keys stay for their day, as those of replies that were too large to keep: nobody pays twice for it.
    """
    table, size = idempotent, sa.func.length(idempotent.c.reply)
    kept = sa.select(table.c.key, table.c.idempotency_key, size).where(table.c.reply.is_not(None))
    while goes_on():
        with store_errors(), engine.connect() as connection:
            over = int(connection.execute(sa.select(sa.func.coalesce(sa.func.sum(size), 0))).scalar_one()) - most_bytes
        if over <= 0:
            return
        with writing(engine) as connection:
            oldest = connection.execute(
                kept.order_by(table.c.expires_s, table.c.key, table.c.idempotency_key).limit(_BLOCK)
            ).all()
            for key, name, taken in oldest:
                if over <= 0:
                    break
                connection.execute(
                    table.update()
                    .where(table.c.key == key, table.c.idempotency_key == name)
                    .values(state="not_kept", reply=None)
                )
                over -= int(taken)


def _old_windows(engine: sa.Engine) -> int:
    """Windows that ended long ago and hold nothing. The newest stays for good: no closed window is opened again."""
    later = key_windows.alias()
    old = sa.exists().where(later.c.key == key_windows.c.key, later.c.window > key_windows.c.window + _WINDOWS)
    with writing(engine) as connection:
        return connection.execute(key_windows.delete().where(key_windows.c.held_usd == 0.0, old)).rowcount
