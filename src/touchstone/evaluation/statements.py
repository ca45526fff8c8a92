"""What a run writes for every call and every cell: SQL compiled once per database, rows as plain tuples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from touchstone.evaluation import tables
from touchstone.evaluation.base import Outcome
from touchstone.evaluation.noun_json import safe_text
from touchstone.language import N_

Row = tuple[Any, ...]

_BLOCK = 4_000

USAGE_SHRANK = N_("the usage went down within the reply; the larger count was taken")


class Statement:
    """
    One statement for many rows. SQLAlchemy's own path costs more per row than SQLite needs to write it.

    Args:
        clause: What to run; its parameters are named.
        names: The parameters in the order in which rows give them.
        dialect: Of the database.
    """

    def __init__(self, clause: sa.ClauseElement, names: Sequence[str], dialect: sa.Dialect) -> None:
        compiled = clause.compile(dialect=dialect)
        self.text = str(compiled)
        self._names = tuple(names)
        order = getattr(compiled, "positiontup", None)
        self._places = None if order is None else [self._names.index(name) for name in order]
        self._straight = self._places == list(range(len(self._names)))

    def run(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Run it for every row."""
        given: Any = rows
        if self._places is None:
            given = [dict(zip(self._names, row, strict=True)) for row in rows]
        elif not self._straight:
            given = [tuple(row[place] for place in self._places) for row in rows]
        connection.exec_driver_sql(self.text, list(given))

    def find_one(self, connection: sa.Connection, row: Row) -> Any:
        """The one row a query finds, None when there is none; on SQLite by the driver itself, five times as quick."""
        if connection.dialect.name != "sqlite":
            return next(iter(self.find(connection, row)), None)
        driver: Any = connection.connection.driver_connection
        return driver.execute(self.text, row).fetchone()

    def find(self, connection: sa.Connection, row: Row) -> Sequence[Any]:
        """The rows a query finds."""
        return self._found(connection, row).fetchall()

    def each(self, connection: sa.Connection, row: Row) -> Iterator[Any]:
        """The rows a query finds, however many, some thousand in memory at a time."""
        found = self._found(connection, row)
        while rows := found.fetchmany(_BLOCK):
            yield from rows

    def _found(self, connection: sa.Connection, row: Row) -> sa.CursorResult[Any]:
        given: Any = row
        if self._places is None:
            given = dict(zip(self._names, row, strict=True))
        elif not self._straight:
            given = tuple(row[place] for place in self._places)
        return connection.exec_driver_sql(self.text, given)


def _put_if_absent(table: sa.Table, dialect: sa.Dialect) -> Statement:
    """Insert whole rows; a row of the same key stays as it is."""
    clause: Any = table.insert().prefix_with("OR IGNORE")
    if dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        clause = postgresql.insert(table).on_conflict_do_nothing()
    return Statement(clause, [column.name for column in table.c], dialect)


def _put(table: sa.Table, dialect: sa.Dialect, *, replace: bool = False) -> Statement:
    """Insert whole rows; `replace` overwrites the row of the same key."""
    clause: Any = table.insert()
    if replace and dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        clause = postgresql.insert(table)
        keys = list(table.primary_key)
        clause = clause.on_conflict_do_update(
            index_elements=keys,
            set_={column.name: clause.excluded[column.name] for column in table.c if column not in keys},
        )
    elif replace:
        clause = clause.prefix_with("OR REPLACE")
    return Statement(clause, [column.name for column in table.c], dialect)


class Statements:
    """Everything that is run once per call or cell, for one database."""

    def __init__(self, dialect: sa.Dialect) -> None:
        attempts, replies, budgets = tables.attempts, tables.replies, tables.budgets
        bind = sa.bindparam
        self.put_attempt = _put(attempts, dialect)
        self.put_reply = _put(replies, dialect, replace=True)
        self.put_outcome = _put(tables.outcomes, dialect, replace=True)
        settled = ("state", "cost_usd", "error", "received", "served_model", "system_fingerprint", "region")
        self.settle_attempt = Statement(
            attempts.update()
            .where(attempts.c.id == bind("b_id"))
            .values(
                {name: bind(f"b_{name}") for name in settled}
                # What was kept of it before it was settled stays.
                | {"received": sa.func.coalesce(bind("b_received", type_=sa.LargeBinary), attempts.c.received)}
            ),
            [*(f"b_{name}" for name in settled), "b_id"],
            dialect,
        )
        self.keep_unread = Statement(
            attempts.update()
            .where(attempts.c.id == bind("b_id"), attempts.c.received.is_(None))
            .values(received=bind("b_received")),
            ["b_received", "b_id"],
            dialect,
        )
        self.drop_reply = Statement(replies.delete().where(replies.c.key == bind("b_key")), ["b_key"], dialect)
        self.find_reply = Statement(
            sa.select(replies.c.attempt, replies.c.run, replies.c.body, replies.c.digest, replies.c.meta).where(
                replies.c.key == bind("b_key")
            ),
            ["b_key"],
            dialect,
        )
        recordings = tables.recordings
        self.find_recording = Statement(
            sa.select(recordings.c.payload).where(
                recordings.c.file == bind("b_file"),
                recordings.c.model == bind("b_model"),
                recordings.c.case_id == bind("b_case"),
                recordings.c.draw == bind("b_draw"),
            ),
            ["b_file", "b_model", "b_case", "b_draw"],
            dialect,
        )
        found = sa.select(*budgets.c).where(budgets.c.run == bind("b_run"))
        if dialect.name == "postgresql":
            found = found.with_for_update()
        self.find_budget = Statement(found, ["b_run"], dialect)
        self.put_budget = _put(budgets, dialect, replace=True)
        self.open_budget = _put_if_absent(budgets, dialect)


def outcome_row(trial: int, ordinal: int, outcome: Outcome, run: str | None) -> Row:
    """One cell as a row of the `outcome` table, in the order of its columns."""
    completion, reading = outcome.completion, outcome.reading
    first = outcome.scores[0] if outcome.scores else None
    judge_usd = [score.cost_usd for score in outcome.scores if score.cost_usd is not None]
    telling = len(outcome.scores) > 1 or (first is not None and first.reason)
    usage = completion.usage if completion else None
    return (
        trial,
        ordinal,
        outcome.repeat,
        run,
        outcome.kind,
        first.value if first else None,
        safe_text(reading.answer) if reading and reading.answer is not None else None,
        safe_text(reading.how) if reading else None,
        safe_text(completion.text) if completion else None,
        _scores_json(outcome) if telling else None,
        usage.input_tokens if usage else None,
        usage.output_tokens if usage else None,
        usage.estimated if usage else None,
        completion.cost_usd if completion else None,
        outcome.retry_usd,
        sum(judge_usd) if judge_usd else None,
        completion.latency_s if completion else None,
        outcome.queue_s,
        completion.first_token_s if completion else None,
        safe_text(completion.served_model) if completion and completion.served_model else None,
        safe_text(completion.system_fingerprint) if completion and completion.system_fingerprint else None,
        USAGE_SHRANK if usage and usage.shrank else None,
        safe_text(outcome.error) if outcome.error else None,
        outcome.retries,
        outcome.from_cache,
    )


def _scores_json(outcome: Outcome) -> bytes:
    scores = [score.model_dump() for score in outcome.scores]
    return orjson.dumps([{**score, "reason": safe_text(score["reason"])} for score in scores])
