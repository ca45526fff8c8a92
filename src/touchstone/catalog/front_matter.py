"""
Safe YAML for foreign files, and the front matter of a Markdown file, read and changed without touching anything else.

A file is kept as the text it is: byte order mark, line ends, comments, the order and spelling of keys. Setting a key
replaces the lines of that key and no other; what cannot be changed alone (an anchor that others use) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Self

import yaml

from touchstone.errors import DataError
from touchstone.noun import Noun

LARGEST_BYTES = 1024 * 1024
"""Of a card or a file of results: a megabyte holds the results of several thousand tests."""
_DEEPEST = 32
_MOST_ALIASES = 64
"""Uses of one anchor: each use may hold others, so that a few lines could stand for billions of values."""
_LONGEST_NUMBER_CHARS = 64
"""Python refuses numbers of 4,300 digits, and takes long over shorter ones."""

_OPENING = re.compile(r"\ufeff?(?:[ \t]*(?:\r\n|\r|\n))*---[ \t]*(?:\r\n|\r|\n)")
_CLOSING = re.compile(r"(?<=[\r\n])---[ \t]*(?=\r|\n|\Z)")
_LINE_END = re.compile(r"\r\n|\r|\n")


class _TooDeepError(Exception):
    def __init__(self, line: int) -> None:
        self.line = line


class _Loader(yaml.SafeLoader):
    """
    `SafeLoader` with YAML 1.2's idea of plain words, as the Hugging Face Hub reads cards.

    `no` is the code of Norwegian and not false; `2024-12-26` and `10:30` are text.
    """

    depth = -1

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Ends a node that is too deep before what is in it: the library looks far ahead at every further level."""
        if self.depth >= _DEEPEST:
            raise _TooDeepError(self.peek_event().start_mark.line)  # type: ignore[no-untyped-call]  # PyYAML says no types here
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_PLAIN = (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    (
        "float",
        (
            r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?$|^[-+]?[0-9]+[eE][-+]?[0-9]+$"
            r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
        ),
        "-+.0123456789",
    ),
)
"""Words that are no text in YAML 1.2: their kind, their shape, and the characters they begin with."""
_REPLACED = tuple(f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "timestamp"))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _pattern, _first in _PLAIN:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


