"""Learning curves as lines: every coordinate is a number within the picture, and each point has its interval."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from touchstone.decision.base import Reason
from touchstone.decision.learning_curve import CurvePoint, LearningCurve
from touchstone.evaluation.base import Estimate
from touchstone.reporting.curve_chart import curve_chart
from touchstone.reporting.line_parts import HEIGHT, LINES

from .conftest import HOSTILE


@st.composite
def curves(draw: st.DrawFn) -> LearningCurve:
    counts = draw(st.lists(st.integers(0, 10**6), min_size=2, max_size=5, unique=True))
    points = []
    for count in sorted(counts):
        low, mean, high = sorted(draw(st.tuples(*[st.floats(0, 1)] * 3)))
        score = Estimate(mean=mean, low=low, high=high, n=10, method="")
        points.append(CurvePoint(examples=count, candidate=str(count), score=score))
    said = Reason(template="")
    name = draw(st.text(max_size=40))
    return LearningCurve(name=name, kind="shown", points=tuple(points), trend="open", said=said)


def chart(found: list[LearningCurve]) -> str:
    picture = curve_chart(found, write=lambda value: f"{value:.0%}", title="Curve", caption="")
    return "" if picture is None else str(picture.drawn)


@given(st.lists(curves(), min_size=1, max_size=LINES + 2))
def test_every_coordinate_is_a_number_within_the_picture(found: list[LearningCurve]) -> None:
    """Percent across, pixels down, and a bar for every point of the curves that are drawn."""
    drawn = chart(found)
    across = [float(value) for value in re.findall(r' x[12]?="([^"%]+)%"', drawn)]
    down = [float(value) for value in re.findall(r' y[12]?="([^"%]+)"', drawn)]
    assert all(0 <= value <= 100 for value in across)
    assert all(0 <= value <= HEIGHT for value in down)
    assert drawn.count('class="spread"') == sum(len(curve.points) for curve in found[:LINES])


def test_without_a_curve_there_is_no_picture() -> None:
    """An empty frame would say nothing."""
    assert chart([]) == ""


def test_names_are_text() -> None:
    """A name with markup is shown and does nothing."""
    score = Estimate(mean=0.5, low=0.4, high=0.6, n=10, method="")
    points = tuple(CurvePoint(examples=n, candidate=str(n), score=score) for n in (1, 2))
    curve = LearningCurve(name=HOSTILE, kind="shown", points=points, trend="open", said=Reason(template=""))
    assert "<script>" not in chart([curve])
