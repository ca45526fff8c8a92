"""A program that runs under a keeper, as whoever supervises it holds it: its end, its output, and how to end it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from touchstone.deployment.compute import keeper
from touchstone.deployment.compute.log_file import LogFile

_LAST_WORDS_S = 1.0
"""So long what is still in the pipe is waited for after the end; a stranger may hold its other end for ever."""


class KeptProcess:
    """
    Made by `start`.

    The pipes are our own and not asyncio's, which takes a process for running while any other holds its output.
    """

    def __init__(self, process: asyncio.subprocess.Process, lifeline: int, copied: asyncio.Task[None]) -> None:
        self._process = process
        self._lifeline = lifeline
        self._copied = copied

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        log: LogFile,
        open_files: int,
        grace_s: float,
    ) -> KeptProcess:
        """
        Start a program in a group of its own.

        Args:
            command: Its argument list.
            environment: All of it.
            folder: Where it runs.
            log: What it prints goes there.
            open_files: Most files and sockets that it may have open.
            grace_s: Between being asked to stop and being killed, once this process is gone.

        Raises:
            OSError: there are no more processes or pipes.
        """
        alive_read, alive_write = os.pipe()
        print_read, print_write = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(Path(keeper.__file__)),
                str(open_files),
                str(grace_s),
                *command,
                stdin=alive_read,
                stdout=print_write,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )
        except BaseException:
            os.close(alive_write)
            os.close(print_read)
            raise
        finally:
            os.close(alive_read)
            os.close(print_write)
        return cls(process, alive_write, asyncio.create_task(_copy(print_read, log)))

    @property
    def pid(self) -> int:
        """Of the keeper, which leads the group."""
        return self._process.pid

    async def wait(self) -> int:
        """Until it has ended; its exit status, negative for a signal that ended the keeper itself."""
        return await self._process.wait()

    def ask_to_stop(self) -> None:
        """Tell the program, through its keeper."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    async def end(self) -> None:
        """Kill whatever is left of the group, for a program may have started others, and close what is open."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        await self._process.wait()
        os.close(self._lifeline)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await self._copied


async def _copy(descriptor: int, log: LogFile) -> None:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        while part := await reader.read(65_536):
            log.write(part)
    finally:
        transport.close()
