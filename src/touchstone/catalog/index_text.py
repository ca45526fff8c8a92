"""Text as the index of the catalog keeps it and is asked for it."""

from __future__ import annotations

import re
import unicodedata

# A plain text, so that it is compiled by whoever has text to space.
_CJK = "([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])"


def spaced(text: str) -> str:
    """
    Compatibility forms unified, and a blank around each Chinese or Japanese character.

    FTS5's tokenizer takes a run of Chinese for one word; single characters asked for as a phrase find every run.
    """
    return re.sub(_CJK, r" \1 ", unicodedata.normalize("NFKC", text))
