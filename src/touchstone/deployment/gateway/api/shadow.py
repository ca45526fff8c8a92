"""
Copies of requests to a version that answers nobody: both replies are kept, to be scored when there is time.

A copy begins when the real reply has ended and good came of it, in a set of tasks that is bounded: it never delays or
fails a real one, and where too much is under way it is left out and counted. Its row says `shadow`, and touches no
budget.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from touchstone.deployment.base import Answered, Asked, Endpoint, Key, Kind, Upstream, Version
from touchstone.deployment.endpoints.serving import Serving, Target
from touchstone.deployment.gateway.api.asking import passed
from touchstone.deployment.gateway.api.base import Chosen, Request
from touchstone.deployment.gateway.api.failing import billed_usd, code_of
from touchstone.deployment.gateway.api.screens import Screens, Whose
from touchstone.deployment.gateway.base import GatewayError
from touchstone.deployment.govern.meter import Ending, Hold, Intent, Meter
from touchstone.deployment.govern.prices import usage_usd, worst_usd
from touchstone.deployment.govern.rows import Rows
from touchstone.deployment.govern.sql import Row
from touchstone.deployment.govern.state import stamp
from touchstone.deployment.govern.tables import shadow_replies
from touchstone.deployment.govern.writer import Writer
from touchstone.errors import ModelError, TouchstoneError

KEEP_DAYS = 30
"""For so long both replies are kept, where the endpoint's policy names no other time."""
MOST = 64
"""Copies under way at a time."""
_DAY_S = 86_400

_log = logging.getLogger("touchstone.shadow")


class ShadowLog:
    """
    Keeps pairs of replies.

    Args:
        engine: The store.
        writer: What all of the gateway's writes go through.
        may_keep: Whether the disk has room for them; see `disk.Watermark`.
    """

    def __init__(self, engine: sa.Engine, writer: Writer, *, may_keep: Callable[[], bool] = lambda: True) -> None:
        self.may_keep = may_keep
        self._writer = writer
        self._rows = Rows(shadow_replies, engine.dialect, replace=True)

    def keep(self, request: str, endpoint: Endpoint, version: int, shadow: int, document: Mapping[str, Any]) -> None:
        """Both replies to a request, with what was asked."""
        body = orjson.dumps(document)
        days = endpoint.policy.keep_content_days or KEEP_DAYS
        row: Row = (
            request, endpoint.name, version, shadow, body, len(body), stamp(), int(time.time()) + days * _DAY_S,
        )  # fmt: skip
        self._writer.enqueue(self._rows, row)


class _Copy(NamedTuple):
    """A request as it is asked again. Nothing of the connection that it came by: that one may be gone."""

    request: str
    key: Key
    kind: Kind
    asked: Asked
    endpoint: Endpoint
    version: int
    shadow: Version
    real: bytes


class Shadows:
    """
    Asks shadow versions.

    Args:
        serving: Who answers for them.
        meter: Books what they take.
        screens: What is kept passes the endpoint's guard too.
        log: Keeps both replies.
        most: Copies under way at a time.

    Attributes:
        left_out: Copies that were not asked because so many were under way.
    """

    def __init__(self, serving: Serving, meter: Meter, screens: Screens, log: ShadowLog, *, most: int = MOST) -> None:
        self.left_out = 0
        self._serving = serving
        self._meter = meter
        self._screens = screens
        self._log = log
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def in_flight(self) -> int:
        """Copies under way."""
        return len(self._tasks)

    def start(
        self, request: Request, chosen: Chosen, shadow: Version, wanted: Mapping[str, Any], answered: Answered
    ) -> None:
        """
        Ask a shadow version what was asked and answered; returns at once.

        Args:
            request: The real one.
            chosen: Who answered it.
            shadow: Who is asked.
            wanted: The fields that it is asked with, after masks.
            answered: The real reply, whole.
        """
        if len(self._tasks) >= self._most or not self._log.may_keep():
            self.left_out += 1
            return
        key = request.incoming.key
        assert key is not None, "the routes of the API let nobody in without a key"
        body = {name: value for name, value in wanted.items() if name not in ("stream", "stream_options")}
        name = request.incoming.request
        asked = Asked(request.form.asks, body, False, name)
        copy = _Copy(name, key, request.form.kind, asked, chosen.endpoint, chosen.version.number, shadow, answered.body)
        # A context of its own: nothing of the real request shall hang on it.
        task = asyncio.get_running_loop().create_task(self._run(copy))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, copy: _Copy) -> None:
        reply: bytes | None = None
        error: str | None = None
        try:
            async with self._serving.upstream(Target(copy.endpoint, copy.shadow)) as upstream:
                reply = await self._reply(copy, upstream)
        except (TouchstoneError, GatewayError) as failure:
            error = code_of(failure)
        except Exception as failure:  # noqa: BLE001 - whatever it is, nobody real may suffer from it
            _log.error("a shadow of %s failed: %s", copy.endpoint.name, type(failure).__name__)
            error = "internal_error"
        self._log.keep(
            copy.request,
            copy.endpoint,
            copy.version,
            copy.shadow.number,
            {
                "asked": copy.asked.body,
                "reply": _text(copy.real),
                "shadow_reply": None if reply is None else _text(reply),
                "error": error,
            },
        )

    async def _reply(self, copy: _Copy, upstream: Upstream) -> bytes | None:
        """What the shadow says, as far as the endpoint's guard lets it be kept."""
        ready = await upstream.prepare(copy.asked)
        screen = await self._screens.of(copy.endpoint, Whose(copy.key, copy.request))
        if screen is not None:
            passed(await screen.passages(ready.passages, copy.request))
        price = upstream.price
        most = None if price is None else worst_usd(price, ready.input_tokens, ready.output_tokens)
        intent = Intent(
            copy.request, copy.key, copy.endpoint.name, copy.shadow.number, upstream.model, copy.kind, most, 0, False,
            True,
        )  # fmt: skip
        hold = await self._meter.open(intent)
        started = time.perf_counter()
        answered = await self._asked(upstream, ready, hold)
        seconds = time.perf_counter() - started
        usd = usage_usd(price, answered.usage)
        self._meter.settle(hold, Ending("done", answered.usage, usd, seconds, model=answered.model))
        if screen is None:
            return answered.body
        screened = await screen.reply(answered.body, answered.content_type, copy.request)
        return None if screened.action == "block" else bytes(screened.body)

    async def _asked(self, upstream: Upstream, ready: Any, hold: Hold) -> Answered:
        try:
            return await upstream.answer(ready)
        except ModelError as error:
            self._meter.settle(hold, Ending("failed", usd=billed_usd(error), error=code_of(error)))
            raise
        except BaseException:
            self._meter.settle(hold, Ending("cut", error="shutting_down"))
            raise

    async def close(self) -> None:
        """End what is under way; each is settled. May be called twice."""
        for task in tuple(self._tasks):
            task.cancel()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)


def _text(body: bytes) -> Any:
    """A reply as part of a document: JSON as it is, else as text."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
