"""Files and batches of a workspace: where their bytes lie, and the work on batches beside live requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from touchstone.deployment.gateway.admission import Admission
from touchstone.deployment.gateway.api.batch_runner import BatchRunner, batched, living_key
from touchstone.deployment.gateway.api.batches import BatchRoutes
from touchstone.deployment.gateway.api.files import FileRoutes
from touchstone.deployment.gateway.base import Route
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.gateway.observe import Observer
from touchstone.deployment.govern.batches import Batches, BatchLimits
from touchstone.deployment.govern.disk import Watermark
from touchstone.deployment.govern.file_bytes import FileBytes
from touchstone.deployment.govern.files import FileLimits, Files
from touchstone.deployment.govern.idempotency import Idempotency
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.writer import Writer
from touchstone.workspace.workspace import Workspace


@dataclass(frozen=True)
class Background:
    """What goes on beside live requests."""

    routes: tuple[Route, ...]
    """Of files and batches."""
    files: Files
    batches: Batches
    runner: BatchRunner
    limits: DoorLimits

    @asynccontextmanager
    async def working(self, admission: Admission) -> AsyncIterator[None]:
        """
        Work on batches while the block lasts.

        What has begun may end, for as long as live requests may; the rest is asked after the next start. Call
        `runner.halt` when the gateway begins to stop, so that both times are one.

        Args:
            admission: The door's: a line of a batch takes a seat as a live request does.
        """
        await self.runner.start(admission)
        try:
            yield
        finally:
            await self.runner.stop(self.limits.stop_s)


@asynccontextmanager
async def open_background(
    workspace: Workspace,
    keys: Keys,
    routes: Iterable[Route],
    *,
    idempotency: Idempotency,
    writer: Writer,
    watermark: Watermark,
    limits: DoorLimits,
    observer: Observer | None = None,
    files: FileLimits | None = None,
    batches: BatchLimits | None = None,
) -> AsyncIterator[Background]:
    """
    Files and batches for as long as the block lasts. Only for whoever holds the gateway's lock.

    Args:
        workspace: Whose folder `files` holds the bytes.
        keys: Looked at again before each line.
        routes: Of the API; those that batches may name are chosen from them.
        idempotency, writer: The pipeline's.
        watermark: Says when the disk is short.
        limits: Of the door.
        observer: Counts and logs the lines of batches.
        files, batches: How much there may be.

    Raises:
        StoreError: the folder cannot be used.
    """
    place = await asyncio.to_thread(FileBytes, workspace.settings.workspace / "files")
    try:
        stored = Files(workspace.ledger.engine, place, files, may_keep=lambda: watermark.takes_extras)
        rows = Batches(stored, batches)
        runner = BatchRunner(
            rows,
            batched(routes),
            find_key=lambda number: living_key(keys, number),
            idempotency=idempotency,
            writer=writer,
            limits=limits,
            observer=observer,
        )
        found = (*FileRoutes(stored).routes(), *BatchRoutes(rows, runner).routes())
        yield Background(found, stored, rows, runner, limits)
    finally:
        place.close()
