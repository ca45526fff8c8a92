"""A session of the playground is thrown away: what was asked, what came, its pictures and its votes."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from touchstone.evaluation import tables
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.store_errors import store_errors
from touchstone.workspace.playground_base import Session
from touchstone.workspace.playground_tables import answers, media, sessions, turns, votes

_AT_ONCE = 500
"""Rows that one statement names; SQLite takes some thousands at most."""


class Contents(NamedTuple):
    """How much a session holds."""

    questions: int
    answers: int
    media: int
    """Pictures and recordings, those that models made among them."""
    votes: int


def contents_of(ledger: Ledger, session: Session) -> Contents:
    """What would go with a session."""
    with store_errors(), ledger.engine.connect() as connection:
        return Contents(
            *(
                int(
                    connection.execute(
                        sa.select(sa.func.count()).select_from(table).where(table.c.session == session.id)
                    ).scalar_one()
                )
                for table in (turns, answers, media, votes)
            )
        )


def forget_session(ledger: Ledger, session: Session) -> None:
    """
    Throw a session away, with the requests and raw replies that the ledger keeps of its calls.

    What it cost stays in the books: the calls remain with their times and amounts, so that no cap and no sum over a
    month forgets what was paid. Does nothing where somebody was quicker. Whoever calls sees to it that nobody answers.

    Raises:
        StoreError: it cannot be written; nothing was thrown away.
    """
    attempts, replies = tables.attempts, tables.replies
    # Looked up before anything is locked: the ledger has no index by run, and others write meanwhile.
    with store_errors(), ledger.engine.connect() as connection:
        calls = connection.execute(sa.select(attempts.c.id, attempts.c.key).where(attempts.c.run == session.run)).all()
    with store_errors(), ledger.writing() as connection:
        for start in range(0, len(calls), _AT_ONCE):
            some = calls[start : start + _AT_ONCE]
            # Draws of a session are its own, but for what a comparison had bought before: that is the comparison's.
            connection.execute(
                replies.delete().where(replies.c.key.in_([one.key for one in some]), replies.c.run == session.run)
            )
            connection.execute(
                attempts.update().where(attempts.c.id.in_([one.id for one in some])).values(request=b"", received=None)
            )
        for table in (votes, media, answers, turns):
            connection.execute(table.delete().where(table.c.session == session.id))
        connection.execute(sessions.delete().where(sessions.c.id == session.id))
