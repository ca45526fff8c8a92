"""
What the gateway of a workspace answers with: upstreams made of bundles, processes of managed compute, and the API.

A version is served only where what its bundle makes is what was deployed: its digest is looked at each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from touchstone.deployment.base import Endpoint, Key, Upstream, Version
from touchstone.deployment.endpoints.caller import ServingCaller
from touchstone.deployment.endpoints.make import upstream_of
from touchstone.deployment.endpoints.own_kinds import STRATEGIES, served_here
from touchstone.deployment.endpoints.serving import Serving, Target, may_ask
from touchstone.deployment.gateway.api.base import Books
from touchstone.deployment.gateway.api.kinds import kind_routes
from touchstone.deployment.gateway.api.pipeline import Pipeline
from touchstone.deployment.gateway.api.routes import chat_routes
from touchstone.deployment.gateway.api.screens import SafetyLog, Screens
from touchstone.deployment.gateway.api.shadow import ShadowLog, Shadows
from touchstone.deployment.gateway.base import ModelEntry, Route
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.gateway.observe import Observer
from touchstone.deployment.govern.alerts import Alarm
from touchstone.deployment.govern.batches import BatchLimits
from touchstone.deployment.govern.content import ContentLog
from touchstone.deployment.govern.disk import Watermark
from touchstone.deployment.govern.files import FileLimits
from touchstone.deployment.govern.idempotency import Idempotency
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.meter import Meter
from touchstone.deployment.govern.recovery import recover
from touchstone.deployment.govern.reply_cache import ReplyCache
from touchstone.deployment.govern.retention import Retention, sweep
from touchstone.deployment.govern.state import seconds_of
from touchstone.deployment.govern.writer import Writer
from touchstone.errors import SettingsError, StoreError, Unreachable
from touchstone.evaluation.base import Candidate
from touchstone.models.resolve import model_parameters
from touchstone.storage.database import store_file
from touchstone.workspace.background import Background, open_background
from touchstone.workspace.bundle import Bundle, make_served, read_bundle, served_digest, serving_caller
from touchstone.workspace.managed import Managed
from touchstone.workspace.workspace import Workspace

_log = logging.getLogger("touchstone.endpoints")
_RUN_HERE = frozenset({"starter", "local"})
"""Kinds of models whose weights lie here; a training makes one of them out of another model."""
_SWEEP_S = 3600.0
"""How often what has had its time is taken out of the store."""
_FIRST_SWEEP_S = 1.0
"""So long after the start it is done first: a gateway that is started anew every hour would never do it."""
_LEASE_S = 3600.0
"""A request that has been under way for longer was forgotten; its money is booked as in doubt."""


class MakesUpstreams:
    """
    Makes what answers for a version, out of its bundle.

    Args:
        workspace: Whose endpoints these are.
        managed: Runs the processes of versions that are computed here.
    """

    def __init__(self, workspace: Workspace, managed: Managed) -> None:
        self._workspace = workspace
        self._managed = managed
        # One at a time: two threads that import the same library at once break each other's import of it.
        self._turn = asyncio.Lock()

    async def __call__(self, endpoint: Endpoint, version: Version) -> Upstream:
        """
        The upstream of a version.

        Raises:
            UserError: it cannot be made: its folder, a key or something that was built is missing.
            SettingsError: what would be served is not what was deployed.
        """
        async with self._turn:
            return await self._made(endpoint, version)

    async def _made(self, endpoint: Endpoint, version: Version) -> Upstream:
        folder = self._workspace.settings.workspace / version.folder
        bundle = await asyncio.to_thread(read_bundle, folder)
        if bundle.spec.strategy in STRATEGIES:
            return await asyncio.to_thread(served_here, version, folder / "files")
        policy = endpoint.policy
        # In a thread: a baseline learns and an index is read meanwhile, and other requests must not wait for that. What
        # belongs to an event loop is made by candidates when they are first asked, which is in this one.
        candidate = await asyncio.to_thread(lambda: asyncio.run(self._candidate(endpoint, version, bundle, folder)))
        try:
            upstream = upstream_of(
                candidate,
                version.price,
                sampling=policy.sampling,
                most_output_tokens=policy.max_output_tokens,
                image_hosts=policy.image_hosts,
                whole_provider=version.compute is None and version.evidence is None and bundle.dataset is None,
            )
            if version.compute is not None:
                return self._managed.leased(endpoint.name, version, upstream, bundle.spec.model)
            return upstream
        except BaseException:
            await candidate.close()
            raise

    async def _candidate(self, endpoint: Endpoint, version: Version, bundle: Bundle, folder: Path) -> Candidate:
        def caller(reference: str, given: Mapping[str, Any]) -> ServingCaller:
            if version.compute is not None and reference.partition("/")[0] in _RUN_HERE | {
                bundle.spec.model.partition("/")[0]
            }:
                return self._managed.caller(version, reference)
            return serving_caller(reference, {**_deadlines(reference, endpoint), **given}, folder / "files")

        workspace = self._workspace
        candidate, settings = await make_served(bundle, folder, workspace.ledger, workspace.settings.workspace, caller)
        if served_digest(candidate, settings) != version.recipe_digest:
            await candidate.close()
            raise SettingsError(
                "version {version} of {endpoint} is not what was deployed any more, so it is not served; "
                "deploy it again",
                version=version.number,
                endpoint=endpoint.name,
            )
        return candidate


def _deadlines(reference: str, endpoint: Endpoint) -> dict[str, float]:
    """The policy's deadlines, for models that have any."""
    given = {"first_byte_s": endpoint.policy.first_byte_s, "idle_s": endpoint.policy.idle_s}
    return {name: value for name, value in given.items() if name in model_parameters(reference)}


