"""
Numbers as people read them, in the reader's language. Unknown is an en dash, never 0.

Every function takes None for unknown. Numbers are rounded here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeGuard

from touchstone.language import N_, _

if TYPE_CHECKING:
    # What is counted in tokens and dollars is written here too, and needs no measurement.
    from touchstone.evaluation.base import Estimate

UNKNOWN = "–"
"""Shown where nobody knows."""

_MINUS = "\u2212"
_MONTHS = (
    N_("January"),
    N_("February"),
    N_("March"),
    N_("April"),
    N_("May"),
    N_("June"),
    N_("July"),
    N_("August"),
    N_("September"),
    N_("October"),
    N_("November"),
    N_("December"),
)


def known(value: float | None) -> TypeGuard[float]:
    """Whether `value` is a number somebody can have measured; None, NaN, infinities and beyond 1e100 are not."""
    return value is not None and abs(value) < 1e100


def count(value: int | None) -> str:
    """A whole number with thousands separated."""
    return UNKNOWN if value is None else f"{value:,}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share from 0 to 1 as percent."""
    return UNKNOWN if not known(share) else f"{100 * share:.{digits}f}%"


def interval(low: float | None, high: float | None, digits: int = 1) -> str:
    """Both ends of an interval of shares, such as `69.1–75.2%`."""
    if not (known(low) and known(high)):
        return UNKNOWN
    return f"{_signed(100 * low, digits, plus=False)}–{_signed(100 * high, digits, plus=False)}%"


def places(rank: tuple[int, int] | None) -> str:
    """The places that are possible, such as `2` or `1–3`."""
    if rank is None:
        return UNKNOWN
    best, worst = rank
    return str(best) if best == worst else f"{best}–{worst}"


def estimate(value: Estimate | None) -> str:
    """Mean, interval and n in one phrase; there is no mean without its n."""
    if value is None:
        return UNKNOWN
    return _("{mean} ({interval}, n = {n})").format(
        mean=percent(value.mean), interval=interval(value.low, value.high), n=count(value.n)
    )


def points(difference: float | None, digits: int = 1, *, plus: bool = True) -> str:
    """A difference of two shares in percentage points, with its sign and without the unit."""
    return UNKNOWN if not known(difference) else _signed(100 * difference, digits, plus=plus)


def at_most(difference: float | None, digits: int = 1) -> str:
    """An upper bound in percentage points, rounded up: what is promised is never less than what was shown."""
    if not known(difference):
        return UNKNOWN
    # A hair is taken off first, so that 0.01 stays 1.0 though 100 * 0.01 * 10 may come out above 10.
    return points(math.ceil(difference * 10 ** (digits + 2) - 1e-6) / 10 ** (digits + 2), digits, plus=False)


def points_range(low: float, high: float, digits: int = 1) -> str:
    """Interval of a difference, in points: `+1.2 to +5.0`."""
    return _("{low} to {high}").format(low=points(low, digits), high=points(high, digits))


def variance(value: float | None) -> str:
    """A variance of scores from 0 to 1, which is at most 0.25: three decimals."""
    return UNKNOWN if not known(value) else f"{value:.3f}"


def p_value(p: float | None) -> str:
    """A p value; below a thousandth only that it is."""
    if not known(p):
        return UNKNOWN
    if p < 0.001:
        return "< 0.001"
    text = f"{p:.3f}".rstrip("0")
    return text.removesuffix(".")


SMALLEST_USD = 1e-6
"""Nobody reads more zeros than these; what is less is only said to be less."""


def money(usd: float | None) -> str:
    """
    US dollars: cents from one dollar on, three significant digits below, no cents from a thousand on.

    What is nearer to nothing than `SMALLEST_USD` is said to be, and never more than that: of two amounts the larger is
    never told as the smaller. `exact_money` tells it to whoever wants to know.
    """
    if not known(usd):
        return UNKNOWN
    sign, size = (_MINUS if usd < 0 else ""), abs(usd)
    if size == 0:
        return "$0"
    if size >= 999.5:
        return f"{sign}${size:,.0f}"
    if size >= 0.995:
        return f"{sign}${size:,.2f}"
    if size < SMALLEST_USD:
        return f"> {_MINUS}{_some_digits(SMALLEST_USD)}" if usd < 0 else f"< {_some_digits(SMALLEST_USD)}"
    return f"{sign}{_some_digits(size)}"


def exact_money(usd: float | None) -> str:
    """An amount that `money` tells only a bound of, such as `$0.0000000738`; empty where it tells the amount."""
    if not known(usd) or not 0 < abs(usd) < SMALLEST_USD:
        return ""
    return f"{_MINUS if usd < 0 else ''}{_some_digits(abs(usd))}"


def money_tick(usd: float) -> str:
    """A round amount on an axis, which tells it however small it is: ticks that read alike would be no axis."""
    return exact_money(usd) or money(usd)


def _some_digits(usd: float) -> str:
    """Dollars above zero with three significant digits, two decimals at least."""
    # No float above zero has more than 324 zeros behind its point.
    decimals = max(2, 2 - math.floor(math.log10(usd)))
    whole, fraction = f"{usd:.{decimals}f}".split(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def seconds(value: float | None) -> str:
    """A time span: milliseconds below a tenth of a second."""
    if not known(value):
        return UNKNOWN
    if 0 < value < 0.00005:
        return _("< {value} ms").format(value="0.1")
    if value < 0.0995:
        return _("{value} ms").format(value=f"{1000 * value:.0f}" if value >= 0.00995 else f"{1000 * value:.1f}")
    if value < 9.995:
        return _("{value} s").format(value=f"{value:.2f}")
    return _("{value} s").format(value=f"{value:,.0f}" if value >= 99.5 else f"{value:.1f}")


def seconds_tick(value: float) -> str:
    """A round time on an axis, without needless zeros."""
    if 0 < value < 0.000995:
        return _("{value} µs").format(value=f"{1e6 * value:.3g}")
    if value < 0.0995:
        return _("{value} ms").format(value=f"{1000 * value:.3g}")
    return _("{value} s").format(value=f"{value:,.3g}" if value < 1000 else f"{value:,.0f}")


def day(iso: str) -> str:
    """The date of an ISO 8601 text as people write it; the text itself when it is none."""
    year, _dash, rest = iso[:10].partition("-")
    month, _dash, number = rest.partition("-")
    if not (year.isdigit() and month.isdigit() and number.isdigit() and 1 <= int(month) <= 12):
        return iso
    return _("{day} {month} {year}").format(day=int(number), month=_(_MONTHS[int(month) - 1]), year=year)


def listing(names: Iterable[str]) -> str:
    """Names in a row with the language's own `and`."""
    names = list(names)
    if len(names) < 2:
        return "".join(names)
    return _("{first} and {last}").format(first=_(", ").join(names[:-1]), last=names[-1])


def _signed(value: float, digits: int, *, plus: bool) -> str:
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return (_MINUS if value < 0 else "+" if plus else "") + text
