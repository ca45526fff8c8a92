"""
Every administrative act: who did what to whom, and what it was before and after. Rows are added, never changed.

An act and its row are one transaction: neither is there without the other. Nouns hold no secret, so neither do rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from touchstone.deployment.govern.state import stamp
from touchstone.deployment.govern.tables import audit
from touchstone.evaluation.noun_json import safe_text
from touchstone.evaluation.store_errors import store_errors
from touchstone.noun import Noun


class Act(Noun):
    """One row of the audit log."""

    id: int
    at: str
    """ISO 8601, UTC."""
    who: str
    """A user of this machine, or a key with the scope `admin`."""
    what: str
    """Such as `key.create` or `endpoint.split`."""
    about: str
    """What it was done to, such as `key 3` or `endpoint helpdesk`."""
    before: Mapping[str, Any] | None = None
    """None where there was nothing before."""
    after: Mapping[str, Any] | None = None
    """None where nothing was left."""


def note_act(
    connection: sa.Connection,
    *,
    who: str,
    what: str,
    about: str,
    before: Noun | Mapping[str, Any] | None = None,
    after: Noun | Mapping[str, Any] | None = None,
) -> None:
    """Add a row within the transaction of the act itself."""
    connection.execute(
        audit.insert().values(
            at=stamp(),
            who=safe_text(who),
            what=what,
            about=safe_text(about),
            before=_plain(before),
            after=_plain(after),
        )
    )


def _plain(state: Noun | Mapping[str, Any] | None) -> bytes | None:
    if state is None:
        return None
    return state.model_dump_json().encode() if isinstance(state, Noun) else orjson.dumps(state)


def acts(
    engine: sa.Engine,
    *,
    about: str | None = None,
    who: str | None = None,
    since: str | None = None,
    limit: int = 100,
) -> Sequence[Act]:
    """
    The newest acts, newest first.

    Args:
        about: Only those done to this, such as `key 3`.
        who: Only those of this actor.
        since: Only those from this moment on, ISO 8601 in UTC or a beginning of it such as `2026-11-27`.
        limit: At most so many.
    """
    query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
    if about is not None:
        query = query.where(audit.c.about == about)
    if who is not None:
        query = query.where(audit.c.who == who)
    if since is not None:
        query = query.where(audit.c.at >= since)
    with store_errors(), engine.connect() as connection:
        rows = connection.execute(query).all()
    return [
        Act(
            id=row.id,
            at=row.at,
            who=row.who,
            what=row.what,
            about=row.about,
            before=None if row.before is None else orjson.loads(bytes(row.before)),
            after=None if row.after is None else orjson.loads(bytes(row.after)),
        )
        for row in rows
    ]
