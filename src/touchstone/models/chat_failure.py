"""
What a provider's error means: an HTTP status or an error object becomes one of the classes in `errors.py`.

Providers agree on little: money may be 402, 429 or 400, a blocked prompt 400 or 403, and the truth is then in a code, a
type or only in the sentence. The tables below hold the spellings that providers document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from touchstone.errors import (
    AccessDenied,
    ModelError,
    OutOfCredit,
    ProviderFailed,
    RateLimited,
    RequestRejected,
)

SHOWN_CHARACTERS = 200
"""How much of a reply that is no reply an error shows."""

_MONEY_CODES = frozenset(
    {
        "insufficient_quota",  # OpenAI
        "billing_hard_limit_reached",
        "billing_not_active",
        "1113",  # Zhipu
        "exceeded_current_quota_error",  # Moonshot
        "arrearage",  # DashScope
        "insufficient_balance",
        "insufficient_credits",
        "payment_required",
        "billing_error",  # Anthropic
    }
)
_MONEY_WORDS = re.compile(r"insufficient (balance|credit)|credit balance is too low|欠费|余额不足", re.IGNORECASE)

_FILTER_CODES = frozenset(
    {
        "content_filter",  # Azure OpenAI, Moonshot
        "responsibleaipolicyviolation",
        "content_policy_violation",  # OpenAI
        "data_inspection_failed",  # DashScope
        "datainspectionfailed",
        "1301",  # Zhipu
    }
)
_FILTER_WORDS = re.compile(r"content exists risk|input was flagged|requires moderation", re.IGNORECASE)

_TOO_LONG = re.compile(r"context length|context window|maximum context|max_tokens|too many tokens", re.IGNORECASE)

_STATUS_OF_KIND = {
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "rate_limit_reached_error": 429,
    "engine_overloaded_error": 503,
    "overloaded_error": 529,
    "authentication_error": 401,
    "invalid_authentication_error": 401,
    "permission_error": 403,
    "invalid_api_key": 401,
    "invalid_request_error": 400,
    "badrequesterror": 400,
    "context_length_exceeded": 400,
    "not_found_error": 404,
    "model_not_found": 404,
}
"""What the kinds of an error object mean where no HTTP status comes with them, as inside a stream."""


class Said:
    """The kinds (codes and types, lower case), the status and the sentence of an error object."""

    def __init__(self, found: object) -> None:
        """`found` is a parsed reply body or its `error` member, of whatever shape."""
        error = found.get("error", found) if isinstance(found, Mapping) else found
        self.message = ""
        self.status: int | None = None
        self.kinds: frozenset[str] = frozenset()
        if isinstance(error, str):
            self.message = error
        elif isinstance(error, Mapping):
            self.message = _text(error.get("message") or error.get("detail") or error.get("msg"))
            inner = error.get("innererror") or error.get("inner_error")
            values = [error.get("code"), error.get("type"), error.get("status")]
            values += [inner.get("code")] if isinstance(inner, Mapping) else []
            self.kinds = frozenset(str(value).lower() for value in values if value is not None)
            for value in values:
                number = int(value) if isinstance(value, str) and re.fullmatch("[45][0-9][0-9]", value) else value
                if isinstance(number, int) and 400 <= number <= 599:
                    self.status = number

    @property
    def money(self) -> bool:
        """Whether the account has no money left."""
        return bool(self.kinds & _MONEY_CODES) or bool(_MONEY_WORDS.search(self.message))

    @property
    def blocked(self) -> bool:
        """Whether the provider's filter blocked the request: an outcome of the request, not a failure of the call."""
        return not self.money and (bool(self.kinds & _FILTER_CODES) or bool(_FILTER_WORDS.search(self.message)))


def failure_of(
    said: Said, status: int | None, place: str, shown: str, retry_after_s: float | None = None
) -> ModelError:
    """
    The error for an HTTP status or for an error object inside a successful reply.

    Args:
        said: What the error object says.
        status: HTTP status; None where the error came inside a reply of status 200.
        place: Whose error it is: the model's name and address.
        shown: The reply as an error may show it: short, escaped, without secrets.
        retry_after_s: What the provider asked to wait.
    """
    if status is None:
        status = said.status or next((_STATUS_OF_KIND[kind] for kind in said.kinds if kind in _STATUS_OF_KIND), 500)
    values: dict[str, Any] = {"place": place, "status": status, "shown": shown}
    error: ModelError
    if said.money or status == 402:
        error = OutOfCredit("{place}: the account has no credit left ({status}: {shown}); top it up", **values)
    elif status == 403 and _TOO_LONG.search(said.message):
        # Together answers a prompt that is too long with 403; the key is fine.
        error = RequestRejected("{place}: the request was not accepted ({status}: {shown})", **values)
    elif status in (401, 403):
        error = AccessDenied("{place}: the key or its rights were not accepted ({status}: {shown})", **values)
    elif status == 429:
        error = RateLimited("{place}: too many requests for now ({status}: {shown})", **values)
    elif status == 404:
        error = RequestRejected(
            "{place}: no such model or address ({status}: {shown}); check the served name and base_url", **values
        )
        # Every row would fail alike (promises.md, F5).
        error.stops_lane = True
    elif 300 <= status < 400:
        error = RequestRejected(
            "{place}: the address moved ({status}: {shown}); redirects are not followed, name the new one as base_url",
            **values,
        )
        error.stops_lane = True
    elif status in (408, 409) or status >= 500:
        error = ProviderFailed("{place}: the provider failed ({status}: {shown})", **values)
    else:
        error = RequestRejected("{place}: the request was not accepted ({status}: {shown})", **values)
    error.retry_after_s = retry_after_s
    return error


def retry_after_s(headers: Mapping[str, str], now: Callable[[], float]) -> float | None:
    """
    Seconds that a reply asks to wait, from `retry-after-ms` or `Retry-After` (seconds or an HTTP date).

    Args:
        headers: The reply's headers, case-insensitive.
        now: Seconds since the epoch; asked only when the reply does not carry the provider's own clock.
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        said = headers.get(name)
        if said is None:
            continue
        try:
            seconds = float(said) * unit_s
        except ValueError:
            seconds = _until(said, headers.get("date"), now)
        if 0 <= seconds < float("inf"):
            return seconds
    return None


def shown(text: str) -> str:
    """The first characters of a text, as one line without control or bidirectional characters."""
    line = " ".join(text[: 4 * SHOWN_CHARACTERS].split())[:SHOWN_CHARACTERS]
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line) or "empty"


def _until(said: str, clock: str | None, now: Callable[[], float]) -> float:
    """Seconds until an HTTP date, by the provider's clock where it tells it; -1 when it is no date."""
    try:
        then = parsedate_to_datetime(said).timestamp()
        return max(0.0, then - (parsedate_to_datetime(clock).timestamp() if clock else now()))
    except ValueError:
        return -1.0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
