"""Nouns as JSON for the store, also where a text holds what UTF-8 has no place for."""

from __future__ import annotations

import json
from typing import TypeVar

import orjson
from pydantic import ValidationError

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
    # Not the noun's own JSON: that refuses a lone surrogate in a value and silently replaces one in a mapping's key.
    plain = noun.model_dump(include=include, exclude_defaults=exclude_defaults)
    try:
        return orjson.dumps(plain, default=str)
    except TypeError:
        return json.dumps(plain, default=str).encode()


def from_json(kind: type[_N], body: bytes) -> _N:
    """The noun that `to_json` wrote."""
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        # The strict parser refuses lone surrogates; this one keeps them, and refuses what is no such noun.
        return kind.model_validate(json.loads(body))