@dataclass(frozen=True)
class Api:
    """What a gateway answers with, beside its own routes."""

    serving: Serving
    pipeline: Pipeline
    """Every request's way, for whoever has requests of its own, such as batches."""
    routes: Sequence[Route]
    background: Background
    """Files and batches; work on them while the door is open."""
    meter: Meter
    writer: Writer
    watermark: Watermark
    shadows: Shadows
    recovered: int
    """Requests that are in doubt because an earlier gateway ended without saying goodbye."""

    @property
    def ready(self) -> bool:
        """Whether requests can be metered, and so be served."""
        return self.writer.failure is None and self.watermark.takes_requests

    def models(self, key: Key) -> Iterator[ModelEntry]:
        """The running endpoints that a key may ask."""
        for name, endpoint in sorted(self.serving.endpoints.items()):
            if endpoint.state == "running" and may_ask(endpoint, key):
                yield ModelEntry(name, int(seconds_of(endpoint.created_at)))


@asynccontextmanager
async def open_api(
    workspace: Workspace,
    keys: Keys,
    *,
    webhook: str | None = None,
    retention: Retention | None = None,
    look_s: float = 0.5,
    limits: DoorLimits | None = None,
    observer: Observer | None = None,
    watermark: Watermark | None = None,
    files: FileLimits | None = None,
    batches: BatchLimits | None = None,
) -> AsyncIterator[Api]:
    """
    The API of a workspace for as long as the block lasts. Only for whoever holds the gateway's lock.

    On leaving, what is still under way beside requests is ended, and everything is written down.

    Args:
        workspace: Whose endpoints are served.
        keys: Forgets what it remembers when something has changed.
        webhook: Told when budgets run out.
        retention: How long things are kept.
        look_s: How often the store is looked at for changes.
        limits: Of the door, for the lines of batches.
        observer: Counts and logs those.
        watermark: Says when the disk is short; by default by the disk that the store lies on.
        files, batches: How much there may be.

    Raises:
        StoreError: the store cannot be read or written.
        SettingsError: the webhook's address cannot be used.
    """
    engine = workspace.ledger.engine
    file = store_file(engine)
    disk = watermark or Watermark(None if file is None else file.parent)
    alarm = Alarm(webhook)
    writer = Writer(engine)
    meter = Meter(engine, writer, on_alert=alarm)
    recovered = await asyncio.to_thread(recover, engine, meter.owner)
    cache = ReplyCache(engine, writer, may_keep=lambda: disk.takes_extras)
    idempotency = Idempotency(engine, writer, owner=meter.owner, may_keep=lambda: disk.takes_extras)
    content = ContentLog(engine, writer, may_keep=lambda: disk.takes_content)
    managed = Managed(engine, workspace.settings.workspace)
    serving = Serving(engine, MakesUpstreams(workspace, managed), today=lambda: datetime.now(UTC).date())
    screens = Screens(serving, meter, SafetyLog(engine, writer))
    shadow_log = ShadowLog(engine, writer, may_keep=lambda: disk.takes_extras)
    shadows = Shadows(serving, meter, screens, shadow_log)
    books = Books(meter, idempotency, cache, lambda: disk.takes_requests)
    pipeline = Pipeline(serving, books, screens=screens, shadows=shadows, content=content)

    changed = asyncio.Event()
    warming: set[asyncio.Task[None]] = set()

    async def warm(target: Target) -> None:
        # The reason of a failure is in the log; the next request tries again.
        with contextlib.suppress(Unreachable):
            async with serving.upstream(target):
                pass

    async def look() -> None:
        if await serving.refresh():
            keys.forget()
            changed.set()
            for target in serving.targets():
                task = asyncio.create_task(warm(target))
                warming.add(task)
                task.add_done_callback(warming.discard)

    async def follow() -> None:
        while True:
            await asyncio.sleep(look_s)
            # A store that does not answer changes nothing until it does.
            with contextlib.suppress(StoreError):
                await look()

    async def reconcile() -> None:
        # Beside looking for changes, because a process that is told to stop may take its time.
        while True:
            await changed.wait()
            changed.clear()
            try:
                await managed.reconcile(serving.endpoints)
            except Exception as error:  # noqa: BLE001 - whatever became of one process, the others are still wanted
                _log.error("processes could not be brought to what is desired: %s", error)

    leaving = False
    swept = partial(sweep, engine, retention or Retention(), goes_on=lambda: not leaving)

    async def tidy() -> None:
        # Beside requests, and not before the gateway is ready for them.
        await asyncio.sleep(_FIRST_SWEEP_S)
        while True:
            meter.give_up(_LEASE_S)
            with contextlib.suppress(StoreError):
                await asyncio.to_thread(swept)
            await asyncio.sleep(_SWEEP_S)

    await look()
    tasks = [asyncio.create_task(one()) for one in (follow, reconcile, tidy)]
    try:
        routes = (*chat_routes(pipeline), *kind_routes(pipeline))
        async with open_background(
            workspace,
            keys,
            routes,
            idempotency=idempotency,
            writer=writer,
            watermark=disk,
            limits=limits or DoorLimits(),
            observer=observer,
            files=files,
            batches=batches,
        ) as background:
            routes += background.routes
            yield Api(serving, pipeline, routes, background, meter, writer, disk, shadows, recovered)
    finally:
        leaving = True
        tasks += warming
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await shadows.close()
        await serving.close()
        await managed.close()
        await alarm.close()
        cache.close()
        await writer.close()
