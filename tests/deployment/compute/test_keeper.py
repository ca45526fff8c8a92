"""The process that stands before a program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from touchstone.deployment.compute import keeper

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the system has no process groups")


def kept(*command: str, grace: str = "1") -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(keeper.__file__)), "128", grace, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("program", "code"),
    [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137), ("pass", 0)],
)
def test_the_end_of_the_program_is_its_own(program: str, code: int) -> None:
    """With the same status, or 128 and the number of the signal."""
    with kept(sys.executable, "-S", "-c", program) as one:
        assert one.wait(20) == code


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    """In one line, with the status of a shell."""
    with kept(str(tmp_path / "gone")) as one:
        said, _ = one.communicate(timeout=20)
    assert one.returncode == keeper.NOT_FOUND
    assert said.decode().strip() == f"{tmp_path / 'gone'} cannot be started: No such file or directory"


def test_it_stops_when_asked_and_when_nobody_waits() -> None:
    """By a signal, which it hands on, or by the end of its standard input."""
    sleeping = "import time; print('up', flush=True); time.sleep(60)"
    for end in (subprocess.Popen.terminate, lambda one: one.stdin.close()):
        with kept(sys.executable, "-S", "-c", sleeping) as one:
            assert one.stdout is not None
            assert one.stdout.readline() == b"up\n"
            end(one)
            assert one.wait(20) in (143, -9)


def test_it_starts_in_little_time_and_memory() -> None:
    """It imports nothing of ours."""
    text = Path(keeper.__file__).read_text()
    assert "touchstone" not in "".join(line for line in text.splitlines() if "import" in line)
