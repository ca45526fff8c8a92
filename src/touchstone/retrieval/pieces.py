"""
Where a text may be cut: pieces whose number estimates its tokens, and sentences in English and Chinese.

Everything here speaks of spans (start, end) in one text; nothing is copied before a passage is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from touchstone.retrieval.base import Document, Mark, Passage, passage_id

PIECES_VERSION = 1
"""Part of the identity of every chunker: raise it when a text would be cut elsewhere."""

_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_PIECE = re.compile(rf"[{_CJK}]|[^\s{_CJK}]{{1,4}}")
_WORD_GOES_ON = re.compile(rf"[^\s{_CJK}]")

# A sentence ends at a line's end; behind Chinese marks; behind Western ones where a blank follows. Closing quotes and
# brackets belong to the sentence.
_END = re.compile(r"[。！？；…]+[”’」』）】》\"')]*|[.!?]+[\"'”’)\]]*(?=\s)|\n")
_SHORT_FORMS = frozenset(
    ("mr", "mrs", "ms", "dr", "prof", "st", "no", "vs", "etc", "e.g", "i.e", "cf", "fig", "inc", "ltd", "co", "approx")
)
_LAST_WORD = re.compile(r"[^\s(\[\"']*\Z")


class Span(NamedTuple):
    """A part of a text."""

    start: int
    end: int


def pieces(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """
    Spans of the pieces in a part of a text: a CJK character, or up to four others that stand together.

    Their number is the estimate of tokens used for every size here. Vocabularies of current models make one token of
    about four English characters and of one to two Chinese ones; numbers and rare words take more. Nothing is loaded
    to count, and the same text counts the same under every model.
    """
    return [Span(*found.span()) for found in _PIECE.finditer(text, start, len(text) if end is None else end)]


def estimated_tokens(text: str) -> int:
    """How many `pieces` a text has."""
    return sum(1 for _ in _PIECE.finditer(text))


def sentences(text: str) -> list[Span]:
    """
    Spans of the sentences, without the blanks around them; together they hold every character that is not blank.

    A line's end also ends a sentence: list items and rows of a table stand on lines of their own.
    """
    found, start = [], 0
    for end in _END.finditer(text):
        if end.group() != "\n" and _is_short_form(text, start, end):
            continue
        found.append(Span(start, end.end()))
        start = end.end()
    found.append(Span(start, len(text)))
    return [span for part in found if (span := trimmed(text, part)) is not None]


def units(document: Document) -> list[Span]:
    """The sentences of a document, each heading together with the first sentence below it."""
    opened = {mark.start: mark for mark in document.marks if mark.body > mark.start}
    found: list[Span] = []
    heading: Mark | None = None
    for span in sentences(document.text):
        if heading is not None and span.start < heading.end:
            found[-1] = Span(found[-1].start, span.end)
            heading = None
        else:
            found.append(span)
            heading = opened.get(span.start)
    return found


def _is_short_form(text: str, start: int, end: re.Match[str]) -> bool:
    if end.group() != ".":
        return False
    before = _LAST_WORD.search(text, start, end.start())
    word = before.group() if before else ""
    # "J. Smith", "e.g. this", but not the last words of "so do I." or "part B."
    return word.lower() in _SHORT_FORMS or (
        len(word) == 1
        and word.isupper()
        and text[end.end() : end.end() + 1] == " "
        and text[end.end() + 1 : end.end() + 2].isupper()
        and word != "I"
    )


def trimmed(text: str, span: Span) -> Span | None:
    """A span without blanks at its ends; None when it holds nothing else."""
    part = text[span.start : span.end]
    start = span.start + len(part) - len(part.lstrip())
    end = span.end - (len(part) - len(part.rstrip()))
    return Span(start, end) if start < end else None


def cut(text: str, span: Span, size: int, overlap: int = 0) -> Iterator[Span]:
    """
    A span in parts of at most `size` pieces, each beginning `overlap` pieces before the end of the one before.

    A part ends between two words where it can, and within a word only when the word alone is longer than a part.
    """
    found = pieces(text, *span)
    first = 0
    while first < len(found):
        last = min(first + size, len(found))
        if last < len(found):
            border = last
            # Not further back than the overlap, or the next part would not get any further than this one.
            while border > first + overlap + 1 and _within_word(text, found[border].start):
                border -= 1
            if not _within_word(text, found[border].start):
                last = border
        yield Span(found[first].start, found[last - 1].end)
        if last == len(found):
            return
        first = max(last - overlap, first + 1)
        while first < last and _within_word(text, found[first].start):
            first += 1


def _within_word(text: str, place: int) -> bool:
    """Whether the characters before and at a place belong to one word."""
    return (
        place > 0 and _WORD_GOES_ON.match(text, place - 1) is not None and _WORD_GOES_ON.match(text, place) is not None
    )


def packed(text: str, units: Sequence[Span], size: int, overlap: int = 0) -> Iterator[Span]:
    """
    Neighbouring units together, as many as fit into `size` pieces; a unit that is longer is cut.

    Args:
        text: That the units are spans of.
        units: Ascending, not overlapping.
        size: Most pieces of a part.
        overlap: Whole units of at most this many pieces together are repeated at the start of the next part.
    """
    lengths = [len(pieces(text, *unit)) for unit in units]
    first = 0
    while first < len(units):
        if lengths[first] > size:
            yield from cut(text, units[first], size)
            first += 1
            continue
        last, total = first, 0
        while last < len(units) and total + lengths[last] <= size:
            total += lengths[last]
            last += 1
        yield Span(units[first].start, units[last - 1].end)
        if last == len(units):
            return
        back, repeated = last, 0
        # The unit that did not fit must have room behind what is repeated, or nothing new would be told.
        room = min(overlap, size - lengths[last])
        while back > first + 1 and repeated + lengths[back - 1] <= room:
            back -= 1
            repeated += lengths[back]
        first = back


def passages(document: Document, spans: Iterable[Span]) -> tuple[Passage, ...]:
    """Passages of spans of the document's text, each with the headings in force where it starts."""
    text, marks = document.text, document.marks
    found: list[Passage] = []
    seen: dict[tuple[tuple[str, ...], str], int] = {}
    at = 0
    for span in spans:
        while at + 1 < len(marks) and marks[at + 1].start <= span.start:
            at += 1
        while at > 0 and marks[at].start > span.start:  # parts may overlap into the section before
            at -= 1
        section = document.sections[at]
        opens = span.start < marks[at].body
        headings = section.headings[:-1] if opens else section.headings
        part = text[span.start : span.end]
        ordinal = seen.get((headings, part), 0)
        seen[headings, part] = ordinal + 1
        found.append(
            Passage(
                id=passage_id(document.id, headings, part, ordinal),
                document=document.id,
                title=document.title,
                headings=headings,
                text=part,
                heading_chars=min(len(section.headings[-1]), len(part))
                if span.start == marks[at].start and opens
                else 0,
                start=span.start,
                end=span.end,
                page=_page(document, at, marks[at], span.start),
            )
        )
    return tuple(found)


def _page(document: Document, at: int, mark: Mark, start: int) -> int | None:
    section = document.sections[at]
    if section.page is None:
        return None
    return section.page + sum(1 for begins in section.page_starts if mark.body + begins <= start)
