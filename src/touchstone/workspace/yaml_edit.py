"""Change the items of one list of a YAML text, and leave every other character as it is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import yaml

from touchstone.errors import TaskError


class Edit(NamedTuple):
    """What becomes of a list."""

    remove: frozenset[int]
    """Positions of the items that go."""
    add: tuple[str, ...]
    """Lines to add at the end of a list that is written one item a line, without their dash."""
    plain: tuple[str, ...]
    """The same without remarks, for a list in brackets."""


def edited_sequence(text: str, key: str, edit: Edit, *, path: Path) -> str:
    """
    The text with the list under a top-level key edited.

    Comments stay, those at the end of a line that goes excepted.

    Raises:
        TaskError: there is no such list, or an item of it stands elsewhere (an alias).
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    node = yaml.compose(body, Loader=yaml.SafeLoader)
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    value = next((found for name, found in pairs if name.value == key), None)
    if not isinstance(value, yaml.SequenceNode) or any(
        item.start_mark.index < value.start_mark.index or item.end_mark.index > value.end_mark.index
        for item in value.value
    ):
        raise TaskError("the list {key} cannot be edited; write it out, one item a line", path=path, key=key)
    return mark + (_in_brackets(body, value, edit) if value.flow_style else _by_lines(body, value, edit))


def _by_lines(body: str, value: yaml.SequenceNode, edit: Edit) -> str:
    lines = body.splitlines(keepends=True)
    newline = "\r\n" if "\r\n" in body else "\n"
    spans = [(_dash_line(lines, item), _last_line(item)) for item in value.value]
    indent = lines[spans[0][0]].partition("-")[0]
    added = [f"{indent}- {line}{newline}" for line in edit.add]
    gone = {number for at in edit.remove for number in range(spans[at][0], spans[at][1] + 1)}
    kept = [span for at, span in enumerate(spans) if at not in edit.remove]
    # After the last item that stays; where none does, in place of the first that goes.
    after = kept[-1][1] if kept else spans[0][0] - 1
    found: list[str] = []
    for number, line in enumerate(lines):
        if number not in gone:
            # The last line of a file may lack its end.
            found.append(line if line.endswith(("\n", "\r")) or number != after else line + newline)
        if number == after:
            found += added
    return "".join(found)


def _dash_line(lines: list[str], item: yaml.Node) -> int:
    """The line of the dash before an item, which may stand above the item itself."""
    line = item.start_mark.line
    while not lines[line].lstrip().startswith("-"):
        line -= 1
    return int(line)


def _last_line(item: yaml.Node) -> int:
    """The last line on which an item says something; a block's own end mark lies behind the comments that follow it."""
    if isinstance(item, yaml.MappingNode) and not item.flow_style:
        return max(_last_line(part) for pair in item.value for part in pair)
    if isinstance(item, yaml.SequenceNode) and not item.flow_style:
        return max(_last_line(part) for part in item.value)
    end = item.end_mark
    return int(end.line - 1 if end.column == 0 and end.line > item.start_mark.line else end.line)


def _in_brackets(body: str, value: yaml.SequenceNode, edit: Edit) -> str:
    items = [body[item.start_mark.index : item.end_mark.index] for item in value.value]
    if not edit.remove and items:
        end = value.value[-1].end_mark.index
        return body[:end] + "".join(f", {line}" for line in edit.plain) + body[end:]
    kept = [item for at, item in enumerate(items) if at not in edit.remove]
    start, end = value.start_mark.index, value.end_mark.index
    return body[:start] + "[" + ", ".join([*kept, *edit.plain]) + "]" + body[end:]
