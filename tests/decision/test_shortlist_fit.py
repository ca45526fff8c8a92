"""What tests say together: worked out from them alone, and the same when it was kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.decision.market import ERRORS, QUIZ, SCENARIO, claim

from touchstone.catalog.claims import Benchmark
from touchstone.decision.shortlist_fit import (
    FIT_VERSION,
    Fit,
    PublishedTest,
    fit_as_json,
    fit_from_json,
    fit_of,
    key_of,
)
from touchstone.decision.shortlist_published import published


def measured(values: dict[str, float], benchmark: Benchmark = QUIZ, weight: float = 1.0, **more: Any) -> PublishedTest:
    """One test, its results best first."""
    sign = -1 if benchmark.higher_is_better else 1
    ordered = sorted(values, key=lambda model: sign * values[model])
    results = tuple(claim(f"acme/{model}", values[model], benchmark.id, **more) for model in ordered)
    return PublishedTest(benchmark, results, day=1, weight=weight)


FOUR = {"a": 90.0, "b": 70.0, "c": 69.5, "d": 30.0}


def test_who_is_told_apart_from_how_many_is_counted() -> None:
    """70.0 and 69.5 % of 1,000 questions may be chance, every other two are not."""
    assert fit_of([measured(FOUR)]).told_apart == [[3, 2, 2, 3]]
    assert fit_of([measured(FOUR)]).pairs == 6


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from("abcdefg"), st.floats(0, 100), min_size=2),
            st.sampled_from([QUIZ, ERRORS]),
            st.sampled_from([1.0, 0.5]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_what_was_kept_is_what_was_worked_out(boards: list[tuple[dict[str, float], Benchmark, float]]) -> None:
    """Every number comes back to the last digit, and models in their order."""
    found = fit_of([measured(*one) for one in boards])
    again = fit_from_json(fit_as_json(found))
    assert again == found
    assert list(again.strengths) == list(found.strengths)


ONE = measured(FOUR)
EXPECTED = {
    "acme/a": (1.22281, 1.326904, 1),
    "acme/b": (0.09632, 1.266059, 2),
    "acme/c": (0.09632, 1.266059, 2),
    "acme/e": (-0.6583, 1.548252, 4),
    "acme/d": (-0.67132, 1.190438, 5),
}
"""Strength, its error, and place."""


@pytest.mark.parametrize(
    "other",
    [
        [measured({**FOUR, "d": 31.0})],
        [measured({**FOUR, "e": 30.0})],
        [measured(FOUR, weight=0.5)],
        [measured(FOUR, QUIZ.model_copy(update={"questions": 2000}))],
        [measured(FOUR, QUIZ.model_copy(update={"unit": "ratio"}))],
        [measured(FOUR, QUIZ.model_copy(update={"kind": "score"}))],
        [measured(FOUR, questions=500)],
        [measured(FOUR, subset="hard")],
        [ONE._replace(results=(*ONE.results[:3], claim("acme/d", 30.0, low=1.0, high=90.0)))],
        [ONE, ONE],
        [],
    ],
)
def test_other_tests_have_another_key(other: Sequence[PublishedTest]) -> None:
    """Whatever strengths or their errors hang on is in the key, so nothing that was kept of other tests is found."""
    assert key_of(other) != key_of([ONE])


def test_who_published_and_when_is_not_in_the_key() -> None:
    """The same values under another source say the same of who beat whom."""
    other = measured(FOUR, source="elsewhere", url="https://elsewhere.example", date="2026-05-05")
    assert key_of([other._replace(day=7)]) == key_of([ONE])


def test_other_numbers_have_another_version() -> None:
    """Where this turns red the same tests give other numbers: raise `FIT_VERSION`, or what was kept before is found."""
    found = fit_of([measured(FOUR), measured({"a": 1.0, "d": 2.0, "e": 3.0}, ERRORS, 0.5)])
    said = {model: (one.value, round(one.error, 6), one.place) for model, one in found.strengths.items()}
    assert (FIT_VERSION, found.pairs, said) == (1, 9, EXPECTED)


def test_a_shortlist_takes_what_it_is_handed() -> None:
    """Whoever keeps fits is asked once, for all tests together, and what they say is what is told."""
    claims = [claim(f"acme/{model}", value) for model, value in FOUR.items()]
    asked: list[int] = []

    def kept(tests: Sequence[PublishedTest]) -> Fit:
        asked.append(len(tests))
        worked_out = fit_of(tests)
        moved = {model: one._replace(value=one.value + 1) for model, one in worked_out.strengths.items()}
        return worked_out._replace(strengths=moved)

    models = {one.model for one in claims}
    plain, basis = published(claims, (SCENARIO,), {"quiz": QUIZ}, models, {})
    moved, same = published(claims, (SCENARIO,), {"quiz": QUIZ}, models, {}, fit=kept)

    assert asked == [1]
    assert basis == same
    assert {model: one.strength for model, one in moved.items()} == pytest.approx(
        {model: one.strength + 1 for model, one in plain.items()}
    )
