"""
A budget that is half spent, nearly spent, spent: said once for each window.

The row is written in the transaction that passes the share, so that no restart says it again. What follows — a line in
the log, a message to an address — is done afterwards and may fail without harm.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from touchstone.catalog.addresses import check_base_url
from touchstone.catalog.outbound import Door, Limits
from touchstone.catalog.source_failed import SourceFailed
from touchstone.deployment.govern.tables import alerts as table
from touchstone.errors import SettingsError
from touchstone.evaluation.store_errors import store_errors

SHARES = (50, 80, 100)
"""Percent of a budget, ascending."""

_log = logging.getLogger("touchstone.alerts")
_ANY_TYPE = (
    "application/json", "text/json", "text/plain", "text/html", "application/octet-stream", "text/xml",
    "application/xml",
)  # fmt: skip
"""What receivers of webhooks answer with; none of it is read."""


class Alert(NamedTuple):
    """A share of a budget that was spent."""

    key: int
    """The key whose budget it is: the first of its rotations."""
    window: int
    percent: int
    spent_usd: float
    cap_usd: float
    at: str
    """ISO 8601, UTC."""
    new: bool = True
    """False where it had been said before, by a gateway that has ended since."""


def told(engine: sa.Engine, *, key: int | None = None, limit: int = 100) -> Sequence[Alert]:
    """What was said so far, newest first; of one key's budget where it is named."""
    query = sa.select(table).order_by(table.c.at.desc(), table.c.percent.desc()).limit(limit)
    if key is not None:
        query = query.where(table.c.key == key)
    with store_errors(), engine.connect() as connection:
        return [Alert(*row) for row in connection.execute(query)]


class Alarm:
    """
    What the meter tells of alerts: each becomes a line in the log, and a message where an address is named.

    Args:
        webhook: Address that is sent a JSON object for each alert; None sends nothing. It goes through the one outbound
            door: https, or an address of this machine or a private network, which is what was named.

    Raises:
        SettingsError: the address cannot be used.
    """

    def __init__(self, webhook: str | None = None) -> None:
        self._webhook = webhook
        self._sending: set[asyncio.Task[None]] = set()
        if webhook is not None:
            limits = Limits(connect_s=5.0, idle_s=10.0, total_s=20.0, max_bytes=1 << 20)
            self._door = Door(near=(_base_of(webhook),), limits=limits)

    def __call__(self, alert: Alert) -> None:
        """Called on the event loop; returns at once."""
        _log.warning(
            "key %d has spent %d %% of its budget: %.4f of %.4f USD",
            alert.key, alert.percent, alert.spent_usd, alert.cap_usd,
        )  # fmt: skip
        if self._webhook is not None:
            task = asyncio.get_running_loop().create_task(self._send(alert))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Wait for messages that are being sent; each has a deadline."""
        if self._sending:
            await asyncio.wait(tuple(self._sending))

    async def _send(self, alert: Alert) -> None:
        assert self._webhook is not None
        try:
            await self._door.ask(self._webhook, post=message(alert), accept=_ANY_TYPE)
        except SourceFailed as error:
            if error.status is None or not 200 <= error.status < 300:
                _log.warning("the alert could not be sent: %s", error)
        except SettingsError as error:
            _log.warning("the alert could not be sent: %s", error)


def message(alert: Alert) -> bytes:
    """What a webhook is sent: `text` is what chat programs show, the rest is for others."""
    said: dict[str, Any] = {
        "text": f"Touchstone: key {alert.key} has spent {alert.percent} % of its budget "
        f"({alert.spent_usd:.4f} of {alert.cap_usd:.4f} USD).",
        "event": "budget.alert",
        "key": alert.key,
        "window": alert.window,
        "percent": alert.percent,
        "spent_usd": alert.spent_usd,
        "cap_usd": alert.cap_usd,
        "at": alert.at,
    }
    return orjson.dumps(said)


def _base_of(address: str) -> str:
    scheme, mark, rest = address.partition("://")
    return check_base_url(scheme + mark + rest.partition("/")[0])
