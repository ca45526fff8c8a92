"""Charts and scales: every coordinate is a number on the picture, whatever the values are."""

from __future__ import annotations

import math
import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from touchstone.reporting import charts, numbers
from touchstone.reporting.scales import Scale, cost_scale, focused, linear_scale, log_scale
from touchstone.reporting.scatter import Point, front, scatter

values = st.one_of(st.none(), st.floats())
lists = st.lists(values, max_size=12)


def coordinates(picture: str) -> list[float]:
    found = re.findall(r' (?:x|y|x1|x2|y1|y2|cx|cy|width|height|r)="([^"]*)"', picture)
    return [float(text.rstrip("%")) for text in found]


def check(scale: Scale, found: list[float | None]) -> None:
    assert scale.low < scale.high
    assert list(scale.ticks) == sorted(scale.ticks)
    for value in [*found, *scale.ticks, math.nan, math.inf, -math.inf]:
        if value is not None:
            assert 0 <= scale.position(value) <= 100


@given(lists, st.booleans())
def test_every_value_has_a_place_on_a_linear_axis(found: list[float | None], zero: bool) -> None:
    """An axis of any values is not empty, its ticks ascend, and nothing stands outside it."""
    check(linear_scale(found, zero=zero), found)


@given(lists)
def test_every_value_has_a_place_on_an_axis_of_costs(found: list[float | None]) -> None:
    """The same holds for logarithmic axes, for zero and for what no cost can be."""
    check(log_scale(found), found)
    check(cost_scale(found), found)


@given(st.floats(0, 1), st.floats(0, 1))
def test_greater_values_stand_further_along(a: float, b: float) -> None:
    """Order on an axis is the order of the values."""
    scale = linear_scale([0.0, 1.0])

    assert (scale.position(a) <= scale.position(b)) == (a <= b) or math.isclose(a, b, abs_tol=1e-9)


@given(lists, values, values, values, values)
def test_strips_have_no_nan(
    found: list[float | None], a: float | None, b: float | None, c: float | None, d: float | None
) -> None:
    """Means, intervals, ranges and shares of any kind draw finite coordinates or nothing."""
    scale = cost_scale(found)
    pictures = [
        charts.interval_strip(scale, a, b, c, baseline=d),
        charts.range_strip(scale, a, b, c),
        charts.spark(scale, a, b, c),
        charts.stack_strip([("earned", a), ("lost", b), ("error", c)], d or 0),  # type: ignore[list-item]
        charts.axis(scale, numbers.money),
    ]

    assert all(math.isfinite(value) for picture in pictures for value in coordinates(picture))


points = st.lists(
    st.builds(Point, st.integers(1, 20), st.text(max_size=40), values, values, values, values, st.booleans()),
    max_size=8,
)


@given(points)
def test_a_scatter_has_no_nan(found: list[Point]) -> None:
    """Unknown, infinite or equal costs and scores never break the picture; names in it are escaped."""
    picture = scatter(
        found,
        cost_scale(p.cost_usd for p in found),
        linear_scale([p.mean for p in found]),
        write_cost=numbers.money,
        write_score=numbers.percent,
        label='<"&',
    )

    assert all(math.isfinite(value) for value in coordinates(picture))
    assert 'aria-label="&lt;&#34;&amp;"' in picture


@given(points)
def test_nobody_beats_the_front(found: list[Point]) -> None:
    """No point is better and as cheap as one on the front, and each of the front is dearer and better than the last."""
    best = front(found)
    known = [p for p in found if numbers.known(p.cost_usd) and numbers.known(p.mean)]

    assert bool(best) == bool(known)
    for on in best:
        assert not any(p.cost_usd <= on.cost_usd and p.mean > on.mean for p in known)  # type: ignore[operator]
    for before, after in pairwise(best):
        assert before.cost_usd < after.cost_usd or math.isclose(before.cost_usd, after.cost_usd)  # type: ignore[operator, arg-type]
        assert before.mean < after.mean  # type: ignore[operator]


def test_one_far_off_candidate_does_not_press_the_others_together() -> None:
    """A majority baseline at 10 % leaves the axis to those around 80 %."""
    lows, highs = [0.88, 0.85, 0.79, 0.75, 0.08], [0.94, 0.91, 0.86, 0.82, 0.14]

    assert min(focused(lows, highs)) == 0.75
    assert "◂" in charts.interval_strip(linear_scale(focused(lows, highs), ceiling=1.0), 0.10, 0.08, 0.14)


def test_costs_over_a_factor_of_ten_are_logarithmic() -> None:
    """Cents and fractions of a cent are both readable; what costs nothing has a place of its own."""
    assert not cost_scale([0.01, 0.05]).logarithmic
    scale = cost_scale([0.0, 0.0001, 0.01])

    assert scale.logarithmic
    assert scale.position(0.0) == 0
    assert scale.position(0.0001) >= 8


def test_shares_fill_a_strip() -> None:
    """Parts that add up to the whole end where the strip ends."""
    widths = re.findall(r'width="([\d.]+)%"', charts.stack_strip([("earned", 30), ("lost", 60), ("error", 10)], 100))

    assert sum(map(float, widths)) == 100
