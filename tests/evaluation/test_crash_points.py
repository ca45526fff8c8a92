"""What the places at which tests kill a process promise: only there, only then, and never unasked."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest
from tests.source import sources

from touchstone.evaluation.crash_points import KILL_AT, POINTS, CrashPoint, crash_point


@pytest.mark.parametrize(("wanted", "passed_before"), [("after-read", 0), ("after-read:1", 0), ("after-read:3", 2)])
def test_a_process_is_killed_where_and_when_it_was_told_to(wanted: str, passed_before: int) -> None:
    """At the named point, the n-th time it is passed; other points do not count."""
    killed: list[str] = []
    killer = CrashPoint(lambda: killed.append("killed"))
    killer.arm(wanted)
    for _ in range(passed_before):
        killer("after-read")
        killer("mid-commit")
        assert not killed
    killer("after-read")
    assert killed == ["killed"]


@pytest.mark.parametrize("wanted", ["", "nowhere", "after-read:", "after-read:soon", "after-read:-1", "after-read:0"])
def test_a_point_that_does_not_exist_is_refused(wanted: str) -> None:
    """A test that would kill nobody fails instead of passing."""
    with pytest.raises(ValueError, match=KILL_AT):
        CrashPoint(lambda: None).arm(wanted)


def test_nobody_is_killed_unasked() -> None:
    """Without the variable every point can be passed."""
    for point in POINTS:
        crash_point(point)


def test_a_real_process_dies_of_sigkill() -> None:
    """The variable is read at import; the process has no time to tidy up."""
    script = """
from touchstone.evaluation.crash_points import crash_point
try:
    crash_point("after-read")
finally:
    print("tidied")
"""
    found = subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": os.environ["PATH"], KILL_AT: "after-read"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == -9
    assert found.stdout == ""


def test_every_point_stands_in_the_code() -> None:
    """What the kill loop names exists: each point is passed somewhere, and nothing passes one that is not listed."""
    passed = {
        call.node.args[0].value
        for source in sources("crash_point")
        for call in source.calls
        if getattr(call.node.func, "id", "") == "crash_point" and isinstance(call.node.args[0], ast.Constant)
    }
    assert passed == set(POINTS)
