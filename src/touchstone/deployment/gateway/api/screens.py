"""The guard of each endpoint, made when it is first needed, and the records of what guards decided."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial
from itertools import count
from typing import Any, Literal, NamedTuple

import orjson
import sqlalchemy as sa

from touchstone.deployment.base import Asked, Endpoint, Key, Kind, SafetyPolicy, Upstream
from touchstone.deployment.endpoints.serving import Serving, Target
from touchstone.deployment.gateway.api.failing import billed_usd, code_of
from touchstone.deployment.gateway.base import Incoming
from touchstone.deployment.govern.meter import Ending, Intent, Meter
from touchstone.deployment.govern.prices import usage_usd, worst_usd
from touchstone.deployment.govern.rows import Rows
from touchstone.deployment.govern.sql import Row
from touchstone.deployment.govern.tables import safety_records
from touchstone.deployment.govern.writer import Writer
from touchstone.deployment.safety.base import SafetyRecord
from touchstone.deployment.safety.guard import make_guard
from touchstone.deployment.safety.moderation import unavailable
from touchstone.deployment.safety.screen import Screen
from touchstone.errors import ModelError, TouchstoneError

_log = logging.getLogger("touchstone.safety")


class SafetyLog:
    """
    Keeps the records of guards: rules and places, never a text.

    Args:
        engine: The store.
        writer: What all of the gateway's writes go through.
    """

    def __init__(self, engine: sa.Engine, writer: Writer) -> None:
        self._writer = writer
        self._rows = Rows(safety_records, engine.dialect)
        self._numbers = count(int.from_bytes(os.urandom(4), "big") >> 1 << 32)

    def keep(self, record: SafetyRecord) -> None:
        """Write a record down with the next rows."""
        said: dict[str, Any] = {
            "findings": [finding.model_dump(mode="json", exclude_none=True) for finding in record.findings],
            "texts": record.texts,
            "seconds": record.seconds,
        }
        row: Row = (
            next(self._numbers), record.request, record.endpoint, record.way, record.status, orjson.dumps(said),
            record.at, orjson.dumps(record.not_checked) if record.not_checked else None, record.reason,
        )  # fmt: skip
        self._writer.enqueue(self._rows, row, must=True)


class Whose(NamedTuple):
    """On whose behalf a guard asks another endpoint."""

    key: Key
    request: str
    incoming: Incoming | None = None
    """The request itself; None for a copy to a shadow version, whose checks touch no budget either."""


_whose: ContextVar[Whose | None] = ContextVar("touchstone_whose_text", default=None)


class Screens:
    """
    Screens by endpoint.

    Args:
        serving: Whom moderation is asked of.
        meter: Books what moderation takes, from the budget of the key whose request is judged.
        log: Keeps records.
    """

    def __init__(self, serving: Serving, meter: Meter, log: SafetyLog) -> None:
        self._serving = serving
        self._meter = meter
        self._log = log
        self._made: dict[str, tuple[SafetyPolicy, Screen]] = {}

    async def of(self, endpoint: Endpoint, whose: Whose) -> Screen | None:
        """
        The screen of an endpoint; None where its policy looks for nothing.

        Raises:
            SafetyUnavailable: the policy cannot be carried out, so nothing may pass.
        """
        policy = endpoint.policy.safety
        if not policy.checks:
            return None
        _whose.set(whose)
        known = self._made.get(endpoint.name)
        if known is not None and (known[0] is policy or known[0] == policy):
            return known[1]
        screen = await self._make(endpoint.name, policy, whose.request)
        self._made[endpoint.name] = (policy, screen)
        return screen

    async def _make(self, name: str, policy: SafetyPolicy, request: str) -> Screen:
        judge = policy.moderation
        try:
            if judge is None:
                guard = make_guard(policy)
            else:
                guard = make_guard(policy, partial(self._ask, judge), asks=await self._asks(judge, request))
        except TouchstoneError as error:
            _log.error("the safety policy of %s cannot be carried out: %s", name, error)
            raise unavailable("failed") from error
        return Screen(guard, policy, name, self._log.keep)

    async def _asks(self, name: str, request: str) -> Literal["moderation", "chat"]:
        """What a moderation endpoint is: a classifier, or a chat model."""
        endpoint = self._serving.find(name)
        if endpoint is None:
            raise unavailable("failed")
        async with self._serving.upstream(Target(endpoint, self._serving.pick(endpoint, request))) as upstream:
            return _judges_by(upstream)

    async def _ask(self, name: str, body: Mapping[str, Any]) -> bytes:
        """
        What the moderation endpoint says; the key whose request is judged pays for it, within its budget.

        Raises:
            Refused: the budget does not cover it, or it cannot be metered, so nobody is asked.
            ModelError: there is no answer.
        """
        endpoint = self._serving.find(name)
        whose = _whose.get()
        if endpoint is None or whose is None:
            raise unavailable("failed")
        version = self._serving.pick(endpoint, whose.request)
        async with self._serving.upstream(Target(endpoint, version)) as upstream:
            kind: Kind = _judges_by(upstream)
            ready = await upstream.prepare(Asked(kind, body, False, whose.request))
            price = upstream.price
            most = None if price is None else worst_usd(price, ready.input_tokens, ready.output_tokens)
            copied = whose.incoming is None
            intent = Intent(
                whose.request, whose.key, name, version.number, upstream.model, kind, most, shadow=copied,
                judges=not copied,
            )  # fmt: skip
            hold = await self._meter.open(intent)
            try:
                answered = await upstream.answer(ready)
            except ModelError as error:
                self._meter.settle(hold, Ending("failed", usd=billed_usd(error), error=code_of(error)))
                raise
            except BaseException:
                self._meter.settle(hold, _interrupted(whose.incoming))
                raise
            usd = usage_usd(price, answered.usage)
            self._meter.settle(hold, Ending("done", answered.usage, usd, model=answered.model))
            return answered.body


def _interrupted(incoming: Incoming | None) -> Ending:
    """How a question ended that was not answered, at what was held for it: nobody knows how far it came."""
    if incoming is None:
        return Ending("cut", error="shutting_down")
    if incoming.disconnected.is_set():
        return Ending("client_closed", error=incoming.cut)
    # What neither the client nor the gateway ended took longer than the policy waits.
    return Ending("cut", error=incoming.cut or "upstream_no_reply")


def _judges_by(upstream: Upstream) -> Literal["moderation", "chat"]:
    """
    How a moderation endpoint is asked.

    A provider's model that is served as it is takes every kind of request, and which of them it answers only its
    provider knows; then its name says it, as in `omni-moderation-latest`.
    """
    if "chat" not in upstream.kinds:
        return "moderation"
    return "moderation" if "moderation" in upstream.kinds and "moderation" in upstream.model.lower() else "chat"
