"""
Works on batches beside live requests: never more than so many of their lines at once, and none while it is busy.

A line takes the way of a live request: the same handler, key, budget, limits a minute and guard. Where a live request
would be told to come again, a line waits. What has begun when the gateway stops may end; the rest is asked after the
next start.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import sqlalchemy as sa

from touchstone.deployment.base import Key
from touchstone.deployment.gateway.admission import Admission
from touchstone.deployment.gateway.api.batch_run import BatchRun
from touchstone.deployment.gateway.base import Route
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.gateway.observe import Observer
from touchstone.deployment.govern.batches import Batch, Batches
from touchstone.deployment.govern.idempotency import Idempotency
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.writer import Writer
from touchstone.errors import StoreError, UnknownName

_SWEEP_S = 3_600.0
_AGAIN_S = 10.0
"""After a batch could not be worked on because of the store or the disk, so long nobody tries again."""
_BUSY_S = 0.05
"""How often a line that waits for live requests looks whether they are fewer."""
_FRESH_S = 1.0
"""For so long a key that was looked up is believed, as for live requests (A10)."""

_BOOKED_S = 5.0
"""How long an answer waits for its payment to be committed."""

_log = logging.getLogger("touchstone.batches")


class _Fence:
    """Writes nothing; what was given to the writer before it is committed when it is."""

    def apply(self, _connection: sa.Connection, items: Sequence[Any]) -> Sequence[Any]:
        return [None] * len(items)

    def committed(self) -> None:
        """Nothing follows."""

    def unheard(self, item: Any, result: Any) -> None:
        """Nothing was written."""


_FENCE = _Fence()

FindsKey = Callable[[int], Key | None]
"""The key of a number as it may be used now; None where it has ended. Blocks."""


def living_key(keys: Keys, number: int) -> Key | None:
    """
    The key of a number, or the one that replaced it in a rotation; None where it was revoked or has ended for good.

    Whoever revokes a key ends its batches, even if it had been replaced before.
    """
    seen: set[int] = set()
    while number not in seen:
        seen.add(number)
        try:
            key = keys.get(number)
        except UnknownName:
            return None
        if keys.state(key) != "expired":
            return key if keys.state(key) == "live" else None
        after = [other.id for other in keys.list(project=key.project) if other.replaces == key.id]
        number = after[-1] if after else number
    return None


class BatchRunner:
    """
    Works on all batches of a store. Only for whoever holds the gateway's lock.

    Args:
        batches: Where they stand.
        routes: The routes that their lines may name; see `batched`.
        find_key: Looks keys up, such as `living_key`.
        idempotency: Keeps an answer from its payment until it stands in the batch's own file.
        writer: What payments go through.
        limits: Of the door.
        observer: Counts and logs lines as it does live requests.
    """

    def __init__(
        self,
        batches: Batches,
        routes: Iterable[Route],
        *,
        find_key: FindsKey,
        idempotency: Idempotency,
        writer: Writer,
        limits: DoorLimits,
        observer: Observer | None = None,
    ) -> None:
        self.batches = batches
        self.routes: Mapping[str, Route] = {route.path: route for route in routes}
        self.idempotency = idempotency
        self._writer = writer
        self.limits = limits
        self.observer = observer
        self.admission: Admission | None = None
        self.halted = False
        self.asking = 0
        """Lines that are under way."""
        self._find_key = find_key
        self._keys: dict[int, tuple[Key | None, float]] = {}
        self._turns = asyncio.Semaphore(batches.limits.lines_at_once)
        self._bell = asyncio.Event()
        self._runs: dict[str, tuple[BatchRun, asyncio.Task[None]]] = {}
        self._later: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._swept_at = float("-inf")
        self._halted_at = float("inf")

    async def start(self, admission: Admission) -> None:
        """
        Clean up after an earlier gateway and go on with its batches.

        Args:
            admission: The door's, where lines take their seats.

        Raises:
            StoreError: it cannot be told which there are.
        """
        self.admission = admission
        files = self.batches.files
        unfinished = await asyncio.to_thread(self.batches.unfinished)
        digests = {*await asyncio.to_thread(files.digests), *(batch.digest for batch in unfinished)}
        await asyncio.to_thread(files.place.sweep, digests, {batch.work for batch in unfinished})
        self._task = asyncio.create_task(self._work())

    def wake(self, name: str | None = None) -> None:
        """A batch was created, or the one of this id is cancelled."""
        if name is not None and name in self._runs:
            self._runs[name][0].cancel()
        self._bell.set()

    def now(self, batch: Batch) -> Batch:
        """The batch with the counts of this moment."""
        run = self._runs.get(batch.id)
        if run is None or batch.ended:
            return batch
        completed, failed = run[0].counts
        return batch.model_copy(update={"completed": completed, "failed": failed})

    def halt(self) -> None:
        """Begin nothing further; may be called twice."""
        if not self.halted:
            self.halted, self._halted_at = True, time.monotonic()
        for run, _task in self._runs.values():
            run.halt()
        self._bell.set()

    async def stop(self, limit_s: float) -> None:
        """Let what is under way end, for so long since `halt`; what is cut off then is asked after the next start."""
        self.halt()
        tasks = {task for _run, task in self._runs.values()}
        if self._task is not None:
            tasks.add(self._task)
        if not tasks:
            return
        left_s = max(0.0, limit_s - (time.monotonic() - self._halted_at))
        _done, left = await asyncio.wait(tasks, timeout=left_s)
        for task in left:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # For the runs -----------------------------------------------------------------------------------------------------

    async def key(self, number: int) -> Key | None:
        """A key as it may be used now, at most a second old. Raises `StoreError`."""
        found, until = self._keys.get(number, (None, float("-inf")))
        if time.monotonic() >= until:
            found = await asyncio.to_thread(self._find_key, number)
            self._keys[number] = found, time.monotonic() + _FRESH_S
        return found

    @asynccontextmanager
    async def turn(self, run: BatchRun) -> AsyncIterator[None]:
        """A line's turn: one of few at a time, and only while live requests and the disk leave room (A21)."""
        async with self._turns:
            while (self._busy or not self.batches.files.has_room) and not run.stops():
                await run.pause(_BUSY_S)
            self.asking += 1
            try:
                yield
            finally:
                self.asking -= 1

    async def paid(self) -> None:
        """
        Returns when what was booked so far is committed, so that no answer stands anywhere before its payment.

        Where the store takes nothing for a while, the answer is kept all the same: it must not be bought again.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_BOOKED_S):
                await self._writer.enqueue(_FENCE, None, must=True)

    @property
    def _busy(self) -> bool:
        assert self.admission is not None, "it was started"
        return self.admission.in_flight - self.asking >= self.batches.limits.live_share * self.limits.in_flight

    # The loop ---------------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while not self.halted:
            self._bell.clear()
            try:
                await self._pick()
                if time.monotonic() - self._swept_at > _SWEEP_S:
                    self._swept_at = time.monotonic()
                    await asyncio.to_thread(self.batches.files.sweep)
                    await asyncio.to_thread(self.batches.sweep)
            except StoreError as error:
                _log.warning("batches wait for the store: %s", type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), _AGAIN_S)

    async def _pick(self) -> None:
        """Begin with as many batches as may run; of projects with few running first, then the oldest."""
        waiting = [
            batch
            for batch in await asyncio.to_thread(self.batches.unfinished)
            if batch.id not in self._runs and self._later.get(batch.id, float("-inf")) <= time.monotonic()
        ]
        running = Counter(run.batch.project for run, _task in self._runs.values())
        while waiting and len(self._runs) < self.batches.limits.at_once and not self.halted:
            batch = min(waiting, key=lambda one: (running[one.project], one.created_s, one.id))
            waiting.remove(batch)
            running[batch.project] += 1
            run = BatchRun(self, batch)
            self._runs[batch.id] = run, asyncio.create_task(self._run(run))

    async def _run(self, run: BatchRun) -> None:
        name = run.batch.id
        try:
            await run.go()
            self._later.pop(name, None)
        except (StoreError, OSError) as error:
            _log.warning("batch %s waits: %s", name, type(error).__name__)
            self._later[name] = time.monotonic() + _AGAIN_S
        except Exception:  # noqa: BLE001 - one batch must not end the work on all others
            _log.exception("batch %s waits, because something failed here", name)
            self._later[name] = time.monotonic() + _AGAIN_S
        finally:
            del self._runs[name]
            self._bell.set()


def batched(routes: Iterable[Route]) -> tuple[Route, ...]:
    """The routes that a line of a batch may name: requests to models whose body is JSON."""
    return tuple(
        route
        for route in routes
        if route.method == "POST" and route.media == "json" and route.access == "infer" and not route.names
    )
