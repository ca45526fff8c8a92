"""
How many input tokens the pictures of a request take: at most, and as is usual.

A text has no more tokens than bytes. A picture is billed by its size on the screen: the bytes of its file say nothing,
neither of a photograph of some megabytes nor of a white page of some hundred bytes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from touchstone.models.base import ChatModel, ChatRequest, ImagePart


class PictureTokens(NamedTuple):
    """Input tokens of one picture."""

    most: int
    usual: int
    """Of 1,024 x 1,024 pixels, the example of both guides named below."""


PICTURE_TOKENS = 49_152
"""
Of one picture, where nobody knows the model's own rule. The dearest that is known is that of gpt-4o-mini: 2,833 tokens
and 5,667 for each of at most eight tiles, 48,169 (OpenAI's guide to images and vision, as of 2025).
"""

_ANYBODY = PictureTokens(PICTURE_TOKENS, 1_369)
"""What is usual is what is usual of Claude: the middle of the rules that are known."""

_RULES = (
    # One token for each 28 x 28 pixels, scaled down to at most 4,784 of them on the finest tier
    # (https://platform.claude.com/docs/en/build-with-claude/vision, as of 2026-08), and some words around it.
    (re.compile(r"(?:^|[/.])claude-"), PictureTokens(5_120, 1_369)),
    # 85 and 170 for each of at most eight tiles, 1,445; o1 and o3 take less. The small ones: 1,536 patches times at
    # most 2.46, 3,779 (OpenAI's guide to images and vision, as of 2025). gpt-4o-mini has a rule of its own, see above.
    (re.compile(r"(?:^|/)(?:gpt-4o(?!-mini)|o[134])(?:-|$)"), PictureTokens(3_840, 765)),
    (re.compile(r"(?:^|/)gpt-4\.1(?:-|$)"), PictureTokens(3_840, 1_024)),
    (re.compile(r"(?:^|/)gpt-4o-mini(?:-|$)"), PictureTokens(PICTURE_TOKENS, 25_501)),
)
"""What the provider calls a model, and what one picture takes."""


def picture_tokens(served_name: str) -> PictureTokens:
    """
    Input tokens that one picture takes.

    Args:
        served_name: What the provider calls the model.
    """
    name = served_name.lower()
    return next((tokens for rule, tokens in _RULES if rule.search(name)), _ANYBODY)


def most_input_tokens(model: ChatModel, request: ChatRequest, request_bytes: int) -> int:
    """
    No call has more input tokens than this.

    Args:
        request_bytes: Size of the whole request as it is written down, pictures with it.
    """
    pictures = _pictures_of(request)
    if not pictures:
        return request_bytes
    # No sign of an address is written down shorter than it is; the rest of the part counts as text.
    return request_bytes - sum(map(len, pictures)) + _rule_of(model).most * len(pictures)


def usual_picture_tokens(model: ChatModel, request: ChatRequest) -> int:
    """Input tokens that the pictures of a request probably take together."""
    return _rule_of(model).usual * len(_pictures_of(request))


def _pictures_of(request: ChatRequest) -> list[str]:
    """Their addresses."""
    parts = (part for message in request.messages if not isinstance(message.content, str) for part in message.content)
    return [part.url for part in parts if isinstance(part, ImagePart)]


def _rule_of(model: ChatModel) -> PictureTokens:
    return picture_tokens(str(getattr(model, "served_name", model.name)))
