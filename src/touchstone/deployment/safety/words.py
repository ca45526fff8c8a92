"""Block and allow lists: words, phrases and regular expressions, whatever way they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from touchstone.deployment.safety.base import Span
from touchstone.deployment.safety.patterns import AnyOf
from touchstone.deployment.safety.seen import Seen, see
from touchstone.errors import InvalidValue
from touchstone.scoring.source import compile_pattern

_UNSPACED = (
    r"\x{e00}-\x{eff}\x{1000}-\x{109f}\x{1780}-\x{17ff}"  # Thai, Lao, Burmese, Khmer
    r"\x{3040}-\x{30ff}\x{3400}-\x{9fff}\x{f900}-\x{faff}\x{20000}-\x{3ffff}"  # Japanese, Chinese
)
"""Scripts that put no space between words, inside a character class: beside them a word needs no edge."""

_EDGE = rf"[^\pL\pN_]|[{_UNSPACED}]"


class WordList:
    """
    Terms that are looked for in a text.

    A word matches whole words, in capitals or not, full-width or not, and any white space stands for any other; where a
    script has no spaces it matches anywhere. A term between slashes is an RE2 expression that ignores case.

    Raises:
        InvalidValue: an empty term, or one that matches the empty text.
        SettingsError: a term between slashes that is no RE2 expression.
    """

    def __init__(self, terms: Iterable[str]) -> None:
        every = list(terms)
        patterns = [_pattern(term) for term in every]
        # A word's own place is the first group of its pattern: around it stands an edge.
        self._terms = [
            (compile_pattern(pattern, ignore_case=True), 0 if _is_expression(term) else 1)
            for term, pattern in zip(every, patterns, strict=True)
        ]
        self._any = AnyOf(patterns, ignore_case=True)
        for compiled, _ in self._terms:
            if compiled.search("") is not None:
                raise InvalidValue("a term of the list matches every text: {pattern}", pattern=compiled.pattern)

    def __bool__(self) -> bool:
        return bool(self._terms)

    def find(self, seen: Seen) -> list[Span]:
        """Places in the text as it came, in no order."""
        return [Span("blocked", *seen.folded_span(start, end), 1.0) for start, end in self.places(seen.folded)]

    def places(self, folded: str) -> Iterator[tuple[int, int]]:
        """Places in a case-folded text."""
        if not self._terms or not self._any.may_be_in(folded):
            return
        for compiled, group in self._terms:
            for found in compiled.finditer(folded):
                start, end = found.span(group)
                if end > start:
                    yield start, end


def _pattern(term: str) -> str:
    if _is_expression(term):
        return term[1:-1]
    words = see(term).folded.split()
    if not words:
        raise InvalidValue("a term of the list is empty; leave it out")
    body = r"\s+".join(_escaped(word) for word in words)
    before = rf"(?:\A|{_EDGE})" if _has_edge(words[0][0]) else ""
    after = rf"(?:\z|{_EDGE})" if _has_edge(words[-1][-1]) else ""
    return f"{before}({body}){after}"


def _is_expression(term: str) -> bool:
    return len(term) > 2 and term.startswith("/") and term.endswith("/")


def _has_edge(character: str) -> bool:
    """Whether a word that begins or ends with it is not to go on there."""
    return (character.isalnum() or character == "_") and not _UNSPACED_CHARACTER.fullmatch(character)


def _escaped(word: str) -> str:
    return "".join(character if character.isalnum() else f"\\x{{{ord(character):x}}}" for character in word)


_UNSPACED_CHARACTER = compile_pattern(f"[{_UNSPACED}]")
