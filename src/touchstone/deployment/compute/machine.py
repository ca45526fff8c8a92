"""How much memory this machine has for processes, and how much a group of them takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from touchstone.catalog.memory import GIB, USABLE_SHARE
from touchstone.errors import SettingsError

_SYSTEM = Path("/")
_NO_LIMIT = 2**60
"""What control groups of the first version write where there is none is larger than this."""


def memory_bytes(system: Path = _SYSTEM) -> int | None:
    """
    Memory that this process and its children may have: of the machine, or less where a container may take less.

    Args:
        system: Root of the file system to read `/proc` and `/sys` in.

    Returns:
        Bytes; None where the system does not say.
    """
    machine = _meminfo(system).get("MemTotal")
    if machine is None and system == _SYSTEM:
        machine = _by_pages("SC_PHYS_PAGES")
    limits = [limit for limit, _ in _groups(system)]
    return min((one for one in (machine, *limits) if one is not None), default=None)


def free_memory_bytes(system: Path = _SYSTEM) -> int | None:
    """What of it can be taken now without swapping: free, or held by caches that give way. None where nobody says."""
    machine = _meminfo(system).get("MemAvailable")
    if machine is None and system == _SYSTEM:
        machine = _by_pages("SC_AVPHYS_PAGES")
    rooms = [max(limit - taken, 0) for limit, taken in _groups(system)]
    return min((one for one in (machine, *rooms) if one is not None), default=None)


def check_memory(need_gib: float | None, *, free: bool = False, what: str, system: Path = _SYSTEM) -> None:
    """
    Refuse what cannot fit. Nobody can tell where a number is unknown, and then nothing is refused.

    Args:
        need_gib: What all its processes will take.
        free: Whether it must fit into what is free now, else into the machine with room to work.
        what: Whose need it is, for the message.

    Raises:
        SettingsError: it does not fit.
    """
    have = free_memory_bytes(system) if free else memory_bytes(system)
    if need_gib is None or have is None:
        return
    room = have if free else have * USABLE_SHARE
    if need_gib * GIB > room:
        if free:
            raise SettingsError(
                "{what} needs {need:.1f} GiB of memory and {have:.1f} GiB are free; stop another endpoint, or take "
                "fewer replicas or a smaller model",
                what=what,
                need=need_gib,
                have=room / GIB,
            )
        raise SettingsError(
            "{what} needs {need:.1f} GiB of memory and this machine has {have:.1f} GiB for it; take fewer replicas, a "
            "smaller model or a larger machine",
            what=what,
            need=need_gib,
            have=room / GIB,
        )


def tree_bytes(root: int, system: Path = _SYSTEM) -> int | None:
    """
    Memory that a process and everything it started hold and no file could give back: anonymous and shared pages.

    Pages of files, such as weights that are mapped, are left out: the system drops them when it needs room. It takes a
    fraction of a millisecond, because the loop that answers requests waits for it.

    Args:
        root: Id of the process.

    Returns:
        Bytes, 0 where it is gone; None where the system has no `/proc`.
    """
    proc = system / "proc"
    if not proc.is_dir():
        return None
    total, waiting, parents = 0, [root], None
    while waiting:
        place = proc / str(waiting.pop())
        try:
            total += sum(_kib_lines(place / "status", ("RssAnon", "RssShmem")).values())
            try:
                for task in (place / "task").iterdir():
                    waiting += map(int, (task / "children").read_text().split())
            except FileNotFoundError:  # a kernel that keeps no such lists
                parents = _parents(proc) if parents is None else parents
                waiting += (child for child, parent in parents.items() if parent == int(place.name))
        except (OSError, ValueError):
            continue  # it ended meanwhile
    return total


def _parents(proc: Path) -> dict[int, int]:
    """Each process's parent."""
    found = {}
    for place in proc.iterdir():
        if place.name.isdigit():
            try:
                # The command's name stands in brackets and may hold anything, so one counts behind the last bracket.
                found[int(place.name)] = int((place / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
    return found


def _meminfo(system: Path) -> dict[str, int]:
    try:
        return _kib_lines(system / "proc/meminfo", ("MemTotal", "MemAvailable"))
    except OSError:
        return {}


def _kib_lines(file: Path, names: tuple[str, ...]) -> dict[str, int]:
    """Lines such as `MemTotal: 16 kB`, in bytes."""
    found = {}
    for line in file.read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in names:
            found[name] = int(rest.split()[0]) * 1024
    return found


def _by_pages(name: str) -> int | None:
    try:
        return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # a system without `sysconf`, or without this name
        return None


def _groups(system: Path) -> Iterator[tuple[int, int]]:
    """(limit, taken) in bytes of the control groups of both versions, where one is set; caches do not count."""
    for folder, limit_name, taken_name, cache in (
        ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        place = system / folder
        try:
            limit, taken = int((place / limit_name).read_text()), int((place / taken_name).read_text())
            lines = dict(line.split() for line in (place / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # there is no such group, or no limit: it says "max"
            continue
        if limit < _NO_LIMIT:
            yield limit, max(taken - int(lines.get(cache, 0)), 0)
