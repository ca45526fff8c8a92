"""One process with one folder of weights; it answers one request after the other."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from touchstone.errors import NoReply, ProviderFailed
from touchstone.models.local.confine import child_environment

_LINE_BYTES = 16 * 2**20
DEADLINE_S = 600.0
"""For one answer, loading included: a template of a stranger's may never end."""


class LocalProcess:
    """
    Started with the first question, and again when it died.

    Args:
        folder: Of the weights.
        memory_bytes: Most memory that it may take; None sets no limit.
    """

    def __init__(self, folder: Path, *, memory_bytes: int | None = None, deadline_s: float = DEADLINE_S) -> None:
        self.folder = folder
        self.memory_bytes = memory_bytes
        self.deadline_s = deadline_s
        self._free = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._scratch: Path | None = None

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return self._child.pid if self._child is not None else None

    async def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """
        Its answer.

        Raises:
            ProviderFailed: the process ended instead.
            NoReply: it took too long, and was ended.
        """
        async with self._free:
            answered = False
            try:
                if self._child is None or self._child.returncode is not None:
                    self._child = await self._start()
                child = self._child
                assert child.stdin is not None
                assert child.stdout is not None
                with suppress(ConnectionError):
                    child.stdin.write(orjson.dumps(asked) + b"\n")
                    await child.stdin.drain()
                try:
                    line = await asyncio.wait_for(child.stdout.readline(), self.deadline_s)
                except TimeoutError as error:
                    raise NoReply(
                        "the model in {folder} did not answer within {seconds:.0f} s",
                        folder=str(self.folder),
                        seconds=self.deadline_s,
                    ) from error
                if not line:
                    code = await child.wait()
                    raise ProviderFailed(
                        "the process of a local model ended without an answer (status {code})", code=code
                    )
                answered = True
                found: dict[str, Any] = orjson.loads(line)
                return found
            finally:
                if not answered:
                    await self._end()

    async def _start(self) -> asyncio.subprocess.Process:
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="touchstone-local-"))
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the working directory says nothing of what is imported
            "-m",
            "touchstone.models.local.worker",
            str(self.folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=child_environment(self._scratch, memory_bytes=self.memory_bytes, file_bytes=2**20),
            limit=_LINE_BYTES,
            start_new_session=True,
        )

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    async def close(self) -> None:
        """End the process; may be called twice."""
        await self._end()
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
