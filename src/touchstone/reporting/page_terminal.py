"""A page of blocks for a terminal. Every text goes through `terminal`, so none can move a cursor."""

from __future__ import annotations

from touchstone.language import _
from touchstone.reporting.pages import (
    Block,
    Bullets,
    Code,
    Facts,
    Page,
    Paragraph,
    Picture,
    References,
    Section,
    Table,
)
from touchstone.reporting.text import terminal
from touchstone.reporting.text_layout import grid_lines, is_styled, styled, table_lines, terminal_width, wrapped

_STYLES = {"plain": "", "quiet": "quiet", "warning": "bold"}


def terminal_page(page: Page, *, width: int | None = None, colour: bool | None = None) -> str:
    """
    The page as text.

    Args:
        page: What to show; pictures are left out, for what they show stands in a table beside them.
        width: Columns; None takes the terminal's, or 120 where there is none.
        colour: Whether to style; None does so when stdout is a terminal.
    """
    width, colour = terminal_width(width), is_styled(colour)
    lines = _text(page.title, width, "bold", colour)
    lines += _text(page.lead, width, "", colour) if page.lead else []
    for warning in page.warnings:
        lines += [styled(line, "bold", colour) for line in wrapped(f"! {terminal(warning)}", width, indent=2)]
    for section in page.sections:
        lines += section_lines(section, width, colour)
    if page.closing:
        lines += ["", *_text(page.closing, width, "quiet", colour)]
    return "\n".join(lines)


def section_lines(section: Section, width: int, colour: bool) -> list[str]:
    """A section with a blank line before it; nothing where it shows nothing here."""
    found: list[str] = []
    after: Block | None = None
    for block in section.blocks:
        lines = _lines(block, width, colour)
        # What has a title of its own, or is a table, stands apart from what was there before.
        apart = after is not None and (bool(_title(block)) or (isinstance(block, Table) and isinstance(after, Table)))
        found += ["", *lines] if apart and lines else lines
        after = block if lines else after
    return ["", *_text(section.title, width, "head", colour), *found] if found else []


def _title(block: Block) -> str:
    return block.title if isinstance(block, Table) else block.label if isinstance(block, Code) else ""


def _text(text: str, width: int, style: str, colour: bool) -> list[str]:
    return [styled(line, style, colour) for line in wrapped(terminal(text), width)]


def _lines(block: Block, width: int, colour: bool) -> list[str]:
    match block:
        case Paragraph():
            return _text(block.text, width, _STYLES[block.tone], colour)
        case Bullets():
            return [line for item in block.items for line in wrapped(f"• {terminal(item)}", width, indent=2)]
        case Facts():
            rows = [[terminal(text) for text in (fact.name, fact.value, fact.source)] for fact in block.rows]
            return grid_lines(rows, width, styles=("quiet", "", "quiet"), colour=colour) if rows else []
        case Table():
            return _table(block, width, colour)
        case Code():
            # Line by line as it is: whoever copies it must get back what stands here.
            code = [f"    {code_line(line)}" if line else "" for line in block.text.splitlines()]
            return [*_text(block.label, width, "quiet", colour), *code]
        case References():
            return _references(block, width, colour)
        case Picture():
            return []


def _table(table: Table, width: int, colour: bool) -> list[str]:
    if not table.rows:
        return []
    lines = table_lines(
        [terminal(head) for head in table.heads],
        [[terminal(cell) for cell in row] for row in table.rows],
        width,
        numbers=table.numbers,
        marked=table.marked,
        colour=colour,
    )
    above = _text(table.title, width, "bold", colour) if table.title else []
    return [*above, *lines, *(_text(table.note, width, "quiet", colour) if table.note else [])]


def _references(block: References, width: int, colour: bool) -> list[str]:
    lines: list[str] = []
    for row in block.rows:
        mark, name = terminal(row.mark), terminal(row.name)
        said = _("{source}, {date}").format(source=name, date=terminal(row.day)) if row.day else name
        lines += wrapped(f"{mark} {said}", width, indent=len(mark) + 1)
        if row.url:
            # An address that is broken cannot be followed; it may be wider than the terminal.
            lines.append(" " * (len(mark) + 1) + styled(terminal(row.url).replace(" ", "%20"), "quiet", colour))
    return lines


def code_line(line: str) -> str:
    """A line of code: its indentation and blanks stay, what a terminal would obey does not."""
    return "".join(character if character.isprintable() else " " for character in line.expandtabs(4))
