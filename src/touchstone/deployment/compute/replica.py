"""One replica of a version: one process after the other, started, watched, ended and started again."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import aiohttp

from touchstone.catalog.memory import GIB
from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.base import Compute
from touchstone.deployment.compute.health import free_port, is_healthy, names_served, warm_up
from touchstone.deployment.compute.kept import KeptProcess
from touchstone.deployment.compute.log_file import LogFile
from touchstone.deployment.compute.machine import check_memory, tree_bytes
from touchstone.deployment.compute.states import ProcessState, Rules, Standing
from touchstone.errors import UserError
from touchstone.models.local.confine import child_environment

_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.05, 0.5
"""Between two looks whether a process is ready: shorter at first, because small models are there at once."""
_DATA_SHARE, _DATA_MORE = 2, 8 * GIB
"""The hard limit on data beside the watch: twice the limit and 8 GiB, because it counts what is only reserved, and
runtimes of accelerators reserve much. It ends what claims a terabyte between two looks."""


class _End(NamedTuple):
    """How one process ended."""

    asked_for: bool
    note: str | None


class Replica:
    """
    Keeps one process of a version alive while it is wanted.

    Args:
        endpoint: Name of the endpoint.
        version: Number of the version.
        number: Of the replica, from 0.
        compute: How it is run.
        settings: What the version says of it.
        folder: The version's own folder.
        place: Where its scratch folder and log lie.
        rules: How it is watched.
        session: For asking it.
        changed: Called when its state changed.
    """

    def __init__(
        self,
        endpoint: str,
        version: int,
        number: int,
        *,
        compute: Compute,
        settings: ComputeSettings,
        folder: Path,
        place: Path,
        rules: Rules,
        session: aiohttp.ClientSession,
        changed: Callable[[ProcessState], None],
    ) -> None:
        self.compute = compute
        self.settings = settings
        self.folder = folder
        self.rules = rules
        self.busy = 0
        """Requests that it answers now, as far as whoever asks it says so."""
        self.last_used = time.monotonic()
        self.need_gib = compute.memory_gib(settings, folder)
        """What it will take; None where nobody can tell."""
        self.log = LogFile(place / f"replica-{number}.log", most_bytes=rules.log_bytes, files=rules.log_files)
        self._scratch = place / "scratch"
        self._session = session
        self._changed = changed
        self._ends: deque[float] = deque()
        self._wanted = asyncio.Event()
        self._unwanted = asyncio.Event()
        self._unwanted.set()
        self._gone = asyncio.Event()
        self._gone.set()
        self._resting: Standing = "stopped"
        self.state = ProcessState(
            endpoint=endpoint, version=version, replica=number, state="stopped", since=_now(), note=None
        )
        self._life = asyncio.create_task(self._live(), name=f"{endpoint} {version}.{number}")

    @property
    def limit_bytes(self) -> int | None:
        """
        Memory above which the process is ended: what the version says, or else twice what the kind reckons, and at
        least a GiB more, because a reckoning is none of what a runtime takes to the byte.
        """
        if self.settings.memory_gib is not None:
            return round(self.settings.memory_gib * GIB)
        return None if self.need_gib is None else round(max(2 * self.need_gib, self.need_gib + 1) * GIB)

    def want(self) -> None:
        """It shall run; does nothing where it does, or has failed and its time is not over."""
        self.last_used = time.monotonic()
        if not self._wanted.is_set() and (self.state.state != "failed" or self._may_start()):
            self._unwanted.clear()
            self._wanted.set()

    async def rest(self, standing: Standing = "stopped") -> None:
        """End the process, requests in flight first; returns when it is gone."""
        self._resting = standing
        self._wanted.clear()
        self._unwanted.set()
        await self._gone.wait()
        if not self._wanted.is_set() and self.state.state != standing:
            self._say(standing, note=self.state.note)

    @property
    def wanted(self) -> bool:
        """Whether it shall run."""
        return self._wanted.is_set()

    def forget(self) -> None:
        """Somebody starts it anew: what went wrong before does not count."""
        self._ends.clear()
        self.state = self.state.model_copy(update={"restarts": 0, "note": None})

    async def close(self) -> None:
        """End it for good."""
        await self.rest()
        self._life.cancel()
        with suppress(asyncio.CancelledError):
            await self._life
        self.log.close()

    async def _live(self) -> None:
        while True:
            await self._wanted.wait()
            if not self._wanted.is_set():
                continue  # nobody wants it any more
            self._gone.clear()
            try:
                end = await self._run_once()
            except Exception as error:  # noqa: BLE001 - a guest's compute may raise anything, and somebody waits
                end = _End(asked_for=False, note=f"{type(error).__name__}: {error}")
            finally:
                self._gone.set()
            if end.asked_for:
                if not self._wanted.is_set():
                    self._say(self._resting, note=None)
                continue
            self._ends.append(time.monotonic())
            restarts = self.state.restarts + 1
            if not self._may_start():
                self._wanted.clear()
                self._unwanted.set()
                self._say("failed", note=end.note, restarts=restarts)
                continue
            self._say("waiting", note=end.note, restarts=restarts)
            pause_s = min(self.rules.first_pause_s * 2 ** (len(self._ends) - 1), self.rules.longest_pause_s)
            # Not `wait_for`: where both come at once, that one of Python 3.11 forgets that it was cancelled.
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._unwanted.wait()

    def _may_start(self) -> bool:
        """Whether it ended rarely enough within the window; older ends are forgotten."""
        begin = time.monotonic() - self.rules.restart_window_s
        while self._ends and self._ends[0] <= begin:
            self._ends.popleft()
        return len(self._ends) <= self.rules.most_restarts

    async def _run_once(self) -> _End:
        """One process from its start to its end."""
        self._say("starting", note=self.state.note)
        try:
            process, port = await self._start()
        except (UserError, OSError) as error:
            return _End(asked_for=False, note=str(error))
        self._say("starting", note=self.state.note, pid=process.pid)
        ended = asyncio.create_task(process.wait())
        watched = asyncio.create_task(self._watch(process.pid, port))
        unwanted = asyncio.create_task(self._unwanted.wait())
        tasks = (ended, watched, unwanted)
        end = _End(asked_for=False, note="given up")
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                end = _End(asked_for=False, note=f"ended with status {ended.result()}")
            elif watched.done() and (found := watched.result()) is not None:
                end = _End(asked_for=False, note=found)
            else:
                end = _End(asked_for=True, note=None)
            # Nobody is sent there any more, however long its end takes.
            self._say("stopping", note=end.note, pid=process.pid)
            if end.asked_for:
                if not self._unwanted.is_set():
                    self._resting = "idle"
                    self._wanted.clear()
                    self._unwanted.set()
                await self._end_softly(process)
            return end
        finally:
            for task in tasks:
                task.cancel()
            await process.end()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _start(self) -> tuple[KeptProcess, int]:
        check_memory(self.need_gib, free=True, what=f"{self.state.endpoint} version {self.state.version}")
        port = free_port()
        command = self.compute.command(self.settings, self.folder, port)
        limit = self.limit_bytes
        environment = {
            **child_environment(
                self._scratch, memory_bytes=None if limit is None else _DATA_SHARE * limit + _DATA_MORE
            ),
            **self.compute.environment(self.settings, self.folder, port),
        }
        if "PYTHONPATH" in environment:  # it may be relative, and the process runs elsewhere
            places = environment["PYTHONPATH"].split(os.pathsep)
            environment["PYTHONPATH"] = os.pathsep.join(str(Path(place).resolve()) for place in places if place)
        process = await KeptProcess.start(
            command,
            environment=environment,
            folder=self._scratch,
            log=self.log,
            open_files=self.rules.open_files,
            grace_s=self.rules.grace_s,
        )
        return process, port

    async def _watch(self, leader: int, port: int) -> str | None:
        """Until something is wrong, which is told; None when nobody has asked for long enough."""
        note = await self._until_ready(leader, port)
        if note is not None:
            return note
        misses = 0
        while True:
            await asyncio.sleep(self.rules.watch_s)
            found = self._too_large(leader)
            if found is not None:
                return found
            if await is_healthy(self._session, port, self.compute.health_path, self.rules.health_timeout_s):
                misses = 0
            else:
                misses += 1
                if misses >= self.rules.most_misses:
                    return f"the health check failed {misses} times in a row"
            idle_s = time.monotonic() - self.last_used
            if self.settings.idle_stop_s is not None and not self.busy and idle_s > self.settings.idle_stop_s:
                self._say("stopping", note=None, pid=leader)  # at once, so that nobody is sent there meanwhile
                return None

    async def _until_ready(self, leader: int, port: int) -> str | None:
        """Why it is not ready; None when it is."""
        deadline = time.monotonic() + self.compute.ready_s
        pause_s = _FIRST_LOOK_S
        while not await is_healthy(self._session, port, self.compute.health_path, self.rules.health_timeout_s):
            if time.monotonic() > deadline:
                return f"not ready within {self.compute.ready_s:.0f} s"
            found = self._too_large(leader)
            if found is not None:
                return found
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LONGEST_LOOK_S)
        name = self.compute.served_name(self.settings, self.folder)
        served = await names_served(self._session, port, self.rules.health_timeout_s)
        if served is not None and name not in served:
            return f"it serves {', '.join(served)[:200] or 'nothing'}, and not {name}"
        left_s = max(deadline - time.monotonic(), 1.0)
        status = await warm_up(self._session, port, name, left_s)
        if status is None:
            return "no answer to the first request"
        self.last_used = time.monotonic()
        self._say("ready", note=None if status < 500 else f"first request: status {status}", pid=leader, port=port)
        return None

    def _too_large(self, leader: int) -> str | None:
        limit, taken = self.limit_bytes, tree_bytes(leader)
        if limit is None or taken is None or taken <= limit:
            return None
        return f"took {taken / GIB:.2f} GiB of memory, above its limit of {limit / GIB:.2f} GiB"

    async def _end_softly(self, process: KeptProcess) -> None:
        deadline = time.monotonic() + self.rules.grace_s
        while self.busy and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        process.ask_to_stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.rules.grace_s):
                await process.wait()

    def _say(
        self,
        standing: Standing,
        *,
        note: str | None,
        pid: int | None = None,
        port: int | None = None,
        restarts: int | None = None,
    ) -> None:
        before = self.state
        self.state = ProcessState(
            endpoint=before.endpoint,
            version=before.version,
            replica=before.replica,
            state=standing,
            pid=pid,
            port=port,
            since=before.since if before.state == standing else _now(),
            restarts=before.restarts if restarts is None else restarts,
            note=note,
        )
        if self.state != before:
            self._changed(self.state)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
