"""Worker processes that models share: as many as there are processors, each busy with one answer at a time."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import orjson

from touchstone.config import environment_of_children
from touchstone.errors import ProviderFailed

MOST_WORKERS = 8
_LINE_BYTES = 16 * 2**20

_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = WeakKeyDictionary()


def pool_here() -> Pool:
    """The pool of the running event loop, with one more user."""
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop)
    if pool is None:
        pool = _pools[loop] = Pool()
    pool.users += 1
    return pool


def worker_environment() -> dict[str, str]:
    """What a worker sees: numbers are worked out on one core each, since there is a worker for each core."""
    return {**environment_of_children(), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Pool:
    """Worker processes, started when they are needed."""

    def __init__(self, size: int | None = None) -> None:
        self.users = 0
        self.size = size or max(1, min(MOST_WORKERS, os.cpu_count() or 1))
        self._free: asyncio.LifoQueue[asyncio.subprocess.Process | None] = asyncio.LifoQueue()
        for _ in range(self.size):
            self._free.put_nowait(None)
        self._started: set[asyncio.subprocess.Process] = set()

    async def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """
        What a worker answers; waits for a free one.

        Raises:
            ProviderFailed: the worker ended instead.
        """
        worker = await self._free.get()
        answered = False
        try:
            if worker is None or worker.returncode is not None:
                worker = await self._start()
            assert worker.stdin is not None
            assert worker.stdout is not None
            with suppress(ConnectionError):
                worker.stdin.write(orjson.dumps(asked) + b"\n")
                await worker.stdin.drain()
            line = await worker.stdout.readline()
            answered = bool(line)
            if not answered:
                raise ProviderFailed(
                    "the process of a local model ended without an answer (status {code})", code=await worker.wait()
                )
            found: dict[str, Any] = orjson.loads(line)
            return found
        finally:
            if not answered and worker is not None:
                # Cancelled or dead: what it would still say belongs to nobody.
                self._end(worker)
                worker = None
            self._free.put_nowait(worker)

    async def _start(self) -> asyncio.subprocess.Process:
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the working directory says nothing of what is imported
            "-m",
            "touchstone.models.starter.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=worker_environment(),
            limit=_LINE_BYTES,
            start_new_session=True,
        )
        self._started.add(worker)
        return worker

    def _end(self, worker: asyncio.subprocess.Process) -> None:
        self._started.discard(worker)
        with suppress(ProcessLookupError):
            worker.kill()

    async def release(self) -> None:
        """One user fewer; the last one ends the workers."""
        self.users -= 1
        if self.users > 0:
            return
        started = list(self._started)
        for worker in started:
            self._end(worker)
        for worker in started:
            await worker.wait()
