"""
Versions that are computed here: their processes follow the desired state, and requests go to the least busy one.

What is desired stands in the endpoints; the supervisor makes it so; what is observed is written into the store, where
`endpoints show` finds it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from touchstone.deployment.base import Answered, Asked, Endpoint, Flow, Ready, Upstream, Version
from touchstone.deployment.compute.states import ProcessState
from touchstone.deployment.compute.supervisor import Supervisor, load_compute
from touchstone.deployment.endpoints.caller import ServingCaller
from touchstone.deployment.endpoints.served import PassedThrough
from touchstone.deployment.govern.state import stamp, writing
from touchstone.deployment.govern.tables import endpoint_states
from touchstone.errors import SettingsError, StoreError, TouchstoneError
from touchstone.models.openai_compatible import OpenAICompatible

_SOMEWHERE = "http://127.0.0.1:9/v1"
"""Stands in for an address that is known only when a process is ready; nobody is ever asked there."""
_WRITE_S = 0.5
"""States are written at most this often."""

_log = logging.getLogger("touchstone.processes")

_Place = tuple[str, int]


class Managed:
    """
    The processes of a workspace's endpoints.

    Args:
        engine: The store.
        home: The workspace's folder.
        supervisor: Runs them; one of its own by default.
    """

    def __init__(self, engine: sa.Engine, home: Path, supervisor: Supervisor | None = None) -> None:
        self._engine = engine
        self._home = home
        self.supervisor = supervisor or Supervisor(home / "processes", told=self._told)
        self._running: dict[_Place, Version] = {}
        self._restarts: dict[str, int] = {}
        self._failed: dict[_Place, str] = {}
        self._changed: asyncio.Event | None = None
        self._writing: asyncio.Task[None] | None = None

    async def reconcile(self, endpoints: Mapping[str, Endpoint]) -> None:
        """
        Start what is desired and does not run, end what runs and is not desired. What cannot be started is noted, and
        requests for it fail; everything else goes on.
        """
        desired = {
            (endpoint.name, version.number): version
            for endpoint in endpoints.values()
            for version in endpoint.versions
            if endpoint.state == "running" and version.compute is not None and _asked(endpoint, version.number)
        }
        self._begin()
        for place in [one for one in self._running if one not in desired]:
            del self._running[place]
            await self.supervisor.stop(*place)
        self._failed = {place: note for place, note in self._failed.items() if place in desired}
        for place, version in desired.items():
            before = self._running.get(place)
            # A number is no name of a version: an endpoint that was removed and made anew counts from 1 again.
            if before is None or (before.compute, before.folder) != (version.compute, version.folder):
                await self._start(place, version)
        for endpoint in endpoints.values():
            asked = self._restarts.get(endpoint.name)
            self._restarts[endpoint.name] = endpoint.restarts
            if asked is not None and asked != endpoint.restarts:
                for place in [one for one in self._running if one[0] == endpoint.name]:
                    await self.supervisor.restart(*place)
        self._note_change()

    async def _start(self, place: _Place, version: Version) -> None:
        assert version.compute is not None, "looked at by the caller"
        try:
            await self.supervisor.start(*place, version.compute, self._home / version.folder)
        except (TouchstoneError, OSError) as error:
            # Whoever deployed it reads this; a client is told that it cannot be reached.
            _log.error("endpoint %s version %d cannot be run: %s", *place, error)
            self._failed[place] = str(error)
            return
        self._running[place] = version
        self._failed.pop(place, None)

    # Asking -----------------------------------------------------------------------------------------------------------

    def caller(self, version: Version, reference: str) -> ServingCaller:
        """What a recipe asks whose model is computed here; where it answers is known when a request comes."""
        return ServingCaller(self._model(version, reference, _SOMEWHERE))

    def _model(self, version: Version, reference: str, base_url: str) -> OpenAICompatible:
        assert version.compute is not None, "looked at by the caller"
        served_name = load_compute(version.compute.kind).served_name(version.compute, self._home / version.folder)
        return OpenAICompatible(served_name, base_url, name=reference, concurrency=1024)

    def leased(self, name: str, version: Version, upstream: Upstream, reference: str) -> Upstream:
        """
        An upstream whose requests go to the process that is least busy.

        Raises:
            SettingsError: the recipe is none that asks a chat model.
        """
        if not isinstance(upstream, PassedThrough):
            raise SettingsError(
                "{model} by this strategy is no chat model, so no process can answer for it; deploy it without "
                "--compute",
                model=version.recipe.model,
            )
        return Leased(
            upstream, self.supervisor, (name, version.number), lambda url: self._model(version, reference, url)
        )

    # What is observed -------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._writing is None:
            self._changed = asyncio.Event()
            self._writing = asyncio.create_task(self._write_on())

    def _told(self, _state: ProcessState) -> None:
        self._note_change()

    def _note_change(self) -> None:
        if self._changed is not None:
            self._changed.set()

    async def _write_on(self) -> None:
        assert self._changed is not None
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await asyncio.to_thread(self._write, self.supervisor.states(), dict(self._failed))
            except StoreError:
                self._changed.set()  # it is written when the store answers again
            await asyncio.sleep(_WRITE_S)

    def _write(self, states: tuple[ProcessState, ...], failed: Mapping[_Place, str]) -> None:
        rows: list[dict[str, Any]] = [
            {
                "name": one.endpoint, "version": one.version, "replica": one.replica, "pid": one.pid, "port": one.port,
                "state": one.state, "since": one.since, "restarts": one.restarts, "note": one.note,
            }
            for one in states
        ]  # fmt: skip
        rows += [
            {
                "name": name, "version": version, "replica": 0, "pid": None, "port": None, "state": "failed",
                "since": stamp(), "restarts": 0, "note": note,
            }
            for (name, version), note in failed.items()
        ]  # fmt: skip
        with writing(self._engine) as connection:
            connection.execute(endpoint_states.delete())
            if rows:
                connection.execute(endpoint_states.insert(), rows)

    async def close(self) -> None:
        """End all processes, and say so in the store; may be called twice."""
        task, self._writing = self._writing, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self.supervisor.close()
        try:
            await asyncio.to_thread(self._write, (), {})
        except StoreError as error:
            _log.error("what runs could not be written down: %s", error)


def _asked(endpoint: Endpoint, number: int) -> bool:
    """Whether a version answers somebody, be it as a shadow."""
    return bool(endpoint.split.get(number)) or endpoint.shadow == number


class Leased:
    """
    A recipe in front of processes that come and go, as an `Upstream`.

    Args:
        recipe: Makes what is sent.
        supervisor: Says where it goes.
        place: Name and version.
        model: Makes the model at an address.
    """

    def __init__(
        self, recipe: PassedThrough, supervisor: Supervisor, place: _Place, model: Callable[[str], OpenAICompatible]
    ) -> None:
        self.model = recipe.model
        self.price = recipe.price
        self.kinds = recipe.kinds
        self._recipe = recipe
        self._supervisor = supervisor
        self._place = place
        self._make = model
        self._at: dict[str, PassedThrough] = {}

    async def prepare(self, asked: Asked) -> Ready:
        """As the recipe does."""
        return await self._recipe.prepare(asked)

    async def answer(self, ready: Ready) -> Answered:
        """The whole reply of one process. Raises `ModelError`."""
        async with self._supervisor.lease(*self._place) as base_url:
            return await self._there(base_url).answer(ready)

    async def open(self, ready: Ready) -> Flow:
        """The reply of one process as it comes, which counts as busy until it is closed. Raises `ModelError`."""
        lease = self._supervisor.lease(*self._place)
        base_url = await lease.__aenter__()
        try:
            return _LeasedFlow(await self._there(base_url).open(ready), lease)
        except BaseException:
            await lease.__aexit__(None, None, None)
            raise

    def _there(self, base_url: str) -> PassedThrough:
        found = self._at.get(base_url)
        if found is None:
            found = self._at[base_url] = self._recipe.at(self._make(base_url))
        return found

    async def close(self) -> None:
        """Release connections; processes are the supervisor's."""
        for one in self._at.values():
            await one.release()
        self._at = {}
        await self._recipe.close()


class _LeasedFlow:
    """A flow, and the lease of the process that it comes from."""

    def __init__(self, flow: Flow, lease: Any) -> None:
        self._flow = flow
        self._lease = lease

    @property
    def model(self) -> str:
        return self._flow.model

    @property
    def first_token_s(self) -> float | None:
        return self._flow.first_token_s

    @property
    def usage(self) -> Any:
        return self._flow.usage

    @property
    def finish(self) -> tuple[str, ...]:
        return self._flow.finish

    def __aiter__(self) -> Any:
        return aiter(self._flow)

    async def close(self) -> None:
        try:
            await self._flow.close()
        finally:
            lease, self._lease = self._lease, None
            if lease is not None:
                await lease.__aexit__(None, None, None)
