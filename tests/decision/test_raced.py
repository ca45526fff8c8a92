"""What a decision promises after a race: the race's word, and no more than the race has shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from touchstone.decision.base import Constraints, Goal, RaceEvidence
from touchstone.decision.decide import decide
from touchstone.evaluation.base import OutcomeCounts, PairResult, TrialSummary
from touchstone.evaluation.intervals import estimate

Scores = Callable[..., list[float]]
Trial = Callable[..., TrialSummary]
Compare = Callable[..., tuple[PairResult, ...]]


def raced(
    leader: str | None,
    *eliminated: str,
    finished: bool = True,
    proven: bool = True,
    cases: int = 400,
    **certificates: float | None,
) -> RaceEvidence:
    return RaceEvidence(
        leader=leader,
        finished=finished,
        eliminated=eliminated,
        proven=proven and bool(eliminated),
        cases=cases,
        certificates=certificates,
        epsilon=0.01,
    )


def asked(trial: Trial, name: str, scores: list[float], planned: int, **fields: Any) -> TrialSummary:
    """A trial that a race asked less than it might have."""
    counts = OutcomeCounts(planned=planned, scored=len(scores), skipped_race=planned - len(scores))
    return trial(name, scores, **fields).model_copy(update={"outcomes": counts})


def test_the_race_names_the_leader_whatever_the_mean_of_a_few_cases(
    trial: Trial, compare: Compare, scores: Scores
) -> None:
    """A rival that was settled on 40 lucky cases has the higher mean, and does not lead."""
    table = {"lucky": scores(0.95, 40), "best": [*scores(1.0, 40), *scores(0.88, 360)]}
    trials = [asked(trial, name, values, 400) for name, values in table.items()]
    found = decide(trials, compare(table), race=raced("best", "lucky", best=0.005, lucky=0.3))
    assert found.leader == "best"
    assert decide(trials, compare(table)).leader == "lucky"


def test_a_settled_rival_is_tied_and_not_taken_for_being_cheap(trial: Trial, compare: Compare, scores: Scores) -> None:
    """Not shown to be worse is no reason to take it: it may be far below the best, and the leader is not."""
    table = {"best": scores(0.9, 400), "cheap": scores(0.97, 60)}
    trials = [asked(trial, "best", table["best"], 400, usd=0.01), asked(trial, "cheap", table["cheap"], 400, usd=0.001)]
    found = decide(trials, compare(table), race=raced("best", "cheap", best=0.008, cheap=0.2))
    assert (found.verdict, found.chosen) == ("tie", "best")
    assert found.indistinguishable == ("best", "cheap")
    assert "at most 0.8 points below the best" in found.why.text()


def test_a_tie_within_nothing_is_said_without_a_number(trial: Trial, compare: Compare, scores: Scores) -> None:
    """Everybody was asked everything, and the leader has the best score of these cases."""
    table = {"best": scores(0.9, 400), "next": scores(0.895, 400, first=False)}
    trials = [trial("best", table["best"], usd=0.001), trial("next", table["next"], usd=0.01)]
    found = decide(trials, compare(table), race=raced("best", best=0.0, next=0.005))
    assert (found.verdict, found.chosen) == ("tie", "best")
    assert found.why.text() == "on these cases nobody who was asked is better than best"


def test_of_those_as_close_as_asked_the_cheapest_is_taken(trial: Trial, compare: Compare, scores: Scores) -> None:
    """A tied rival whose own certificate is within epsilon may be taken: nothing better is known of the leader."""
    table = {"best": scores(0.9, 400), "cheap": scores(0.895, 400, first=False)}
    trials = [trial("best", table["best"], usd=0.01), trial("cheap", table["cheap"], usd=0.001)]
    found = decide(trials, compare(table), race=raced("best", best=0.0, cheap=0.01))
    assert (found.verdict, found.chosen, found.leader) == ("tie", "cheap", "best")


def test_nobody_tied_is_a_winner(trial: Trial, compare: Compare, scores: Scores) -> None:
    """Everybody else is shown to be worse: a winner, on however few cases that took."""
    table = {"best": scores(1.0, 25), "bad": scores(0.0, 25)}
    trials = [asked(trial, name, values, 400) for name, values in table.items()]
    found = decide(trials, compare(table), race=raced("best", "bad", best=0.0, bad=1.0))
    assert (found.verdict, found.chosen) == ("winner", "best")
    assert [other.kind for other in found.passed_over] == ["worse"]
    assert decide(trials, compare(table)).verdict == "insufficient"
    # Nothing adjusts the pairs of a race for being many, and the sentence does not say that all hold at once.
    assert found.why.text() == (
        "best is better than each other candidate that qualifies (each at 95% confidence for itself)"
    )


@pytest.mark.parametrize(("cases", "more"), [(25, {}), (400, {"finished": False}), (400, {"proven": False}), (12, {})])
def test_few_cases_in_all_or_a_race_that_proved_nothing_carry_no_ranking(
    trial: Trial, compare: Compare, scores: Scores, cases: int, more: dict[str, bool]
) -> None:
    """
    A race that was proven on few of many cases is no doubt. Few cases in all are one, however often each was asked; so
    are few before a stop, or after the field was halved.
    """
    table = {"best": scores(1.0, min(cases, 25)), "bad": scores(0.0, min(cases, 25))}
    trials = [asked(trial, name, values, 3 * cases) for name, values in table.items()]
    found = decide(trials, compare(table), race=raced("best", "bad", cases=cases, best=0.0, **more))
    assert found.verdict == "insufficient"
    assert "too few to rank" in found.why.text()


def with_gaps(trial: TrialSummary, missing: int) -> TrialSummary:
    """So many further answers, whose judge said nothing."""
    counts = trial.outcomes.model_copy(
        update={"judge_unparsed": missing, "skipped_race": trial.outcomes.planned - trial.outcomes.scored - missing}
    )
    return trial.model_copy(update={"outcomes": counts})


def test_missing_scores_that_could_turn_the_order_round_choose_nobody(
    trial: Trial, compare: Compare, scores: Scores
) -> None:
    """As without a race: all was asked, and what the judge did not say may decide."""
    table = {"best": scores(0.94, 600), "next": scores(0.85, 600)}
    trials = [with_gaps(asked(trial, "best", table["best"], 700), 100), asked(trial, "next", table["next"], 600)]
    found = decide(trials, compare(table), race=raced("best", best=0.043))
    assert found.verdict == "insufficient"
    assert "missing cells could turn the order of best and next round" in found.why.text()
    assert decide(trials, compare(table)).verdict == "insufficient"


def test_a_rival_that_the_race_settled_in_spite_of_its_gaps_is_tied(
    trial: Trial, compare: Compare, scores: Scores
) -> None:
    """The race took each missing score at its best for the rival; the pair, which left them out, shows nothing."""
    table = {"best": scores(0.9, 400), "next": scores(0.75, 100)}
    settled = with_gaps(asked(trial, "next", table["next"], 400), 250).model_copy(update={"state": "eliminated"})
    trials = [asked(trial, "best", table["best"], 400), settled]
    found = decide(trials, compare(table), race=raced("best", "next", best=0.01))
    assert (found.verdict, found.chosen, found.indistinguishable) == ("tie", "best", ("best", "next"))


def test_who_is_alone_needs_as_many_cases_as_without_a_race(trial: Trial, compare: Compare, scores: Scores) -> None:
    """A race is over at once where nobody else may be chosen; that is no proof that few cases are enough."""
    alone = asked(trial, "alone", scores(1.0, 10), 400)
    assert decide([alone], (), race=raced("alone", alone=0.0)).verdict == "insufficient"


def test_a_leader_that_breaks_a_constraint_is_not_taken(trial: Trial, compare: Compare, scores: Scores) -> None:
    """The constraint counts more; of the rest, who left the race early leads only when nobody else is left."""
    table = {"best": scores(0.9, 400), "next": scores(0.8, 400), "early": scores(0.95, 40)}
    trials = [
        trial("best", table["best"], licence="proprietary"),
        trial("next", table["next"], licence="open"),
        asked(trial, "early", table["early"], 400, licence="open"),
    ]
    demands = Constraints(licence="open")
    found = decide(trials, compare(table), constraints=demands, race=raced("best", "early", best=0.0))
    assert found.leader == "next"
    alone = decide([trials[0], trials[2]], compare(table), constraints=demands, race=raced("best", "early", best=0.0))
    assert alone.leader == "early"


def test_the_cheapest_that_the_race_proved_is_taken(trial: Trial, compare: Compare, scores: Scores) -> None:
    """After a finished race for `cheapest-within` its own choice stands, and everybody else has a reason."""
    table = {
        "best": scores(0.9, 400),
        "cheap": scores(0.89, 200),
        "cheaper": scores(0.3, 50),
        "mystery": scores(0.5, 50),
    }
    usd = {"best": 0.01, "cheap": 0.002, "cheaper": 0.001, "mystery": None}
    trials = [asked(trial, name, values, 400, usd=usd[name]) for name, values in table.items()]
    goal = Goal(name="cheapest-within", tolerance=0.05)
    found = decide(trials, compare(table), goal=goal, race=raced("cheap", cheap=0.04))
    assert (found.verdict, found.chosen, found.within) == ("winner", "cheap", ("cheap",))
    assert {other.candidate: other.kind for other in found.passed_over} == {
        "best": "dearer",
        "cheaper": "not_shown_within",
        "mystery": "unpriced",
    }
    assert "6 points below the best" in found.why.text()


def test_an_unfinished_race_for_the_cheapest_says_nothing_of_the_best(
    trial: Trial, compare: Compare, scores: Scores
) -> None:
    """Its leader is whom it asks next; candidates are still compared with the best."""
    table = {"best": scores(0.9, 400), "cheap": scores(0.5, 400)}
    trials = [trial("best", table["best"], usd=0.01), trial("cheap", table["cheap"], usd=0.001)]
    goal = Goal(name="cheapest-within", tolerance=0.05)
    found = decide(trials, compare(table), goal=goal, race=raced("cheap", finished=False, cheap=0.5))
    assert (found.leader, found.chosen) == ("best", "best")
    assert [other.kind for other in found.passed_over] == ["not_shown_within"]


def test_two_models_under_one_name_carry_no_ranking(trial: Trial, compare: Compare, scores: Scores) -> None:
    """What was measured is neither of them (F18): nobody is chosen, and both names are said."""
    table = {"one": scores(0.9, 100), "other": scores(0.5, 100)}
    trials = [trial("one", table["one"], served_models=("m-2026-01", "m-2026-09")), trial("other", table["other"])]
    found = decide(trials, compare(table))
    assert (found.verdict, found.chosen) == ("insufficient", None)
    assert "m-2026-01, m-2026-09" in found.why.text()
    assert decide([trial("one", table["one"], served_models=("m",)), trials[1]], compare(table)).verdict == "winner"


def test_a_share_of_refusals_is_held_at_its_upper_end(trial: Trial, compare: Compare, scores: Scores) -> None:
    """One refusal in 100 is within 5 %, with its upper end above: 300 cases show it, 20 refusals break it."""

    def refusing(n: int, refused: int) -> TrialSummary:
        counts = OutcomeCounts(planned=n, scored=n - refused, refused=refused)
        share = estimate([1.0] * refused + [0.0] * (n - refused))
        return trial("m", scores(0.9, n)).model_copy(update={"outcomes": counts, "refused": share})

    limit = Constraints(max_refused_share=0.05)
    assert decide([refusing(300, 3)], (), constraints=limit).rejected == ()
    [few] = decide([refusing(100, 1)], (), constraints=limit).rejected
    assert "the upper end 5.4% does not" in few.reason.text()
    [many] = decide([refusing(100, 20)], (), constraints=limit).rejected
    assert "20.0%" in many.reason.text()
