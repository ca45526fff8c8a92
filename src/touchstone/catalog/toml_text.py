"""
Write cards and claims as TOML that people read: a small writer for the shapes that our files have.

Plain values come first, then tables, then lists of tables. What is None or has its default value is left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_GROUPED_FROM = 10_000
"""Numbers from here on are grouped by thousands; smaller ones could be years."""
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_SPECIAL = re.compile(r'["\\\x00-\x1f\x7f]')


def write_toml(table: Mapping[str, Any]) -> str:
    """Plain values as TOML; what is None is left out."""
    return "\n".join(_lines(table, ())) + "\n"


def write_rows(header: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> str:
    """A file of claims: what its rows share, and one row a line."""
    lines = [*_lines(header, ()), "", "[[table]]", "rows = ["]
    lines += [f"  {_inline(row)}," for row in rows]
    return "\n".join([*lines, "]"]) + "\n"


def _lines(table: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[str]:
    inner: list[tuple[str, Any]] = []
    for key, value in table.items():
        if value is None:
            continue
        if isinstance(value, Mapping) or (isinstance(value, list) and value and isinstance(value[0], Mapping)):
            inner.append((key, value))
        else:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in sorted(inner, key=lambda item: isinstance(item[1], list)):
        name = ".".join(map(_key, (*place, key)))
        for row in value if isinstance(value, list) else [value]:
            yield ""
            yield f"[[{name}]]" if isinstance(value, list) else f"[{name}]"
            yield from _lines(row, (*place, key))


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}" if abs(value) >= _GROUPED_FROM else str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return _inline(value)
    return f"[{', '.join(map(_value, value))}]"


def _inline(table: Mapping[str, Any]) -> str:
    return (
        "{ " + ", ".join(f"{_key(key)} = {_value(value)}" for key, value in table.items() if value is not None) + " }"
    )


def _text(text: str) -> str:
    return '"' + _SPECIAL.sub(lambda found: _ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}", text) + '"'
