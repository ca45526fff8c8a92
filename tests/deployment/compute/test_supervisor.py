"""Managed processes: started, watched, killed, healed, limited and ended, with real processes and sockets."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.deployment.compute.standin import QUICK, StandIn, alive, ask, processes_in, until

from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.states import ProcessState
from touchstone.deployment.compute.supervisor import Supervisor
from touchstone.errors import SettingsError, Unreachable

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="the tests look into /proc")

SETTINGS = ComputeSettings(kind="stand-in")
Made = Callable[..., Supervisor]


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Made]:
    """Makes supervisors of the stand-in, and ends them."""
    started: list[Supervisor] = []

    def make(
        *how: str, rules: object = QUICK, told: Callable[[ProcessState], None] | None = None, **more: object
    ) -> Supervisor:
        compute = StandIn(tmp_path / "standin.py", *how, **more)  # type: ignore[arg-type]
        one = Supervisor(tmp_path / "place", rules=rules, computes=lambda _: compute, told=told)  # type: ignore[arg-type]
        started.append(one)
        return one

    yield make
    for one in started:
        await one.close()


async def chat(base_url: str) -> dict[str, object]:
    return await ask(f"{base_url}/chat/completions", {"model": "stand-in", "messages": []})


def pid_of(supervisor: Supervisor, place: int = 0) -> int:
    pid = supervisor.states()[place].pid
    assert pid is not None
    return pid


async def test_a_killed_process_is_started_again_and_the_next_request_is_answered(made: Made, tmp_path: Path) -> None:
    """Whether the program is killed or the process that keeps it; nothing of the old ones is left."""
    notes: list[str | None] = []
    supervisor = made(told=lambda state: notes.append(state.note))
    await supervisor.start("winner", 1, SETTINGS, tmp_path)
    first = await chat(await supervisor.address("winner", 1))
    for victim, status in ((int(str(first["pid"])), 137), (None, -9)):
        keeper = pid_of(supervisor)
        before = processes_in(keeper)
        os.kill(victim or keeper, signal.SIGKILL)
        await until(lambda keeper=keeper: supervisor.states()[0].pid != keeper)  # type: ignore[misc]
        again = await chat(await supervisor.address("winner", 1))
        assert again["choices"]
        assert again["pid"] not in before
        await until(lambda before=before: not any(map(alive, before)))  # type: ignore[misc]
        state = supervisor.states()[0]
        assert state.state == "ready"
        assert f"ended with status {status}" in notes
    assert supervisor.states()[0].restarts == 2


async def test_what_happened_is_told(made: Made, tmp_path: Path) -> None:
    """Each state once, with its reason, so that a store can be written from it."""
    seen: list[ProcessState] = []
    supervisor = made(told=seen.append)
    await supervisor.start("winner", 1, SETTINGS, tmp_path)
    url = await supervisor.address("winner", 1)
    with pytest.raises(Exception):  # noqa: B017 - however the broken connection shows
        await ask(url.removesuffix("/v1") + "/crash", {})
    await until(lambda: seen[-1].state == "ready" and seen[-1].restarts == 1)
    await supervisor.stop("winner", 1)

    assert [one.state for one in seen if one.pid is not None or one.state in ("waiting", "stopped")] == [
        "starting", "ready", "stopping", "waiting", "starting", "ready", "stopping", "stopped",
    ]  # fmt: skip
    assert next(one for one in seen if one.state == "waiting").note == "ended with status 9"
    assert all(left.since <= right.since for left, right in itertools.pairwise(seen))


async def test_restarts_are_counted_and_end(made: Made, tmp_path: Path) -> None:
    """Each pause is twice as long, up to a longest; above the cap it has failed, and a request is told why at once."""
    seen: list[tuple[float, ProcessState]] = []
    supervisor = made("fails", told=lambda state: seen.append((time.monotonic(), state)))
    await supervisor.start("winner", 1, SETTINGS, tmp_path)
    with pytest.raises(Unreachable, match="ended with status 3"):
        await supervisor.address("winner", 1)
    state = supervisor.states()[0]
    assert (state.state, state.restarts) == ("failed", QUICK.most_restarts + 1)
    pauses = [later - at for (at, one), (later, _) in itertools.pairwise(seen) if one.state == "waiting"]
    assert len(pauses) == QUICK.most_restarts
    assert all(pause >= 0.05 * 2**number for number, pause in enumerate(pauses))
    began = time.monotonic()
    with pytest.raises(Unreachable):
        await supervisor.address("winner", 1)
    assert time.monotonic() - began < 5
    assert "I fail at once" in supervisor.logs("winner", 1)


async def test_after_the_window_a_request_tries_again(made: Made, tmp_path: Path) -> None:
    """What failed for a passing reason comes back without anybody's help; a restart by hand does so at once."""
    broken = tmp_path / "standin.py"
    supervisor = made("fails", rules=QUICK.model_copy(update={"restart_window_s": 1.5, "most_restarts": 1}))
    await supervisor.start("winner", 1, SETTINGS, tmp_path)
    with pytest.raises(Unreachable):
        await supervisor.address("winner", 1)
    text = broken.read_text()
    broken.write_text(text.replace('if "fails" in how', "if False"))
    await asyncio.sleep(1.6)
    assert (await chat(await supervisor.address("winner", 1)))["choices"]

    broken.write_text(text)
    os.kill(pid_of(supervisor), signal.SIGKILL)
    await until(lambda: supervisor.states()[0].state == "failed")
    broken.write_text(text.replace('if "fails" in how', "if False"))
    await supervisor.restart("winner", 1)
    assert (await chat(await supervisor.address("winner", 1)))["choices"]
    assert supervisor.states()[0].restarts == 0


