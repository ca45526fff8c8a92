"""Read YAML safely and remember the line of every key, so that an error can point at it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from touchstone.errors import TaskError

Place = tuple[str | int, ...]
"""Keys and list positions from the top to a value."""

_LARGEST_BYTES = 8 * 1024 * 1024
_DEEPEST = 64
_MOST_ALIASES = 64


class _Loader(yaml.SafeLoader):
    """
    `SafeLoader` with YAML 1.2's idea of plain words: the labels `yes`, `no`, `on` and `off` stay text.

    So do `001`, `1_000` and `10:30`, which YAML 1.1 takes for the numbers 1, 1000 and 630.
    """


# Dropped besides: dates. 2026-11-23 is a name or a label here, never a date object.
_NOT_OURS = tuple(f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "timestamp"))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NOT_OURS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]*)$"), list("-0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^-?(?:(?:0|[1-9][0-9]*)?\.[0-9]+|(?:0|[1-9][0-9]*)\.?)(?:[eE][-+]?[0-9]+)?$|^-?\.inf$|^\.nan$"),
    list("-.0123456789"),
)


def read_yaml(path: Path) -> tuple[Any, dict[Place, int]]:
    """
    The file's value, and the line (from 1) of every key and list item in it.

    Raises:
        TaskError: the file cannot be read, is no YAML, repeats a key, or is built to exhaust memory.
    """
    try:
        body = path.read_bytes()
    except OSError as error:
        raise TaskError(
            "the file cannot be read: {reason}; `touchstone init` writes a new one", path=path, reason=error.strerror
        ) from error
    if len(body) > _LARGEST_BYTES:
        raise TaskError("the task file is larger than 8 MiB; cases belong in a file of their own", path=path)
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        raise TaskError(
            "byte {offset} is not UTF-8; save the file as UTF-8", path=path, line=line, offset=error.start
        ) from error
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: dict[Place, int] = {}
        if node is None:
            raise TaskError("the task file is empty; `touchstone init` writes one to start from", path=path)
        _walk(node, (), lines, path, 0, {})
        return _construct(loader, node, path), lines
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise TaskError(
            "this is not YAML: {problem}; quote texts that hold a colon, a brace or a #",
            path=path,
            line=mark.line + 1 if mark else None,
            problem=problem,
        ) from error
    except RecursionError as error:
        raise TaskError("the file is nested too deeply; 64 levels are the limit", path=path) from error
    finally:
        if loader is not None:
            loader.dispose()


def _construct(loader: _Loader, node: yaml.Node, path: Path) -> Any:
    try:
        return loader.construct_document(node)
    except (ValueError, KeyError, AttributeError) as error:
        # What the library's constructors let through when a value does not fit an explicit tag, such as `!!int abc`.
        raise TaskError("a value does not fit its !! tag ({reason}); drop the tag", path=path, reason=error) from error


def _walk(node: yaml.Node, place: Place, lines: dict[Place, int], path: Path, depth: int, seen: dict[int, int]) -> None:
    line = node.start_mark.line + 1
    lines.setdefault(place, line)
    if depth > _DEEPEST:
        raise TaskError("the file is nested too deeply; 64 levels are the limit", path=path, line=line)
    seen[id(node)] = seen.get(id(node), 0) + 1
    if seen[id(node)] > _MOST_ALIASES:
        raise TaskError("an anchor is used more than 64 times; write the values out", path=path, line=line)
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in keys:
                raise TaskError(
                    "the key {key!r} stands twice; keep one of them", path=path, line=key.start_mark.line + 1, key=name
                )
            keys.add(name)
            lines[(*place, name)] = key.start_mark.line + 1
            _walk(value, (*place, name), lines, path, depth + 1, seen)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            _walk(value, (*place, position), lines, path, depth + 1, seen)