class _Dumper(yaml.SafeDumper):
    """`SafeDumper` without anchors, which quotes what either version of YAML takes for something else than text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    # What ends a line for YAML 1.1 alone is written as an escape; in any other style it would come back as a space.
    style = '"' if re.search("[\x85\u2028\u2029]", text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text_node)
for _tag, _pattern, _first in (*_PLAIN, ("int", r"^0o[0-7]+$", "0")):
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def decode(body: bytes, *, place: str) -> str:
    """
    The text of a foreign file, byte order mark and line ends as they are.

    Raises:
        DataError: it is larger than a megabyte or not UTF-8.
    """
    if len(body) > LARGEST_BYTES:
        raise DataError("the file is larger than 1 MiB; shorten it", path=place)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            "line {line}: byte {offset} is not UTF-8; save the file as UTF-8",
            path=place,
            line=body[: error.start].count(b"\n") + 1,
            offset=error.start,
        ) from None


def load_yaml(text: str, *, place: str, first_line: int = 1) -> Any:
    """
    The value of one YAML document; None when it is empty.

    Args:
        text: Without a byte order mark.
        place: File name, for errors.
        first_line: Number of the text's first line in its file.

    Raises:
        DataError: it is no YAML, repeats a key, asks for an object, or is built to exhaust memory.
    """
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, place, first_line, 0, {})
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DataError(
            "line {line}: this is not plain YAML: {problem}",
            path=place,
            line=first_line + (mark.line if mark else 0),
            problem=getattr(error, "problem", None) or str(error).splitlines()[0],
        ) from None
    except _TooDeepError as error:
        raise _too_deep(place, first_line + error.line) from None
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        # What the library's constructors let through when a value does not fit its tag, such as `!!int abc`, or
        # when a list is used as a key.
        raise DataError(
            "a value does not fit its place ({reason}); write it plainly", path=place, reason=error
        ) from None
    finally:
        if loader is not None:
            loader.dispose()


def _too_deep(place: str, line: int) -> DataError:
    return DataError("line {line}: nested too deeply; 32 levels are the limit", path=place, line=line)


def _check(node: yaml.Node, place: str, first_line: int, depth: int, seen: dict[int, int]) -> None:
    """Refuse, before anything is built of it, what would grow when it is built."""
    line = first_line + node.start_mark.line
    if depth > _DEEPEST:
        raise _too_deep(place, line)
    seen[id(node)] = seen.get(id(node), 0) + 1
    if seen[id(node)] > _MOST_ALIASES:
        raise DataError(
            "line {line}: an anchor is used more than 64 times; write the values out", path=place, line=line
        )
    if isinstance(node, yaml.ScalarNode):
        if node.tag.endswith((":int", ":float")) and len(node.value) > _LONGEST_NUMBER_CHARS:
            raise DataError("line {line}: a number has more than 64 digits", path=place, line=line)
    elif isinstance(node, yaml.MappingNode):
        keys: set[tuple[str, str]] = set()
        for key, value in node.value:
            name = (key.tag, str(key.value))
            if isinstance(key, yaml.ScalarNode) and name in keys:
                raise DataError(
                    "line {line}: the key {key!r} stands twice; keep one of them",
                    path=place,
                    line=first_line + key.start_mark.line,
                    key=key.value,
                )
            keys.add(name)
            _check(key, place, first_line, depth + 1, seen)
            _check(value, place, first_line, depth + 1, seen)
    else:
        for value in node.value:
            _check(value, place, first_line, depth + 1, seen)


def dump_yaml(value: Any) -> str:
    """Plain YAML that our own reader and the Hub understand alike: block style, keys in their order, text readable."""
    found: str = yaml.dump(
        value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=2**31, default_flow_style=False
    )
    return found


class FrontMatter(Noun):
    """A Markdown file and the mapping that stands at its top, between two lines of three hyphens."""

    place: str
    """File name, for errors."""
    text: str
    """The whole file, byte order mark and line ends as they are."""
    start: int | None
    """Where the YAML begins, behind the opening line; None without front matter."""
    end: int
    """Where the closing line begins; 0 without front matter."""
    data: Mapping[str, Any]
    """What the YAML says; empty without front matter."""

    @classmethod
    def read(cls, body: bytes, *, place: str) -> Self:
        """
        The file's bytes, taken apart.

        An opening line that is never closed opens nothing: the whole file is body, as the Hub sees it.

        Raises:
            DataError: the file is too large, is not UTF-8, or its front matter is no safe YAML mapping.
        """
        return cls.of_text(decode(body, place=place), place=place)

    @classmethod
    def of_text(cls, text: str, *, place: str) -> Self:
        """As `read`, from text."""
        opening = _OPENING.match(text)
        closing = _CLOSING.search(text, opening.end()) if opening else None
        if opening is None or closing is None:
            return cls(place=place, text=text, start=None, end=0, data={})
        start, end = opening.end(), closing.start()
        first_line = len(_LINE_END.findall(text, 0, start)) + 1
        data = load_yaml(text[start:end], place=place, first_line=first_line)
        if data is None:
            data = {}
        if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
            raise DataError(
                "line {line}: the front matter is no list of keys and values such as license: mit",
                path=place,
                line=first_line,
            )
        return cls(place=place, text=text, start=start, end=end, data=data)

    def write(self) -> bytes:
        """The file's bytes; what was read, where nothing was changed."""
        return self.text.encode("utf-8")

    @property
    def body(self) -> str:
        """The Markdown below the front matter."""
        if self.start is None:
            return self.text.removeprefix("\ufeff")
        rest = self.text[self.end :]
        line = _LINE_END.search(rest)
        return rest[line.end() :] if line else ""

    @property
    def newline(self) -> str:
        """What ends the first line; the newline of Unix where there is only one line."""
        found = _LINE_END.search(self.text)
        return found.group() if found else "\n"

    def with_key(self, key: str, value: Any) -> FrontMatter:
        """
        The same file with one key of the front matter set; every line of other keys stays as it is.

        A new key is written below the others; a file without front matter gets one.

        Raises:
            DataError: the key cannot be changed alone, as when others use an anchor in its value.
        """
        entry = self._entry(key, value)
        if self.start is None:
            mark = "\ufeff" if self.text.startswith("\ufeff") else ""
            fence = "---" + self.newline
            text = mark + fence + entry + self.newline + fence + self.text.removeprefix(mark)
        else:
            front = self.text[self.start : self.end]
            text = self.text[: self.start] + self._changed(front, key, entry) + self.text[self.end :]
        try:
            changed = FrontMatter.of_text(text, place=self.place)
        except DataError:
            changed = None
        # Whatever the shape of the YAML was: either exactly this key has changed, or nothing is changed at all.
        if changed is None or changed.body != self.body or not _same(changed.data, {**self.data, key: value}):
            raise DataError(
                "the key {key!r} cannot be changed by itself; write every key of the front matter on lines of its own, "
                "without anchors",
                path=self.place,
                key=key,
            )
        return changed

    def _entry(self, key: str, value: Any) -> str:
        """The lines of a key, without the last line end."""
        try:
            lines = dump_yaml({key: value}).rstrip("\n")
        except yaml.YAMLError as error:
            raise DataError(
                "the value of {key!r} cannot be written as YAML: {reason}", path=self.place, key=key, reason=error
            ) from None
        return lines.replace("\n", self.newline)

    def _changed(self, front: str, key: str, entry: str) -> str:
        spans = list(_spans(front))
        indent = spans[0].indent if spans else ""
        entry = entry.replace(self.newline, self.newline + indent)
        for span in spans:
            if span.key == key:
                return front[: span.start] + entry + front[span.end :]
        return front + indent + entry + self.newline


