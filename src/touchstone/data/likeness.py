"""When two texts are the same question."""

from __future__ import annotations

import re
import unicodedata

from touchstone.data.base import Case
from touchstone.data.conversation import plain_text

# Signs that change what is asked (+ * / = % # & @ $, and a hyphen beside a digit) are no marks.
_MARKS = dict.fromkeys(
    map(ord, ".,;:!?\"'`´‘’‚“”„«»‹›()[]{}<>…·。，、；：！？（）【】《》〈〉「」『』〔〕～﹏—–_"), " "
)
_HYPHEN = re.compile(r"(?<!\d)-(?!\d)")


def same_text(text: str) -> str:
    """The text without regard to capitals and to space around it: what makes two cases the same."""
    if not text.isascii():
        # Folding can take a letter apart, so letters are put together before and after.
        text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return text.casefold().strip()


def near_text(text: str) -> str:
    """
    The text also without regard to punctuation and spacing: what makes two cases twins.

    Idempotent. A text of punctuation alone stays as `same_text` has it, so that different signs do not become one.
    """
    same = same_text(text)
    kept = _HYPHEN.sub(" ", same) if "-" in same else same
    return " ".join(kept.translate(_MARKS).split()) or same


def asked_text(case: Case) -> str:
    """Everything a case asks, as one text: input or conversation, files, options."""
    if case.messages is None and not (case.options or case.image or case.audio):
        return case.input or ""
    turns = [f"{message.role}: {plain_text(message)}" for message in case.messages or ()]
    parts = [case.input or "", *turns, case.image or "", case.audio or "", *case.options]
    return "\n".join(part for part in parts if part)
