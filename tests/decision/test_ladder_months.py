"""What a candidate has cost by each month: it begins with its making and ends with its total."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.decision.ladder_base import Amount, Making, Renewal, Rung, Stretch
from touchstone.decision.ladder_costs import _total, usd_by_month


def rung(once: float | None, each: float | None, renewal: Renewal = "again") -> Rung:
    making = Making(usd=once, renewal=renewal)
    return Rung(candidate="a", model="a", way="fine_tune", score=None, making=making, usd_per_request=each)


def test_making_again_is_a_step() -> None:
    """At the moment the facts change, and not for what looks them up."""
    stretch = Stretch(months=6, requests_per_month=100, facts_change_days=61)
    points = usd_by_month(rung(10, 0.1), stretch)
    assert stretch.renewals == 2
    assert [round(month, 1) for month, _usd in points] == [0, 2, 2, 4, 4, 6]
    assert [round(usd) for _month, usd in points] == [10, 30, 40, 60, 70, 90]
    assert usd_by_month(rung(10, 0.1, "by-itself"), stretch) == ((0, 10), (6, pytest.approx(70)))


@given(
    once=st.floats(0, 1e6),
    each=st.floats(0, 10),
    months=st.floats(0.5, 60),
    days=st.one_of(st.none(), st.floats(20, 900)),
)
def test_the_last_point_is_the_total(once: float, each: float, months: float, days: float | None) -> None:
    """And costs never fall on the way."""
    stretch = Stretch(months=months, requests_per_month=1_000, facts_change_days=days)
    one = rung(once, each)
    points = usd_by_month(one, stretch)
    total = _total(one.making, Amount(mean=each, low=each, high=each), stretch)
    assert total is not None
    assert points[-1] == (months, pytest.approx(total.usd))
    assert all(a[0] <= b[0] and a[1] <= b[1] + 1e-6 for a, b in pairwise(points))


def test_an_unknown_number_draws_no_line() -> None:
    """Making, a request or the volume."""
    year = Stretch(requests_per_month=10)
    assert usd_by_month(rung(None, 1), year) == ()
    assert usd_by_month(rung(1, None), year) == ()
    assert usd_by_month(rung(1, 1), Stretch()) == ()