class _Span(Noun):
    """Where one key of a mapping stands with its value."""

    key: str
    start: int
    end: int
    """Behind the value's last character, before a comment on the same line."""
    indent: str
    """What stands before the key on its line."""


def _spans(front: str) -> Iterator[_Span]:
    """
    The top-level keys of a front matter, found by the marks of the parser's events.

    Nodes would not do: an alias has its anchor's marks, and a block's end is where the next token begins.
    """
    depth, key, start, end = 0, None, 0, 0
    for event in yaml.parse(front, Loader=_Loader):
        first, last = event.start_mark, event.end_mark
        assert first is not None
        assert last is not None
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            if last.index > first.index:  # a bracket; a block has no end of its own
                end = last.index
        elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent | yaml.CollectionStartEvent):
            if depth == 1 and key is None and isinstance(event, yaml.ScalarEvent):
                key, start, end = event.value, first.index, last.index
                continue
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            else:
                end = _without_blank_lines(front, last.index)
        if depth == 1 and key is not None:
            line = max(front.rfind("\n", 0, start), front.rfind("\r", 0, start)) + 1
            yield _Span(key=key, start=start, end=end, indent=front[line:start])
            key = None


def _without_blank_lines(front: str, end: int) -> int:
    """A block text ends, for the parser, where the next key begins: blank lines between belong to nobody."""
    kept = front[:end].rstrip(" \t\r\n")
    return len(kept) if len(kept) < end and front[len(kept) : end].strip(" \t") else end


def _same(one: Any, other: Any) -> bool:
    """Equal, with types: true is not 1, and a number that is none equals itself."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and (one == other or (one != one and other != other))
