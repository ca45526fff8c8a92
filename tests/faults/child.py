"""The real command line in a child whose peak memory is known, and which a test may kill."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ONE_THREAD, ROOT


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A clean environment with nothing of whoever runs the tests."""
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "COLUMNS": "120"}
    return {**clean, **ONE_THREAD, "PYTHONPATH": str(ROOT / "src"), **(more or {})}


def command(*arguments: str) -> list[str]:
    """The command line of `touchstone`."""
    return [sys.executable, "-m", "touchstone", *arguments]


@dataclass(frozen=True)
class Ended:
    """How a child ended."""

    returncode: int
    stdout: str
    stderr: str
    peak_mib: float
    """The most memory it held."""


SMALL_PARENT = """\
import os, subprocess, sys
child = subprocess.Popen(sys.argv[2:])
_pid, status, usage = os.wait4(child.pid, 0)
with open(sys.argv[1], "w") as peak:
    peak.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Linux counts what a process held before it became the command: what its parent held, which tests make large."""


def run_measured(folder: Path, *arguments: str) -> Ended:
    """Run a command to its end."""
    out, err, peak = (folder / name for name in ("stdout.txt", "stderr.txt", "peak.txt"))
    with out.open("w") as stdout, err.open("w") as stderr:
        ended = subprocess.run(
            [sys.executable, "-S", "-c", SMALL_PARENT, str(peak), *command(*arguments)],
            cwd=folder,
            env=environment(folder),
            stdout=stdout,
            stderr=stderr,
            check=False,
        )
    return Ended(ended.returncode, out.read_text(), err.read_text(), int(peak.read_text()) / 1024)
