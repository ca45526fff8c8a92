"""A gate is passed on the conservative end, or not at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from touchstone.decision.gate import check_gate
from touchstone.errors import UnknownName
from touchstone.evaluation.base import Finding, PairResult, TrialSummary

Scores = Callable[..., list[float]]
Trial = Callable[..., TrialSummary]
Compare = Callable[..., tuple[PairResult, ...]]


def test_minimum_is_on_the_lower_end(trial: Trial, scores: Scores) -> None:
    """0.9 on 100 cases is shown to be 0.826: a minimum of 0.8 is met, one of 0.85 is not."""
    trials = [trial("a", scores(0.9, 100))]
    [met] = check_gate(trials, [], candidate="a", min_score=0.8)
    [missed] = check_gate(trials, [], candidate="a", min_score=0.85)
    assert (met.passed, met.reason.text()) == (True, "a scores at least 0.826; 0.8 was asked for")
    assert (missed.passed, missed.reason.text()) == (False, "a is only shown to score 0.826; 0.85 was asked for")
    assert (missed.name, missed.candidate, missed.required) == ("min_score", "a", 0.85)


def test_non_inferiority_is_on_the_lower_end_of_the_difference(trial: Trial, compare: Compare, scores: Scores) -> None:
    """One point worse on 1,000 cases may be 1.8: within a margin of 2 points, not within 1.5."""
    base = scores(0.9, 1000)
    worse = base.copy()
    worse[:10] = [0.0] * 10
    table = {"base": base, "new": worse}
    trials = [trial(name, values) for name, values in table.items()]
    [met] = check_gate(trials, compare(table), candidate="new", baseline="base", margin=0.02)
    [missed] = check_gate(trials, compare(table), candidate="new", baseline="base", margin=0.015)
    assert met.passed
    assert not missed.passed
    assert missed.reason.text() == "new may be 1.8 points worse than base; 1.5 points were allowed"
    [same] = check_gate(trials, compare(table), candidate="base", baseline="base")
    assert same.passed


def test_missing_cells_count_at_their_worst(trial: Trial, compare: Compare, scores: Scores) -> None:
    """A tenth of the cells failed: neither the minimum nor the margin is met on the survivors alone."""
    table = {"base": scores(0.9, 10) * 100, "new": scores(0.9, 10) * 90}
    trials = [trial("base", table["base"]), trial("new", table["new"], errors=100)]
    checks = check_gate(trials, compare(table), candidate="new", baseline="base", margin=0.05, min_score=0.85)
    assert [check.passed for check in checks] == [False, False]
    assert [check.measured for check in checks] == pytest.approx([0.81, -0.09])


def test_what_cannot_be_judged_is_not_passed(trial: Trial, scores: Scores) -> None:
    """Nobody chosen, no score, too little coverage, no common case: each fails with its reason."""
    trials = [
        trial("a", scores(0.9, 100)),
        trial("b", scores(0.9, 100)),
        trial("dead", [], errors=100),
        trial("thin", scores(1.0, 50), errors=50),
    ]
    for candidate, reason in (
        (None, "nobody was chosen, so nobody meets the gate"),
        ("dead", "dead has no score"),
        ("thin", "thin has a score in only 50% of its cells"),
    ):
        checks = check_gate(trials, [], candidate=candidate, baseline="a", min_score=0.1)
        assert [(check.passed, check.reason.text()) for check in checks] == [(False, reason)] * 2
    [check] = check_gate(trials, [], candidate="a", baseline="b")
    assert (check.passed, check.reason.text()) == (False, "a and b have no case in common")
    [check] = check_gate(trials, [], candidate="a", baseline="dead")
    assert not check.passed


def test_who_learned_from_the_test_passes_no_gate(trial: Trial, scores: Scores) -> None:
    """Its score says how well it remembers; the sentence names the row."""
    leak = Finding(kind="leak", template="train case t7 asks what q3 asks", blocks=True)
    [found] = check_gate([trial("a", scores(1.0, 100), findings=(leak,))], [], candidate="a", min_score=0.5)
    assert (found.passed, found.reason.text()) == (False, "train case t7 asks what q3 asks")


def test_unknown_names_are_refused(trial: Trial, scores: Scores) -> None:
    """A name nobody has is the user's to mend, with the names that are known."""
    with pytest.raises(UnknownName, match="known: a"):
        check_gate([trial("a", scores(0.9, 100))], [], candidate="a", baseline="b")
