"""Blocks of a page as HTML: what the templates of the one-file pages and of the site call."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from touchstone.reporting.pages import References, Section
from touchstone.reporting.text import name, shown

_ADDRESS = re.compile(r"https?://[^\s<>\"'\\^`{|}]+[^\s<>\"'\\^`{|}.,;:!?)\]]")


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*[A-Za-z0-9]")
"""What may be the id of a model or of a test within a sentence."""
_MARK = re.compile(r"\[(\d+)\]")
_FIGURES = re.compile(r"[\d.,:$–-]{1,12}")


def block_tools() -> dict[str, Any]:
    """What templates that show blocks call by name."""
    return {
        "kind_of": lambda block: type(block).__name__,
        "linked": linked,
        "cell": cell,
        "anchor_of": _anchor_of,
        "marked_in": marked_in,
    }


def marked_in(sections: Sequence[Section]) -> Callable[[str], Markup]:
    """What makes marks such as `[1]` in a text links to the sources of that mark, where these sections have one."""
    marks = {
        row.mark
        for section in sections
        for block in section.blocks
        if isinstance(block, References)
        for row in block.rows
    }
    return lambda text: _marked(text, marks)


def _anchor_of(mark: str) -> str:
    found = _MARK.fullmatch(mark)
    return f"source-{found[1]}" if found else ""


def _marked(text: str, marks: Collection[str]) -> Markup:
    """HTML of marks such as `[1][3]`, each a link to the source of that mark where the page has one."""
    parts: list[Markup] = []
    at = 0
    for found in _MARK.finditer(text):
        if found.group() in marks:
            link = Markup('<a href="#{}">{}</a>').format(_anchor_of(found.group()), found.group())
            parts += [shown(text[at : found.start()]), link]
            at = found.end()
    return Markup("").join([*parts, shown(text[at:])])


def linked(text: str, places: Mapping[str, str] | None = None) -> Markup:
    """
    HTML of untrusted text in which addresses of pages can be followed.

    Only http and https become links, and whoever follows one is not told where the reader came from. A link asks
    nobody for anything until it is followed.

    Args:
        text: What is shown.
        places: Names of which this site has pages, with their addresses; they become links too.
    """
    if places and text in places:
        return Markup('<a href="{}">{}</a>').format(places[text], name(text))
    parts: list[Markup] = []
    at = 0
    for found in _ADDRESS.finditer(text):
        address = found.group()
        # Names in other scripts can look like ours; such an address stays text.
        if address.isascii():
            link = Markup('<a href="{}" rel="noopener noreferrer">{}</a>')
            parts += [_named(text[at : found.start()], places), link.format(address, name(address))]
            at = found.end()
    return Markup("").join([*parts, _named(text[at:], places)])


def _named(text: str, places: Mapping[str, str] | None) -> Markup:
    """HTML of a text in which the names of `places` can be followed."""
    if not places:
        return shown(text)
    parts: list[Markup] = []
    at = 0
    for found in _NAME.finditer(text):
        if found.group() in places:
            link = Markup('<a href="{}">{}</a>').format(places[found.group()], name(found.group()))
            parts += [shown(text[at : found.start()]), link]
            at = found.end()
    return Markup("").join([*parts, shown(text[at:])])


def cell(text: str, places: Mapping[str, str] | None = None) -> Markup:
    """HTML of a table's cell: an address as a link, figures and dates whole, all else a name that may break."""
    if places and text in places:
        return linked(text, places)
    if _FIGURES.fullmatch(text):
        return Markup('<span class="nowrap">{}</span>').format(text)
    return linked(text) if _ADDRESS.fullmatch(text) else name(text)
