"""How much memory there is, read out of the system's own files."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from touchstone.deployment.compute.machine import check_memory, free_memory_bytes, memory_bytes, tree_bytes
from touchstone.errors import SettingsError

GIB = 2**30


def system(
    root: Path, *, total: float = 16, available: float = 8, limit: str | None = None, taken: float = 0, cache: float = 0
) -> Path:
    """A root of a file system with memory in GiB."""
    (root / "proc").mkdir(parents=True)
    (root / "proc/meminfo").write_text(
        f"MemTotal:       {round(total * 2**20)} kB\nMemFree: 1 kB\nMemAvailable:   {round(available * 2**20)} kB\n"
    )
    if limit is not None:
        group = root / "sys/fs/cgroup"
        group.mkdir(parents=True)
        (group / "memory.max").write_text(f"{limit}\n")
        (group / "memory.current").write_text(f"{round(taken * GIB)}\n")
        (group / "memory.stat").write_text(f"anon 1\ninactive_file {round(cache * GIB)}\n")
    return root


def test_the_machine_or_the_container_decides(tmp_path: Path) -> None:
    """Whichever has less; caches of the container's files give way; `max` is no limit."""
    bare = system(tmp_path / "bare")
    assert (memory_bytes(bare), free_memory_bytes(bare)) == (16 * GIB, 8 * GIB)
    boxed = system(tmp_path / "boxed", limit=str(4 * GIB), taken=3, cache=2)
    assert (memory_bytes(boxed), free_memory_bytes(boxed)) == (4 * GIB, 3 * GIB)
    free = system(tmp_path / "free", limit="max")
    assert memory_bytes(free) == 16 * GIB


def test_nobody_says(tmp_path: Path) -> None:
    """Unknown is not zero, and refuses nothing."""
    assert memory_bytes(tmp_path) is None
    assert free_memory_bytes(tmp_path) is None
    assert tree_bytes(1, tmp_path) is None
    check_memory(1e9, what="it", system=tmp_path)
    check_memory(None, what="it", system=system(tmp_path / "known"))


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Into the machine with room to work, and into what is free."""
    place = system(tmp_path)
    check_memory(14.3, what="it", system=place)
    with pytest.raises(SettingsError, match=r"needs 14\.5 GiB of memory and this machine has 14\.4 GiB"):
        check_memory(14.5, what="it", system=place)
    check_memory(7.9, what="it", free=True, system=place)
    with pytest.raises(SettingsError, match=r"8\.0 GiB are free"):
        check_memory(8.1, what="it", free=True, system=place)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system has no /proc")
def test_this_machine_says() -> None:
    """And a process with a child takes some of it: both count, pages of files do not."""
    total, free = memory_bytes(), free_memory_bytes()
    assert total is not None
    assert free is not None
    assert 0 < free <= total
    program = "import subprocess, sys; held = b'x' * 2**25; {more}; print('up', flush=True); sys.stdin.read()"
    child = f"subprocess.Popen([sys.executable, '-S', '-c', {program.format(more='pass')!r}], stdout=-3).args"
    with subprocess.Popen(
        [sys.executable, "-S", "-c", program.format(more=child)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == b"up\n"
        deadline = time.monotonic() + 10
        while (tree_bytes(one.pid) or 0) < 2 * 2**25 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert 2 * 2**25 < (tree_bytes(one.pid) or 0) < 2 * 2**25 + 2**25
        one.communicate()
    assert tree_bytes(2**22 + 1) == 0


def test_a_kernel_without_lists_of_children(tmp_path: Path) -> None:
    """Then parents are looked up; a name with brackets and blanks in it misleads nobody."""
    for pid, parent, kib in ((10, 1, 100), (11, 10, 20), (12, 11, 3), (13, 1, 999)):
        place = tmp_path / "proc" / str(pid)
        (place / "task" / str(pid)).mkdir(parents=True)
        (place / "status").write_text(f"Name: x\nVmRSS: 5000 kB\nRssAnon: {kib} kB\nRssFile: 7 kB\nRssShmem: 1 kB\n")
        (place / "stat").write_text(f"{pid} (a) b (c) S {parent} 10 10 0")
    assert tree_bytes(10, tmp_path) == (123 + 3) * 1024
