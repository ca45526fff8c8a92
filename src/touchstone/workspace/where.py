"""Where a workspace stands in the journey: what was compared, what is served, what this month has cost so far."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from touchstone.deployment.govern.usage_report import usage
from touchstone.evaluation.store_errors import store_errors
from touchstone.evaluation.tables import attempts
from touchstone.noun import Noun
from touchstone.workspace.base import StoredComparison
from touchstone.workspace.endpoints import registry
from touchstone.workspace.govern import Govern
from touchstone.workspace.workspace import Workspace


class Served(Noun):
    """An endpoint in a list."""

    name: str
    versions: int
    is_stopped: bool


class Spend(Noun):
    """Money of one month, UTC."""

    month: str
    """Such as `2026-11`."""
    measuring_usd: float
    """Calls of comparisons, searches and trials; calls in doubt are not in it."""
    serving_usd: float
    """Requests of keys; those in doubt at what was held for them."""
    unpriced: int
    """Calls whose cost nobody knows; they are in neither sum."""

    @property
    def usd(self) -> float:
        """Both together."""
        return self.measuring_usd + self.serving_usd


class Where(Noun):
    """What a home page shows."""

    comparisons: tuple[StoredComparison, ...]
    """Newest first."""
    endpoints: tuple[Served, ...]
    keys: int
    """Keys that work."""
    spend: Spend


def where(workspace: Workspace, today: date) -> Where:
    """Look at everything once; nothing is written but the tables that are not there yet."""
    govern = Govern(workspace)
    return Where(
        comparisons=workspace.comparisons(),
        endpoints=tuple(
            Served(name=one.name, versions=len(one.versions), is_stopped=one.state == "stopped")
            for one in registry(workspace, "").all()
        ),
        keys=sum(1 for key in govern.keys.list() if key.revoked_at is None),
        spend=spend_of(workspace, f"{today:%Y-%m}"),
    )


def spend_of(workspace: Workspace, month: str) -> Spend:
    """What the calls of a month cost, measuring and serving apart."""
    table = attempts.c
    ended = table.state.in_(("replied", "failed"))
    query = sa.select(
        sa.func.coalesce(sa.func.sum(table.cost_usd), 0.0),
        sa.func.coalesce(sa.func.sum(sa.case((sa.and_(ended, table.cost_usd.is_(None)), 1), else_=0)), 0),
    ).where(table.sent_at >= month, table.sent_at < f"{month}-99")
    engine = Govern(workspace).engine
    with store_errors(), engine.connect() as connection:
        measuring_usd, unpriced = connection.execute(query).one()
    rows = usage(engine, since=f"{month}-01")
    served = rows[0] if rows else None
    return Spend(
        month=month,
        measuring_usd=float(measuring_usd),
        serving_usd=served.usd if served else 0.0,
        unpriced=int(unpriced) + (served.unpriced if served else 0),
    )
