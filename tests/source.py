"""The product's own source, read as a tree: what it imports and calls, under the names that things really have."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import touchstone

ROOT = Path(touchstone.__file__).parent


class Called(NamedTuple):
    """One call."""

    name: str
    """What is called, such as `numpy.load`; a method of something unknown is `.load`."""
    node: ast.Call
    place: str
    """File and line, for whoever has to look."""

    def keyword(self, name: str) -> ast.expr | None:
        """What is given by a name; None where it is not."""
        return next((one.value for one in self.node.keywords if one.arg == name), None)


class Source(NamedTuple):
    """One file, read once."""

    name: str
    """Below the package, such as `catalog/outbound.py`."""
    text: str
    tree: ast.Module
    imports: frozenset[str]
    """Every module that is imported, wherever in the file; what only types need is left out."""
    calls: tuple[Called, ...]


def read(name: str, text: str) -> Source:
    """A file's text as a source."""
    tree = _parsed(text)
    nodes = list(ast.walk(tree))
    only_types = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in node.body
    }
    names: dict[str, str] = {}
    imports, calls = set[str](), list[ast.Call]()
    for node in nodes:
        if isinstance(node, ast.Import):
            for one in node.names:
                whole = one.name if one.asname else one.name.partition(".")[0]
                names[one.asname or whole] = whole
            found = {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
            found = {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
        else:
            if isinstance(node, ast.Call):
                calls.append(node)
            continue
        if id(node) not in only_types:
            imports |= found
    called = tuple(Called(dotted(node.func, names), node, f"{name}:{node.lineno}") for node in calls)
    return Source(name, text, tree, frozenset(imports), called)


def _parsed(text: str) -> ast.Module:
    """A tree has no garbage in it; looking for some would take twice as long as parsing."""
    looked_for = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        if looked_for:
            gc.enable()


@cache
def _texts() -> Mapping[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}


@cache
def _read(path: Path) -> Source:
    return read(path.relative_to(ROOT).as_posix(), _texts()[path])


def sources(*words: str) -> Iterator[Source]:
    """
    The files of the package that mention one of some words, by name.

    A module cannot be used without naming it, however it is called afterwards; so the others need not be read.
    """
    for path, text in _texts().items():
        if not words or any(word in text for word in words):
            yield _read(path)


def source_of(text: str) -> Source:
    """A file that a test makes up."""
    return read("made-up.py", text)


def dotted(node: ast.expr, names: Mapping[str, str]) -> str:
    """The full name of what an expression stands for; what is not known begins with a dot."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value, names)
        return f"{inner}.{node.attr}" if inner else f".{node.attr}"
    return ""
