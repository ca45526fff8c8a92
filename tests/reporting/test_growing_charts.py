"""The loss of a training and costs that grow: lines inside the picture, with nothing of ours unescaped."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from touchstone.reporting.loss_chart import loss_chart
from touchstone.reporting.months_chart import months_chart
from touchstone.training.steps import Step

HOSTILE = '<script>alert("x")</script>'


def steps(losses: list[float], every: int = 10) -> list[Step]:
    of = every * len(losses) * 2
    return [
        Step(step=every * place, of=of, loss=loss, learning_rate=0.1, tokens_per_s=1, seconds_left=1)
        for place, loss in enumerate(losses, start=1)
    ]


def drawn(losses: list[float], name: str = "mine") -> str:
    found = loss_chart(steps(losses), name=name, write=lambda loss: f"{loss:.2f}", title="Loss", caption="")
    assert found is not None
    return str(found.drawn)


def test_a_loss_is_a_line_up_to_the_step_it_has_reached() -> None:
    """Half of the planned steps are half of the width; lower loss stands lower."""
    picture = drawn([4.0, 2.0, 1.0])
    lines = re.findall(r'<line x1="([\d.]+)%" x2="([\d.]+)%" y1="([\d.]+)" y2="([\d.]+)"/>', picture)
    assert len(lines) == 2
    assert float(lines[-1][1]) == 9.0 + 86.0 / 2
    assert float(lines[0][2]) < float(lines[1][2]) < float(lines[1][3])
    assert ">60</text>" in picture


def test_one_report_is_no_curve() -> None:
    """Nothing is drawn before there is a line."""
    assert loss_chart(steps([1.0]), name="a", write=str, title="", caption="") is None


def test_names_are_text_in_both_pictures() -> None:
    """Whatever a candidate is called."""
    months = months_chart([(HOSTILE, [(0, 1), (12, 2)])], write=str, title=HOSTILE, caption="")
    assert months is not None
    for picture in (drawn([2, 1], HOSTILE), str(months.drawn)):
        assert "<script" not in picture
        assert "&lt;script&gt;" in picture


@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=600))
def test_costs_stay_in_the_picture_whatever_they_are(amounts: list[float]) -> None:
    """And long lines are drawn in few pieces, from the first point to the last."""
    points = [(float(place), amount) for place, amount in enumerate(amounts)]
    found = months_chart([("a", points)], write=lambda usd: f"{usd:.0f}", title="t", caption="c")
    assert found is not None
    lines = re.findall(r'<line x1="([\d.]+)%" x2="([\d.]+)%" y1="([\d.]+)" y2="([\d.]+)"/>', str(found.drawn))
    assert 1 <= len(lines) <= 241
    assert (float(lines[0][0]), float(lines[-1][1])) == (10.0, 94.0)
    assert all(20 <= float(y) <= 270 for line in lines for y in line[2:])


def test_without_time_or_without_a_line_nothing_is_drawn() -> None:
    """What is missing is not made up."""
    assert months_chart([], write=str, title="", caption="") is None
    assert months_chart([("a", [(0, 1)])], write=str, title="", caption="") is None
