"""
Marks of citation in an answer: `[1]`, `[1][3]`, `[1, 2]`, `[1-3]`, also 【1】 and full-width.

A mark names passages by the numbers under which they were shown, counted from 1. What is found is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from touchstone.noun import Noun

_MARK = re.compile(r"[\[【［][ \t]?(\d{1,3}(?:[ \t]?[,;，；、–-][ \t]?\d{1,3}){0,30})[ \t]?[\]】］]")
_SPAN = re.compile(r"(\d+)(?:[ \t]?[–-][ \t]?(\d+))?")
_LONGEST_SPAN = 100
"""Numbers that `[1-9]` may stand for; a longer one names its two ends."""

_BETWEEN = re.compile(r"[ \t]{0,2}[,，、]?[ \t]{0,2}")
"""What may stand between the marks of one group."""
_BLANKS = " \t\u3000"
_CLOSERS = "*_`\"'”’」』)）"
_ENDS = ".!?。！？…"
_ENDS_ALONE = "。！？…"
"""Signs that end a sentence whatever follows; a point may stand in a number or a name."""

_SENTENCE_END = re.compile(r"[.!?。！？…]+[*_`\"'”’」』)）]{0,4}")
_ABBREVIATED = re.compile(
    r"(?:\b[A-Za-z]|\b(?:mr|mrs|ms|dr|prof|st|no|nr|vs|etc|approx|fig|inc|ltd|co|cf|al))$", re.IGNORECASE
)
_LONGEST_WORD = 8


@dataclass(frozen=True, slots=True)
class Mark:
    """Neighbouring marks, which cite together."""

    start: int
    end: int
    numbers: tuple[int, ...]
    """Of passages, counted from 1, in the order in which they are named."""


class Statement(Noun):
    """One sentence of an answer, without its marks, and what it cites."""

    text: str
    cites: tuple[int, ...]
    """Numbers of passages, each once; counted from 1."""


def marks(text: str) -> list[Mark]:
    """Groups of marks in order, wherever they stand."""
    groups: list[list[re.Match[str]]] = []
    for one in _MARK.finditer(text):
        if groups and _BETWEEN.fullmatch(text, groups[-1][-1].end(), one.start()):
            groups[-1].append(one)
        else:
            groups.append([one])
    return [
        Mark(group[0].start(), group[-1].end(), tuple(number for one in group for number in _numbers(one.group(1))))
        for group in groups
    ]


def cited(text: str) -> tuple[int, ...]:
    """Numbers of the passages that a text names, each once, in rising order."""
    return tuple(sorted({number for mark in marks(text) for number in mark.numbers}))


def without_marks(text: str) -> str:
    """
    A text without the marks at its end and at the ends of its sentences and lines.

    Others may belong to what is said ("see [2] below", a list that begins with [1]) and stay.
    """
    return _without(text, [mark for mark in marks(text) if _ends_something(text, mark)])


def last_marks(text: str) -> str:
    """The marks that a text ends with, as they stand there; "" where it ends otherwise."""
    found = marks(text)
    if not found or text[found[-1].end :].strip(_BLANKS + _CLOSERS + _ENDS + "\n\r"):
        return ""
    return text[found[-1].start : found[-1].end]


def statements(text: str) -> tuple[Statement, ...]:
    """
    The sentences of an answer with what each cites; lines are sentences of their own.

    A mark belongs to the sentence it stands in, or to the one before where it stands behind the full stop. Points of
    abbreviations and before small letters end nothing.
    """
    found = []
    for part in _sentences(text):
        groups = marks(part)
        numbers = tuple(dict.fromkeys(number for mark in groups for number in mark.numbers))
        bare = _without(part, groups).strip()
        if bare:
            found.append(Statement(text=bare, cites=numbers))
        elif found and numbers:
            # A line of marks alone says what the one above rests on.
            found[-1] = Statement(text=found[-1].text, cites=tuple(dict.fromkeys(found[-1].cites + numbers)))
    return tuple(found)


def _sentences(text: str) -> Iterator[str]:
    for line in text.splitlines():
        start = 0
        behind = {mark.start: mark.end for mark in marks(line)}
        for stop in _SENTENCE_END.finditer(line):
            if stop.start() < start:
                continue
            end = stop.end()
            place = _past(line, end, _BLANKS)
            while place in behind:
                end = behind[place]
                place = _past(line, end, _BLANKS)
            if end < len(line) and _goes_on(line, stop, end, place):
                continue
            yield line[start:end]
            start = end
        if line[start:].strip():
            yield line[start:]


def _goes_on(line: str, stop: re.Match[str], end: int, place: int) -> bool:
    """Whether a sign that could end a sentence does not."""
    if stop.group()[0] in _ENDS_ALONE:
        return False
    if place == end and end == stop.end():
        return True  # nothing but a blank or a mark ends a sentence here: "3.80", "e.g."
    if place < len(line) and line[place].islower():
        return True
    before = line[max(0, stop.start() - _LONGEST_WORD) : stop.start()]
    return stop.group().startswith(".") and end == stop.end() and _ABBREVIATED.search(before) is not None


def _ends_something(text: str, mark: Mark) -> bool:
    after = _past(text, mark.end, _CLOSERS + _BLANKS)
    if after == len(text) or text[after] in "\n\r" + _ENDS_ALONE:
        return True
    if text[after] in _ENDS:
        behind = _past(text, after, _ENDS + _CLOSERS)
        return behind == len(text) or text[behind].isspace() or text[behind] in "[【［"
    place = mark.start
    while place and text[place - 1] in _BLANKS + _CLOSERS:
        place -= 1
    return place > 0 and text[place - 1] in _ENDS


def _past(text: str, place: int, signs: str) -> int:
    while place < len(text) and text[place] in signs:
        place += 1
    return place


def _without(text: str, groups: list[Mark]) -> str:
    kept, place = [], 0
    for mark in groups:
        kept.append(text[place : mark.start].rstrip(_BLANKS))
        place = mark.end
    return "".join((*kept, text[place:]))


def _numbers(inside: str) -> Iterator[int]:
    for found in _SPAN.finditer(inside):
        first, last = int(found.group(1)), int(found.group(2) or found.group(1))
        yield from range(first, last + 1) if first <= last <= first + _LONGEST_SPAN else (first, last)
