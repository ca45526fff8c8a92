"""What requests to our own embedder, reranker and moderation have in common: known fields, and texts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from touchstone.deployment.base import Asked
from touchstone.deployment.endpoints.fields import Unusable

_NOTES = frozenset({"model", "user", "stream", "metadata", "safety_identifier"})
"""About a request; they do nothing."""


def check_fields(asked: Asked, known: Collection[str]) -> None:
    """Refuse a stream, and fields that nobody here knows. Raises `Unusable`."""
    if asked.stream:
        raise Unusable("this kind of reply is not streamed", param="stream")
    unknown = sorted(set(asked.body) - set(known) - _NOTES)
    if unknown:
        raise Unusable("the field {field!r} is not known here", param=unknown[0], field=unknown[0])


def texts_of(value: Any, name: str, *, most: int) -> Sequence[str]:
    """
    One text, or a list of them.

    Args:
        value: As it was sent.
        name: Of its field.
        most: How many there may be.

    Raises:
        Unusable: it is something else, or a text is empty.
    """
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise Unusable("{field} must be a text or a list of texts", param=name, field=name)
    if len(texts) > most:
        raise Unusable(
            "{field} has {count} texts; send at most {most}", param=name, field=name, count=len(texts), most=most
        )
    if not all(texts):
        raise Unusable("{field} has an empty text", param=name, field=name)
    return texts
