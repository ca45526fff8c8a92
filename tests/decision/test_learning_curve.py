"""Whether more examples would pay, by the last step that was measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from touchstone.decision.learning_curve import CurvePoint, LearningCurve, make_curve
from touchstone.evaluation.base import PairResult
from touchstone.evaluation.intervals import estimate

Scores = Callable[..., list[float]]
Compare = Callable[..., tuple[PairResult, ...]]


@pytest.fixture
def curve(scores: Scores, compare: Compare) -> Callable[..., LearningCurve]:
    """Over 10, 100 and 1,000 examples, with these shares of right answers in so many cases."""

    def made(*shares: float, cases: int = 1_000, kind: str = "learned") -> LearningCurve:
        table = {f"n={10 ** (at + 1)}": scores(share, cases) for at, share in enumerate(shares)}
        points = [
            CurvePoint(examples=10 ** (at + 1), candidate=name, score=estimate(values))
            for at, (name, values) in enumerate(table.items())
        ]
        return make_curve("logistic", kind, points[::-1], compare(table), matters=0.02)  # type: ignore[arg-type]

    return made


@pytest.mark.parametrize(
    ("shares", "trend", "said"),
    [
        ((0.3, 0.5, 0.7), "rising", "so more labelled data would pay"),
        ((0.3, 0.7, 0.7), "flat", "more data of this kind would not pay"),
        ((0.3, 0.7, 0.5), "falling", "look at the data before collecting more"),
    ],
)
def test_the_last_step_says_it(
    curve: Callable[..., LearningCurve], shares: tuple[float, ...], trend: str, said: str
) -> None:
    """Shown by the paired interval of its two ends; the numbers are in the sentence."""
    found = curve(*shares)
    assert found.trend == trend
    assert said in found.said.text()
    assert found.said.text().startswith("from 100 to 1,000 examples it ")
    assert [point.examples for point in found.points] == [10, 100, 1_000]


def test_few_cases_cannot_tell(scores: Scores, compare: Compare) -> None:
    """Two points of gain on forty cases may be chance."""
    table = {"few": scores(0.7, 40), "many": scores(0.75, 40, first=False)}
    points = [
        CurvePoint(examples=at, candidate=name, score=estimate(table[name])) for at, name in ((5, "few"), (50, "many"))
    ]
    found = make_curve("m", "shown", points, compare(table), matters=0.01)
    assert found.trend == "open"
    assert "these test cases cannot tell" in found.said.text()


def test_a_race_that_asked_no_more_is_no_lack_of_cases(scores: Scores, compare: Compare) -> None:
    """What it left open more calls might tell, so it says how to get them."""
    table = {"few": scores(0.7, 40), "many": scores(0.75, 40, first=False)}
    points = [
        CurvePoint(examples=at, candidate=name, score=estimate(table[name])) for at, name in ((5, "few"), (50, "many"))
    ]
    found = make_curve("m", "shown", points, compare(table), matters=0.01, settled=["many"])
    assert found.trend == "open"
    assert "the race asked them no more" in found.said.text()


def test_candidates_without_a_common_case_say_nothing(scores: Scores) -> None:
    """No pair, no sentence about a difference."""
    points = [CurvePoint(examples=n, candidate=str(n), score=estimate(scores(0.5, 20))) for n in (1, 2)]
    assert make_curve("m", "shown", points, (), matters=0.01).trend == "open"


def test_a_curve_needs_two_different_points(scores: Scores) -> None:
    """One is no curve, and two of one number have no order."""
    one = CurvePoint(examples=1, candidate="a", score=estimate(scores(0.5, 20)))
    for points in ([one], [one, one.model_copy(update={"candidate": "b"})]):
        with pytest.raises(ValueError, match="a curve"):
            make_curve("m", "shown", points, (), matters=0.01)
