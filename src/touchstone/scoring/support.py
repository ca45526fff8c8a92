"""
Which words of a sentence stand in a text: what lexical support means here.

Compared are numbers by their value, content words in lower case without English plural endings, and the characters of
Chinese, Japanese and Korean. Function words say nothing that could be missing. This sees neither that a passage means
the same in other words, nor that it says the opposite in the same ones; a judge may.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise

from touchstone.scoring.numerals import numbers, plain

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af\U00020000-\U0003ffff"
_HAN_FUNCTION = frozenset("的了是在和与及或也都就还又而吗呢吧啊您你我他她它们这那")
"""Characters that carry no content; a run is cut at them."""

_FUNCTION_WORDS = frozenset(
    """
    a an the this that these those such same own
    i me my mine we us our ours you your yours he him his she her hers it its they them their theirs
    who whom whose which what where when why how
    am is are was were be been being do does did doing done have has had having
    can could may might must shall should will would need
    of in on at by to from for with about into onto over under as per than via within during through up out off
    and or but nor so if then else because while though although unless until since before after
    there here also too very just only both either each any some all more most much many other another
    yes please sure ok okay sorry
    """.split()  # noqa: SIM905 - read as text
)
"""English words without content of their own. Words that deny are not among them."""
_DENIAL = frozenset({"not", "no", "never", "none", "cannot", "without"})
_SAID_NOT = "not"
_OF_NUMBERS = frozenset({"thousand", "million", "billion", "trillion", "cent"})
"""Words that a number's value has taken in."""
_SIGNS = {
    "$": ("dollar", "usd"),
    "€": ("euro", "eur"),
    "£": ("pound", "gbp"),
    "¥": ("yuan", "yen", "cny", "rmb", "元"),
    "%": ("percent",),
}
"""Signs in the words that people say for them."""
_COUNTED = {
    word: Fraction(value)
    for value, word in enumerate(
        ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), start=2
    )
}
"""Small numbers in words; "one" is more often a pronoun."""


@dataclass(frozen=True, slots=True)
class Checked:
    """How much of a text stands in what it was held against."""

    units: int
    """Numbers, content words and characters; 0 where there is nothing to check."""
    missing: tuple[str, ...]
    """Those that do not stand there, each as often as it was said."""
    numbers_missing: bool = False
    """Whether a number is among them."""

    @property
    def share(self) -> float:
        """Of the units that stand there, from 0 to 1."""
        return 1 - len(self.missing) / self.units


class Evidence:
    """Texts that a sentence may rest on, taken together."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._numbers: set[Fraction] = set()
        self._words: set[str] = set()
        self._characters: set[str] = set()
        self._pairs: set[str] = set()
        for text in texts:
            made = _made_plain(text)
            self._numbers.update(number.value for number in numbers(made))
            for sign, said in _SIGNS.items():
                if sign in made:
                    self._words.update(said)
                    self._characters.update(said[-1:])
            for piece, is_han in _pieces(made):
                if is_han:
                    self._characters.update(piece)
                    self._pairs.update(one + other for one, other in pairwise(piece))
                else:
                    self._words.add(word_of(piece))
                    self._numbers.update({_COUNTED[piece]} if piece in _COUNTED else ())

    def check(self, text: str) -> Checked:
        """
        What of a text is missing here.

        A number counts by its value; a word by its reduced form; a character of Chinese where it stands in one of the
        pairs of neighbours that the evidence has as well, so that words are met without a dictionary, in any order.
        """
        made = _made_plain(text)
        values = [number.value for number in numbers(made)]
        missing = [str(float(value)) if value.denominator > 1 else str(value) for value in values]
        missing = [said for said, value in zip(missing, values, strict=True) if value not in self._numbers]
        lost_number, units, first = bool(missing), len(values), True
        for piece, is_han in _pieces(made):
            if is_han:
                for run in _without_function(piece):
                    units += len(run)
                    missing += self._missing_of(run)
            elif not values or not (piece.isdigit() or piece in _OF_NUMBERS):
                word = word_of(piece)
                # "No, …" answers; any other denial is part of what is said.
                if word not in _FUNCTION_WORDS and not (first and piece == "no"):
                    units += 1
                    missing += [] if word in self._words or _COUNTED.get(piece) in self._numbers else [piece]
            first = False
        return Checked(units=units, missing=tuple(missing), numbers_missing=lost_number)

    def _missing_of(self, run: str) -> list[str]:
        if len(run) == 1:
            return [] if run in self._characters else [run]
        held = [False] * len(run)
        for place, (one, other) in enumerate(pairwise(run)):
            if one + other in self._pairs:
                held[place] = held[place + 1] = True
        return [sign for sign, there in zip(run, held, strict=True) if not there]


def word_of(piece: str) -> str:
    """
    The form under which an English word is compared; what is no English word comes back as it is.

    Plurals lose their ending by the rules of the S-stemmer (Harman 1991, "How effective is suffixing?", JASIS 42), as
    in retrieval, which this room does not know.
    """
    if piece.endswith("n't") or piece in _DENIAL:
        return _SAID_NOT
    head, mark, _ = piece.partition("'")
    word = head if mark and len(head) > 1 else piece
    if not word.isascii() or len(word) <= 3 or not word.endswith("s") or word in _FUNCTION_WORDS:
        return word
    if word.endswith("ies"):
        return word if word[-4] in "ea" else word[:-3] + "y"
    if word.endswith("es") and word[-3] in "aeo":
        return word
    return word if word[-2] in "us" else word[:-1]


def _made_plain(text: str) -> str:
    return plain(unicodedata.normalize("NFC", text)).replace("’", "'").casefold()


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """(word or run of characters, whether it is a run of Chinese, Japanese or Korean)."""
    for found in _pattern().finditer(text):
        han = found["han"]
        yield (han, True) if han is not None else (found.group(), False)


def _without_function(run: str) -> Iterator[str]:
    start = 0
    for place, sign in enumerate(run):
        if sign in _HAN_FUNCTION:
            if place > start:
                yield run[start:place]
            start = place + 1
    if start < len(run):
        yield run[start:]


@cache
def _pattern() -> re.Pattern[str]:
    # When it is needed: classes of so many characters take long to compile.
    return re.compile(rf"(?P<han>[{_HAN}]+)|[^\W_{_HAN}]+(?:'[^\W_{_HAN}]+)?")
