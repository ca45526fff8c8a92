"""
Runs that are killed again and again until one comes to its end by itself.

A life is one process that runs the command line. It may die of SIGKILL at a named point (`crash_points.py`), when the
provider has received so many requests, or some time after it began. Lives are forked from a process that has imported
everything (`warm.py`), because importing takes longer than what is tested; `real` ones are started as a user starts
them.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests import warm
from tests.faults.bill import requests, wait_until_quiet
from tests.faults.child import Ended, command, environment

from touchstone.evaluation.crash_points import KILL_AT, POINTS

LONGEST_LIFE_S = 120.0
_POLL_S = 0.001


@dataclass(frozen=True)
class Death:
    """How a life ends: at a point, after so many requests to the provider, or after some seconds."""

    point: str | None = None
    requests: int | None = None
    seconds: float | None = None

    @classmethod
    def draw(cls, chance: random.Random, calls: int) -> Death:
        """A death somewhere in a run of about so many calls."""
        kind = chance.choice(("point", "point", "requests", "seconds"))
        if kind == "requests":
            return cls(requests=chance.randint(1, calls))
        if kind == "seconds":
            return cls(seconds=chance.uniform(0.0, 1.5))
        point = chance.choice(POINTS)
        most = {"before-finish": 1, "after-round": 3, "mid-commit": 2 * calls}.get(point, calls)
        return cls(point=f"{point}:{chance.randint(1, most)}")


def live(
    folder: Path, bill: Path, arguments: tuple[str, ...], death: Death | None = None, *, real: bool = False
) -> Ended:
    """One life in a folder; `returncode` is -9 for who died of its death."""
    out, err = folder / "stdout.txt", folder / "stderr.txt"
    told = environment(folder, {KILL_AT: death.point} if death is not None and death.point is not None else None)
    asked = requests(bill)
    pid, reap = (_started if real else _forked)(folder, told, arguments, out, err)
    begun = time.monotonic()
    status: int | None = None
    while status is None:
        status = reap()
        lived = time.monotonic() - begun
        due = death is not None and (
            (death.requests is not None and requests(bill) - asked >= death.requests)
            or (death.seconds is not None and lived >= death.seconds)
        )
        if due or lived > LONGEST_LIFE_S:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert lived < LONGEST_LIFE_S + 10, "a life does not end"
        time.sleep(_POLL_S)
    wait_until_quiet(bill)
    return Ended(status, out.read_text(), err.read_text(), 0.0)


def kill_loop(
    folder: Path,
    bill: Path,
    arguments: tuple[str, ...],
    *,
    seed: int,
    kills: int,
    calls: int,
    after_kill: Callable[[], None],
) -> tuple[int, Ended]:
    """
    Kill a run up to so many times, then let it live; how often it was killed, and how it ended.

    Args:
        after_kill: Looks at both ledgers after every kill.
    """
    chance = random.Random(seed)
    died = 0
    for _ in range(kills):
        ended = live(folder, bill, arguments, Death.draw(chance, calls))
        if ended.returncode != -signal.SIGKILL:
            return died, ended
        died += 1
        after_kill()
    return died, live(folder, bill, arguments)


def _started(
    folder: Path, told: dict[str, str], arguments: tuple[str, ...], out: Path, err: Path
) -> tuple[int, Callable[[], int | None]]:
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(command(*arguments), cwd=folder, env=told, stdout=stdout, stderr=stderr)
    return process.pid, process.poll


def _forked(
    folder: Path, told: dict[str, str], arguments: tuple[str, ...], out: Path, err: Path
) -> tuple[int, Callable[[], int | None]]:
    process = warm.start(arguments, folder=folder, environment=told, out=out, err=err)
    assert process.pid is not None

    def reap() -> int | None:
        if process.exitcode is None:
            return None
        process.join()
        return process.exitcode

    return process.pid, reap
