"""Published quality: who was ahead of whom where they were measured alike, and what nobody can say."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.decision.market import ERRORS, QUIZ, WORDS, claim

from touchstone.catalog.claims import Benchmark, Claim, Fit, Scenario
from touchstone.decision.shortlist_base import Published, PublishedTests
from touchstone.decision.shortlist_published import groups_of_published, published

FARTHER = QUIZ.model_copy(update={"id": "farther", "name": "Farther"})
PANEL = {one.id: one for one in (QUIZ, ERRORS, FARTHER)}
ASKING, FURTHER = (
    Scenario(
        id=name,
        name=WORDS,
        explanation=WORDS,
        benchmarks=tuple(Fit(benchmark=one, why=WORDS, misses=WORDS) for one in benchmarks),
    )
    for name, benchmarks in (("asking", ("quiz", "errors")), ("further", ("farther",)))
)


def board(name: str, values: dict[str, float], benchmark: str = "quiz", **more: Any) -> list[Claim]:
    """One test: results that share everything but the model."""
    return [claim(f"acme/{model}", value, benchmark, harness=name, **more) for model, value in values.items()]


def fit(
    *claims: list[Claim],
    among: str | Sequence[str] | None = None,
    scenarios: Sequence[Scenario] = (ASKING,),
    benchmarks: dict[str, Benchmark] | None = None,
    released: dict[str, str | None] | None = None,
) -> tuple[dict[str, Published], PublishedTests | None]:
    """How models stand, by their short names."""
    listed = [one for group in claims for one in group]
    wanted = {one.model for one in listed} if among is None else {f"acme/{one}" for one in among}
    dates = {f"acme/{model}": day for model, day in (released or {}).items()}
    found, basis = published(listed, scenarios, benchmarks or PANEL, wanted, dates)
    return {model.partition("/")[2]: one for model, one in found.items()}, basis


FOUR = {"a": 90.0, "b": 70.0, "c": 50.0, "d": 30.0}


def test_who_is_ahead_of_more_is_stronger() -> None:
    """Of one test all strengths stand in the order of its values; tests, pairs and models are counted."""
    found, basis = fit(board("one", FOUR))
    assert sorted(found, key=lambda one: -found[one].strength) == ["a", "b", "c", "d"]
    assert [found[one].place for one in "abcd"] == [1, 2, 3, 4]
    assert (found["a"].tests, found["a"].pairs, found["a"].of) == (1, 3, 4)
    assert basis == PublishedTests(scenarios=("asking",), tests=1, pairs=6, models=4, known=4)


def test_results_that_are_not_told_apart_are_a_tie() -> None:
    """Of 1,000 questions 80.5 and 80.0 % may be chance; of 100,000 they are not."""
    values = {**FOUR, "a": 80.5, "b": 80.0}
    found, _ = fit(board("one", values))
    assert found["a"].strength == found["b"].strength
    large = {"quiz": QUIZ.model_copy(update={"questions": 100_000})}
    found, _ = fit(board("one", values), benchmarks=large)
    assert found["a"].strength > found["b"].strength


def test_where_nobody_states_the_error_the_better_value_wins() -> None:
    """Of a benchmark without a number of questions; less is better where the benchmark says so."""
    found, _ = fit(board("one", {"a": 1.0, "b": 1.1, "c": 1.2, "d": 1.2}, "errors"))
    assert found["a"].strength > found["b"].strength > found["c"].strength == found["d"].strength


def test_values_of_two_tests_never_meet() -> None:
    """The best of an easy test is not ahead of whoever is last on a hard one: only pairs of one test are held up."""
    easy = board("easy", {"a": 99.0, "b": 95.0, "c": 92.0, "x": 89.0})
    hard = board("hard", {"x": 30.0, "u": 20.0, "v": 10.0, "w": 5.0})
    found, basis = fit(easy, hard)
    assert basis is not None
    assert basis.pairs == 12
    turned, _ = fit(board("easy", {"a": 9.0, "b": 5.0, "c": 2.0, "x": 0.0}), hard)
    assert {one: found[one].strength for one in found} == {one: turned[one].strength for one in turned}


def test_a_model_weighs_one_on_a_test_however_many_stand_on_it() -> None:
    """One test of two beats what a single pair among thirty says."""
    crowd = {f"m{at}": float(at) for at in range(30)}
    found, _ = fit(board("many", {"a": 90.0, "b": 80.0, **crowd}), board("two", {"b": 90.0, "a": 80.0}), among="abcd")
    assert found == {}
    found, _ = fit(
        board("many", {"a": 90.0, "b": 80.0, **crowd}),
        board("two", {"b": 90.0, "a": 80.0}),
        among=("a", "b", "m0"),
    )
    assert found["b"].strength > found["a"].strength + 0.5


def test_a_table_on_which_one_model_is_left_tells_nothing() -> None:
    """The other one was measured on so few questions that it stands apart."""
    alone = board("two", {"a": 50.0}) + board("two", {"b": 60.0}, questions=10)
    assert fit(board("one", FOUR), alone) == fit(board("one", FOUR))
    assert fit(alone) == ({}, None)


def test_several_results_of_one_model_count_once() -> None:
    """The best of its modes; nobody gains or loses by being measured often."""
    found, basis = fit(board("one", FOUR), board("one", {"d": 10.0}, mode="quick"))
    assert basis is not None
    assert (basis.pairs, found["d"].tests) == (6, 1)
    assert found["a"].strength == fit(board("one", FOUR))[0]["a"].strength


def test_own_results_are_no_published_ones() -> None:
    """They have an order of their own."""
    assert fit(board("one", FOUR, ours=True, measured_by="ours")) == ({}, None)


def test_too_few_pairs_leave_quality_unknown() -> None:
    """One test of three models tells nobody's quality; a second one does, and so does a test of four."""
    three = {"a": 90.0, "b": 70.0, "c": 50.0}
    assert fit(board("one", three)) == ({}, None)
    assert set(fit(board("one", three), board("two", three))[0]) == {"a", "b", "c"}
    assert set(fit(board("one", FOUR), board("two", {"a": 90.0, "e": 20.0}))[0]) == {"a", "b", "c", "d"}


