"""What a decision promises."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import examples

from touchstone.decision.base import Constraints, Decision, Goal, Volume
from touchstone.decision.decide import decide
from touchstone.evaluation.base import Estimate, Latency, OutcomeCounts, PairResult, TrialSummary, UsageTotal
from touchstone.evaluation.ranks import dominates

Scores = Callable[..., list[float]]
Trial = Callable[..., TrialSummary]
Compare = Callable[..., tuple[PairResult, ...]]


def texts(decision: Decision) -> list[str]:
    return [caveat.text() for caveat in decision.caveats]


def test_a_separated_leader_wins(trial: Trial, compare: Compare, scores: Scores) -> None:
    """Ahead of everybody beyond chance: winner, with what the others lack and nothing in the tie."""
    table = {"good": scores(0.9, 400), "bad": scores(0.7, 400)}
    found = decide([trial(name, values) for name, values in table.items()], compare(table))
    assert (found.verdict, found.chosen, found.leader) == ("winner", "good", "good")
    assert found.indistinguishable == ()
    assert found.cases_needed is None
    [other] = found.passed_over
    assert (other.candidate, other.kind) == ("bad", "worse")
    assert other.reason.text().startswith("good is better by 20.0 points (16.")


def test_a_tie_takes_the_cheapest_and_names_everybody(trial: Trial, compare: Compare, scores: Scores) -> None:
    """Two points on 200 cases may be chance: a tie, the cheaper one is taken, and the cases that would tell."""
    table = {"dear": scores(0.9, 200), "cheap": scores(0.88, 200, first=False), "bad": scores(0.4, 200)}
    trials = [
        trial("dear", table["dear"], usd=0.01),
        trial("cheap", table["cheap"], usd=0.001),
        trial("bad", table["bad"], usd=0.0001),
    ]
    found = decide(trials, compare(table))
    assert (found.verdict, found.chosen, found.leader) == ("tie", "cheap", "dear")
    assert found.indistinguishable == ("dear", "cheap")
    assert [other.candidate for other in found.passed_over] == ["bad"]
    assert found.cases_needed is not None
    assert found.cases_needed > 1000
    assert "of those that cannot be told apart, cheap costs least per case" in texts(found)
    assert found.front == ("dear", "cheap", "bad")


@pytest.mark.parametrize(
    ("usd", "seconds", "taken", "rule"),
    [
        ((None, None), (1.0, 0.5), "b", "none is known to cost less per case than b, and it answers fastest"),
        ((None, None), (None, None), "a", "a has the best score; cost and latency do not decide"),
        ((0.2, 0.1), (0.5, 1.0), "b", "b costs least per case"),
        ((0.1, 0.1), (1.0, 0.5), "b", "none is known to cost less per case than b, and it answers fastest"),
        ((None, 0.1), (0.5, 1.0), "b", "b costs least per case"),
    ],
)
def test_rule_within_a_tie(
    trial: Trial,
    compare: Compare,
    scores: Scores,
    usd: tuple[float | None, float | None],
    seconds: tuple[float | None, float | None],
    taken: str,
    rule: str,
) -> None:
    """Least cost, then least latency, then best score; unknown comes last; the rule is told."""
    table = {"a": scores(0.8, 100), "b": scores(0.78, 100, first=False)}
    trials = [trial(name, values, usd=usd[at], seconds=seconds[at]) for at, (name, values) in enumerate(table.items())]
    found = decide(trials, compare(table))
    assert (found.verdict, found.chosen) == ("tie", taken)
    assert rule in found.why.text()


def test_equal_in_everything_is_taken_by_name(trial: Trial, compare: Compare, scores: Scores) -> None:
    """Twins tie; the first name is taken, and no number of cases would separate them."""
    table = {"b": scores(0.8, 100), "a": scores(0.8, 100)}
    found = decide([trial(name, values) for name, values in table.items()], compare(table))
    assert (found.verdict, found.chosen, found.cases_needed) == ("tie", "a", None)
    assert "nothing measured speaks for another than a" in found.why.text()


def test_rejected_for_a_constraint_cannot_win(trial: Trial, compare: Compare, scores: Scores) -> None:
    """The best score without the licence is rejected with its reasons, and the rest is decided among itself."""
    table = {"closed": scores(0.95, 300), "open": scores(0.85, 300)}
    trials = [
        trial("closed", table["closed"], licence="proprietary", usd=None),
        trial("open", table["open"], licence="open"),
    ]
    found = decide(trials, compare(table), constraints=Constraints(licence="open", max_usd_per_case=1))
    assert (found.verdict, found.chosen, found.qualifying) == ("winner", "open", ("open",))
    [rejected] = found.rejected
    assert (rejected.candidate, rejected.kind, len(rejected.further)) == ("closed", "unknown", 1)
    assert rejected.further[0].text() == "its licence is proprietary, and open is asked for"
    assert found.why.text() == "open is the only candidate that qualifies"


def test_nobody_qualifies_and_how_many_cases_it_would_take(trial: Trial, compare: Compare, scores: Scores) -> None:
    """Both miss the minimum, one only for want of cases: that number is named."""
    table = {"near": scores(0.82, 100), "far": scores(0.5, 100)}
    found = decide(
        [trial(name, values) for name, values in table.items()],
        compare(table),
        constraints=Constraints(min_score=0.8),
    )
    assert (found.verdict, found.chosen, found.leader) == ("none_qualifies", None, None)
    assert found.cases_needed == pytest.approx(1537, abs=2)
    assert [rejected.candidate for rejected in found.rejected] == ["near", "far"]


def test_too_few_cases_rank_nothing(trial: Trial, compare: Compare, scores: Scores) -> None:
    """29 cases, however far apart: insufficient, and at least 30 are asked for; with 30 there is a winner."""
    for n, verdict in ((29, "insufficient"), (30, "winner")):
        table = {"a": scores(1.0, n), "b": scores(0.2, n)}
        found = decide([trial(name, values) for name, values in table.items()], compare(table))
        assert found.verdict == verdict
    few = {"a": scores(1.0, 12), "b": scores(0.2, 12)}
    found = decide([trial(name, values) for name, values in few.items()], compare(few))
    assert found.chosen is None
    assert found.cases_needed == 30
    assert "too few to rank: a with 12 cases; it takes at least 30" in texts(found)


def test_low_coverage_of_a_leading_candidate_withholds_the_ranking(
    trial: Trial, compare: Compare, scores: Scores
) -> None:
    """79 % of the leader's cells: insufficient. 79 % of a hopeless one's: said nowhere, changes nothing."""
    table = {"a": scores(0.9, 79), "b": scores(0.2, 100)}
    found = decide([trial("a", table["a"], errors=21), trial("b", table["b"])], compare(table))
    assert (found.verdict, found.chosen) == ("insufficient", None)
    assert "a with a score in 79% of them" in texts(found)[0]
    table = {"a": scores(0.9, 100), "b": scores(0.2, 79)}
    found = decide([trial("a", table["a"]), trial("b", table["b"], errors=21)], compare(table))
    assert (found.verdict, found.chosen) == ("winner", "a")


def test_missing_cells_that_could_turn_the_order_withhold_the_ranking(
    trial: Trial, compare: Compare, scores: Scores
) -> None:
    """Ahead beyond chance where both were asked, but 6 % of the rival's cells are missing: it might be ahead."""
    table = {"a": scores(0.81, 2000), "b": scores(0.80, 1880)}
    found = decide([trial("a", table["a"]), trial("b", table["b"], errors=120)], compare(table))
    assert found.verdict == "insufficient"
    assert "missing cells could turn the order of a and b round" in found.why.text()
    found = decide([trial("a", table["a"]), trial("b", table["b"], errors=10)], compare(table))
    assert (found.verdict, found.chosen) == ("winner", "a")


