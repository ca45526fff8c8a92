"""Nouns as JSON for the store, also where a text holds what UTF-8 has no place for."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from touchstone.noun import Noun

_N = TypeVar("_N", bound=Noun)


def safe_text(text: str) -> str:
    """`text` as valid UTF-8: lone surrogates become visible escapes, everything else stays."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def to_json(noun: Noun, *, include: set[str] | None = None, exclude_defaults: bool = False) -> bytes:
    """The noun as JSON; lone surrogates stand in it as escapes and come back with `from_json`."""
    try:
        return noun.model_dump_json(include=include, exclude_defaults=exclude_defaults).encode()
    except PydanticSerializationError:
        return json.dumps(noun.model_dump(mode="json", include=include, exclude_defaults=exclude_defaults)).encode()


def from_json(kind: type[_N], body: bytes) -> _N:
    """The noun that `to_json` wrote."""
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        # The strict parser refuses lone surrogates; this one keeps them, and refuses what is no such noun.
        return kind.model_validate(json.loads(body))
