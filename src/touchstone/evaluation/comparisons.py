"""
Comparisons, their trials and cells, as they lie in the ledger.

A trial is everything one candidate ever answered under one set of cases, answer rule, scorers and recipe; comparisons
share it. So a further candidate, another goal or a higher cap finds the cells of the others as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
import sqlalchemy as sa

from touchstone.evaluation import tables
from touchstone.evaluation.base import Recipe
from touchstone.evaluation.cells_stamp import DIGEST, as_texts, digest_of
from touchstone.evaluation.ledger import Ledger, now
from touchstone.evaluation.noun_json import safe_text
from touchstone.evaluation.packed import COLUMNS, NUMERIC, kind_codes, pack, unpack
from touchstone.evaluation.scorecard import OWN_FAILURES
from touchstone.evaluation.store_errors import store_errors
from touchstone.storage.blobs import put_blob, read_blob

Vector = np.ndarray[Any, Any]

_BLOCK = 4_000
"""Rows read at a time; as Python objects they take six times the room of their arrays."""

_FEW = ("kind", "run")

TEXTS = ("error", "served_model", "system_fingerprint", "remark")
"""Columns of a cell in which most cells say the same."""

_MOST_TEXTS = 100

_REPEATS = "repeats"
"""Key among the packed texts: answers a case that were counted. Older copies do not say, and are not used."""

_ALL_REPEATS = 1 << 30


class TextCounts(NamedTuple):
    """What one column of a trial's cells says."""

    common: tuple[tuple[str, int], ...]
    """(text, cells that say it), the commonest first; at most a hundred."""
    cells: int
    """Cells that say anything."""