def test_cells_a_race_skipped_are_not_missing(trial: Trial, compare: Compare, scores: Scores) -> None:
    """A rival that was settled after 25 cells neither lacks coverage nor cases."""
    table = {"a": scores(0.9, 1000), "b": [0.0] * 20 + [1.0] * 5}
    settled = trial("b", table["b"], state="eliminated").model_copy(
        update={"outcomes": OutcomeCounts(planned=1000, scored=25, skipped_race=975)}
    )
    found = decide([trial("a", table["a"]), settled], compare(table))
    assert (found.verdict, found.chosen) == ("winner", "a")


def test_the_leader_is_not_somebody_it_loses_to_on_common_cells(trial: Trial, compare: Compare, scores: Scores) -> None:
    """A better mean on easier cells does not lead over whom it loses to where both were asked."""
    # 'lucky' answered the 450 easy cells only and one tenth less of them than 'steady'.
    steady = [1.0] * 450 + [0.0] * 110
    lucky = [0.0] * 45 + [1.0] * 405
    found = decide(
        [trial("steady", steady), trial("lucky", lucky, errors=110)], compare({"steady": steady, "lucky": lucky})
    )
    assert found.leader == "steady"


def test_no_score_at_all(trial: Trial) -> None:
    """When nothing was measured nothing is decided, and each candidate says why."""
    found = decide([trial("a", [], errors=5), trial("b", [], errors=5)], [])
    assert found.verdict == "insufficient"
    assert [rejected.kind for rejected in found.rejected] == ["unmeasured", "unmeasured"]
    assert found.front == ()


