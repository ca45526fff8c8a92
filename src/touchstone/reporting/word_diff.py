"""Two texts side by side: which words stand in both, which in one alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

_HAN = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKENS = re.compile(rf"[{_HAN}]|[^\W{_HAN}]+|\s+|[^\w\s]")
"""A character of a script without spaces, a word, white space, or a sign."""
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_MOST = 600_000
"""Pairs of tokens that are compared; of longer texts whole lines are, which takes a fraction of the time."""


class Piece(NamedTuple):
    """A run of text."""

    kind: Literal["same", "added", "removed"]
    text: str


def word_diff(before: str, after: str) -> tuple[Piece, ...]:
    """
    What leads from one text to the other, word by word; Chinese and Japanese character by character.

    The pieces that are not added give `before`, those that are not removed give `after`, letter by letter.
    """
    if before == after:
        return (Piece("same", before),) if before else ()
    old, new = _TOKENS.findall(before), _TOKENS.findall(after)
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    pieces = [
        Piece("same", "".join(old[:head])),
        *_middle(middle_old, middle_new),
        Piece("same", "".join(old[len(old) - tail :])),
    ]
    return tuple(_joined(pieces))


def _middle(old: Sequence[str], new: Sequence[str]) -> Iterator[Piece]:
    if len(old) * len(new) > _MOST:
        old, new = _LINES.findall("".join(old)), _LINES.findall("".join(new))
        if len(old) * len(new) > _MOST:
            yield Piece("removed", "".join(old))
            yield Piece("added", "".join(new))
            return
    for step, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if step == "equal":
            yield Piece("same", "".join(old[a:b]))
            continue
        yield Piece("removed", "".join(old[a:b]))
        yield Piece("added", "".join(new[c:d]))


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count


def _joined(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Without empty pieces, and with neighbours of one kind as one piece."""
    waiting: Piece | None = None
    for piece in pieces:
        if not piece.text:
            continue
        if waiting is not None and waiting.kind == piece.kind:
            waiting = Piece(piece.kind, waiting.text + piece.text)
            continue
        if waiting is not None:
            yield waiting
        waiting = piece
    if waiting is not None:
        yield waiting
