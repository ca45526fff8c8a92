"""A store, clocks that stand still, keys and requests, for whoever tests money."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.deployment.laid import lay_store

from touchstone.deployment.base import Budget, Key, Usage, Window
from touchstone.deployment.govern.meter import Ending, Hold, Intent, Meter
from touchstone.deployment.govern.state import stamp
from touchstone.deployment.govern.tables import charges, key_windows
from touchstone.deployment.govern.writer import Writer
from touchstone.storage.database import open_database

NOON_S = 1_795_780_800.0
"""2026-11-27, 12:00 UTC, a Friday."""
DAY_S = 86_400.0


@dataclass
class Clock:
    """A clock that is set by hand."""

    at_s: float = NOON_S

    def __call__(self) -> float:
        return self.at_s


def open_store(folder: Path) -> sa.Engine:
    """A store with the tables of the room."""
    return open_database(lay_store(folder))


def a_key(number: int = 1, cap_usd: float | None = 1.0, window: Window = "month", **more: Any) -> Key:
    """A key as `find` returns it."""
    budget = None if cap_usd is None else Budget(usd=cap_usd, window=window)
    return Key(id=number, name=f"key {number}", shown="ts-", created_at=stamp(0), budget=budget, **more)


@dataclass
class Books:
    """A meter on a store, and what the store says of it."""

    engine: sa.Engine
    clock: Clock = field(default_factory=Clock)
    aged: Clock = field(default_factory=Clock)
    alerts: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.writer = Writer(self.engine)
        self.meter = self.another()
        self.asked = 0

    def another(self, writer: Writer | None = None) -> Meter:
        """A further meter on the same store, as a second process would have."""
        return Meter(
            self.engine, writer or self.writer, clock=self.clock, monotonic=self.aged, on_alert=self.alerts.append
        )

    def intent(self, key: Key, hold_usd: float | None = 0.01, **more: Any) -> Intent:
        """A further request of a key."""
        self.asked += 1
        wanted = {"endpoint": "helpdesk", "version": 1, "model": "small", "kind": "chat", **more}
        return Intent(request=f"req-{self.asked}", key=key, hold_usd=hold_usd, **wanted)

    async def open(self, key: Key, hold_usd: float | None = 0.01, **more: Any) -> Hold:
        """Open a further request."""
        return await self.meter.open(self.intent(key, hold_usd, **more))

    async def ask(self, key: Key, hold_usd: float, usd: float) -> bool:
        """A whole request: its hold and its end."""
        return await self.meter.settle(await self.open(key, hold_usd), Ending("done", Usage(10, 5), usd))

    def rows(self) -> list[Any]:
        """All rows of requests, in the order of their ids."""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.select(charges).order_by(charges.c.id)))

    def windows(self, purse: int = 1) -> dict[int, tuple[float, float]]:
        """Spent and held USD of a purse, by window."""
        query = sa.select(key_windows).where(key_windows.c.key == purse)
        with self.engine.connect() as connection:
            return {row.window: (row.spent_usd, row.held_usd) for row in connection.execute(query)}
