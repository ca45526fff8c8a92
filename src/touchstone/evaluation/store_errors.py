"""What fails in the database, in words for people."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from touchstone.errors import StoreError, StoreFull
from touchstone.storage.reserve import is_out_of_space


@contextmanager
def store_errors() -> Iterator[None]:
    """Whatever fails in the database inside becomes a `StoreError` that holds nothing of what was being stored."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
        # The driver's own words: SQLAlchemy's repeat the statement with its values, which is the user's text.
        reason = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
        if is_out_of_space(error):
            raise StoreFull(
                "there is no room left for the store ({reason}); nothing further was sent, and everything that was "
                "committed can be read; make room and run the same command again",
                reason=str(reason),
            ) from None
        raise StoreError(
            "the store cannot be read or written: {reason}; make room for it, end what else is using it, and run again",
            reason=str(reason),
        ) from None
