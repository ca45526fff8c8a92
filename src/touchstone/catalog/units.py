"""
What is counted and paid for, and how the words of other people's price lists are read.

One list prices a token, another a thousand or a million; one writes text, another a number; `0` is free here and
unknown there. Whoever reads a list names its unit; a price that cannot be in that unit is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Literal

from touchstone.catalog.model import earliest
from touchstone.errors import InvalidValue

Dimensions = frozenset[tuple[str, str]]
"""What a unit is of, such as `(("family", "tokens"), ("direction", "input"))`; more of them make it narrower."""

MILLION = 1_000_000

_MODALITIES = ("text", "audio", "image", "video")
_OTHER_UNITS: Mapping[str, Mapping[str, str]] = {
    "input_characters": {"family": "characters", "direction": "input"},
    "input_text_messages": {"family": "messages", "direction": "input", "modality": "text"},
    "audio_seconds": {"family": "durations", "modality": "audio"},
    "input_audio_seconds": {"family": "durations", "direction": "input", "modality": "audio"},
    "output_audio_seconds": {"family": "durations", "direction": "output", "modality": "audio"},
    "input_pixels": {"family": "pixels", "direction": "input"},
    "input_document_pages": {"family": "document_pages", "direction": "input"},
    "input_annotated_document_pages": {"family": "document_pages", "direction": "input", "page_type": "annotated"},
    "rerank_searches": {"family": "rerank"},
    "web_searches": {"family": "tool_calls", "tool_type": "web_search"},
    "social_searches": {"family": "tool_calls", "tool_type": "social_search"},
    "storage_searches": {"family": "tool_calls", "tool_type": "storage_search"},
    "code_executions": {"family": "tool_calls", "tool_type": "code_execution"},
    "requests": {"family": "requests"},
    "output_images": {"family": "images", "direction": "output"},
    "input_images": {"family": "images", "direction": "input"},
}


@cache
def usage_units() -> Mapping[str, Dimensions]:
    """
    Every unit that usage is counted in, by name, with what it is of.

    The names and dimensions are those of `genai-prices`; `input_images` and `output_images` are ours, for price lists
    that charge by the picture.
    """
    found: dict[str, dict[str, str]] = {}
    for modality in ("", *_MODALITIES):
        of = {"modality": modality} if modality else {}
        word = f"{modality}_" if modality else ""
        into = {"family": "tokens", "direction": "input", **of}
        out = {"family": "tokens", "direction": "output", **of}
        write = {**into, "token_type": "cache_write"}
        found |= {
            f"input_{word}tokens": into,
            f"output_{word}tokens": out,
            f"cache_{word}read_tokens": {**into, "token_type": "cache_read"},
            f"cache_{word}write_tokens": write,
            f"cache_{word}write_5m_tokens": {**write, "cache_ttl": "5m"},
            f"cache_{word}write_1h_tokens": {**write, "cache_ttl": "1h"},
            f"input_{word}tool_tokens": {**into, "token_type": "tool"},
            f"output_{word}reasoning_tokens": {**out, "token_type": "reasoning"},
            f"output_{word}citation_tokens": {**out, "token_type": "citation"},
        }
    return {unit: frozenset(of.items()) for unit, of in (found | dict(_OTHER_UNITS)).items()}


def dimensions_of(unit: str) -> Dimensions:
    """What a unit is of; a unit that nobody here knows stands alone."""
    return usage_units().get(unit) or frozenset({("family", unit)})


PER_TOKENS: Mapping[str, int] = {"token": 1, "thousand": 1_000, "million": MILLION}
"""How many tokens (or characters) a price list's number is for."""

DEAREST_USD_PER_MILLION = Decimal(10_000)
CHEAPEST_USD_PER_MILLION = Decimal("0.00001")
"""No token or character is known to be dearer or cheaper; beyond, somebody mistook the unit. The dearest token of
`genai-prices` 0.2.3 costs 600 USD per million, the cheapest 0.0011."""


