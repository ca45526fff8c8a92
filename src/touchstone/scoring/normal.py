"""How texts are made comparable, or short: labels, words or characters of a language, reasons."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_JOINERS = re.compile(r"[\s_\-]+")
_ENDS = " \t\r\n\"'`*“”‘’「」『』《》.,:;!?。，：；！？()[]{}<>（）【】"
CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
"""Characters of writing without blanks between words, as the inside of a character class (Hangul is counted too)."""


def plain(text: str) -> str:
    """Unicode NFC, without blanks at the ends: what `exact` compares."""
    return unicodedata.normalize("NFC", text).strip()


def label_key(label: str) -> str:
    """What two spellings of a label share: no case, no quotes or marks at the ends; `_`, `-` and blanks alike."""
    folded = unicodedata.normalize("NFKC", label).casefold().strip(_ENDS)
    return _JOINERS.sub(" ", folded).strip()


def has_cjk(text: str) -> bool:
    """Whether any Chinese, Japanese or Korean character stands in `text`."""
    return _compiled(rf"[{CJK}]").search(text) is not None


def tokens(text: str) -> list[str]:
    """Words of `text` in lower case, without punctuation; every Chinese character is a word of its own."""
    return _compiled(rf"[{CJK}]|[^\W_{CJK}]+").findall(text.casefold())


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # When it is needed: classes of so many characters take long to compile.
    return re.compile(pattern)


def short(text: str) -> str:
    """A text as a reason shows it: one line of at most 60 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"