async def test_a_process_that_leaks_is_ended(made: Made, tmp_path: Path) -> None:
    """Memory above the limit that was set ends it, and a fresh one answers."""
    supervisor = made()
    await supervisor.start("winner", 1, SETTINGS.model_copy(update={"memory_gib": 0.15}), tmp_path)
    url = (await supervisor.address("winner", 1)).removesuffix("/v1")
    first = pid_of(supervisor)
    with suppress(OSError):  # it may be ended before it answers
        for _ in range(3):
            await ask(f"{url}/leak", {})
    await until(lambda: supervisor.states()[0].restarts == 1)
    assert (await chat(await supervisor.address("winner", 1)))["held"] == 0
    await until(lambda: not alive(first))


async def test_a_process_that_is_deaf_is_ended(made: Made, tmp_path: Path) -> None:
    """One that lives and answers no health check serves nobody."""
    supervisor = made()
    await supervisor.start("winner", 1, SETTINGS, tmp_path)
    await ask((await supervisor.address("winner", 1)).removesuffix("/v1") + "/deaf", {})
    await until(lambda: supervisor.states()[0].restarts == 1)
    assert (await chat(await supervisor.address("winner", 1)))["choices"]


async def test_no_secret_reaches_a_process(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers' keys, proxies, tokens and the home stay here; open files are limited."""
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "TOUCHSTONE_STORE"):
        monkeypatch.setenv(name, "canary-5f1c")
    supervisor = made()
    await supervisor.start("winner", 1, SETTINGS, tmp_path)
    found = await ask((await supervisor.address("winner", 1)).removesuffix("/v1") + "/environ")

    assert "canary-5f1c" not in str(found)
    assert found["STAND_IN"] == "1"
    assert found["HOME"] == str(tmp_path / "place/winner/1/scratch")
    for pid in processes_in(pid_of(supervisor)):
        assert b"canary-5f1c" not in Path(f"/proc/{pid}/environ").read_bytes()
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        opened = next(line for line in limits if line.startswith("Max open files")).split()
        assert int(opened[3]) <= QUICK.open_files
        assert next(line for line in limits if line.startswith("Max core file size")).split()[4:6] == ["0", "0"]


async def test_a_stop_waits_for_requests_in_flight(made: Made, tmp_path: Path) -> None:
    """Whoever holds a lease gets the answer; after that nothing is left of the process."""
    supervisor = made("child")
    await supervisor.start("winner", 1, SETTINGS, tmp_path)

    async def slow() -> object:
        async with supervisor.lease("winner", 1) as url:
            return await ask(url.removesuffix("/v1") + "/slowly", {})

    await supervisor.address("winner", 1)
    answering = asyncio.create_task(slow())
    await asyncio.sleep(0.1)
    group = processes_in(pid_of(supervisor))
    assert len(group) == 3  # keeper, program, and what the program started
    await supervisor.stop("winner", 1)
    assert (await answering)["choices"]  # type: ignore[index]
    await until(lambda: not any(map(alive, group)))
    assert supervisor.states() == ()
    with pytest.raises(Unreachable, match="not running"):
        await supervisor.address("winner", 1)


