"""
What people say of cases after they were measured: left out, or another answer is the right one.

Each word is a row that says who, when and why; taking it back is written onto the row. Nothing is deleted, and nothing
of what was answered is touched: whoever reads the store applies what stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import sqlalchemy as sa

from touchstone.errors import SettingsError, UnknownName
from touchstone.evaluation import tables
from touchstone.evaluation.ledger import Ledger, now
from touchstone.evaluation.noun_json import safe_text
from touchstone.evaluation.store_errors import store_errors
from touchstone.noun import Noun
from touchstone.storage.database import Schema, ensure_schema, is_read_only

AmendmentKind = Literal["exclude", "correct"]

LONGEST_REASON = 2_000
LONGEST_TARGET = 20_000

metadata = sa.MetaData()

amendments = sa.Table(
    "amendment",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("dataset", sa.String(64), nullable=False, index=True),
    sa.Column("case_id", sa.String, nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),  # exclude, correct
    sa.Column("target", sa.String),  # of a correction
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("made_at", sa.String, nullable=False),
    sa.Column("undone_by", sa.String),  # null while it stands
    sa.Column("undone_why", sa.String),
    sa.Column("undone_at", sa.String),
    sqlite_autoincrement=True,
)

SCHEMA = Schema(name="amendments", version=1, metadata=metadata)
"""A schema of its own: a store that nobody amends stays as it is, and an older one need not be copied for it."""


class Amendment(Noun):
    """One word about one case."""

    id: int
    dataset: str
    """Digest of the cases; the word holds for every comparison on them."""
    case: str
    """The case's id; rows that share it are meant together."""
    kind: AmendmentKind
    target: str | None = None
    """Of a correction: the right answer."""
    reason: str
    who: str
    made_at: str
    undone_by: str | None = None
    """None while it stands."""
    undone_why: str | None = None
    undone_at: str | None = None

    @property
    def stands(self) -> bool:
        """Whether nobody took it back."""
        return self.undone_at is None


class Standing(Noun):
    """What holds of a set of cases now."""

    excluded: Mapping[str, Amendment]
    """By case id."""
    corrected: Mapping[str, Amendment]
    """By case id; of several corrections the last one."""
    revision: int
    """Counts every word and every taking back."""


NOTHING = Standing(excluded={}, corrected={}, revision=0)