def test_of_hardly_anybody_it_orders_nobody() -> None:
    """Two known models would stand before all others for having been measured."""
    assert fit(board("one", FOUR), among="ab") == ({}, None)
    assert set(fit(board("one", FOUR), among="abc")[0]) == {"a", "b", "c"}


def test_who_hangs_together_with_none_of_the_others_is_unknown() -> None:
    """How two parts compare nobody measured; the part with most of those that qualify counts."""
    others = board("apart", {"u": 90.0, "v": 80.0, "w": 70.0, "x": 60.0, "y": 50.0})
    found, basis = fit(board("one", FOUR), others, among=("a", "b", "c", "d", "u", "v", "w"))
    assert set(found) == {"a", "b", "c", "d"}
    assert basis is not None
    assert basis.models == 9
    found, basis = fit(board("one", FOUR), others, among="abcd")
    assert basis is not None
    assert (basis.tests, basis.models) == (1, 4)  # what nobody who qualifies hangs together with is not looked at


def test_models_that_never_met_are_compared_through_others() -> None:
    """Also through those that do not qualify."""
    one = board("one", {"a": 90.0, "m": 70.0, "b": 50.0, "n": 30.0})
    two = board("two", {"c": 90.0, "m": 30.0, "n": 20.0, "o": 10.0})
    found, _ = fit(one, two, among="abc")
    assert set(found) == {"a", "b", "c"}
    assert found["c"].strength > found["b"].strength


def test_old_tests_say_nothing() -> None:
    """What is two years older than the newest result of the scenario is left out; the newest on it counts."""
    old = board("old", {"d": 90.0, "c": 70.0, "b": 50.0, "a": 30.0}, date="2024-07-01")
    new = board("new", FOUR, date="2026-07-31")
    _, basis = fit(old, new)
    assert basis is not None
    assert basis.tests == 1
    _, basis = fit(old, board("old", {"e": 10.0}, date="2024-08-01"), new)
    assert basis is not None
    assert basis.tests == 2


def test_a_table_without_dates_is_as_old_as_its_newest_model() -> None:
    """The day on which somebody read it says nothing."""
    new = board("new", FOUR, date="2026-07-31")
    undated = board("old", {"u": 90.0, "v": 80.0, "a": 10.0, "x": 5.0}, as_of="2026-08-01")
    _, basis = fit(new, undated, released={"u": "2023-01", "v": "2023-02", "x": None})
    assert basis is not None
    assert basis.tests == 1
    _, basis = fit(new, undated, released={"u": "2023-01", "v": "2026-02"})
    assert basis is not None
    assert basis.tests == 2


def test_the_next_scenario_is_looked_at_while_half_are_unknown() -> None:
    """And its tests weigh half of those of the closest one."""
    near, far = board("one", FOUR), board("far", {"d": 90.0, "c": 70.0, "b": 50.0, "a": 30.0}, "farther")
    found, basis = fit(near, far, scenarios=(ASKING, FURTHER))
    assert basis is not None
    assert basis.scenarios == ("asking",)

    many = ("a", "b", "c", "d", "p", "q", "r", "s", "t")
    found, basis = fit(near, far, among=many, scenarios=(ASKING, FURTHER))
    assert basis is not None
    assert (basis.scenarios, basis.tests) == (("asking", "further"), 2)
    assert found["a"].strength > found["d"].strength


def test_a_lone_test_of_something_else_tells_nothing() -> None:
    """One of the closest scenario does, and so do two of further ones."""
    many = ("a", "b", "c", "d", "p", "q", "r", "s", "t", "u")
    near, far = board("one", FOUR), board("far", {**FOUR, "u": 60.0}, "farther")
    found, _ = fit(near, far, among=many, scenarios=(ASKING, FURTHER))
    assert set(found) == {"a", "b", "c", "d"}
    further = board("farer", {**FOUR, "u": 60.0}, "farther")
    found, _ = fit(near, far, further, among=many, scenarios=(ASKING, FURTHER))
    assert set(found) == {"a", "b", "c", "d", "u"}


