"""A ranking as a picture: every value on its interval, in the order of the ranking."""

from __future__ import annotations

from touchstone.catalog.benchmarks import benchmarks
from touchstone.catalog.claims import Claim
from touchstone.evaluation.leaderboard import leaderboard
from touchstone.reporting.board_ranking import MOST_ROWS, ranking_picture


def claims(count: int, *, questions: int | None = 198, name: str = "m") -> list[Claim]:
    return [
        Claim(model=f"acme/{name}{n}", benchmark="gpqa-diamond", value=90.0 - n, questions=questions,
              measured_by="somebody", source="a list", as_of="2026-08-01")
        for n in range(count)
    ]  # fmt: skip


def drawn(found: list[Claim]) -> str:
    benchmark = benchmarks()["gpqa-diamond"]
    picture = ranking_picture(benchmark, leaderboard(benchmark, found).boards[0])
    assert picture is not None
    return f"{picture.caption} {picture.drawn}"


def test_rows_stand_in_order_with_value_and_interval() -> None:
    """The picture says in words what it shows."""
    text = drawn(claims(3))
    assert text.index("m0") < text.index("m1") < text.index("m2")
    assert text.count('class="whisker"') == 3
    assert "<b>90.0</b>" in text
    assert "Further right is better" in text


def test_a_value_without_a_known_error_has_no_interval_and_its_place_is_in_brackets() -> None:
    """Nothing is claimed that nobody published."""
    own = claims(2, questions=None)
    benchmark = benchmarks()["gpqa-diamond"].model_copy(update={"questions": None})
    picture = ranking_picture(benchmark, leaderboard(benchmark, own).boards[0])
    assert picture is not None
    assert "whisker" not in picture.drawn
    assert "(1)" in picture.drawn


def test_of_many_rows_the_best_are_drawn_and_it_is_said() -> None:
    """The table has all of them."""
    text = drawn(claims(MOST_ROWS + 5))
    assert text.count('class="picture"') == MOST_ROWS + 1
    assert "5 more are in the table" in text


def test_one_result_is_no_ranking_and_names_are_text() -> None:
    """There is nothing to set side by side; whatever a model's mode is called is escaped."""
    benchmark = benchmarks()["gpqa-diamond"]
    assert ranking_picture(benchmark, leaderboard(benchmark, claims(1)).boards[0]) is None
    twice = [one.model_copy(update={"model": "acme/m", "mode": f"<script>{n}"}) for n, one in enumerate(claims(2))]
    assert "<script>" not in drawn(twice)