def test_a_dead_candidate_does_not_stop_the_others(trial: Trial, compare: Compare, scores: Scores) -> None:
    """One provider down throughout is one rejection, not the end of the comparison."""
    table = {"a": scores(0.9, 300), "b": scores(0.6, 300)}
    found = decide([trial("dead", [], errors=300), *(trial(k, v) for k, v in table.items())], compare(table))
    assert (found.verdict, found.chosen) == ("winner", "a")
    assert [rejected.candidate for rejected in found.rejected] == ["dead"]


def test_an_unfit_judge_decides_nothing(trial: Trial, compare: Compare, scores: Scores) -> None:
    """Failed control rows: no ranking. Never compared with people: said."""
    table = {"a": scores(0.9, 300), "b": scores(0.6, 300)}
    trials = [trial(name, values) for name, values in table.items()]
    found = decide(trials, compare(table), judge="unfit")
    assert (found.verdict, found.chosen) == ("insufficient", None)
    found = decide(trials, compare(table), judge="unvalidated")
    assert found.verdict == "winner"
    assert texts(found)[0] == "the judge that scored was never compared with people's verdicts"


def test_cheapest_within_takes_the_cheapest_shown_to_be_close(trial: Trial, compare: Compare, scores: Scores) -> None:
    """Close enough on the conservative end, and cheapest of those; the others with what they lack."""
    base = scores(0.85, 2000)
    close = base.copy()
    close[:8] = [0.0] * 8  # 0.4 points below
    table = {"best": base, "close": close, "far": scores(0.80, 2000), "noisy": scores(0.848, 2000, first=False)}
    usd = {"best": 0.01, "close": 0.002, "far": 0.0001, "noisy": 0.001}
    trials = [trial(name, values, usd=usd[name]) for name, values in table.items()]
    found = decide(trials, compare(table), goal=Goal(name="cheapest-within", tolerance=0.01))
    assert (found.verdict, found.chosen) == ("winner", "close")
    assert found.within == ("best", "close")
    assert {other.candidate: other.kind for other in found.passed_over} == {
        "best": "dearer",
        "far": "not_shown_within",
        "noisy": "not_shown_within",
    }
    assert found.why.text() == "close is the cheapest candidate shown to be within 1 points of best"