def usd_per_million(
    said: str | float | Decimal | None,
    *,
    per: Literal["token", "thousand", "million"],
    zero: Literal["free", "unknown"] = "unknown",
) -> Decimal | None:
    """
    A price of tokens or characters, in USD per million.

    Args:
        said: What the list says, as text or number.
        per: How many tokens that is for.
        zero: What 0 means in this place: `free` where the list says so (an OpenRouter name ending in `:free`).

    Returns:
        None when the list names no price: nothing, a zero that means unknown, or -1, which means that it varies.

    Raises:
        InvalidValue: it is no price, it is negative, or no token is known to be so dear or so cheap.
    """
    amount = usd(said, zero=zero)
    if amount is None or not amount:
        return amount
    million = amount * MILLION / PER_TOKENS[per]
    if not CHEAPEST_USD_PER_MILLION <= million <= DEAREST_USD_PER_MILLION:
        raise InvalidValue(
            "{value!r} USD per {per} would be {million} USD per million tokens, which nobody charges; "
            "check which unit the price list uses",
            value=said,
            per=per,
            million=f"{million:f}",
        )
    return million


def usd(said: str | float | Decimal | None, *, zero: Literal["free", "unknown"] = "unknown") -> Decimal | None:
    """
    A price of one thing, such as a picture, a page or a request.

    A float is read as the shortest number that it stands for, so 1.5e-07 is exactly 0.00000015.

    Raises:
        InvalidValue: it is no price or negative; -1 alone means that the price varies, and nobody knows it.
    """
    if said is None or (isinstance(said, str) and not said.strip()):
        return None
    amount = _number(said)
    if amount == -1:
        return None
    if amount < 0:
        raise InvalidValue("price {value!r} is negative; only -1 has a meaning, a price that varies", value=said)
    if not amount and zero == "unknown":
        return None
    return amount


def _number(said: str | float | Decimal) -> Decimal:
    text = said.strip().removeprefix("$").strip() if isinstance(said, str) else repr(said)
    if isinstance(said, Decimal):
        text = str(said)
    plain = re.fullmatch(r"-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", text, re.ASCII)
    if isinstance(said, bool) or not plain:
        raise InvalidValue("{value!r} is no price; write a number of USD with a decimal point", value=said)
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidValue("{value!r} is no price; write a number of USD with a decimal point", value=said) from None


def partial_date(said: str | int | date | None) -> str | None:
    """
    A date of somebody's list as we write it: `2026-08-21`, `2025-04` or `2025`; no day is made up.

    Args:
        said: ISO 8601 with or without a time, or seconds since 1970 as OpenRouter counts them.

    Raises:
        InvalidValue: it is no date, or its order of day and month is anybody's guess.
    """
    if said is None or said == "":
        return None
    if isinstance(said, datetime):
        return (said if said.tzinfo is None else said.astimezone(UTC)).date().isoformat()
    if isinstance(said, date):
        return said.isoformat()
    if isinstance(said, int) and not isinstance(said, bool):
        try:
            return datetime.fromtimestamp(said, UTC).date().isoformat()
        except (OverflowError, OSError, ValueError):
            raise InvalidValue("{value!r} is no time in seconds since 1970", value=said) from None
    found = re.fullmatch(r"(\d{4}(?:-\d{2}(?:-\d{2})?)?)(?:[T ]\d{2}:.*)?", str(said).strip(), re.ASCII)
    if found is None:
        raise InvalidValue("{value!r} is no date; write 2026-08-21, 2026-08 or 2026", value=said)
    try:
        earliest(found[1])
    except ValueError:
        raise InvalidValue("{value!r} is no day of any calendar", value=said) from None
    return found[1]


_PRECISION = re.compile(
    r"(?<![a-z0-9])(fp4|nvfp4|mxfp4|fp8|bf16|fp16|fp32|int4|int8|w4a16|w8a8|awq|gptq|gguf|4bit|8bit|q[2-8]_[k0][_a-z]*)"
    r"(?![a-z0-9])"
)


def precision_in(served_name: str) -> str | None:
    """The precision that a seller's name for a model states, such as `fp8`; None where the name says nothing."""
    found = _PRECISION.search(served_name.lower())
    return found[1] if found else None


def weights_of(open_weights: bool | None) -> Literal["open", "closed"] | None:
    """
    What a list's `open_weights` says about a card's `weights`; it says nothing about the licence.

    Llama, Gemma and Command R have weights for everybody to download and licences that are not open.
    """
    return None if open_weights is None else "open" if open_weights else "closed"