async def test_a_stubborn_process_is_killed(made: Made, tmp_path: Path) -> None:
    """One that does not listen to a polite request is gone after the grace."""
    supervisor = made("stubborn", rules=QUICK.model_copy(update={"grace_s": 0.3}))
    await supervisor.start("winner", 1, SETTINGS, tmp_path)
    await supervisor.address("winner", 1)
    group, began = processes_in(pid_of(supervisor)), time.monotonic()
    await supervisor.stop("winner", 1)
    assert 0.3 <= time.monotonic() - began < 15
    await until(lambda: not any(map(alive, group)))


async def test_idle_processes_end_and_the_next_request_starts_one(made: Made, tmp_path: Path) -> None:
    """Not while a request is in flight; many requests at once start one process."""
    supervisor = made("slow")
    await supervisor.start("winner", 1, SETTINGS.model_copy(update={"idle_stop_s": 0.3}), tmp_path)
    async with supervisor.lease("winner", 1):
        await asyncio.sleep(0.8)
        assert supervisor.states()[0].state == "ready"
        first = pid_of(supervisor)
    await until(lambda: supervisor.states()[0].state == "idle")
    await until(lambda: not alive(first))
    urls = await asyncio.gather(*(supervisor.address("winner", 1) for _ in range(20)))
    assert len(set(urls)) == 1
    assert supervisor.states()[0].restarts == 0


@pytest.mark.parametrize("when_s", [0.0, 0.05, 0.15])
async def test_it_can_be_closed_at_any_moment(when_s: float, made: Made, tmp_path: Path) -> None:
    """Also while a process is just being ended or started again; nothing is left of it."""
    supervisor = made("child")
    await supervisor.start("winner", 1, SETTINGS, tmp_path)
    await supervisor.address("winner", 1)
    group = processes_in(pid_of(supervisor))
    os.kill(pid_of(supervisor), signal.SIGKILL)
    await asyncio.sleep(when_s)
    async with asyncio.timeout(60):
        await supervisor.close()
    await until(lambda: not any(map(alive, group)))


async def test_the_least_busy_replica_is_asked(made: Made, tmp_path: Path) -> None:
    """Replicas share the work, more and fewer are had while it runs, and one that is killed is gone round."""
    supervisor = made()
    await supervisor.start("winner", 1, SETTINGS.model_copy(update={"replicas": 2}), tmp_path)
    await until(lambda: [one.state for one in supervisor.states()] == ["ready"] * 2)
    async with supervisor.lease("winner", 1) as first, supervisor.lease("winner", 1) as second:
        assert first != second
        async with supervisor.lease("winner", 1) as third:
            assert third in (first, second)
    os.kill(pid_of(supervisor), signal.SIGKILL)
    other = f"http://127.0.0.1:{supervisor.states()[1].port}/v1"
    await until(lambda: supervisor.states()[0].state != "ready")
    assert await supervisor.address("winner", 1) == other

    kept = pid_of(supervisor, 1)
    await supervisor.start("winner", 1, SETTINGS.model_copy(update={"replicas": 3}), tmp_path)
    await until(lambda: [one.state for one in supervisor.states()] == ["ready"] * 3)
    assert pid_of(supervisor, 1) == kept
    await supervisor.start("winner", 1, SETTINGS, tmp_path)
    assert len(supervisor.states()) == 1
    await until(lambda: not alive(kept))


async def test_a_restart_of_several_leaves_somebody_to_answer(made: Made, tmp_path: Path) -> None:
    """One after the other."""
    supervisor = made("slow")
    await supervisor.start("winner", 1, SETTINGS.model_copy(update={"replicas": 2}), tmp_path)
    await until(lambda: [one.state for one in supervisor.states()] == ["ready"] * 2)
    before = [one.pid for one in supervisor.states()]
    renewing = asyncio.create_task(supervisor.restart("winner", 1))
    while not renewing.done():
        assert any(one.state == "ready" for one in supervisor.states())
        await asyncio.sleep(0.02)
    await until(lambda: [one.state for one in supervisor.states()] == ["ready"] * 2)
    assert not {one.pid for one in supervisor.states()} & set(before)


async def test_memory_is_looked_at_before_anything_starts(made: Made, tmp_path: Path) -> None:
    """What cannot fit into this machine, or needs more than it may take, is refused in words."""
    supervisor = made(need_gib=1e6)
    with pytest.raises(SettingsError, match="fewer replicas, a smaller model or a larger machine"):
        await supervisor.start("winner", 1, SETTINGS, tmp_path)
    small = made(need_gib=0.5)
    with pytest.raises(SettingsError, match="raise memory_gib"):
        await small.start("winner", 1, SETTINGS.model_copy(update={"memory_gib": 0.25}), tmp_path)
    assert supervisor.states() == small.states() == ()


