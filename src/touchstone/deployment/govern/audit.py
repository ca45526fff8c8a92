"""
Every administrative act: who did what to whom, and what it was before and after. Rows are added, never changed.

An act and its row are one transaction: neither is there without the other. Nouns hold no secret, so neither do rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from touchstone.deployment.govern.csv_text import csv_text
from touchstone.deployment.govern.moments import since_s, until_s
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
    what: str | None = None,
    since: str | None = None,
    until: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> Sequence[Act]:
    """
    The newest acts, newest first.

    Args:
        about: Only those done to this, such as `key 3`.
        who: Only those of this actor.
        what: Only acts of this kind, such as `key.create`.
        since: Only those from then on: a day such as `2026-11-27`, or a moment, ISO 8601, which without a zone is in
            UTC.
        until: Only those before then; a day counts in whole.
        before: Only those with a smaller number: the next page of a list that ended with it.
        limit: At most so many.

    Raises:
        SettingsError: a day or a moment cannot be read.
        StoreError: the store cannot be read.
    """
    query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
    if what is not None:
        query = query.where(audit.c.what == what)
    if until is not None:
        query = query.where(audit.c.at < stamp(until_s("until", until)))
    if before is not None:
        query = query.where(audit.c.id < before)
    if about is not None:
        query = query.where(audit.c.about == about)
    if who is not None:
        query = query.where(audit.c.who == who)
    if since is not None:
        query = query.where(audit.c.at >= stamp(since_s("since", since)))
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


class Difference(Noun):
    """One field that an act changed."""

    field: str
    """With a dot before what lies within another, and the place in a list in brackets: `policy.safety.pii`."""
    before: Any
    """None where it was not there."""
    after: Any


def differences(act: Act) -> Sequence[Difference]:
    """The innermost fields that are different afterwards; none where something was made or taken out as a whole."""
    if act.before is None or act.after is None:
        return ()
    return tuple(_differences("", act.before, act.after))


def _differences(place: str, before: Any, after: Any) -> Iterator[Difference]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            inner = f"{place}.{name}" if place else str(name)
            yield from _differences(inner, before.get(name), after.get(name))
    elif isinstance(before, list) and isinstance(after, list):
        for number in range(max(len(before), len(after))):
            pair = [side[number] if number < len(side) else None for side in (before, after)]
            yield from _differences(f"{place}[{number}]", *pair)
    else:
        yield Difference(field=place, before=before, after=after)


def written(value: Any) -> str:
    """One side of a difference, for people: nothing as a dash, texts as they are, everything else as JSON."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def kinds_of_acts(engine: sa.Engine) -> Sequence[str]:
    """Every kind of act that was written down so far, such as `key.create`, in the order of the alphabet."""
    with store_errors(), engine.connect() as connection:
        return list(connection.execute(sa.select(audit.c.what).distinct().order_by(audit.c.what)).scalars())


def acts_csv(found: Sequence[Act]) -> str:
    """Acts as CSV with a header; cells that a spreadsheet would run are made harmless (R20)."""
    rows: list[Sequence[object]] = [("id", "at", "who", "what", "about", "before", "after")]
    rows += [(act.id, act.at, act.who, act.what, act.about, _said(act.before), _said(act.after)) for act in found]
    return csv_text(rows)


def _said(state: Mapping[str, Any] | None) -> str | None:
    return None if state is None else orjson.dumps(state).decode()