def test_cheapest_within_needs_a_known_cost(trial: Trial, compare: Compare, scores: Scores) -> None:
    """An unknown cost is not the cheapest; when none is known there is no answer."""
    table = {"a": scores(0.85, 500), "b": scores(0.85, 500)}
    within = Goal(name="cheapest-within", tolerance=0.05)
    found = decide([trial("a", table["a"], usd=None), trial("b", table["b"])], compare(table), goal=within)
    assert (found.verdict, found.chosen) == ("winner", "b")
    assert [other.kind for other in found.passed_over] == ["unpriced"]
    assert "the cost of a is unknown; costs were compared among the others only" in texts(found)
    found = decide([trial(name, table[name], usd=None) for name in table], compare(table), goal=within)
    assert (found.verdict, found.chosen) == ("insufficient", None)


def test_cheapest_within_takes_missing_cells_at_their_worst(trial: Trial, compare: Compare, scores: Scores) -> None:
    """4 % of the cheap one's cells failed: it may be 4 points worse, so a tolerance of 2 is not shown."""
    table = {"dear": scores(0.9, 10) * 300, "cheap": scores(0.9, 10) * 287 + [0.0] * 10}
    trials = [trial("dear", table["dear"], usd=1.0), trial("cheap", table["cheap"], usd=0.1, errors=120)]
    for tolerance, chosen in ((0.02, "dear"), (0.06, "cheap")):
        goal = Goal(name="cheapest-within", tolerance=tolerance)
        assert decide(trials, compare(table), goal=goal).chosen == chosen
    trials = [trial("dear", table["dear"], usd=1.0, errors=120), trial("cheap", table["cheap"], usd=0.1, errors=120)]
    found = decide(trials, compare(table), goal=Goal(name="cheapest-within", tolerance=0.01))
    assert (found.verdict, found.chosen) == ("insufficient", None)
    assert "with the missing cells nobody is shown to be within 1 points" in found.why.text()


def test_projection_at_the_users_volume(trial: Trial, compare: Compare, scores: Scores) -> None:
    """Cost and right answers of a month with their ends; none without a volume, None where the cost is unknown."""
    table = {"a": scores(0.9, 400), "b": scores(0.7, 400)}
    trials = [trial("a", table["a"]), trial("b", table["b"], usd=None)]
    found = decide(trials, compare(table), volume=Volume(requests_per_month=100_000), expires=date(2030, 1, 1))
    a, b = found.projections
    assert (a.usd, a.usd_low, a.usd_high) == pytest.approx((100.0, 90.0, 110.0))
    assert a.correct == pytest.approx(90_000)
    assert a.correct_low is not None
    assert a.correct_low < 90_000
    assert (b.usd, b.usd_high) == (None, None)
    assert found.expires == date(2030, 1, 1)
    assert decide(trials, compare(table)).projections == ()


def test_caveats_say_what_stands_against_it(trial: Trial, compare: Compare, scores: Scores) -> None:
    """Coverage, few cases, wide interval, the other convention, estimated usage, concurrency: each with its numbers."""
    table = {"a": scores(0.9, 90), "b": scores(0.3, 100)}
    high = Estimate(mean=0.99, low=0.95, high=1.0, n=50, method="test")
    same = Estimate(mean=0.9, low=0.8, high=0.95, n=90, method="test")
    trials = [
        trial(
            "a",
            table["a"],
            errors=10,
            answered_only=same,
            usage=UsageTotal(estimated=True, estimated_share=0.4),
            latency=Latency(p50=1.0, p95=2.0, p95_high=3.0, n=90, concurrency=16),
        ),
        trial("b", table["b"], answered_only=high),
    ]
    said = texts(decide(trials, compare(table)))
    assert said == [
        "a has a score in 90% of its cells; with the rest its mean could lie anywhere from 0.810 to 0.910",
        "90 cases show differences from about 23 points on; smaller ones stay hidden",
        "the score of a is known only as lying between 0.821 and 0.946",
        "counting answered cells only, b is ahead of a: 0.990 against 0.900; unanswered cells count as wrong",
        "40% of the usage of a was estimated, and so was its cost",
        "latency was measured with up to 16 requests in flight from one machine",
    ]