async def test_another_model_at_its_port_is_not_taken_for_it(made: Made, tmp_path: Path) -> None:
    """A process that serves something else never becomes ready."""
    supervisor = made(rules=QUICK.model_copy(update={"most_restarts": 0}))
    compute = supervisor._computes("stand-in")
    compute.name_served = "another"  # type: ignore[attr-defined]
    await supervisor.start("winner", 1, SETTINGS, tmp_path)
    with pytest.raises(Unreachable, match="it serves stand-in, and not another"):
        await supervisor.address("winner", 1)


async def test_a_compute_that_stumbles_leaves_nobody_waiting(made: Made, tmp_path: Path) -> None:
    """A guest's may raise anything; it counts as an end, and is told."""
    supervisor = made(rules=QUICK.model_copy(update={"most_restarts": 0}))
    compute = supervisor._computes("stand-in")
    compute.command = lambda *_: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    await supervisor.start("winner", 1, SETTINGS, tmp_path)
    with pytest.raises(Unreachable, match="ZeroDivisionError"):
        await supervisor.address("winner", 1)


@pytest.mark.parametrize("name", ["../out", "a/b", "", "UP", "."])
async def test_a_name_never_becomes_another_place(name: str, made: Made, tmp_path: Path) -> None:
    """It becomes a folder, so only names of endpoints are taken."""
    supervisor = made()
    with pytest.raises(SettingsError, match="is no name of an endpoint"):
        await supervisor.start(name, 1, SETTINGS, tmp_path)


async def test_what_it_prints_can_be_read(made: Made, tmp_path: Path) -> None:
    """By replica, control characters replaced."""
    supervisor = made()
    await supervisor.start("winner", 1, SETTINGS, tmp_path)
    await ask((await supervisor.address("winner", 1)).removesuffix("/v1") + "/print", {"red": "\x1b[31m"})
    await until(lambda: len(supervisor.logs("winner", 1)) == 2)
    assert supervisor.logs("winner", 1) == ("I listen", '{"red": "\\u001b[31m"}')
    assert supervisor.logs("winner", 1, lines=1) == ('{"red": "\\u001b[31m"}',)
    assert supervisor.logs("winner", 1, replica=7) == ()


OWNER = """
import asyncio, sys
from pathlib import Path
from tests.deployment.compute.standin import QUICK, StandIn
from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.supervisor import Supervisor

async def main():
    place = Path(sys.argv[1])
    compute = StandIn(place / "standin.py", "child")
    supervisor = Supervisor(place / "place", rules=QUICK, computes=lambda _: compute)
    await supervisor.start("winner", 1, ComputeSettings(kind="stand-in"), place)
    await supervisor.address("winner", 1)
    print(supervisor.states()[0].pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    """Also when that one was killed and could do nothing any more."""
    root = Path(__file__).resolve().parents[3]
    path = os.pathsep.join(dict.fromkeys([str(root), *(place for place in sys.path if place)]))
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    try:
        assert owner.stdout is not None
        group = processes_in(int(await asyncio.to_thread(owner.stdout.readline)))
        assert len(group) == 3
        owner.kill()
        await until(lambda: not any(map(alive, group)))
    finally:
        owner.kill()
        owner.communicate()


def test_it_lives_in_the_gateways_own_loop(tmp_path: Path) -> None:
    """The same under uvloop, which starts and watches processes in its own way."""
    uvloop = pytest.importorskip("uvloop")

    async def heal() -> None:
        compute = StandIn(tmp_path / "standin.py", "child")
        supervisor = Supervisor(tmp_path / "place", rules=QUICK, computes=lambda _: compute)
        await supervisor.start("winner", 1, SETTINGS, tmp_path)
        await chat(await supervisor.address("winner", 1))
        before = processes_in(pid_of(supervisor))
        os.kill(pid_of(supervisor), signal.SIGKILL)
        await until(lambda: supervisor.states()[0].restarts == 1)
        await chat(await supervisor.address("winner", 1))
        await until(lambda: not any(map(alive, before)))
        assert supervisor.logs("winner", 1) == ("I listen", "I listen")
        group = processes_in(pid_of(supervisor))
        await supervisor.close()
        await until(lambda: not any(map(alive, group)))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(heal())
