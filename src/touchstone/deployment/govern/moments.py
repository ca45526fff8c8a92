"""From when and until when: days and moments in UTC, as people write them for a report or a list."""

from __future__ import annotations

from datetime import date

from touchstone.deployment.govern.state import seconds_of
from touchstone.errors import SettingsError

_DAY_S = 86_400
_LAST_S = 253_402_300_799.0
"""The end of the year 9999, which is the last that there is; rows are of 1970 or later."""


def since_s(name: str, said: str) -> float:
    """
    When a stretch begins, seconds since 1970; a day begins at midnight UTC.

    Args:
        name: What it is called where it was said, for the error.
        said: ISO 8601: a day, or a moment, which without a zone is in UTC.

    Raises:
        SettingsError: it is neither.
    """
    return _read(name, said)[0]


def until_s(name: str, said: str) -> float:
    """When a stretch ends, which is behind a day that is named, and at a moment. Takes and raises as `since_s` does."""
    at_s, is_day = _read(name, said)
    return min(at_s + _DAY_S, _LAST_S) if is_day else at_s


def _read(name: str, said: str) -> tuple[float, bool]:
    try:
        at_s = seconds_of(said)
    except ValueError:
        raise SettingsError(
            "{name} is {value!r}; write a day such as 2026-11-27, or a moment such as 2026-11-27T14:00",
            name=name,
            value=said,
        ) from None
    return min(max(at_s, 0.0), _LAST_S), _is_day(said)


def _is_day(said: str) -> bool:
    try:
        date.fromisoformat(said)
    except ValueError:
        return False
    return True