def test_many_pairs_are_named_where_they_make_the_difference(trial: Trial, compare: Compare, scores: Scores) -> None:
    """A pair that would be separated alone, and is not after Holm, is a tie with that caveat."""
    table = {"a": scores(0.9, 100), "b": scores(0.83, 100)}
    table |= {f"c{at}": scores(0.83, 100) for at in range(8)}
    found = decide([trial(name, values) for name, values in table.items()], compare(table))
    assert found.verdict == "tie"
    assert any("if they were the only pair; 45 pairs were tested together" in text for text in texts(found))


def test_candidates_that_share_no_case_are_not_told_apart(trial: Trial, scores: Scores) -> None:
    """Without a common cell there is no difference to lean on: a tie, and it is said."""
    found = decide([trial("a", scores(0.9, 100)), trial("b", scores(0.2, 100))], [])
    assert (found.verdict, found.cases_needed) == ("tie", None)
    assert "a and b have no case in common and were not compared" in texts(found)


def test_few_common_cells_are_named(trial: Trial, compare: Compare, scores: Scores) -> None:
    """The number of cells both have, where it is much smaller than what the leader has."""
    table = {"a": scores(0.9, 400), "b": [0.0] * 200}
    found = decide([trial("a", table["a"]), trial("b", table["b"], errors=10)], compare(table))
    assert "a and b were compared on the 200 cells both have, of 400" in texts(found)


def test_repeats_are_no_missing_cells(trial: Trial, compare: Compare, scores: Scores) -> None:
    """Two candidates with three answers to each of 60 cases share all 60 cases."""
    table = {"a": scores(0.9, 60), "b": scores(0.8, 60)}
    trials = [
        found.model_copy(update={"outcomes": OutcomeCounts(planned=180, scored=180)})
        for found in (trial(name, values) for name, values in table.items())
    ]
    assert not any("both have" in text for text in texts(decide(trials, compare(table))))


def test_one_candidate_alone(trial: Trial, scores: Scores) -> None:
    """It wins when it qualifies, and the reader is told that it had no rival."""
    found = decide([trial("only", scores(0.9, 200))], [])
    assert (found.verdict, found.chosen) == ("winner", "only")
    assert "only only was measured; there is nothing to compare it with" in texts(found)


def test_nothing_and_twice_the_same_name_are_refused(trial: Trial, scores: Scores) -> None:
    """A decision needs a trial, and names that tell them apart."""
    with pytest.raises(ValueError, match="nothing to decide"):
        decide([], [])
    with pytest.raises(ValueError, match="same name"):
        decide([trial("a", scores(0.9, 50))] * 2, [])


def test_a_decision_survives_json(trial: Trial, compare: Compare, scores: Scores) -> None:
    """What is stored is what was decided."""
    table = {"a": scores(0.9, 100), "b": scores(0.88, 100, first=False)}
    found = decide(
        [trial(name, values) for name, values in table.items()],
        compare(table),
        constraints=Constraints(min_score=0.5),
        volume=Volume(requests_per_month=10),
    )
    assert Decision.model_validate_json(found.model_dump_json()) == found


def test_sentences_speak_the_readers_language(trial: Trial, compare: Compare, scores: Scores) -> None:
    """Template and values stay apart, so that the translated template is filled with the same numbers."""
    table = {"a": scores(0.9, 400), "b": scores(0.6, 400)}
    found = decide([trial(name, values) for name, values in table.items()], compare(table))
    assert found.why.text(lambda template: template.replace("is better than every", "优于其他")).startswith(
        "a 优于其他"
    )


# What holds for every table of results.

Table = tuple[dict[str, list[float]], dict[str, tuple[Any, Any]]]


