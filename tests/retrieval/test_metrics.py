"""What the retrieval metrics promise: the published formulas, worked by hand."""

from __future__ import annotations

from itertools import permutations
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.retrieval.metrics import ndcg_at_k, recall_at_k, reciprocal_rank

IDS = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)
GRADES = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from([0, 1, 2, 3]), min_size=1).filter(
    lambda grades: any(grades.values())
)


@pytest.mark.parametrize(
    ("relevant", "ranked", "k", "found"),
    [
        ({"a"}, ["a", "b"], 1, 1.0),
        ({"a"}, ["b", "a"], 1, 0.0),
        ({"a"}, ["b", "a"], 2, 1.0),
        ({"a", "c"}, ["a", "b"], 9, 0.5),
        ({"a": 2.0, "b": 0.0}, ["b"], 1, 0.0),
        ({"a"}, [], 5, 0.0),
    ],
)
def test_recall(relevant: set[str], ranked: list[str], k: int, found: float) -> None:
    """The share of the relevant ones among the first k; grade 0 is not relevant; nothing found is 0."""
    assert recall_at_k(relevant, ranked, k) == found


@pytest.mark.parametrize(
    ("relevant", "ranked", "found"),
    [({"a"}, ["a"], 1.0), ({"a", "c"}, ["b", "c", "a"], 0.5), ({"a"}, ["b", "c", "d", "a"], 0.25), ({"a"}, ["b"], 0.0)],
)
def test_reciprocal_rank(relevant: set[str], ranked: list[str], found: float) -> None:
    """One over the rank of the first that is relevant."""
    assert reciprocal_rank(relevant, ranked) == found


def test_ndcg_worked_by_hand() -> None:
    """
    Grades a 3, b 2, c 1; found x, b, a: gains 0, 3 and 7.

    DCG = 3 / log2(3) + 7 / log2(4) = 1.8928 + 3.5 = 5.3928; the best order has 7 + 3 / log2(3) + 1 / 2 = 9.3928.
    """
    grades = {"a": 3.0, "b": 2.0, "c": 1.0}
    assert ndcg_at_k(grades, ["x", "b", "a"], 3) == pytest.approx(5.3928 / 9.3928, abs=5e-5)
    assert ndcg_at_k({"a"}, ["x", "a"], 10) == pytest.approx(1 / log2(3))
    assert ndcg_at_k({"a", "b", "c"}, ["a"], 1) == 1.0


@given(GRADES, IDS, st.integers(1, 9))
def test_bounds(grades: dict[str, float], ranked: list[str], k: int) -> None:
    """All lie from 0 to 1; a longer cut-off never lowers recall."""
    assert 0 <= reciprocal_rank(grades, ranked) <= 1
    assert 0 <= ndcg_at_k(grades, ranked, k) <= 1 + 1e-12
    assert 0 <= recall_at_k(grades, ranked, k) <= recall_at_k(grades, ranked, k + 1) <= 1


@given(st.dictionaries(st.sampled_from("abcd"), st.sampled_from([1, 2, 3]), min_size=1), st.integers(1, 4))
def test_the_best_order_has_the_best_ndcg(grades: dict[str, float], k: int) -> None:
    """No order of the relevant ones beats the one by falling grade, which has 1."""
    scores = {order: ndcg_at_k(grades, order, k) for order in permutations(grades)}
    ideal = tuple(sorted(grades, key=lambda one: -grades[one]))
    assert scores[ideal] == pytest.approx(1.0)
    assert max(scores.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("relevant", "ranked", "k"), [(set(), ["a"], 1), ({"a": 0.0}, ["a"], 1), ({"a"}, ["a"], 0), ({"a"}, ["a", "a"], 1)]
)
def test_what_has_no_value(relevant: set[str], ranked: list[str], k: int) -> None:
    """Nothing to find, no cut-off, an id found twice: errors, never numbers."""
    with pytest.raises(ValueError, match=r"nothing is relevant|cut-off|twice"):
        recall_at_k(relevant, ranked, k)
    with pytest.raises(ValueError, match=r"nothing is relevant|cut-off|twice"):
        ndcg_at_k(relevant, ranked, k)
