"""Many patterns looked for at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.safety.patterns import AnyOf, Grouped


def test_none_of_no_patterns_is_in_any_text() -> None:
    """Nothing is looked for."""
    assert not AnyOf([]).may_be_in("anything")


@given(st.integers(0, 999))
def test_one_of_a_thousand_is_found(number: int) -> None:
    """However many patterns there are, each counts."""
    assert MANY.may_be_in(f"it is number {number:04d}!")
    assert not MANY.may_be_in("it is no number")


MANY = AnyOf(f"number {number:04d}" for number in range(1000))


def test_more_than_one_automaton_can_hold_is_still_found() -> None:
    """
    RE2's `Set` says "nothing found" where its automaton runs out of memory; this does not.

    Each of these patterns remembers where in the last hundred characters an `a` stood: 2^100 states.
    """
    wide = AnyOf([r"a[ab]{90}c", r"b[ab]{91}d", r"a[ab]{92}e"])
    text = "ab" * 20_000 + "a" + "ba" * 45 + "c"
    assert wide.may_be_in(text)
    assert not wide.may_be_in(text[:-1])


@given(st.sets(st.integers(0, 49), max_size=4))
def test_every_rule_that_matches_is_worth_trying(numbers: set[int]) -> None:
    """Rules come in order; those of groups that match nowhere are left out."""
    rules = Grouped((f"<{number}>", number) for number in range(50))
    tried = list(rules.worth_trying(" ".join(f"<{number}>" for number in numbers)))
    assert numbers <= set(tried)
    assert tried == sorted(tried)
    assert {number // 8 for number in tried} == {number // 8 for number in numbers}
