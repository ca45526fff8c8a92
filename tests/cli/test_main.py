"""How the command's process ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_FULL = Path("/dev/full")


def ended(verb: str, **streams: int) -> subprocess.CompletedProcess[str]:
    """What a process did whose verb is this body of a function."""
    program = f"""
import atexit
from touchstone.cli import main

def run():
    {verb}

main._run = run
main.main()
"""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run([sys.executable, "-c", program], env=buffered, text=True, check=False, **pipes)


def test_what_was_printed_last_arrives_and_what_others_wait_for_is_done() -> None:
    """Output is flushed, and functions registered for the end are called, before the process ends with its code."""
    found = ended("atexit.register(print, 'told'); print('printed'); return 3")
    assert (found.returncode, found.stdout, found.stderr) == (3, "printed\ntold\n", "")


def test_work_of_threads_is_waited_for() -> None:
    """A thread that still works ends first."""
    found = ended(
        "import threading, time; threading.Thread(target=lambda: (time.sleep(0.2), print('worked'))).start(); return 0"
    )
    assert (found.returncode, found.stdout) == (0, "worked\n")


def test_an_error_nobody_expected_is_shown() -> None:
    """Its traceback and the exit code are Python's own."""
    found = ended("raise RuntimeError('our mistake')")
    assert found.returncode == 1
    assert found.stderr.endswith("RuntimeError: our mistake\n")


@pytest.mark.skipif(not _FULL.exists(), reason="no device here that is always full")
def test_output_that_cannot_be_written_is_no_success() -> None:
    """Where stdout is full, the exit code says so."""
    with _FULL.open("w") as full:
        found = ended("print('lost'); return 0", stdout=full.fileno())
    assert found.returncode == 120
    assert "No space left on device" in found.stderr
