"""What the lock promises: one holder among all processes, and none once that one is dead."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from touchstone.errors import StoreError
from touchstone.storage import process_lock
from touchstone.storage.process_lock import ProcessLock

HOLD = """
import os, sys
from pathlib import Path
from touchstone.storage.process_lock import ProcessLock
lock = ProcessLock(Path(sys.argv[1]))
print(lock.take())
if sys.argv[2:] == ["fork"]:
    child = os.fork()
    if child == 0:
        sys.stdin.read()
        os._exit(0)
    print(child)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_lock, "_PATIENCE_S", 0.02)


def test_one_holder(tmp_path: Path) -> None:
    """A second one in the same process is refused, and gets it when the first has let go; twice is as good as once."""
    first, second = ProcessLock(tmp_path / "lock"), ProcessLock(tmp_path / "lock")
    assert first.take()
    assert not second.take()
    second.release()
    assert first.held_here
    assert second.held
    first.release()
    first.release()
    assert not second.held_here
    assert second.take()
    second.release()


def test_looking_takes_and_makes_nothing(tmp_path: Path) -> None:
    """Not even the file; and the one who looks keeps nobody out."""
    lock = ProcessLock(tmp_path / "lock")
    assert not lock.held
    assert list(tmp_path.iterdir()) == []
    assert lock.take()
    lock.release()
    assert not lock.held
    assert lock.take()
    lock.release()


def test_the_file_is_the_same_by_every_name(tmp_path: Path) -> None:
    """A link to it, or to its folder, is no way around."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    lock = ProcessLock(tmp_path / "real" / "lock")
    assert lock.take()
    assert not ProcessLock(tmp_path / "link" / "lock").take()
    lock.release()


def test_the_file_stays(tmp_path: Path) -> None:
    """If it were taken away, two processes could lock two files of one name."""
    lock = ProcessLock(tmp_path / "lock")
    lock.take()
    lock.release()
    assert (tmp_path / "lock").exists()


def test_a_killed_process_holds_nothing(tmp_path: Path, child: Callable[..., subprocess.Popen[str]]) -> None:
    """The next one has the lock at once: nothing has to run out first."""
    holder = child(HOLD, tmp_path / "lock")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    lock = ProcessLock(tmp_path / "lock")
    assert lock.held
    assert not lock.held_here
    assert not lock.take()
    holder.kill()
    holder.wait()
    assert not lock.held
    assert lock.take()
    lock.release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_does_not_hold_it_on(tmp_path: Path, child: Callable[..., subprocess.Popen[str]]) -> None:
    """A worker that outlives its engine keeps no other engine out."""
    holder = child(HOLD, tmp_path / "lock", "fork")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    worker = int(holder.stdout.readline())
    lock = ProcessLock(tmp_path / "lock")
    assert not lock.take()
    holder.kill()
    holder.wait()
    os.kill(worker, 0)  # it lives
    assert lock.take()
    lock.release()


def test_a_place_without_a_lock_is_named(tmp_path: Path) -> None:
    """The error says which file could not be made."""
    with pytest.raises(StoreError, match=r"absent.lock"):
        ProcessLock(tmp_path / "absent" / "lock").take()
    (tmp_path / "here").write_text("a file")
    with pytest.raises(StoreError, match=r"here.lock"):
        _ = ProcessLock(tmp_path / "here" / "lock").held