class Comparisons:
    """What was compared, read and written in one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    # Comparisons

    def start(
        self,
        *,
        identity: str,
        task: str,
        fingerprint: str,
        run_key: str,
        parts: Mapping[str, Any],
        dataset: str,
        spec: Mapping[str, Any],
    ) -> None:
        """Open a comparison under its id."""
        with store_errors(), self._ledger.writing() as connection:
            connection.execute(
                tables.comparisons.insert().values(
                    id=identity,
                    created=now(),
                    task=task,
                    fingerprint=fingerprint,
                    run_key=run_key,
                    parts=orjson.dumps(parts),
                    dataset=dataset,
                    spec=orjson.dumps(spec),
                    state="running",
                )
            )

    def go_on(self, identity: str, spec: Mapping[str, Any]) -> None:
        """A comparison is being measured again; `spec` is what it is told this time."""
        self._update(identity, state="running", ending=None, spec=orjson.dumps(spec))

    def finish(
        self,
        identity: str,
        *,
        state: str,
        ending: str | None,
        judge: Mapping[str, Any] | None,
        rest: Mapping[int, str],
        closed: Mapping[int, str],
    ) -> None:
        """
        Close a comparison.

        Args:
            state: `finished` or `stopped`.
            ending: Why it stopped; None when it did not.
            judge: What is known of its judge.
            rest: Position to what the candidate's cells without an outcome are.
            closed: Position to why the candidate could not be asked any further.
        """
        table = tables.entries
        with store_errors(), self._ledger.writing() as connection:
            for position, kind in rest.items():
                connection.execute(
                    table.update()
                    .where(table.c.comparison == identity, table.c.position == position)
                    .values(rest=kind, closed=closed.get(position) and safe_text(closed[position]))
                )
            connection.execute(
                tables.comparisons.update()
                .where(tables.comparisons.c.id == identity)
                .values(state=state, ending=ending, judge=None if judge is None else orjson.dumps(judge))
            )

    def keep_race(self, identity: str, race: Mapping[str, Any]) -> None:
        """The steps of the race so far."""
        self._update(identity, race=orjson.dumps(race))

    def keep_verdict(self, identity: str, verdict: str, chosen: str | None) -> None:
        """Note what was decided under the task's own demands, for lists; the decision itself is worked out anew."""
        self._update(identity, verdict=verdict, chosen=chosen)

    def _update(self, identity: str, **values: Any) -> None:
        with store_errors(), self._ledger.writing() as connection:
            connection.execute(tables.comparisons.update().where(tables.comparisons.c.id == identity).values(**values))

    def find(self, identity: str) -> Mapping[str, Any] | None:
        """
        The row of one comparison; `latest` is the newest one that has ended.

        What was measured beside another, such as the same candidates after the facts changed, is not the latest.
        """
        table = tables.comparisons
        if identity != "latest":
            return self._one(sa.select(table).where(table.c.id == identity))
        query = sa.select(table).where(table.c.state != "running").order_by(table.c.created.desc())
        with store_errors(), self._ledger.engine.connect() as connection:
            for row in connection.execute(query).mappings():
                if not orjson.loads(row["spec"]).get("options", {}).get("beside"):
                    return dict(row)
        return None

    def to_go_on_with(self, run_key: str) -> Mapping[str, Any] | None:
        """The newest comparison of exactly this run: the same command goes on with it."""
        table = tables.comparisons
        return self._one(sa.select(table).where(table.c.run_key == run_key).order_by(table.c.created.desc()).limit(1))

    def unfinished(self, task: str, path: str) -> Mapping[str, Any] | None:
        """The newest comparison of a task file, when it has not finished."""
        table = tables.comparisons
        query = sa.select(table).where(table.c.task == task).order_by(table.c.created.desc())
        with store_errors(), self._ledger.engine.connect() as connection:
            for row in connection.execute(query).mappings():
                # Two files may call their tasks the same.
                if orjson.loads(row["spec"]).get("path") == path:
                    return dict(row) if row["state"] != "finished" else None
        return None

    def _one(self, query: sa.Select[Any]) -> Mapping[str, Any] | None:
        with store_errors(), self._ledger.engine.connect() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else dict(row)

    def all(self) -> Sequence[Mapping[str, Any]]:
        """Every comparison, newest first."""
        query = sa.select(tables.comparisons).order_by(tables.comparisons.c.created.desc())
        with store_errors(), self._ledger.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    # Trials

    def find_trial(self, digest: str) -> int | None:
        """The number of the trial of this digest, None when there is none."""
        query = sa.select(tables.trials.c.id).where(tables.trials.c.digest == digest)
        with store_errors(), self._ledger.engine.connect() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else int(found)

    def trial(self, digest: str, recipe: Recipe) -> int:
        """The trial of this digest, opened when there is none; its number."""
        table = tables.trials
        query = sa.select(table.c.id).where(table.c.digest == digest)
        with store_errors(), self._ledger.writing() as connection:
            found = connection.execute(query).scalar()
            if found is None:
                result = connection.execute(
                    table.insert().values(digest=digest, recipe=recipe.model_dump_json().encode())
                )
                assert result.inserted_primary_key is not None
                found = result.inserted_primary_key[0]
        return int(found)

    def enter(self, identity: str, position: int, trial: int, name: str, settings: Mapping[str, Any]) -> None:
        """A trial takes part in a comparison under a name."""
        table = tables.entries
        with store_errors(), self._ledger.writing() as connection:
            connection.execute(table.delete().where(table.c.comparison == identity, table.c.position == position))
            connection.execute(
                table.insert().values(
                    comparison=identity,
                    position=position,
                    trial=trial,
                    name=name,
                    settings=orjson.dumps(settings),
                )
            )

    def entries(self, identity: str) -> Sequence[Mapping[str, Any]]:
        """Who takes part in a comparison, in the order of the task file, each with its recipe."""
        table = tables.entries
        query = (
            sa.select(*table.c, tables.trials.c.recipe)
            .join(tables.trials, tables.trials.c.id == table.c.trial)
            .where(table.c.comparison == identity)
            .order_by(table.c.position)
        )
        with store_errors(), self._ledger.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def asked_in_full(self, trial: int, repeats: int) -> bool:
        """Whether a finished comparison asked a trial everything, so often at least, whatever was answered: no race."""
        entered, table = tables.entries, tables.comparisons
        query = (
            sa.select(table.c.spec)
            .join(entered, entered.c.comparison == table.c.id)
            .where(entered.c.trial == trial, entered.c.closed.is_(None), table.c.state == "finished")
        )
        with store_errors(), self._ledger.engine.connect() as connection:
            specs = [orjson.loads(spec) for spec in connection.execute(query).scalars()]
        return any(not spec.get("racing") and spec["options"]["repeats"] >= repeats for spec in specs)

    # Cells

    def numbers(self, trial: int, run: str | None = None) -> dict[str, Vector]:
        """
        The numbers of a trial's cells as arrays, ordered by case and repeat.

        `kind` is a place in `packed.KINDS`; `here` says whether `run` asked for the cell. Read from the packed copy
        where there is one, which a run makes when it ends; else from the cells themselves.
        """
        with store_errors(), self._ledger.engine.connect() as connection:
            body = read_blob(connection, tables.packed_cells.c.body, trial)
        if body is not None:
            return unpack(body, run)
        found = self.columns(trial, COLUMNS)
        asked_by = found.pop("run")
        here = np.fromiter((one == run and one is not None for one in asked_by), dtype=bool, count=len(asked_by))
        return {**found, "kind": kind_codes(found["kind"]), "here": here}

    def pack(self, trial: int) -> None:
        """Make the packed copy of a trial's numbers; whoever adds cells drops it first."""
        counted = self._count_texts(trial)
        columns = self.columns(trial, COLUMNS)
        parts, cells = pack(columns)
        repeats = int(columns["repeat"].max(initial=-1)) + 1
        texts = {_REPEATS: repeats, DIGEST: as_texts(digest_of(parts)), **counted}
        values = {"trial": trial, "cells": cells, "texts": orjson.dumps(texts)}
        table = tables.packed_cells
        with store_errors(), self._ledger.writing() as connection:
            connection.execute(table.delete().where(table.c.trial == trial))
            put_blob(connection, table.c.body, values, parts)

    def drop_packed(self, trials: Sequence[int]) -> None:
        """Forget the packed copies: cells are about to be added."""
        table = tables.packed_cells
        with store_errors(), self._ledger.writing() as connection:
            connection.execute(table.delete().where(table.c.trial.in_(list(trials))))

    def columns(self, trial: int, columns: Sequence[str], repeats: int | None = None) -> dict[str, Vector]:
        """
        Columns of a trial's cells as arrays, ordered by case and repeat; numbers that nobody knows are NaN.

        Args:
            repeats: Answers a case that are meant; the further ones are another comparison's. None means all.
        """
        table = tables.outcomes
        query = (
            sa.select(*(table.c[column] for column in columns))
            .where(table.c.trial == sa.bindparam("b_trial"), table.c.repeat < sa.bindparam("b_repeats"))
            .order_by(table.c.ordinal, table.c.repeat)
        )
        blocks: dict[str, list[Vector]] = {column: [] for column in columns}
        # Of kinds and runs there are a few; the driver makes every row a text of its own.
        shared: dict[str, str] = {}
        with store_errors(), self._ledger.engine.connect() as connection:
            text = str(query.compile(dialect=connection.dialect))
            limit = _ALL_REPEATS if repeats is None else repeats
            given: Any = {"b_trial": trial, "b_repeats": limit}
            if connection.dialect.paramstyle == "qmark":
                given = (trial, limit)
            found = connection.exec_driver_sql(text, given)
            while rows := found.fetchmany(_BLOCK):
                for column, values in zip(columns, zip(*rows, strict=True), strict=True):
                    if column in _FEW:
                        values = tuple(shared.setdefault(value, value) for value in values)
                    # Missing numbers are NaN here and nowhere else: they leave this room as None or not at all.
                    blocks[column].append(np.array(values, dtype=float if column in NUMERIC else object))
        return {
            column: np.concatenate(blocks.pop(column) or [np.empty(0, dtype=float if column in NUMERIC else object)])
            for column in columns
        }

    def texts(self, trial: int, repeats: int) -> Mapping[str, TextCounts]:
        """What the cells of a trial say in words, as far as so many answers a case go: `TEXTS`, the commonest first."""
        query = sa.select(tables.packed_cells.c.texts).where(tables.packed_cells.c.trial == trial)
        with store_errors(), self._ledger.engine.connect() as connection:
            stored = connection.execute(query).scalar()
        counted = {} if stored is None else orjson.loads(bytes(stored))
        # Counted over all draws; where some of them are another comparison's, the rows are looked at.
        if counted.pop(_REPEATS, _ALL_REPEATS) > repeats:
            counted = self._count_texts(trial, repeats)
        counted.pop(DIGEST, None)
        return {
            name: TextCounts(tuple((text, n) for text, n in common), cells) for name, (common, cells) in counted.items()
        }

    def _count_texts(self, trial: int, repeats: int = _ALL_REPEATS) -> dict[str, tuple[list[tuple[str, int]], int]]:
        table = tables.outcomes
        # A cell that has an answer and no verdict is no failed call, whatever stopped its judge.
        failure = sa.case((table.c.kind.in_(sorted(OWN_FAILURES)), table.c.error)).label("failure")
        said = [failure if name == "error" else table.c[name] for name in TEXTS]
        # By its name: PostgreSQL does not know an expression with parameters again.
        named = ["failure" if name == "error" else table.c[name] for name in TEXTS]
        # Together, because one look at every cell costs what four would cost each.
        query = (
            sa.select(*said, sa.func.count()).where(table.c.trial == trial, table.c.repeat < repeats).group_by(*named)
        )
        found: dict[str, Counter[str]] = {name: Counter() for name in TEXTS}
        with store_errors(), self._ledger.engine.connect() as connection:
            for *texts, n in connection.execute(query):
                for name, text in zip(TEXTS, texts, strict=True):
                    if text is not None:
                        found[name][text] += n
        return {
            name: (sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_TEXTS], counts.total())
            for name, counts in found.items()
        }

    def cells_at(self, trial: int, ordinals: Sequence[int], longest: int | None = None) -> list[Mapping[str, Any]]:
        """
        The stored cells of these cases, ordered by case and repeat.

        Args:
            longest: Characters of an output that are read; None reads all.
        """
        table = tables.outcomes
        columns: list[Any] = list(table.c)
        if longest is not None:
            columns = [
                sa.func.substr(column, 1, longest).label(column.name) if column.name == "text" else column
                for column in columns
            ]
        query = (
            sa.select(*columns)
            .where(table.c.trial == trial, table.c.ordinal.in_([int(ordinal) for ordinal in ordinals]))
            .order_by(table.c.ordinal, table.c.repeat)
        )
        with store_errors(), self._ledger.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def revision(self, trials: Sequence[int]) -> str:
        """
        A text that is another one once cells of these trials were added or asked for again.

        It also changes when anybody sends a call in this store, so it may change too often, and never too seldom.
        """
        packed, cells, budgets = tables.packed_cells, tables.outcomes, tables.budgets
        wanted = [int(trial) for trial in trials]
        with store_errors(), self._ledger.engine.connect() as connection:
            counts = {
                int(trial): int(count)
                for trial, count in connection.execute(
                    sa.select(packed.c.trial, packed.c.cells).where(packed.c.trial.in_(wanted))
                )
            }
            for trial in wanted:
                if trial not in counts:
                    query = sa.select(sa.func.count()).where(cells.c.trial == trial)
                    counts[trial] = -int(connection.execute(query).scalar_one())
            sent = connection.execute(sa.select(sa.func.count(), sa.func.sum(budgets.c.made))).one()
        return f"{[counts[trial] for trial in wanted]} {list(sent)}"
