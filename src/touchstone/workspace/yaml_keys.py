"""Change keys at the top of a YAML text, and leave every other character as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from touchstone.errors import TaskError
from touchstone.workspace.yaml_edit import last_line

_NOT_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""What JSON lets stand in quotes and YAML does not, or reads as the end of a line."""
_WORDS = frozenset({"true", "True", "TRUE", "false", "False", "FALSE", "null", "Null", "NULL"})
"""Plain words that are no text."""
_BLOCKS = (yaml.MappingNode, yaml.SequenceNode)


def edited_keys(text: str, changes: Mapping[str, Any], *, path: Path) -> str:
    """
    The text with top-level keys set to new values; None takes a key away, a new one is written at the end.

    Comments stay, those inside a value that goes excepted. Whoever writes the text reads it back first: an anchor that
    stood in the old value is missed where it is used.

    Raises:
        TaskError: the text is no mapping of one key a line, or a value stands elsewhere (an alias).
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    for key, value in changes.items():
        body = _edited(body, key, value, path)
    return mark + body


def _edited(body: str, key: str, value: Any, path: Path) -> str:
    root = yaml.compose(body, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise TaskError("the key {key} cannot be edited; write the file with one key a line", path=path, key=key)
    newline = "\r\n" if "\r\n" in body else "\n"
    indent = " " * root.start_mark.column
    found = next(((name, node) for name, node in root.value if name.value == key), None)
    if found is None:
        if value is None:
            return body
        head, more = _written(key, value, indent)
        ended = body if not body or body.endswith(("\n", "\r")) else body + newline
        return ended + indent + newline.join([head, *more]) + newline
    name, node = found
    if node.start_mark.index < name.end_mark.index:
        raise TaskError("the key {key} cannot be edited: its value stands elsewhere", path=path, key=key)
    start, end = name.start_mark.index, _end(body, node)
    line_end = _line_end(body, end)
    if value is None:
        line_start = body.rfind("\n", 0, start) + 1
        return body[:line_start] + body[line_end:].removeprefix("\r").removeprefix("\n")
    head, more = _written(key, value, indent)
    return body[:start] + newline.join([head + body[end:line_end], *more]) + body[line_end:]


def _end(body: str, node: yaml.Node) -> int:
    """Where a value ends; of one that takes lines of its own, the end of its last line."""
    block = (isinstance(node, _BLOCKS) and not node.flow_style) or (
        isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
    )
    if not block:
        return int(node.end_mark.index)
    lines = body.splitlines(keepends=True)[: last_line(node) + 1]
    return len("".join(lines).rstrip("\r\n"))


def _line_end(body: str, start: int) -> int:
    """The end of the line, before what ends it."""
    end = body.find("\n", start)
    end = len(body) if end < 0 else end
    return end - 1 if end > start and body[end - 1] == "\r" else end


def _written(key: str, value: Any, indent: str) -> tuple[str, list[str]]:
    """A key with its value: the line of the key, and further ones of a text of several lines."""
    if isinstance(value, str) and "\n" in value and _is_plain(value):
        return f"{key}: |-", [f"{indent}  {line}" if line else "" for line in value.split("\n")]
    return f"{key}: {in_flow(value)}", []


def _is_plain(text: str) -> bool:
    """Whether a text can stand in lines as it is."""
    lines = text.split("\n")
    return (
        all(line.isprintable() and line == line.rstrip() for line in lines)
        and lines[0] == lines[0].lstrip()
        and bool(lines[0] and lines[-1])
    )


def in_flow(value: Any) -> str:
    """A value on one line, as people write it: JSON, which is YAML's flow style, with plain keys."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{in_flow_key(key)}: {in_flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(in_flow, value)) + "]"
    return _NOT_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def in_flow_key(key: Any) -> str:
    """A key; in quotes unless it is a plain word."""
    text = str(key)
    plain = text.isascii() and text.replace("_", "a").replace("-", "a").isalpha()
    return text if plain and text not in _WORDS else in_flow(text)
