"""The cases of a ledger: kept under their digest, read in blocks, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa

from touchstone.data.base import Case, CaseSummary
from touchstone.evaluation import tables
from touchstone.evaluation.noun_json import from_json, safe_text, to_json
from touchstone.evaluation.statements import Statement
from touchstone.evaluation.store_errors import store_errors
from touchstone.language import current_language

_BLOCK = 1_000
"""Cases that are written or read at once, at most."""

_BLOCK_BYTES = 1 << 20
"""And their bytes: cases may be long."""

_FIRST_BLOCK = 16
"""Read first, to see how long they are."""


class Datasets:
    """
    Sets of cases in one database.

    Args:
        engine: Of the ledger.
        writing: Opens a transaction that may write; see `Ledger.writing`.
    """

    def __init__(self, engine: sa.Engine, writing: Callable[[], AbstractContextManager[sa.Connection]]) -> None:
        self._engine = engine
        self._writing = writing

    def add(self, summary: CaseSummary, cases: Iterable[Case]) -> None:
        """Keep the cases under their digest; does nothing when they are already there."""
        if self.has(summary.digest):
            return
        with store_errors():
            try:
                self._insert(summary, cases)
            except sa.exc.IntegrityError:
                # Another process kept the same cases meanwhile; the digest says that they are the same.
                if not self.has(summary.digest):
                    raise

    def checked(self, digest: str) -> CaseSummary | None:
        """
        What a check of exactly these files found, in the reader's language; None when they were not looked at, or their
        cases are not here.
        """
        query = sa.select(tables.checks.c.summary).where(tables.checks.c.digest == digest)
        with store_errors(), self._engine.connect() as connection:
            body = connection.execute(query).scalar()
        summary = None if body is None else from_json(CaseSummary, bytes(body))
        return summary.said_in(current_language()) if summary is not None and self.has(summary.digest) else None

    def keep_check(self, digest: str, summary: CaseSummary) -> None:
        """Remember what a check found, so that going on with a run need not look at every case again."""
        table = tables.checks
        with store_errors(), self._writing() as connection:
            connection.execute(table.delete().where(table.c.digest == digest))
            connection.execute(table.insert().values(digest=digest, summary=to_json(summary)))

    def has(self, digest: str) -> bool:
        """Whether these cases were kept before."""
        query = sa.select(tables.datasets.c.digest).where(tables.datasets.c.digest == digest)
        with store_errors(), self._engine.connect() as connection:
            return connection.execute(query).scalar() is not None

    def _insert(self, summary: CaseSummary, cases: Iterable[Case]) -> None:
        with self._writing() as connection:
            ordinals: dict[str, int] = {}
            block: list[dict[str, Any]] = []
            size = 0
            for case in cases:
                ordinal = ordinals.get(case.split, 0)
                ordinals[case.split] = ordinal + 1
                block.append(
                    {
                        "dataset": summary.digest,
                        "split": case.split,
                        "ordinal": ordinal,
                        "case_id": safe_text(case.id),
                        "group_name": None if case.group is None else safe_text(case.group),
                        "tags": safe_text("\n".join(case.tags)),
                        "payload": to_json(case, exclude_defaults=True),
                    }
                )
                size += len(block[-1]["payload"])
                if len(block) == _BLOCK or size >= _BLOCK_BYTES:
                    connection.execute(tables.cases.insert(), block)
                    block, size = [], 0
            if block:
                connection.execute(tables.cases.insert(), block)
            connection.execute(tables.datasets.insert().values(digest=summary.digest))

    def cases(self, dataset: str, split: str, *, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Case]]:
        """(ordinal, case) in order, read in blocks so that memory does not grow with their number."""
        table, block = tables.cases, _FIRST_BLOCK
        while stop is None or start < stop:
            query = (
                sa.select(table.c.ordinal, table.c.payload)
                .where(table.c.dataset == dataset, table.c.split == split, table.c.ordinal >= start)
                .order_by(table.c.ordinal)
                .limit(block if stop is None else min(block, stop - start))
            )
            with store_errors(), self._engine.connect() as connection:
                rows = connection.execute(query).all()
            for ordinal, payload in rows:
                yield ordinal, from_json(Case, payload)
            if len(rows) < block:
                return
            start = rows[-1][0] + 1
            mean_bytes = sum(len(payload) for _, payload in rows) // len(rows)
            block = max(1, min(_BLOCK, _BLOCK_BYTES // max(mean_bytes, 1)))

    def cases_at(self, dataset: str, split: str, ordinals: Sequence[int]) -> list[Case]:
        """The cases at these places of a split, in the order asked for."""
        table = tables.cases
        found: dict[int, Case] = {}
        for start in range(0, len(ordinals), _BLOCK):
            wanted = [int(ordinal) for ordinal in ordinals[start : start + _BLOCK]]
            query = sa.select(table.c.ordinal, table.c.payload).where(
                table.c.dataset == dataset, table.c.split == split, table.c.ordinal.in_(wanted)
            )
            with store_errors(), self._engine.connect() as connection:
                for ordinal, payload in connection.execute(query):
                    found[ordinal] = from_json(Case, payload)
        return [found[int(ordinal)] for ordinal in ordinals]

    def case_column(self, dataset: str, split: str, column: str) -> list[Any]:
        """`case_id`, `group_name` or `tags` of every case of a split, in order."""
        find = Statement(
            sa.select(tables.cases.c[column])
            .where(tables.cases.c.dataset == sa.bindparam("b_dataset"), tables.cases.c.split == sa.bindparam("b_split"))
            .order_by(tables.cases.c.ordinal),
            ["b_dataset", "b_split"],
            self._engine.dialect,
        )
        with store_errors(), self._engine.connect() as connection:
            return [value for (value,) in find.each(connection, (dataset, split))]

    def has_groups(self, dataset: str, split: str) -> bool:
        """Whether any case of a split belongs to a group."""
        table = tables.cases
        query = (
            sa.select(sa.literal(1))
            .where(table.c.dataset == dataset, table.c.split == split, table.c.group_name.is_not(None))
            .limit(1)
        )
        with store_errors(), self._engine.connect() as connection:
            return connection.execute(query).scalar() is not None

    def case_count(self, dataset: str, split: str) -> int:
        """How many cases a split has."""
        query = sa.select(sa.func.count()).where(tables.cases.c.dataset == dataset, tables.cases.c.split == split)
        with store_errors(), self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())
