"""
Text in lines and columns for a terminal: wrapped by the cells that characters take, Chinese ones two.

Columns get what their widest cell needs; where that is too much the widest give way first, and words break at a blank,
then after a mark inside a name, and only then anywhere. Callers pass texts that `terminal` has made safe.
"""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import zip_longest

from touchstone.config import takes_styles

GAP = 3
"""Blanks between two columns."""
_LEAST = 4
"""No column gets less than this while others can give."""
_SHORT_HEAD = 10
"""Heads over numbers up to this width are not broken."""
_STYLES = {"bold": "1", "quiet": "2", "head": "1;4"}
_CLOSING = frozenset("。，、；：？！）》」』”’…,.;:?!)")
"""Marks that do not begin a line of Chinese."""
_MARKS = re.compile(r"(?<=[-/_:@.,=&?])(?=[^-/_:@.,=&?])")


def terminal_width(width: int | None = None) -> int:
    """So many columns as were asked for, else the terminal's, else 120; never under 40."""
    return max(width or shutil.get_terminal_size((120, 24)).columns, 40)


def is_styled(colour: bool | None) -> bool:
    """Whether to write bold and dim: as asked, else where stdout is a terminal that knows them."""
    # TERM is no setting of ours but a property of the terminal, as its width is.
    return sys.stdout.isatty() and takes_styles() if colour is None else colour


def styled(line: str, style: str, colour: bool) -> str:
    """A line in a style of `_STYLES`; as it is without colour, or where the style is none."""
    return f"\x1b[{_STYLES[style]}m{line}\x1b[0m" if colour and style in _STYLES and line else line