class Amendments:
    """The words about cases in one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def add(
        self, dataset: str, case: str, kind: AmendmentKind, *, reason: str, who: str, target: str | None = None
    ) -> Amendment:
        """
        Leave a case out, or say what its right answer is; what stood of the same kind gives way to it.

        Raises:
            SettingsError: no reason is given, a text is too long, or a correction has no target.
            UnknownName: the dataset has no such test case.
        """
        reason = reason.strip()
        if not reason:
            raise SettingsError("say why: what is changed afterwards needs a reason that others can read")
        for label, text, most in (("reason", reason, LONGEST_REASON), ("target", target or "", LONGEST_TARGET)):
            if len(text) > most:
                raise SettingsError(
                    "{field} has {count:,} characters; it takes {most:,}", field=label, count=len(text), most=most
                )
        if kind == "correct" and (target is None or not target.strip()):
            raise SettingsError("the right answer is empty; write it as it stands in the cases, or leave the case out")
        self._known(dataset, case)
        self._prepare()
        moment = now()
        with store_errors(), self._ledger.writing() as connection:
            # One word of a kind stands at a time; the one before is taken back by whoever says another.
            connection.execute(
                amendments.update()
                .where(
                    amendments.c.dataset == dataset,
                    amendments.c.case_id == safe_text(case),
                    amendments.c.kind == kind,
                    amendments.c.undone_at.is_(None),
                )
                .values(undone_by=safe_text(who), undone_why=safe_text(reason), undone_at=moment)
            )
            done = connection.execute(
                amendments.insert().values(
                    dataset=dataset,
                    case_id=safe_text(case),
                    kind=kind,
                    target=None if kind == "exclude" or target is None else safe_text(target),
                    reason=safe_text(reason),
                    who=safe_text(who),
                    made_at=moment,
                )
            )
            assert done.inserted_primary_key is not None
            number = int(done.inserted_primary_key[0])
            self._forget_verdicts(connection, dataset)
        return self._one(number)

    def take_back(self, dataset: str, number: int, *, reason: str, who: str) -> Amendment:
        """
        A word no longer holds; it stays in the store. Does nothing to one that was taken back before.

        Raises:
            SettingsError: no reason is given, or it is too long.
            UnknownName: the dataset has no such word.
        """
        reason = reason.strip()
        if not reason:
            raise SettingsError("say why: what is changed afterwards needs a reason that others can read")
        if len(reason) > LONGEST_REASON:
            raise SettingsError(
                "{field} has {count:,} characters; it takes {most:,}",
                field="reason",
                count=len(reason),
                most=LONGEST_REASON,
            )
        known = {one.id for one in self.history(dataset)}
        if number not in known:
            raise UnknownName(kind="change of a case", name=str(number), known=[str(one) for one in sorted(known)])
        with store_errors(), self._ledger.writing() as connection:
            connection.execute(
                amendments.update()
                .where(amendments.c.id == number, amendments.c.dataset == dataset, amendments.c.undone_at.is_(None))
                .values(undone_by=safe_text(who), undone_why=safe_text(reason), undone_at=now())
            )
            self._forget_verdicts(connection, dataset)
        return self._one(number)

    def history(self, dataset: str, case: str | None = None) -> tuple[Amendment, ...]:
        """Every word ever said of these cases, or of one of them, the last first."""
        if not self._is_there():
            return ()
        query = sa.select(amendments).where(amendments.c.dataset == dataset).order_by(amendments.c.id.desc())
        if case is not None:
            query = query.where(amendments.c.case_id == safe_text(case))
        with store_errors(), self._ledger.engine.connect() as connection:
            return tuple(_noun(row) for row in connection.execute(query).mappings())

    def standing(self, dataset: str) -> Standing:
        """What holds now."""
        found = self.history(dataset)
        if not found:
            return NOTHING
        alive = [one for one in found if one.stands]
        return Standing(
            excluded={one.case: one for one in alive if one.kind == "exclude"},
            corrected={one.case: one for one in alive if one.kind == "correct"},
            revision=len(found) + sum(not one.stands for one in found),
        )

    def revision(self, dataset: str) -> int:
        """What `Standing.revision` is, without reading the words."""
        if not self._is_there():
            return 0
        query = sa.select(sa.func.count(), sa.func.count(amendments.c.undone_at)).where(amendments.c.dataset == dataset)
        with store_errors(), self._ledger.engine.connect() as connection:
            said, undone = connection.execute(query).one()
        return int(said) + int(undone)

    def counts(self) -> Mapping[str, tuple[int, int]]:
        """Dataset to (cases left out, targets corrected), for every dataset of which something stands."""
        if not self._is_there():
            return {}
        query = (
            sa.select(amendments.c.dataset, amendments.c.kind, sa.func.count(sa.distinct(amendments.c.case_id)))
            .where(amendments.c.undone_at.is_(None))
            .group_by(amendments.c.dataset, amendments.c.kind)
        )
        found: dict[str, tuple[int, int]] = {}
        with store_errors(), self._ledger.engine.connect() as connection:
            for dataset, kind, count in connection.execute(query):
                out, corrected = found.get(dataset, (0, 0))
                found[dataset] = (int(count), corrected) if kind == "exclude" else (out, int(count))
        return found

    def first_answers(self, dataset: str) -> str | None:
        """When the first comparison on these cases began: what is said later is said with answers to be seen."""
        query = sa.select(sa.func.min(tables.comparisons.c.created)).where(tables.comparisons.c.dataset == dataset)
        with store_errors(), self._ledger.engine.connect() as connection:
            found: str | None = connection.execute(query).scalar()
        return found

    def _known(self, dataset: str, case: str) -> None:
        table = tables.cases
        query = (
            sa.select(sa.literal(1))
            .where(table.c.dataset == dataset, table.c.split == "test", table.c.case_id == safe_text(case))
            .limit(1)
        )
        with store_errors(), self._ledger.engine.connect() as connection:
            if connection.execute(query).scalar() is None:
                raise UnknownName(kind="test case", name=case, known=())

    def _one(self, number: int) -> Amendment:
        with store_errors(), self._ledger.engine.connect() as connection:
            return _noun(connection.execute(sa.select(amendments).where(amendments.c.id == number)).mappings().one())

    def _forget_verdicts(self, connection: sa.Connection, dataset: str) -> None:
        """The verdicts that lists show were worked out before; whoever decides next notes them anew."""
        table = tables.comparisons
        connection.execute(
            table.update()
            .where(table.c.dataset == dataset, table.c.state != "running")
            .values(verdict=None, chosen=None)
        )

    def _prepare(self) -> None:
        with store_errors():
            ensure_schema(self._ledger.engine, SCHEMA)

    def _is_there(self) -> bool:
        with store_errors(), self._ledger.engine.connect() as connection:
            if not sa.inspect(connection).has_table(amendments.name):
                return False
        if not is_read_only(self._ledger.engine):
            self._prepare()
        return True


def _noun(row: sa.RowMapping) -> Amendment:
    fields = {("case" if key == "case_id" else str(key)): value for key, value in row.items()}
    return Amendment.model_validate(fields)
