"""
Members found by name through entry points, ours through the same door as guests'.

A group is `touchstone.KIND`; nothing is imported until it is named. Known kinds: `scorer`, `answer_reader`, `reader`
(files of cases), `model`, `strategy`.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, distributions
from typing import Any

from touchstone.errors import SettingsError, UnknownName
from touchstone.language import N_

_CALLED = {
    "scorer": N_("scorer"),
    "answer_reader": N_("answer reader"),
    "reader": N_("reader"),
    "model": N_("model"),
    "strategy": N_("strategy"),
    "vector_store": N_("vector store"),
    "computes": N_("compute"),
}
"""What the kinds are called in messages."""


@cache
def _installed() -> dict[str, tuple[EntryPoint, ...]]:
    # Each look opens the metadata of every installed package; what is installed does not change under a process. What
    # does not name us is not taken apart, as `importlib.metadata.entry_points` does in three times the time.
    found: dict[str, list[EntryPoint]] = {}
    seen: set[str] = set()
    for package in distributions():
        if "[touchstone." not in (package.read_text("entry_points.txt") or ""):
            continue
        name = _header(package, "Name") or package.name
        if name in seen:
            continue  # of two copies the one that is imported counts
        seen.add(name)
        for point in package.entry_points:
            if point.group.startswith("touchstone."):
                found.setdefault(point.group, []).append(point)
    return {group: tuple(points) for group, points in found.items()}


@cache
def _members(kind: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in _installed().get(f"touchstone.{kind}", ()):
        ours = point.value.startswith("touchstone.")
        other = found.get(point.name)
        if other is not None and other.value != point.value:
            # A guest may not silently replace another member: results would change with what is installed.
            raise SettingsError(
                "two packages offer the {kind} {name!r}: {first} and {second}; uninstall one of them",
                kind=kind,
                name=point.name,
                first=other.value if not ours else point.value,
                second=point.value if not ours else other.value,
            )
        found[point.name] = point
    return found


def look_again() -> None:
    """Forget what was found: for whoever installs a package while the process runs."""
    _installed.cache_clear()
    _members.cache_clear()
    version_of.cache_clear()


def names(kind: str) -> tuple[str, ...]:
    """Names of every installed member of a kind, sorted."""
    return tuple(sorted(_members(kind)))


def shipped(kind: str) -> tuple[str, ...]:
    """Names of the members that come with this package, sorted; what else is installed changes nothing."""
    return tuple(sorted(name for name, point in _members(kind).items() if point.value.startswith("touchstone.")))


def load(kind: str, name: str) -> Any:
    """
    The class or function a plug-in offers under a name.

    Raises:
        UnknownName: nobody offers it; the closest names are named.
    """
    try:
        point = _members(kind)[name]
    except KeyError:
        raise UnknownName(kind=_CALLED.get(kind, kind), name=name, known=names(kind)) from None
    return point.load()


def origin(kind: str, name: str) -> str:
    """Where a plug-in comes from, with the version of its package: another version may give other numbers."""
    point = _members(kind).get(name)
    if point is None:
        return ""
    return f"{point.value} {_version(point.dist) if point.dist is not None else ''}".strip()


@cache
def version_of(package: str) -> str | None:
    """The version of an installed package; None when it is not installed."""
    try:
        return _version(distribution(package))
    except PackageNotFoundError:
        return None


def _version(package: Distribution) -> str:
    return _header(package, "Version") or package.version


def _header(package: Distribution, name: str) -> str | None:
    """A line of a package's metadata; `Distribution` itself reads all of it, with the description, by mail's rules."""
    found = re.search(rf"^{name}:[ \t]*(\S+)", package.read_text("METADATA") or "", re.MULTILINE)
    return found[1] if found else None