def width_of(text: str) -> int:
    """Terminal cells that a text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


@lru_cache(maxsize=4096)
def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrapped(text: str, width: int, *, indent: int = 0) -> list[str]:
    """
    The text in lines of at most `width` cells; at least one line, which may be empty.

    Args:
        text: Blanks separate words, and one blank is as good as many.
        width: At least 2.
        indent: Blanks before every line but the first.
    """
    lines: list[str] = []
    line = ""
    for piece in _fitting(text, width - indent):
        if line and width_of(line + piece) > width:
            lines.append(line)
            line = " " * indent + piece.lstrip(" ")
        else:
            line = line + piece if line else piece.lstrip(" ")
    return [*lines, line]


def _fitting(text: str, width: int) -> Iterator[str]:
    """Pieces after each of which a line may end, none wider than `width`; those that follow a blank begin with one."""
    for word in text.split():
        before = " "
        for part in _words(word):
            fits = width_of(part) <= width
            for piece in [part] if fits else [cut for mark in _MARKS.split(part) for cut in _cut(mark, width)]:
                yield before + piece
                before = ""


def _words(word: str) -> list[str]:
    """A word of a Latin text whole; Chinese between any two characters, though no closing mark begins a piece."""
    if word.isascii():
        return [word]
    parts: list[str] = []
    was_wide = True
    for character in word:
        wide = _cells(character) == 2
        if parts and (character in _CLOSING or not (wide or was_wide) or not _cells(character)):
            parts[-1] += character
        else:
            parts.append(character)
        was_wide = wide
    return parts


def _cut(text: str, width: int) -> Iterator[str]:
    """Pieces of at most `width` cells; one character at least."""
    piece, room = "", width
    for character in text:
        cells = _cells(character)
        if piece and cells > room:
            yield piece
            piece, room = "", width
        piece += character
        room -= cells
    if piece:
        yield piece


def column_widths(columns: Sequence[Sequence[str]], width: int, *, whole: Collection[int] = ()) -> list[int]:
    """
    How many cells each column gets, so that all of them and the gaps between take at most `width` where that can be.

    Args:
        columns: The texts of each, its head first.
        width: Cells in all.
        whole: Columns whose texts are not broken, but for their heads at blanks.
    """
    room = width - GAP * (len(columns) - 1)
    natural = [max(map(width_of, texts), default=0) for texts in columns]
    if sum(natural) <= room:
        return natural
    breaks: tuple[Callable[[str], Iterable[str]], ...] = (_blanks, _marks)
    for pieces in breaks:
        least = [
            max(_head_cells(texts[0]), *(width_of(text) for text in texts[1:]), 0)
            if index in whole
            else max((width_of(piece) for text in texts for piece in pieces(text)), default=0)
            for index, texts in enumerate(columns)
        ]
        if sum(least) <= room:
            # A head that is broken at a blank costs a reader less than a broken text.
            wanted = [least[index] if index in whole else one for index, one in enumerate(natural)]
            return _given_way(wanted, least, room)
    return _given_way(natural, [min(one, _LEAST) for one in natural], room)


def _head_cells(head: str) -> int:
    """What a head needs at least: a short one stays whole, a longer one has two lines."""
    if width_of(head) <= _SHORT_HEAD:
        return width_of(head)
    return next(cells for cells in range(_SHORT_HEAD // 2, width_of(head) + 1) if len(wrapped(head, cells)) <= 2)


def _blanks(text: str) -> list[str]:
    return [part for word in text.split() for part in _words(word)]


def _marks(text: str) -> list[str]:
    return [mark for part in _blanks(text) for mark in _MARKS.split(part)]


def _given_way(natural: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """The widest give way until all fit, none below its least."""
    low, high = 1, max(natural)
    while low < high:
        cap = (low + high + 1) // 2
        if sum(min(n, max(cap, m)) for n, m in zip(natural, least, strict=True)) <= room:
            low = cap
        else:
            high = cap - 1
    found = [max(1, min(n, max(low, m))) for n, m in zip(natural, least, strict=True)]
    left = room - sum(found)
    for index, wanted in enumerate(natural):
        if left > 0 and found[index] < wanted:
            more = min(left, wanted - found[index])
            found[index] += more
            left -= more
    return found


def table_lines(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    numbers: Collection[int] = (),
    marked: Collection[int] = (),
    colour: bool = False,
) -> list[str]:
    """
    A table; texts that do not fit go on in the line below, in their column.

    Args:
        heads: Of the columns.
        rows: As many texts each.
        width: Cells in all.
        numbers: Columns that stand to the right and are not broken.
        marked: Rows that stand out.
        colour: Whether to style.
    """
    columns = [[head, *(row[index] for row in rows)] for index, head in enumerate(heads)]
    widths = column_widths(columns, width, whole=numbers)
    top = _row(heads, widths, numbers, from_below=True)
    rule = "─" * min(sum(widths) + GAP * (len(widths) - 1), width)
    lines = [*(styled(line, "bold", colour) for line in top), rule]
    for number, row in enumerate(rows):
        style = "bold" if number in marked else ""
        lines += [styled(line, style, colour) for line in _row(row, widths, numbers)]
    return lines


def _row(
    texts: Sequence[str], widths: Sequence[int], numbers: Collection[int] = (), *, from_below: bool = False
) -> list[str]:
    cells = [wrapped(text, max(width, 2)) for text, width in zip(texts, widths, strict=True)]
    if from_below:
        height = max(map(len, cells))
        cells = [[""] * (height - len(cell)) + cell for cell in cells]
    lines = []
    for parts in zip_longest(*cells, fillvalue=""):
        padded = [
            " " * (width - width_of(part)) + part if index in numbers else part + " " * (width - width_of(part))
            for index, (part, width) in enumerate(zip(parts, widths, strict=True))
        ]
        lines.append((" " * GAP).join(padded).rstrip())
    return lines


def grid_lines(
    rows: Sequence[Sequence[str]], width: int, *, styles: Sequence[str] = (), colour: bool = False
) -> list[str]:
    """Rows without heads; the first column is never broken, and each column may have a style of its own."""
    widths = column_widths([[row[index] for row in rows] for index in range(len(rows[0]))], width)
    lines = []
    for row in rows:
        cells = [wrapped(text, max(cells, 2)) for text, cells in zip(row, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            line = ""
            for index, (part, room) in enumerate(zip(parts, widths, strict=True)):
                padding = " " * (room - width_of(part)) if index + 1 < len(parts) and any(parts[index + 1 :]) else ""
                gap = " " * GAP if index and any(parts[index:]) else ""
                line += gap + styled(part, styles[index] if index < len(styles) else "", colour) + padding
            lines.append(line.rstrip())
    return lines
