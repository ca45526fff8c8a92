"""Tables of texts for a terminal, of whatever they are about. Every text goes through `terminal`."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from touchstone.reporting.text import terminal

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def plain_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, width: int | None = None) -> str:
    """A table of texts, all columns to the left."""
    return printed([table_of_texts(heads, rows)], width, None)


def table_of_texts(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Collection[int] = (),
    marked: Collection[int] = (),
) -> Table:
    """
    A table of texts.

    Args:
        heads: Of the columns.
        rows: Texts as they came; what a terminal would obey is taken out here.
        numbers: Columns that stand to the right and are never broken.
        marked: Rows that stand out.
    """
    from rich.text import Text

    table = empty_table(heads, left=[index for index in range(len(heads)) if index not in numbers])
    for index, row in enumerate(rows):
        table.add_row(*(Text(terminal(cell)) for cell in row), style="bold" if index in marked else None)
    return table


def plain_width(text: str) -> int:
    """Terminal cells that a text takes; Chinese characters take two."""
    from rich.cells import cell_len

    return cell_len(text)


def empty_table(heads: Sequence[str], *, left: Iterable[int]) -> Table:
    """A table without rows; `left` counts the columns whose texts stand to the left, from the end where negative."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    to_left = {index % len(heads) for index in left}
    for index, head in enumerate(heads):
        is_left = index in to_left
        # Numbers are never broken; names may be, anywhere, so that nothing is cut.
        table.add_column(head, justify="left" if is_left else "right", no_wrap=not is_left, overflow="fold")
    return table


def printed(lines: Iterable[RenderableType], width: int | None, colour: bool | None) -> str:
    """What the library draws, as text without blanks at the ends of lines; width and colour as for `final_text`."""
    from rich.console import Console

    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=width or shutil.get_terminal_size((120, 24)).columns,
        force_terminal=sys.stdout.isatty() if colour is None else colour,
        highlight=False,
        markup=False,
        emoji=False,
    )
    for line in lines:
        console.print(line)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())
