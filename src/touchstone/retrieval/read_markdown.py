"""Markdown: headings, paragraphs, lists, tables and code as text, without its marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from touchstone.retrieval.parsed import Outline, Parsed, decoded

VERSION = 1
"""Raise it when the same bytes give another text."""

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*(.+)$", re.MULTILINE)


def read(data: bytes) -> Parsed:
    """
    The text under its headings.

    HTML and comments are dropped, links and pictures give their words, rows of tables are lines with ` | ` between
    cells. Of a front matter only its `title` is taken.
    """
    from markdown_it import MarkdownIt

    text = decoded(data).replace("\r\n", "\n")
    title = None
    if front := _FRONT_MATTER.match(text):
        text = text[front.end() :]
        if named := _TITLE.search(front[1]):
            title = named[1].strip().strip("\"'")
    outline = Outline()
    _blocks(MarkdownIt("commonmark").enable("table").parse(text), outline)
    return outline.parsed(title)


def _blocks(tokens: Sequence[Any], outline: Outline) -> None:
    level = 0
    lists: list[int | None] = []
    """The next number of every list that is open; None for one without numbers."""
    item = ""
    rows: list[list[str]] = []
    waiting: list[str] = []
    """Lines of the list that is open."""
    for token in tokens:
        kind = token.type
        if kind == "heading_open":
            level = int(token.tag[1:])
        elif kind == "heading_close":
            level = 0
        elif kind in ("bullet_list_open", "ordered_list_open"):
            lists.append(int(token.attrGet("start") or 1) if kind[0] == "o" else None)
        elif kind in ("bullet_list_close", "ordered_list_close"):
            lists.pop()
            if not lists:
                outline.block("\n".join(waiting))
                waiting = []
        elif kind == "list_item_open":
            number = lists[-1]
            item = "  " * (len(lists) - 1) + ("- " if number is None else f"{number}. ")
            lists[-1] = None if number is None else number + 1
        elif kind == "tr_open":
            rows.append([])
        elif kind == "table_close":
            outline.block("\n".join(" | ".join(row) for row in rows))
            rows = []
        elif kind == "inline":
            said = _inline(token.children or ())
            if rows:
                rows[-1].append(" ".join(said.split()))
            elif level:
                # Headings within a list or a quotation are headings too: what follows them belongs to them.
                outline.heading(level, said)
            elif lists:
                waiting.append(item + said)
                item = "  " * len(lists)
            else:
                outline.block(said)
        elif kind in ("fence", "code_block"):
            if lists:
                waiting.append(token.content.rstrip())
            else:
                outline.block(token.content)


def _inline(tokens: Sequence[Any]) -> str:
    said: list[str] = []
    for token in tokens:
        if token.type in ("text", "code_inline"):
            said.append(token.content)
        elif token.type == "softbreak":
            said.append(" ")
        elif token.type == "hardbreak":
            said.append("\n")
        elif token.type == "image":
            said.append(_inline(token.children or ()))
    return "".join(said)
