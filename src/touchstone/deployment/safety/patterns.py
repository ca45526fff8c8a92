"""
Patterns in linear time, and a look at all of them at once.

RE2 is used for every pattern, ours and the user's: no text makes it slow, however it was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from touchstone.scoring.source import compile_pattern

_TOGETHER = 150
"""Patterns that are looked for at once; RE2 keeps its automaton for them below 8 MiB."""


_GROUP = 8
"""Patterns that are looked for together before they are looked for one by one."""

_Rule = TypeVar("_Rule")


class AnyOf:
    """
    Tells whether any of some patterns is in a text, which most often none is.

    RE2's own `Set` is not used: where its automaton runs out of memory it says "nothing found", and a guard that does
    so lets everything pass. An alternation goes on with a slower method instead.
    """

    def __init__(self, patterns: Iterable[str], *, ignore_case: bool = False) -> None:
        every = list(patterns)  # none at all: nothing is in any text
        self._parts: Sequence[Any] = [
            compile_pattern("|".join(f"(?:{one})" for one in every[start : start + _TOGETHER]), ignore_case=ignore_case)
            for start in range(0, len(every), _TOGETHER)
        ]

    def may_be_in(self, text: str) -> bool:
        """False where none of them matches."""
        return any(part.search(text) is not None for part in self._parts)


class Grouped(Generic[_Rule]):
    """
    Rules by their patterns: which of them are worth a look in a text.

    Most texts hold none, and few hold those of more than one group, so most rules are never tried one by one.
    """

    def __init__(self, rules: Iterable[tuple[str, _Rule]]) -> None:
        every = list(rules)
        self._any = AnyOf(pattern for pattern, _ in every)
        self._groups = [
            (AnyOf(pattern for pattern, _ in group), [rule for _, rule in group])
            for group in (every[start : start + _GROUP] for start in range(0, len(every), _GROUP))
        ]

    def worth_trying(self, text: str) -> Iterator[_Rule]:
        """The rules of groups of which one matches somewhere, in order."""
        if self._any.may_be_in(text):
            for any_of, rules in self._groups:
                if any_of.may_be_in(text):
                    yield from rules
