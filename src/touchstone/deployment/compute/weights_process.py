"""The process that writes, as `serve_weights` asks it: one answer at a time, piece by piece."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from touchstone.config import limit_of_child
from touchstone.errors import NoReply, ProviderFailed, RateLimited
from touchstone.models.local.confine import MEMORY_VARIABLE, child_environment
from touchstone.models.local.process import DEADLINE_S

_LINE_BYTES = 16 * 2**20
_FILE_BYTES = 2**20
"""Of the largest file it may write; it writes none."""


class WeightsProcess:
    """
    Loads weights and writes.

    Args:
        arguments: Kind, folder, and adapter where there is one.
        threads: Of its arithmetic; None leaves it to the libraries.
        most_waiting: Requests that may wait for the one that is answered.
        deadline_s: Longest silence within an answer: a template of a stranger's may never end.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        threads: int | None = None,
        most_waiting: int = 64,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.arguments = tuple(arguments)
        self.threads = threads
        self.most_waiting = most_waiting
        self.deadline_s = deadline_s
        self.context: int | None = None
        """Tokens that it reads and writes together; None until it is loaded."""
        self.gone = asyncio.Event()
        """Set when the process ended, by itself or because it was silent for too long."""
        self.reason: str | None = None
        """Why."""
        self._free = asyncio.Lock()
        self._waiting = 0
        self._asked = 0
        self._child: asyncio.subprocess.Process | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._scratch = Path(tempfile.mkdtemp(prefix="touchstone-weights-"))

    async def load(self) -> None:
        """
        Start it and wait until its weights are loaded.

        Raises:
            ProviderFailed: they cannot be, or the process ended.
        """
        threads = {} if self.threads is None else dict.fromkeys(_THREAD_VARIABLES, str(self.threads))
        self._child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the working directory says nothing of what is imported
            "-m",
            "touchstone.deployment.compute.weights_worker",
            *self.arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={
                **child_environment(
                    self._scratch, memory_bytes=limit_of_child(MEMORY_VARIABLE), file_bytes=_FILE_BYTES
                ),
                **threads,
            },
            limit=_LINE_BYTES,
        )
        self._watching = asyncio.create_task(self._until_gone(self._child))
        said = await self._line(None)
        if "refused" in said:
            self._give_up(str(said["refused"]))
            raise ProviderFailed("the weights cannot be loaded: {reason}", reason=said["refused"])
        self.context = int(said["loaded"]["context"])

    async def ask(self, asked: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """
        Pieces, then the end; leaving early stops the writing.

        Raises:
            RateLimited: too many wait already.
            ProviderFailed: the process ended.
            NoReply: it was silent for too long, and was ended.
        """
        if self._waiting >= self.most_waiting:
            raise RateLimited(
                "{waiting} requests wait for this process already", waiting=self._waiting, retry_after_s=1
            )
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        self._asked += 1
        number = self._asked
        ended = False
        try:
            await self._write({"id": number, **asked})
            while not ended:
                said = await self._line(number)
                ended = "piece" not in said
                yield said
        finally:
            # Nobody else is let in before its last line was read, which comes with its next token.
            if ended or self.gone.is_set():
                self._free.release()
            else:
                left = asyncio.create_task(self._leave(number))
                left.add_done_callback(lambda _: self._free.release())
                self._leaving = left

    async def _until_gone(self, child: asyncio.subprocess.Process) -> None:
        """Whoever watches is told also when nobody asks."""
        self._give_up(f"ended with status {await child.wait()}")

    async def _leave(self, number: int) -> None:
        with suppress(ProviderFailed, NoReply):
            await self._write({"leave": number})
            while "piece" in await self._line(number):
                pass

    async def _write(self, what: Mapping[str, Any]) -> None:
        assert self._child is not None
        assert self._child.stdin is not None
        with suppress(ConnectionError):
            self._child.stdin.write(orjson.dumps(what) + b"\n")
            await self._child.stdin.drain()

    async def _line(self, number: int | None) -> dict[str, Any]:
        """The next line of an answer; of the beginning with None, which may take as long as loading does."""
        assert self._child is not None
        assert self._child.stdout is not None
        try:
            async with asyncio.timeout(None if number is None else self.deadline_s):
                line = await self._child.stdout.readline()
        except TimeoutError as error:
            self._give_up(f"silent for {self.deadline_s:.0f} s")
            raise NoReply("the model did not answer within {seconds:.0f} s", seconds=self.deadline_s) from error
        if not line:
            code = await self._child.wait()
            self._give_up(f"ended with status {code}")
            raise ProviderFailed("the process of a local model ended without an answer (status {code})", code=code)
        said: dict[str, Any] = orjson.loads(line)
        return said

    def _give_up(self, reason: str) -> None:
        self.reason = self.reason or reason
        if self._child is not None:
            with suppress(ProcessLookupError):
                self._child.kill()
        self.gone.set()

    async def close(self) -> None:
        """End it; may be called twice."""
        self._give_up("closed")
        if self._watching is not None:
            await self._watching
        shutil.rmtree(self._scratch, ignore_errors=True)


_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
