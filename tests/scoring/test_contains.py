"""Answers that must hold a text or match a pattern."""

from __future__ import annotations

import time

import pytest

from touchstone.errors import SettingsError
from touchstone.scoring.contains import Contains, Regex


@pytest.mark.parametrize(
    ("scorer", "answer", "target", "value"),
    [
        (Contains(), "It is Paris.", "paris", 1.0),
        (Contains(ignore_case=False), "It is Paris.", "paris", 0.0),
        (Contains(), "NYC", '["New York", "NYC"]', 1.0),
        (Contains(mode="all"), "NYC", '["New York", "NYC"]', 0.0),
        (Contains(text="退款"), "请申请退款", None, 1.0),
        (Contains(text=["a", "b"], mode="all"), "cab", None, 1.0),
        (Contains(), "anything", None, None),
        (Contains(), "anything", " ", None),
        (Contains(), None, "x", None),
        (Regex(r"\d{3}"), "call 911", None, 1.0),
        (Regex(r"\d{3}", full=True), "call 911", None, 0.0),
        (Regex("PARIS", ignore_case=True), "Paris", None, 1.0),
        (Regex(".*"), " ", None, 0.0),
        (Regex("."), "\ud800", None, 1.0),
    ],
)
async def test_the_text_or_pattern_is_found(score, scorer, answer, target, value) -> None:
    """What is wanted, and how strictly, is the scorer's parameters."""
    assert (await score(scorer, answer, target)).value == value


def test_only_a_scorer_without_its_own_text_needs_targets() -> None:
    """The engine checks targets only where they are used."""
    assert Contains().needs_target
    assert not Contains(text="x").needs_target


@pytest.mark.parametrize("make", [lambda: Contains(text=""), lambda: Contains(text=["a", " "]), lambda: Regex("(")])
def test_what_cannot_work_is_refused_when_it_is_made(make) -> None:
    """An empty text and a broken pattern are the user's to mend."""
    with pytest.raises(SettingsError):
        make()


async def test_a_nested_quantifier_takes_linear_time(score) -> None:
    """The pattern that hangs backtracking engines does not hang this one."""
    started = time.process_time()
    assert (await score(Regex("(a+)+$"), "a" * 50_000 + "b")).value == 0.0
    assert time.process_time() - started < 1
