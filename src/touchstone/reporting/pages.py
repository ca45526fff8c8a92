"""
A page for people, apart from where it is shown: sections of paragraphs, facts, tables, code and pictures.

The catalog's pages are written once as these blocks; `page_terminal` prints them, `page_html` makes one file of them.
All texts are in the reader's language already. What comes from outside is plain text here; each place makes it safe.
Named tuples, because every short command that prints a page makes these classes at its start.
"""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup


class Paragraph(NamedTuple):
    """Sentences. `quiet` is small print; `warning` is what must not be missed."""

    text: str
    tone: str = "plain"


class Fact(NamedTuple):
    """A name, its value, and where the value was read."""

    name: str
    value: str
    source: str = ""


class Facts(NamedTuple):
    """Facts below each other."""

    rows: Sequence[Fact]


class Table(NamedTuple):
    """Rows of texts under heads; the columns in `numbers` are compared by their digits and stand to the right."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()
    note: str = ""
    marked: frozenset[int] = frozenset()
    """Rows that stand out."""
    title: str = ""
    """Above it, where a section has several."""


def without_empty(table: Table, unknown: str = "–") -> Table:
    """The table without the columns in which no row says anything."""
    kept = [index for index in range(len(table.heads)) if any(row[index] not in ("", unknown) for row in table.rows)]
    return table._replace(
        heads=[table.heads[index] for index in kept],
        rows=[[row[index] for index in kept] for row in table.rows],
        numbers=frozenset(place for place, index in enumerate(kept) if index in table.numbers),
    )


class Code(NamedTuple):
    """Text to be copied as it is."""

    label: str
    text: str


class Bullets(NamedTuple):
    """Short points."""

    items: Sequence[str]


class Picture(NamedTuple):
    """A chart; where nothing can be drawn, the caption and what stands beside it must do."""

    title: str
    caption: str
    drawn: Markup


class Reference(NamedTuple):
    """Where something was read: the mark by which a page names it, what it is, its date and its address."""

    mark: str
    name: str
    day: str = ""
    url: str = ""


class References(NamedTuple):
    """Sources, in the order of their marks."""

    rows: Sequence[Reference]


Block = Paragraph | Facts | Table | Code | Bullets | Picture | References


class Section(NamedTuple):
    """What belongs together."""

    title: str
    blocks: Sequence[Block]
    anchor: str = ""


class Page(NamedTuple):
    """A whole page."""

    title: str
    lead: str
    sections: Sequence[Section]
    kicker: str = ""
    """What kind of page it is, above the title."""
    closing: str = ""
    """The last line: where it comes from and when."""
    warnings: Sequence[str] = ()
    """What stands before everything else."""
