"""What people say of a key, read: a draft of one, a span of time, a moment. Who asks names the fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from touchstone.deployment.base import Key
from touchstone.deployment.govern.state import seconds_of, stamp
from touchstone.errors import SettingsError, refusal

_DURATION = re.compile(r"(\d{1,6})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def key_draft(values: Mapping[str, Any], called: Mapping[str, str]) -> Key:
    """
    The key that somebody describes, without a number and a secret.

    Args:
        values: Fields of a `Key`; `limits` and `budget` as mappings.
        called: Each field's name, inner ones too, as whoever fills it in knows it.

    Raises:
        SettingsError: a value cannot be used; its field is named.
    """
    try:
        return Key.model_validate({"id": 0, "shown": "", "created_at": "", **values})
    except ValidationError as error:
        found: Any = error.errors()[0]
        place = next((part for part in reversed(found["loc"]) if part in called), "name")
        raise SettingsError(
            "{flag} {value!r} cannot be used: {reason}",
            flag=called[place],
            value=found.get("input"),
            reason=refusal(found),
        ) from None


def seconds_said(flag: str, said: str) -> float:
    """Seconds of a span such as `24h` or `30m`. Raises `SettingsError`, which names `flag`."""
    found = _DURATION.fullmatch(said)
    if found is None:
        raise SettingsError(
            "{flag} is {value!r}; write a number with s, m, h or d behind it, such as 24h", flag=flag, value=said
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds()


def moment_said(flag: str, said: str) -> str:
    """A moment in ISO 8601: what was said, or so long from now. Raises `SettingsError`, which names `flag`."""
    if _DURATION.fullmatch(said):
        return stamp((datetime.now(UTC) + timedelta(seconds=seconds_said(flag, said))).timestamp())
    try:
        return stamp(seconds_of(said))
    except (ValueError, OverflowError):
        raise SettingsError(
            "{flag} is {value!r}; write a day such as 2027-01-31, a moment such as 2027-01-31T18:00, or 90d",
            flag=flag,
            value=said,
        ) from None
