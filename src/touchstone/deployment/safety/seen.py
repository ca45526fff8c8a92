"""
A text as rules read it: compatible forms made one, invisible characters taken out, and the way back to the original.

`１３８` is `138` to a person and to a model, and so is `1<zero width space>38`; a rule that reads bytes sees neither.
Unicode Standard Annex 15 defines the form (NFKC); the invisible characters are those that are default ignorable
(Unicode 17, section 5.21), and those of Unicode Technical Standard 39, section 5.4.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from touchstone.scoring.source import encodable

INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Inside a character class: soft hyphen, joiners, direction marks, fillers, variation selectors, tags."""

_SPACES = "\x0b\x85\u1680\u2028\u2029"
"""White space that has no compatible form of its own, and that RE2 does not take for any."""

_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_SPACE = re.compile(f"[{_SPACES}]")
_ODD = re.compile(f"[{INVISIBLE}{_SPACES}\x00-\x08\x0e-\x1f\x7f-\x9f]")
_MARKS = f"\u0300-\u036f\u1161-\u11ff\u3099\u309a{INVISIBLE}"
_RUN = re.compile(r"[^\t\n\f\r -~]+")
"""What is not plain ASCII; only there a form can be another."""

_CLUSTER = re.compile(f"(?s).[{_MARKS}]*")
"""A character with the marks that a compatible form may join to it."""

# Full-width forms of ASCII and the ideographic space stand in most Chinese texts; each is one character either way.
_WIDE = re.compile("[\u3000\uff01-\uff5e]+")
_HALF_WIDTH = {0x3000: " ", **{0xFF01 + offset: chr(0x21 + offset) for offset in range(94)}}


class Seen(NamedTuple):
    """
    One text in three forms.

    `plain` is read by rules that tell capitals from small letters, `folded` by all others. A place in either leads back
    to the text as it came: `span(…)` and `folded_span(…)`.
    """

    text: str
    plain: str
    folded: str
    plain_back: Sequence[int] | None
    """Offset in `text` of each character of `plain`, and of its end; None where they are the same."""
    folded_back: Sequence[int] | None
    """Offset in `plain` of each character of `folded`, and of its end; None where they are the same."""

    @property
    def hides(self) -> bool:
        """Whether there are invisible characters in the text."""
        return self.plain_back is not None and _INVISIBLE.search(self.text) is not None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text a place in `plain` is, with the invisible characters behind it; `start` < `end`."""
        back = self.plain_back
        if back is None:
            return start, end
        behind = end
        while behind < len(back) - 1 and back[behind] == back[end - 1]:
            behind += 1  # one character of the text that became several
        return back[start], back[behind]

    def folded_span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text a place in `folded` is; `start` < `end`."""
        if self.folded_back is None:
            return self.span(start, end)
        return self.span(self.folded_back[start], self.folded_back[end - 1] + 1)


def see(text: str) -> Seen:
    """A text in the forms that rules read."""
    text = encodable(text)
    if text.isascii() and not _ODD.search(text):
        return Seen(text, text, text.lower(), None, None)
    plain, plain_back = _plain(text)
    folded, folded_back = (
        _each(plain, str.casefold) if len(plain.casefold()) != len(plain) else (plain.casefold(), None)
    )
    return Seen(text, plain, folded, plain_back, folded_back)


def _plain(text: str) -> tuple[str, Sequence[int] | None]:
    half = _WIDE.sub(lambda found: found[0].translate(_HALF_WIDTH), text)
    if not _ODD.search(half) and unicodedata.is_normalized("NFKC", half):
        return half, None
    pieces: list[str] = []
    back: list[int] = []
    reached = 0
    for run in _RUN.finditer(half):
        first, last = run.span()
        if first > reached and unicodedata.combining(half[first]):
            first -= 1  # a mark belongs to the letter before it
        pieces.append(half[reached:first])
        back.extend(range(reached, first))
        for found in _CLUSTER.finditer(half, first, last):
            form = _form(found[0])
            pieces.append(form)
            back.extend([found.start()] * len(form))
        reached = last
    back.extend(range(reached, len(text) + 1))
    return "".join((*pieces, half[reached:])), back


@lru_cache(maxsize=16_384)
def _form(cluster: str) -> str:
    form = unicodedata.normalize("NFKC", _INVISIBLE.sub("", cluster))
    return _SPACE.sub(" ", _CONTROL.sub("", _INVISIBLE.sub("", form)))


def _each(text: str, change: Callable[[str], str]) -> tuple[str, Sequence[int]]:
    pieces: list[str] = []
    back: list[int] = []
    for offset, character in enumerate(text):
        form = change(character)
        pieces.append(form)
        back.extend([offset] * len(form))
    back.append(len(text))
    return "".join(pieces), back