@st.composite
def tables(draw: st.DrawFn, at_least: int = 2) -> Table:
    """Up to five candidates on 40 to 120 cells whose scores hang together, with costs and latencies or without."""
    n = draw(st.sampled_from([40, 120]))
    random = draw(st.randoms(use_true_random=False))
    names = "abcde"[: draw(st.integers(at_least, 5))]
    hardness = [random.random() for _ in range(n)]
    table = {}
    for name in names:
        skill = random.choice([0.3, 0.6, 0.65, 0.9])
        table[name] = [float(hard * 0.7 + random.random() * 0.3 < skill) for hard in hardness]
    known = st.none() | st.sampled_from([0.001, 0.002, 0.003])
    return table, {name: (draw(known), draw(known)) for name in names}


def made(trial: Trial, table: dict[str, list[float]], costs: dict[str, tuple[Any, Any]]) -> list[TrialSummary]:
    return [trial(name, values, usd=costs[name][0], seconds=costs[name][1]) for name, values in table.items()]


goals = st.sampled_from([Goal(), Goal(name="cheapest-within", tolerance=0.05)])


@given(made_up=tables(), goal=goals, data=st.data())
@examples(25)
def test_order_of_candidates_does_not_matter(
    trial: Trial, compare: Compare, made_up: Table, goal: Goal, data: st.DataObject
) -> None:
    """Trials and pairs in any order, pairs either way round: the same decision to the last word."""
    table, costs = made_up
    trials, pairs = made(trial, table, costs), compare(table)
    turned = [
        pair.model_copy(
            update={"a": pair.b, "b": pair.a, "difference": -pair.difference, "low": -pair.high, "high": -pair.low}
        )
        for pair in pairs
    ]
    mixed = data.draw(st.permutations([data.draw(st.sampled_from(both)) for both in zip(pairs, turned, strict=True)]))
    limits = Constraints(min_score=data.draw(st.none() | st.floats(0, 0.9)))
    one = decide(trials, pairs, goal=goal, constraints=limits)
    other = decide(data.draw(st.permutations(trials)), mixed, goal=goal, constraints=limits)
    assert one == other


@given(made_up=tables())
@examples(25)
def test_a_dominated_trial_never_wins(trial: Trial, compare: Compare, made_up: Table) -> None:
    """Whoever is chosen, nobody who qualifies is at least as good in score, cost and latency and better in one."""
    table, costs = made_up
    trials = {found.name: found for found in made(trial, table, costs)}
    found = decide(list(trials.values()), compare(table))
    assert found.chosen in found.front

    def axes(name: str) -> list[float | None]:
        one = trials[name]
        assert one.estimate is not None
        return [-one.estimate.mean, one.cost.per_case_usd, one.latency.p50]

    assert found.chosen is not None
    assert not any(dominates(axes(other), axes(found.chosen)) for other in trials)


@given(made_up=tables(), data=st.data())
@examples(20)
def test_tightening_a_constraint_never_adds_a_candidate(
    trial: Trial, compare: Compare, made_up: Table, data: st.DataObject
) -> None:
    """Whoever qualifies under the tighter limits qualifies under the looser ones."""
    table, costs = made_up
    trials, pairs = made(trial, table, costs), compare(table)

    def two(values: st.SearchStrategy[float]) -> tuple[float | None, float | None]:
        low, high = sorted((data.draw(values), data.draw(values)))
        return data.draw(st.sampled_from([(low, high), (low, None), (None, None)]))

    usd_tight, usd = two(st.floats(0, 0.004))
    seconds_tight, seconds = two(st.floats(0.0001, 0.02))
    score, score_tight = sorted((data.draw(st.floats(0, 1)), data.draw(st.floats(0, 1))))
    loose = Constraints(min_score=score, max_usd_per_case=usd, max_p95_latency_s=seconds)
    tight = Constraints(min_score=score_tight, max_usd_per_case=usd_tight, max_p95_latency_s=seconds_tight)
    before, after = (decide(trials, pairs, constraints=limits).qualifying for limits in (loose, tight))
    assert set(after) <= set(before)


