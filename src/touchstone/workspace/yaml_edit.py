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
    The text with the list under a top-level key edited; where there is none yet, or an empty one, it is written.

    Comments stay, those at the end of a line that goes excepted.

    Raises:
        TaskError: what stands there is no list, an item of it stands elsewhere (an alias), or items are to go out of
            brackets that hold comments too.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    root = yaml.compose(body, Loader=yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else ()
    value = next((found for name, found in pairs if name.value == key), None)
    if isinstance(root, yaml.MappingNode) and not root.flow_style and (value is None or _is_empty(value)):
        return mark + _begun(body, root, key, value, edit)
    if not isinstance(value, yaml.SequenceNode) or any(
        item.start_mark.index < value.start_mark.index or item.end_mark.index > value.end_mark.index
        for item in value.value
    ):
        raise TaskError("the list {key} cannot be edited; write it out, one item a line", path=path, key=key)
    if not value.flow_style:
        return mark + _by_lines(body, value, edit)
    if edit.remove and any("#" in between for between in _between(body, value)):
        raise TaskError(
            "the list {key} holds comments between brackets, and nobody can tell which of them go with an item; write "
            "it one item a line",
            path=path,
            key=key,
        )
    return mark + _in_brackets(body, value, edit)


def _is_empty(value: yaml.Node) -> bool:
    if isinstance(value, yaml.SequenceNode):
        return not value.value
    return isinstance(value, yaml.ScalarNode) and value.tag == "tag:yaml.org,2002:null"


def _begun(body: str, root: yaml.MappingNode, key: str, value: yaml.Node | None, edit: Edit) -> str:
    """The text with a list where there was none: under its key, or under a new one at the end."""
    newline = "\r\n" if "\r\n" in body else "\n"
    indent = " " * root.start_mark.column
    added = "".join(f"{indent}  - {line}{newline}" for line in edit.add)
    if value is None:
        ended = body if body.endswith(("\n", "\r")) else body + newline
        return f"{ended}{indent}{key}:{newline}{added}"
    before, rest = body[: value.start_mark.index].rstrip(" \t"), body[value.end_mark.index :]
    remark, end, after = rest.partition("\n")
    if not end:
        remark += newline
    return f"{before}{remark}{end}{added}{after}"


def _by_lines(body: str, value: yaml.SequenceNode, edit: Edit) -> str:
    lines = body.splitlines(keepends=True)
    newline = "\r\n" if "\r\n" in body else "\n"
    spans = [(_dash_line(lines, item), last_line(item)) for item in value.value]
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


def last_line(item: yaml.Node) -> int:
    """The last line on which an item says something; a block's own end mark lies behind the comments that follow it."""
    if isinstance(item, yaml.MappingNode) and not item.flow_style:
        return max(last_line(part) for pair in item.value for part in pair)
    if isinstance(item, yaml.SequenceNode) and not item.flow_style:
        return max(last_line(part) for part in item.value)
    end = item.end_mark
    return int(end.line - 1 if end.column == 0 and end.line > item.start_mark.line else end.line)


def _between(body: str, value: yaml.SequenceNode) -> list[str]:
    """What stands before the first item, between each and the next, and behind the last, brackets included."""
    ends = [value.start_mark.index, *(item.end_mark.index for item in value.value)]
    starts = [*(item.start_mark.index for item in value.value), value.end_mark.index]
    return [body[end:start] for end, start in zip(ends, starts, strict=True)]


def _in_brackets(body: str, value: yaml.SequenceNode, edit: Edit) -> str:
    """Cut the items that go, each with what follows it, and add the others behind the last one that stays."""
    items = [body[item.start_mark.index : item.end_mark.index] for item in value.value]
    opening, *between = _between(body, value) if items else ("[", "]")
    kept = [at for at in range(len(items)) if at not in edit.remove]
    found = "".join(items[at] + (between[at] if at != kept[-1] else "") for at in kept)
    added = ", ".join(edit.plain)
    closing = between[-1]
    start, end = value.start_mark.index, value.end_mark.index
    return body[:start] + opening + found + (", " if found and added else "") + added + closing + body[end:]
