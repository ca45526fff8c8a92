"""Words of a text for lexical search, in English and Chinese."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_CJK = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af]+")


def words(text: str) -> list[str]:
    """
    Lower-cased words in order; runs of CJK characters become their single characters and overlapping pairs.

    Chinese has no blanks between words; characters and pairs find what a dictionary would, without one.
    """
    found: list[str] = []
    for match in _WORD.finditer(text.casefold()):
        word = match.group()
        start = 0
        for run in _CJK.finditer(word):
            if run.start() > start:
                found.append(word[start : run.start()])
            characters = run.group()
            found.extend(characters)
            found.extend(characters[place : place + 2] for place in range(len(characters) - 1))
            start = run.end()
        if start < len(word):
            found.append(word[start:])
    return found