def test_a_lucky_test_does_not_lead() -> None:
    """Who won one test stands behind whoever did well in many, though its likeliest strength is more."""
    turns = [FOUR, {**FOUR, "a": 70.0, "b": 90.0}] * 3
    tests = [board(f"t{at}", values) for at, values in enumerate(turns)]
    found, _ = fit(*tests, board("lucky", {"z": 95.0, "a": 80.0, "b": 80.0, "y": 10.0}))
    assert found["z"].strength > found["a"].strength
    assert found["z"].at_least < found["a"].at_least


def test_a_group_is_level_with_its_leader() -> None:
    """Two wins of five are level; who is level with a member and not with the leader leads the next group."""

    def standing(strength: float) -> Published:
        return fit(board("one", FOUR))[0]["a"]._replace(at_least=strength)

    found = {"a": standing(1.0), "b": standing(0.6), "c": standing(0.59), "d": standing(0.2), "e": standing(0.1)}
    assert groups_of_published(found) == {"a": 0, "b": 0, "c": 1, "d": 1, "e": 2}


@pytest.mark.parametrize(
    ("benchmark", "values", "level"),
    [
        ("quiz", {"a": 80.0, "b": 80.0}, True),
        ("quiz", {"a": 80.5, "b": 80.0}, True),  # of 1,000 questions
        ("quiz", {"a": 90.0, "b": 80.0}, False),
        ("errors", {"a": 3.0, "b": 3.0}, True),
        ("errors", {"a": 2.9, "b": 3.0}, False),  # nobody states the error
    ],
)
def test_who_is_level_is_not_before(benchmark: str, values: dict[str, float], level: bool) -> None:
    """Equal values, and such as their error does not tell apart, are level in the evidence as they are in the sum."""
    low = {"c": 5.0, "d": 1.0} if benchmark == "quiz" else {"c": 50.0, "d": 90.0}
    found, _ = fit(board("one", {**values, **low}, benchmark))
    assert found["a"].evidence[0].rival.model == "acme/b"
    assert found["a"].evidence[0].level is level


def test_the_evidence_can_be_looked_up() -> None:
    """The tests that tell it apart from most, one of a benchmark, with its value and that of the next."""
    wide = {"a": 90.0, "b": 70.0, "c": 50.0, "d": 30.0, "e": 20.0}
    found, _ = fit(
        board("few", FOUR, measured_by="few"),
        board("wide", wide, measured_by="wide"),
        board("mistakes", {"a": 2.0, "b": 1.0}, "errors"),
    )
    first, second = found["a"].evidence
    assert (first.benchmark, first.claim.measured_by, first.claim.value, first.told_apart) == ("Quiz", "wide", 90.0, 4)
    assert (first.place, first.of, first.rival.model, first.rival.value) == (1, 5, "acme/b", 70.0)
    assert (second.benchmark, second.place, second.rival.model) == ("Errors", 2, "acme/b")
    share, low, high = found["a"].ahead
    assert 0 < low < 0.5 < share < high < 1


@settings(max_examples=30)
@given(
    st.lists(st.lists(st.sampled_from([20.0, 21.0, 50.0, 90.0]), min_size=5, max_size=5), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_the_order_of_claims_leaves_no_trace(values: list[list[float]], dice: random.Random) -> None:
    """The same claims in another order say the same."""
    claims = [
        one
        for at, row in enumerate(values)
        for one in board(f"t{at}", dict(zip("abcde", row, strict=True)), measured_by=f"t{at}")
    ]
    shuffled = list(claims)
    dice.shuffle(shuffled)
    assert fit(shuffled) == fit(claims)


@settings(max_examples=50)
@given(st.lists(st.lists(st.floats(0, 100), min_size=5, max_size=5), min_size=1, max_size=5))
def test_nobody_stands_before_whoever_is_ahead_everywhere(values: list[list[float]]) -> None:
    """Where all stand on the same tests, who is never behind another is in no later group."""
    rows = [dict(zip("abcde", row, strict=True)) for row in values]
    found, _ = fit(*(board(f"t{at}", row, "errors") for at, row in enumerate(rows)))
    groups = groups_of_published(found)
    for one in "abcde":
        for other in "abcde":
            if all(row[one] <= row[other] for row in rows):
                assert found[one].strength >= found[other].strength
                assert groups[one] <= groups[other]


@pytest.mark.parametrize("scenarios", [(), (FURTHER,)])
def test_without_tests_nothing_is_known(scenarios: Sequence[Scenario]) -> None:
    """No scenario, or one without results."""
    assert fit(board("one", FOUR), scenarios=scenarios) == ({}, None)
