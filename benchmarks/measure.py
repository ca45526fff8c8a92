"""Children that are measured: seconds, CPU seconds, peak memory; a server for them to ask; and what a figure is."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Run:
    """What one child process took."""

    wall_s: float
    cpu_s: float
    """User and system time of the child and its threads."""
    peak_mb: float
    """Resident memory at its highest, MiB; never less than this process's own, which is why it imports so little."""
    out: str

    @property
    def result(self) -> dict[str, Any]:
        """What it printed, as JSON."""
        found: dict[str, Any] = json.loads(self.out)
        return found


def run(arguments: Sequence[str], folder: Path, *, core: int | None = None, codes: Sequence[int] = (0,)) -> Run:
    """
    Run Python with these arguments in a folder and measure it.

    Args:
        core: The one CPU core it may use; None lets it use all.
        codes: Exit codes that are no mistake.

    Raises:
        RuntimeError: it ended with another code; its last words are quoted.
    """
    command = [*(["taskset", "-c", str(core)] if core is not None else []), sys.executable, *arguments]
    with (folder / "stdout.txt").open("w+") as out, (folder / "stderr.txt").open("w+") as err:
        started = time.perf_counter()
        child = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, env=_environment())
        _pid, status, used = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode not in codes:
            raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}: {err.read()[-2000:]}")
        return Run(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, out.read())


def _environment() -> dict[str, str]:
    # An installed program has its bytecode; a setting of this shell that forbids writing it would be measured instead.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))}


@dataclass(frozen=True)
class Served:
    """A running server."""

    base_url: str

    def count(self) -> int:
        """Requests answered so far."""
        with urlopen(self.base_url.removesuffix("/v1") + "/count") as reply:
            return int(json.load(reply)["requests"])


@contextmanager
def serving() -> Iterator[Served]:
    """The server of `benchmarks.server`, in a process of its own for as long as the block lasts."""
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.server"],
        cwd=ROOT,
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield Served(f"http://127.0.0.1:{int(child.stdout.readline())}/v1")
    finally:
        child.stdin.close()
        child.wait(10)
        child.stdout.close()


@dataclass(frozen=True)
class Spread:
    """Repetitions of one figure."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of at least one value."""
        return cls(tuple(values))

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    @property
    def text(self) -> str:
        """Median, with the least and the most behind it where there is more than one."""
        if len(self.values) == 1:
            return _shown(self.values[0])
        return f"{_shown(self.median)} ({_shown(min(self.values))} to {_shown(max(self.values))})"


def _shown(value: float) -> str:
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    unit: str
    measured: Spread
    reference: Spread
    """The bare loop's, in the same run."""
    most: float | None = None
    """The most that is allowed, in the figure's unit."""
    most_ratio: float | None = None
    """The most that is allowed of measured over reference."""
    note: str = ""

    @property
    def ratio(self) -> float:
        """Measured over reference, of the medians."""
        return self.measured.median / self.reference.median

    @property
    def met(self) -> bool | None:
        """Whether the targets are met by the medians; None without a target."""
        tests = []
        if self.most is not None:
            tests.append(self.measured.median <= self.most)
        if self.most_ratio is not None:
            tests.append(self.ratio <= self.most_ratio)
        return all(tests) if tests else None


def seconds(name: str, ours: Sequence[Run], bare: Sequence[Run], most: float, note: str = "") -> Iterator[Figure]:
    """Wall and CPU seconds of the same runs: where others use the machine too, only the second says how we are."""
    for kind, mine, theirs in (
        ("wall", [one.wall_s for one in ours], [one.wall_s for one in bare]),
        ("CPU", [one.cpu_s for one in ours], [one.cpu_s for one in bare]),
    ):
        yield Figure(f"{name}, {kind}", "s", Spread.of(mine), Spread.of(theirs), most=most, note=note)
        note = ""


def megabytes(name: str, ours: Sequence[Run], bare: Sequence[Run], most: float | None = None) -> Figure:
    """Peak memory of the same runs."""
    return Figure(
        f"{name}, peak memory", "MB", Spread.of(o.peak_mb for o in ours), Spread.of(b.peak_mb for b in bare), most=most
    )
