"""What people say of a deployment, read: a price of one's own, a day. Commands and forms name their own fields."""

from __future__ import annotations

import math
from datetime import date

from touchstone.catalog.base import Price
from touchstone.errors import InvalidValue, SettingsError


def price_said(input_usd: float | None, output_usd: float | None, source: str) -> Price | None:
    """
    A price of one's own, USD per million tokens; None where nothing was said.

    Args:
        source: Where it was said.

    Raises:
        SettingsError: one half is missing.
    """
    if input_usd is None and output_usd is None:
        return None
    if input_usd is None or output_usd is None:
        raise SettingsError("give both --input-usd and --output-usd")
    return Price(input_usd=input_usd, output_usd=output_usd, source=source)


def check_finite(**said: float | None) -> None:
    """Numbers of flags, by the flags' names without dashes. Raises `SettingsError` for one that is infinite or none."""
    for name, value in said.items():
        if value is not None and not math.isfinite(value):
            raise SettingsError(
                "{flag} cannot be {value!r}: {reason}",
                flag="--" + name.replace("_", "-"),
                value=value,
                reason=InvalidValue("write a finite number"),
            )


def day_said(flag: str, said: str | None) -> date | None:
    """A day such as 2027-01-31; None where nothing was said. Raises `SettingsError`, which names `flag`."""
    try:
        return None if said is None else date.fromisoformat(said)
    except ValueError:
        raise SettingsError("{flag} is {value!r}; write a day such as 2027-01-31", flag=flag, value=said) from None
