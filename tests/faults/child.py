"""The real command line in a child whose peak memory is known, and which a test may kill."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A clean environment with nothing of whoever runs the tests."""
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "COLUMNS": "120"}
    return {**clean, "PYTHONPATH": str(ROOT / "src"), **(more or {})}


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


def run_measured(folder: Path, *arguments: str) -> Ended:
    """Run a command to its end."""
    out, err = folder / "stdout.txt", folder / "stderr.txt"
    with out.open("w") as stdout, err.open("w") as stderr:
        process = subprocess.Popen(
            command(*arguments), cwd=folder, env=environment(folder), stdout=stdout, stderr=stderr
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(process.returncode, out.read_text(), err.read_text(), usage.ru_maxrss / 1024)
