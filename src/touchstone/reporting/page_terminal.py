"""A page of blocks for a terminal. Every text goes through `terminal`, so none can move a cursor."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING

from touchstone.reporting.pages import Block, Bullets, Code, Facts, Page, Paragraph, Picture, Table
from touchstone.reporting.text import terminal
from touchstone.reporting.text_tables import printed, table_of_texts

if TYPE_CHECKING:
    from rich.console import RenderableType

_STYLES = {"plain": "", "quiet": "dim", "warning": "bold"}
_LEAST_WIDTH = 40


def terminal_page(page: Page, *, width: int | None = None, colour: bool | None = None) -> str:
    """
    The page as text.

    Args:
        page: What to show; pictures are left out, for what they show stands in a table beside them.
        width: Columns; None takes the terminal's, or 120 where there is none.
        colour: Whether to style; None does so when stdout is a terminal.
    """
    from rich.text import Text

    width = max(width or shutil.get_terminal_size((120, 24)).columns, _LEAST_WIDTH)
    lines: list[RenderableType] = [Text(terminal(page.title), style="bold")]
    if page.lead:
        lines.append(Text(terminal(page.lead)))
    lines += [Text(terminal(f"! {warning}"), style="bold") for warning in page.warnings]
    for section in page.sections:
        blocks = [part for block in section.blocks for part in _shown(block, width)]
        if blocks:
            lines += [Text(), Text(terminal(section.title), style="bold underline"), *blocks]
    if page.closing:
        lines += [Text(), Text(terminal(page.closing), style="dim")]
    return printed(lines, width, colour)


def _shown(block: Block, width: int) -> list[RenderableType]:
    from rich.padding import Padding
    from rich.table import Table as Grid
    from rich.text import Text

    match block:
        case Paragraph():
            return [Text(terminal(block.text), style=_STYLES[block.tone])]
        case Bullets():
            return [Padding(Text(f"• {terminal(item)}"), (0, 0, 0, 1)) for item in block.items]
        case Facts():
            grid = Grid.grid(padding=(0, 2, 0, 0))
            grid.add_column(no_wrap=True, style="dim", max_width=width // 3)
            grid.add_column(overflow="fold", ratio=1)
            grid.add_column(overflow="fold", style="dim", max_width=width // 3)
            for fact in block.rows:
                grid.add_row(*(Text(terminal(text)) for text in (fact.name, fact.value, fact.source)))
            return [grid]
        case Table():
            note = [Text(terminal(block.note), style="dim")] if block.note else []
            return [table_of_texts(block.heads, block.rows, numbers=block.numbers, marked=block.marked), *note]
        case Code():
            # Line by line as it is: whoever copies it must get back what stands here.
            code = "\n".join(terminal_line(line) for line in block.text.splitlines())
            return [Text(terminal(block.label), style="dim"), Text(textwrap.indent(code, "    "), no_wrap=True)]
        case Picture():
            return []


def terminal_line(line: str) -> str:
    """A line of code: its indentation and blanks stay, what a terminal would obey does not."""
    indentation = len(line) - len(line.lstrip(" "))
    return " " * indentation + "".join(c if c.isprintable() else " " for c in line.lstrip(" "))
