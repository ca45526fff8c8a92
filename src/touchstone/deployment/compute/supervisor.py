"""
Managed compute: processes that run weights, started when they are wanted, watched, and started again when they end.

One supervisor lives in the process that serves. It is told what shall run (`start`, `stop`), says where a version
answers (`address`, `lease`), and hands on what it sees (`states`, `told`). Everything it starts ends with it, also when
it is killed (`keeper.py`).
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from touchstone import plugins
from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.base import Compute
from touchstone.deployment.compute.health import new_session
from touchstone.deployment.compute.machine import check_memory
from touchstone.deployment.compute.replica import Replica
from touchstone.deployment.compute.states import ProcessState, Rules
from touchstone.errors import SettingsError, Unreachable

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
"""As `EndpointName`; it becomes a folder."""
_Told = Callable[[ProcessState], None]


def load_compute(kind: str) -> Compute:
    """The compute of a kind. Raises `UnknownName`."""
    made: Any = plugins.load("computes", kind)
    return made()  # type: ignore[no-any-return]  # what the entry points offer is held to by an exam


class Supervisor:
    """
    Starts, watches and ends the processes of versions.

    Args:
        place: A folder for logs and scratch files.
        rules: How processes are watched.
        computes: Gives the compute of a kind; the installed plug-ins by default.
        told: Called with each state that changed, in the event loop; must be quick.
    """

    def __init__(
        self,
        place: Path,
        *,
        rules: Rules | None = None,
        computes: Callable[[str], Compute] = load_compute,
        told: _Told | None = None,
    ) -> None:
        self.place = place
        self.rules = rules or Rules()
        self._computes = computes
        self._told = told
        self._groups: dict[tuple[str, int], _Group] = {}
        self._changing: dict[tuple[str, int], asyncio.Lock] = {}
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def start(self, name: str, version: int, settings: ComputeSettings, folder: Path) -> None:
        """
        Run a version. Returns when its processes are being started; `address` waits until one is ready.

        Where it runs already, only what differs is changed: more or fewer replicas, or all of them under new settings.

        Raises:
            UserError: it could not run here: an option, weights, a program or memory is missing; nothing was started.
        """
        if not _NAME.fullmatch(name):
            raise SettingsError("{name!r} is no name of an endpoint", name=name)
        if not hasattr(os, "killpg"):
            raise SettingsError("managed compute needs a system with process groups; serve from Linux or macOS")
        if self._closed:
            raise SettingsError("the supervisor was closed")
        async with self._lock(name, version):
            compute = self._computes(settings.kind)
            # It reads files, which may be large or far away.
            need_gib = await asyncio.to_thread(_checked, compute, settings, folder)
            check_memory(
                None if need_gib is None else need_gib * settings.replicas,
                what=f"{name} version {version}",
            )
            if self._closed:  # while the files were looked at
                raise SettingsError("the supervisor was closed")
            group = self._groups.get((name, version))
            if group is not None and not group.same(settings, folder):
                await group.close()
                group = None
            if group is None:
                if self._session is None:
                    self._session = new_session()
                group = self._groups[name, version] = _Group(
                    name, version, compute, settings, folder, self.place / name / str(version), self
                )
            await group.scale(settings)

    async def address(self, name: str, version: int) -> str:
        """
        Where the least busy process of a version answers, up to `/v1`; waits until one is ready, starts one on demand.

        Raises:
            Unreachable: it was not started, has failed, or is not ready in time; nothing was sent.
        """
        replica = await self._group(name, version).ready()
        replica.last_used = time.monotonic()
        return f"http://127.0.0.1:{replica.state.port}/v1"

    @asynccontextmanager
    async def lease(self, name: str, version: int) -> AsyncIterator[str]:
        """
        The same for as long as the block lasts: the process counts as busy, and is not stopped for being idle.

        Raises:
            Unreachable: as `address` does.
        """
        replica = await self._group(name, version).ready()
        replica.busy += 1
        try:
            yield f"http://127.0.0.1:{replica.state.port}/v1"
        finally:
            replica.busy -= 1
            replica.last_used = time.monotonic()

    def states(self) -> tuple[ProcessState, ...]:
        """Every replica of every version, in order."""
        return tuple(one.state for key in sorted(self._groups) for one in self._groups[key].replicas)

    async def stop(self, name: str, version: int) -> None:
        """End the processes of a version, requests in flight first. Does nothing where it does not run."""
        async with self._lock(name, version):
            group = self._groups.pop((name, version), None)
            if group is not None:
                await group.close()

    async def restart(self, name: str, version: int) -> None:
        """
        End the processes of a version and start them anew, one after the other; earlier failures are forgotten.

        Raises:
            Unreachable: it was not started.
        """
        async with self._lock(name, version):
            await self._group(name, version).renew()

    def logs(self, name: str, version: int, replica: int = 0, lines: int = 100) -> tuple[str, ...]:
        """
        The last lines that a replica printed, oldest first.

        Raises:
            Unreachable: it was not started.
        """
        found = self._group(name, version).replicas
        return found[replica].log.tail(lines) if 0 <= replica < len(found) else ()

    async def close(self) -> None:
        """End everything; may be called twice."""
        self._closed = True
        groups, self._groups = list(self._groups.values()), {}
        await asyncio.gather(*(group.close() for group in groups))
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _lock(self, name: str, version: int) -> asyncio.Lock:
        return self._changing.setdefault((name, version), asyncio.Lock())

    def _group(self, name: str, version: int) -> _Group:
        group = self._groups.get((name, version))
        if group is None:
            raise Unreachable("{name} version {version} is not running; deploy or start it", name=name, version=version)
        return group


def _checked(compute: Compute, settings: ComputeSettings, folder: Path) -> float | None:
    """What one process will take, once it is known that it could run."""
    compute.check(settings, folder)
    need_gib = compute.memory_gib(settings, folder)
    if need_gib is not None and settings.memory_gib is not None and need_gib > settings.memory_gib:
        raise SettingsError(
            "a process of compute {kind} needs about {need:.2f} GiB and may take {limit:.2f}; raise memory_gib",
            kind=settings.kind,
            need=need_gib,
            limit=settings.memory_gib,
        )
    return need_gib


class _Group:
    """The replicas of one version."""

    def __init__(
        self,
        name: str,
        version: int,
        compute: Compute,
        settings: ComputeSettings,
        folder: Path,
        place: Path,
        supervisor: Supervisor,
    ) -> None:
        self.name = name
        self.version = version
        self.compute = compute
        self.settings = settings
        self.folder = folder
        self.place = place
        self.replicas: list[Replica] = []
        self._supervisor = supervisor
        self._waiting: set[asyncio.Future[None]] = set()

    def same(self, settings: ComputeSettings, folder: Path) -> bool:
        """Whether nothing but the number of replicas differs."""
        return folder == self.folder and settings == self.settings.model_copy(update={"replicas": settings.replicas})

    async def scale(self, settings: ComputeSettings) -> None:
        """Have as many replicas as are wanted, and want them all to run."""
        self.settings = settings
        over = self.replicas[settings.replicas :]
        del self.replicas[settings.replicas :]
        self._wake()
        await asyncio.gather(*(one.close() for one in over))
        while len(self.replicas) < settings.replicas:
            session = self._supervisor._session
            assert session is not None
            self.replicas.append(
                Replica(
                    self.name,
                    self.version,
                    len(self.replicas),
                    compute=self.compute,
                    settings=settings,
                    folder=self.folder,
                    place=self.place,
                    rules=self._supervisor.rules,
                    session=session,
                    changed=self._changed,
                )
            )
        for one in self.replicas:
            one.want()

    async def ready(self) -> Replica:
        """The least busy of those that are ready; waits for one. Raises `Unreachable`."""
        deadline = time.monotonic() + self.compute.ready_s + self._supervisor.rules.longest_pause_s
        while True:
            up = [one for one in self.replicas if one.state.state == "ready"]
            resting = [one for one in self.replicas if one.state.state in ("idle", "stopped", "failed")]
            if resting and all(one.busy for one in up) and len(up) + len(resting) == len(self.replicas):
                resting[0].want()  # everybody who runs is busy, and nobody is on the way
            if up:
                return min(up, key=lambda one: (one.busy, one.last_used))
            if not self.replicas or all(self._lost(one) for one in self.replicas):
                note = next((one.state.note for one in self.replicas if one.state.note), None)
                raise Unreachable(
                    "{name} version {version} does not run: {reason}",
                    name=self.name,
                    version=self.version,
                    reason=note or "stopped",
                    retry_after_s=self._supervisor.rules.longest_pause_s,
                )
            await self._next_change(deadline)

    def _lost(self, one: Replica) -> bool:
        """Whether it has failed and was not given another try a moment ago."""
        return one.state.state == "failed" and not one.wanted

    async def _next_change(self, deadline: float) -> None:
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(changed)
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), 0.001)):
                await changed
        except TimeoutError as error:
            raise Unreachable(
                "{name} version {version} is not ready in time",
                name=self.name,
                version=self.version,
                retry_after_s=self._supervisor.rules.longest_pause_s,
            ) from error
        finally:
            self._waiting.discard(changed)

    async def renew(self) -> None:
        """End and start each; one after the other, so that where there are several, somebody answers."""
        for one in self.replicas:
            await one.rest()
            one.forget()
            one.want()
            others: Sequence[Replica] = [other for other in self.replicas if other is not one]
            if others:
                deadline = time.monotonic() + self.compute.ready_s
                while one.state.state not in ("ready", "failed") and time.monotonic() < deadline:
                    await asyncio.sleep(0.02)

    async def close(self) -> None:
        """End them all."""
        gone, self.replicas = self.replicas, []
        self._wake()
        await asyncio.gather(*(one.close() for one in gone))

    def _changed(self, state: ProcessState) -> None:
        self._wake()
        if self._supervisor._told is not None:
            self._supervisor._told(state)

    def _wake(self) -> None:
        for one in self._waiting:
            if not one.done():
                one.set_result(None)