@given(made_up=tables())
@examples(20)
def test_everybody_is_accounted_for_once(trial: Trial, compare: Compare, made_up: Table) -> None:
    """Chosen, in the tie, passed over or rejected: each candidate is exactly one of them."""
    table, costs = made_up
    found = decide(made(trial, table, costs), compare(table), constraints=Constraints(min_score=0.4))
    taken = found.indistinguishable or ((found.chosen,) if found.chosen else ())
    names = [*taken, *(other.candidate for other in (*found.passed_over, *found.rejected))]
    assert sorted(names) == sorted(table)
    assert (found.verdict == "tie") == (len(found.indistinguishable) > 1)
    assert (found.chosen is None) == (found.verdict in ("none_qualifies", "insufficient"))


@given(made_up=tables())
@examples(25)
def test_a_worse_candidate_changes_a_winner_through_holm_only(trial: Trial, compare: Compare, made_up: Table) -> None:
    """
    A hopeless candidate joins: the winner stays the winner, or ties with others because more pairs were tested.

    It is never itself taken for the better one, and at unchanged p values nothing changes at all.
    """
    table, costs = made_up
    joined = {**table, "z": [0.0] * len(table["a"])}
    trials = made(trial, table, costs)
    all_trials = [*trials, trial("z", joined["z"], usd=1.0, seconds=1.0)]
    before, pairs = decide(trials, compare(table)), compare(joined)
    after = decide(all_trials, pairs)
    if before.verdict == "winner":
        assert before.chosen == after.chosen or (after.verdict == "tie" and before.chosen in after.indistinguishable)
    assert set(before.indistinguishable) <= set(after.indistinguishable)
    kept = {frozenset((pair.a, pair.b)): pair.adjusted_p for pair in compare(table)}
    unchanged = [
        pair.model_copy(update={"adjusted_p": kept.get(frozenset((pair.a, pair.b)), pair.adjusted_p)}) for pair in pairs
    ]
    if "z" not in after.indistinguishable:
        same = decide(all_trials, unchanged)
        assert (same.verdict, same.chosen, same.indistinguishable) == (
            before.verdict,
            before.chosen,
            before.indistinguishable,
        )


def test_every_sentence_can_be_written_in_every_verdict(trial: Trial, compare: Compare, scores: Scores) -> None:
    """All pairs of candidates from a set of awkward ones, under all goals: each sentence fills its template."""
    n = 120
    awkward = {
        "plain": (scores(0.9, n), {}),
        "unpriced": (scores(0.88, n, first=False), {"usd": None}),
        "slow": (scores(0.5, n), {"seconds": 30.0}),
        "broken": ([], {"errors": n}),
        "thin": (scores(0.9, 60), {"errors": 60}),
        "few": (scores(0.9, 10), {}),
    }
    verdicts = set()
    for one, other in itertools.combinations(awkward, 2):
        table = {name: awkward[name][0] for name in (one, other)}
        trials = [trial(name, values, **awkward[name][1]) for name, values in table.items()]
        pairs = compare(table) if all(table.values()) else ()
        for goal in (Goal(), Goal(name="cheapest-within", tolerance=0.02)):
            for limits in (Constraints(), Constraints(min_score=0.89, max_usd_per_month=1, max_p95_latency_s=1)):
                found = decide(trials, pairs, goal=goal, constraints=limits)
                verdicts.add(found.verdict)
                sentences = [found.why, *found.caveats, *(row.reason for row in found.passed_over)]
                for row in found.rejected:
                    sentences += [row.reason, *row.further]
                assert all(sentence.text() and "{" not in sentence.text() for sentence in sentences)
    assert verdicts == {"winner", "tie", "none_qualifies", "insufficient"}
