"""What a ladder promises: costs over time, where they cross, and who pays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from touchstone.decision.base import Reason
from touchstone.decision.evidence import Contest
from touchstone.decision.ladder import gain_of, make_ladder
from touchstone.decision.ladder_base import Ladder, Making, Rung, Stretch
from touchstone.decision.ladder_costs import break_even
from touchstone.evaluation.base import Cost, MachineTime, OutcomeCounts, PairResult, TrialSummary

Scores = Callable[..., list[float]]
Trial = Callable[..., TrialSummary]
Compare = Callable[..., tuple[PairResult, ...]]

YEAR = Stretch(months=12, requests_per_month=1_000)


def rung(name: str, once: float | None = 0.0, each: float | None = 0.0) -> Rung:
    return Rung(candidate=name, model=name, way="prompt", score=None, making=Making(usd=once), usd_per_request=each)


@pytest.fixture
def ladder(trial: Trial, compare: Compare, scores: Scores) -> Callable[..., Ladder]:
    """Of a plain model, one with passages and a tuned one; the last two are level."""

    def made(**given: Any) -> Ladder:
        table = {"plain": scores(0.4, 300), "rag": scores(0.82, 300), "tuned": scores(0.8, 300, first=False)}
        usd = {"plain": 0.001, "rag": 0.004, "tuned": 0.001}
        trials = [trial(name, values, usd=usd[name]) for name, values in table.items()]
        known: dict[str, Any] = {
            "baseline": "plain",
            "makings": {"tuned": Making(usd=24.0, seconds=3_600, labelled_cases=500, renewal="again")},
            "stretch": YEAR,
        }
        return make_ladder(trials, compare(table), **{**known, **given})

    return made


def test_a_total_is_what_making_costs_and_every_request_after_it(ladder: Callable[..., Ladder]) -> None:
    """Over twelve months of a thousand requests, with the ends of the interval of a request's cost."""
    found = ladder()
    totals = {one.candidate: one.total for one in found.rungs}
    assert {name: round(total.usd, 9) for name, total in totals.items() if total} == {
        "plain": 12.0,
        "tuned": 36.0,
        "rag": 48.0,
    }
    assert [one.candidate for one in found.rungs] == ["plain", "tuned", "rag"]
    tuned = totals["tuned"]
    assert tuned is not None
    assert (tuned.low, tuned.high) == pytest.approx((24 + 12 * 0.9, 24 + 12 * 1.1))


def test_what_was_learned_is_made_again_when_facts_change(ladder: Callable[..., Ladder]) -> None:
    """Every 90 days is four times in a year; passages are looked up and cost no more."""
    found = ladder(stretch=YEAR.model_copy(update={"facts_change_days": 90}))
    tuned, rag = found.rung("tuned").total, found.rung("rag").total
    assert tuned is not None
    assert rag is not None
    assert tuned.usd == pytest.approx(5 * 24 + 12)
    assert rag.usd == pytest.approx(48)
    assert (ladder().pays, found.pays) == ("tuned", "rag")


def test_gains_are_those_of_the_comparison(ladder: Callable[..., Ladder]) -> None:
    """On common cases, with the interval and whether it is shown; the baseline has none."""
    found = ladder()
    gain = found.rung("rag").gain
    assert gain is not None
    assert gain.mean == pytest.approx(0.42)
    assert gain.low > 0.3
    assert gain.shown
    assert found.rung("plain").gain is None


def test_a_gain_over_few_cases_is_not_known(trial: Trial, compare: Compare, scores: Scores) -> None:
    """Whom a race asked no more shares few cases, chosen by how they came out: fewer than 30 say nothing of a size."""
    for common, known in ((29, False), (30, True)):
        table = {"plain": scores(0.1, common), "rag": scores(0.8, 300)}
        trials = [trial(name, values) for name, values in table.items()]
        found = make_ladder(trials, compare(table), baseline="plain", makings={}, stretch=YEAR).rung("rag")
        assert (found.gain is not None, found.common_cases) == (known, common)
        assert (found.usd_per_further_right is not None) is known
    alone = make_ladder(trials, (), baseline="plain", makings={}, stretch=YEAR)
    assert {one.candidate: (one.gain, one.common_cases) for one in alone.rungs} == {
        "plain": (None, None),
        "rag": (None, 0),
    }


@given(st.floats(-1, 1), st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 1))
@example(-0.2, 0.1, 0.4, 0.0)
@example(0.2, 0.4, 0.1, 0.0)
def test_a_shown_gain_has_an_interval_that_says_so(middle: float, below: float, above: float, p: float) -> None:
    """Whatever made interval and p value, which after a race are of different accounts: both must say it."""
    pair = PairResult(
        a="rag", b="plain", difference=middle, low=middle - below, high=middle + above, n=90, p=p, adjusted_p=p
    )
    gain = gain_of("rag", "plain", Contest([pair], 0.95))
    assert gain is not None
    assert gain.shown == (gain.low > 0 and p <= 1 - 0.95)
    assert gain.shown_worse == (gain.high < 0 and p <= 1 - 0.95)


def test_how_answers_failed_stands_beside_the_score(trial: Trial) -> None:
    """As shares of what was asked, not of what was planned; what never happened is left out."""
    asked = OutcomeCounts(planned=300, scored=50, unparsed=40, error=10, skipped_race=200)
    trials = [trial("plain", [1.0] * 50), trial("odd", [1.0] * 50).model_copy(update={"outcomes": asked})]
    found = make_ladder(trials, (), baseline="plain", makings={}, stretch=YEAR)
    assert found.rung("plain").no_answer == {}
    assert list(found.rung("odd").no_answer.items()) == [("unparsed", 0.4), ("error", 0.1)]


def test_nobody_is_held_against_itself(trial: Trial, scores: Scores) -> None:
    """Where no cost is known the best is taken, and the sentence says why."""
    only = make_ladder([trial("plain", scores(0.5, 60), usd=None)], (), baseline="plain", makings={}, stretch=YEAR)
    assert only.pays == "plain"
    assert only.why.text().endswith("it is taken because nobody has a higher score (0.500)")


def test_the_cheapest_that_nothing_shows_to_be_worse_pays(ladder: Callable[..., Ladder]) -> None:
    """Two level ones: the cheaper over the whole time, and the sentence says so with its numbers."""
    found = ladder()
    assert (found.pays, found.best) == ("tuned", "rag")
    assert found.why.text() == (
        "nothing shows 2 of these to be worse than the best, rag (0.820); of them tuned costs least, 36.00 USD over "
        "the whole time"
    )


def test_the_sentence_says_no_more_than_was_tested(
    ladder: Callable[..., Ladder], trial: Trial, compare: Compare, scores: Scores
) -> None:
    """Who is alone beats nobody; a tolerance shows closeness; an unknown price is not the dearer one."""
    assert ladder(qualifying={"rag"}).why.text().startswith("rag alone qualifies (0.820)")
    assert ladder(tolerance=0.2).why.text().startswith("2 of these are shown to be within 20.0 points of the best")
    assert "nothing cheaper is shown to be as good" in ladder(tolerance=0.01).why.text()
    assert "shown to be better than everybody else" in ladder(qualifying={"plain", "rag"}).why.text()
    unpriced = ladder(tolerance=0.2, stretch=Stretch()).why.text()
    assert unpriced.endswith("it is taken because it is shown to be within 20.0 points of rag (0.820)")
    table = {"plain": scores(0.8, 300), "dear": scores(0.82, 300, first=False)}
    trials = [trial("plain", table["plain"]), trial("dear", table["dear"], usd=None)]
    found = make_ladder(trials, compare(table), baseline="plain", makings={}, stretch=YEAR)
    assert "of those whose cost is known plain costs least" in found.why.text()


def test_a_blocked_gain_never_pays(ladder: Callable[..., Ladder]) -> None:
    """Whose training saw the test is off the front as well."""
    leak = Reason(template="train row 7 is test case q3")
    found = ladder(blocked={"tuned": (leak,)})
    assert found.pays == "rag"
    assert found.rung("tuned").blocked == (leak,)
    assert not found.rung("tuned").on_front
    assert found.rung("rag").on_front


def test_whoever_does_not_qualify_does_not_pay(ladder: Callable[..., Ladder]) -> None:
    """Constraints come first; where nobody meets them that is said."""
    assert ladder(qualifying={"plain", "rag"}).pays == "rag"
    found = ladder(qualifying=())
    assert (found.pays, found.best) == (None, None)
    assert found.why.text() == "nobody qualifies, so nothing pays"


def test_whom_a_race_asked_no_more_must_be_shown_to_be_as_good(trial: Trial, compare: Compare, scores: Scores) -> None:
    """That nothing shows it to be worse says little after few cases."""
    table = {"plain": scores(0.8, 400), "early": scores(0.8, 20), "dear": scores(0.81, 400)}
    cheap = trial("early", table["early"], usd=0.0001)
    others = [trial("plain", table["plain"], usd=0.001), trial("dear", table["dear"], usd=0.01)]
    known: dict[str, Any] = {"baseline": "plain", "makings": {}, "stretch": YEAR}
    assert make_ladder([cheap, *others], compare(table), **known).pays == "early"
    settled = cheap.model_copy(update={"state": "eliminated"})
    assert make_ladder([settled, *others], compare(table), **known).pays == "plain"


def test_a_tolerance_asks_for_proof(ladder: Callable[..., Ladder]) -> None:
    """Within so much of the best, by the lower end of the difference."""
    assert ladder(tolerance=0.2).pays == "tuned"
    assert ladder(tolerance=0.01).pays == "rag"


def test_without_a_volume_nothing_over_time_is_made_up(ladder: Callable[..., Ladder]) -> None:
    """No total, and the sentence says what to give."""
    found = ladder(stretch=Stretch())
    assert all(one.total is None for one in found.rungs)
    assert "give a volume" in found.why.text()


def test_an_unknown_price_makes_no_total(trial: Trial, compare: Compare, scores: Scores) -> None:
    """Unknown is never zero: neither of a request nor of making it."""
    table = {"a": scores(0.5, 100), "b": scores(0.5, 100), "c": scores(0.5, 100)}
    trials = [trial("a", table["a"]), trial("b", table["b"], usd=None), trial("c", table["c"])]
    found = make_ladder(trials, compare(table), baseline="a", makings={"c": Making()}, stretch=YEAR)
    assert [found.rung(name).total is None for name in "abc"] == [False, True, True]
    assert found.rung("b").break_even == found.rung("c").break_even == "unknown"


def on_machine(mean: float | None, spread: float = 0.0, hourly: float | None = 2.0) -> Cost:
    """Nothing is bought; an hour of the machine, and a request's mean time on it in seconds."""
    ends = {} if mean is None else {"seconds": mean, "seconds_low": mean - spread, "seconds_high": mean + spread}
    machine = MachineTime(usd_per_hour=hourly, **ends)
    return Cost(per_case_usd=0.0, per_case_low_usd=0.0, per_case_high_usd=0.0, machine=machine)


def test_a_machine_costs_by_the_hour(trial: Trial, compare: Compare, scores: Scores) -> None:
    """By the mean time of a request and not the median, which is less; its interval is in the total."""
    table = {name: scores(0.5, 100) for name in "abcd"}
    one_time = MachineTime(usd_per_hour=2.0, seconds=1.8, seconds_low=1.0)
    costs = {
        "a": on_machine(1.8, 0.6),
        "b": on_machine(None),
        "c": on_machine(1.8).model_copy(update={"machine": one_time}),
        "d": on_machine(1.8, hourly=None),
    }
    trials = [trial(name, values, seconds=1.2, cost=costs[name]) for name, values in table.items()]
    found = make_ladder(trials, compare(table), baseline="a", makings={}, stretch=YEAR)
    assert found.rung("a").usd_per_request == pytest.approx(2.0 * 1.8 / 3600)
    assert found.rung("b").usd_per_request is None
    assert found.rung("d").usd_per_request is None, "an hour without a price is not free"
    total = found.rung("a").total
    assert total is not None
    assert (total.low, total.usd, total.high) == pytest.approx([12_000 * 2.0 * s / 3600 for s in (1.2, 1.8, 2.4)])
    unsure = found.rung("c").total
    assert unsure is not None
    assert unsure.high is None


@pytest.fixture
def clocked(trial: Trial, compare: Compare, scores: Scores) -> Callable[..., Ladder]:
    """Three level candidates on one machine; the last takes twice as long as the first."""

    def made(spread: float, **makings: Making) -> Ladder:
        table = {"a": scores(0.8, 300), "b": scores(0.8, 300, first=False), "c": scores(0.8, 300)}
        means = {"a": 0.026, "b": 0.028, "c": 0.052}
        trials = [trial(name, values, cost=on_machine(means[name], spread)) for name, values in table.items()]
        return make_ladder(trials, compare(table), baseline="a", makings=makings, stretch=YEAR)

    return made


def test_noise_of_the_clock_names_no_break_even(clocked: Callable[..., Ladder]) -> None:
    """26 ms against 28 ms, each known to 3 ms: about the same, whatever making one of them cost."""
    made = {"b": Making(usd=1.0)}
    assert clocked(0.003, **made).rung("b").break_even == "level"
    assert clocked(0.003, **made).rung("c").break_even == "dearer"
    assert clocked(0.0001, **made).rung("b").break_even == "dearer"


def test_noise_of_the_clock_makes_nobody_the_cheapest(clocked: Callable[..., Ladder]) -> None:
    """Who is as good and costs about the same is named, and the sentence says so; making may decide all the same."""
    found = clocked(0.003)
    assert (found.pays, found.level) == ("a", ("b",))
    assert found.why.text().endswith("and 1 more of them about the same: the difference may be noise of the clock")
    assert clocked(0.0001).level == ()
    assert "costs least" in clocked(0.0001).why.text()
    assert clocked(0.003, b=Making(usd=10.0)).level == ()


def test_prices_of_the_same_cases_are_no_noise(ladder: Callable[..., Ladder]) -> None:
    """Their intervals are about other cases that might come, which would cost all candidates more or less."""
    found = ladder()
    assert found.level == ()
    assert "level" not in {one.break_even for one in found.rungs}


def test_whom_nobody_compared_with_the_best_is_not_as_good(trial: Trial, compare: Compare, scores: Scores) -> None:
    """That nothing shows it to be worse means nothing where they share no case."""
    table = {"best": scores(0.8, 300), "other": scores(0.8, 300)}
    trials = [trial("best", table["best"], usd=0.01), trial("other", scores(0.2, 300), usd=0.0)]
    known: dict[str, Any] = {"baseline": "best", "makings": {}, "stretch": YEAR}
    assert make_ladder(trials, compare(table), **known).pays == "other"
    assert make_ladder(trials, (), **known).pays == "best"


def test_too_little_evidence_makes_nobody_pay(ladder: Callable[..., Ladder]) -> None:
    """The reason of the decision is the sentence; the numbers stay."""
    few = Reason(template="{n} cases are too few to rank", values={"n": 20})
    found = ladder(withheld=few)
    assert (found.pays, found.best, found.why) == (None, "rag", few)
    assert found.rung("rag").gain is not None
    assert ladder(withheld=few, qualifying=()).why.text() == "nobody qualifies, so nothing pays"


def test_what_is_made_again_is_in_the_break_even(ladder: Callable[..., Ladder]) -> None:
    """Made five times in the year, the tuned one needs five times the requests; so say the totals."""
    dear = {"tuned": Making(usd=24.0, renewal="again"), "plain": Making(usd=0.0)}
    stretch = YEAR.model_copy(update={"facts_change_days": 90})
    once, again = (ladder(baseline="rag", makings=dear, stretch=one).rung("tuned") for one in (YEAR, stretch))
    assert once.break_even_requests == pytest.approx(24 / 0.003)
    assert again.break_even_requests == pytest.approx(5 * 24 / 0.003)


@pytest.mark.parametrize(
    ("once", "each", "kind", "requests"),
    [
        (10.0, 0.001, "from", 10_000.0),
        (-5.0, 0.003, "until", 5_000.0),
        (0.0, 0.001, "cheaper", None),
        (10.0, 0.002, "dearer", None),
        (10.0, 0.003, "dearer", None),
        (0.0, 0.002, "cheaper", None),
        (None, 0.001, "unknown", None),
        (10.0, None, "unknown", None),
    ],
)
def test_where_two_costs_cross(once: float | None, each: float | None, kind: str, requests: float | None) -> None:
    """A baseline at 0.002 USD a request and 5 USD to make, against one of other prices."""
    found = break_even(rung("other", None if once is None else once + 5.0, each), rung("base", 5.0, 0.002), YEAR)
    assert found[0] == kind
    assert found[1] == (None if requests is None else pytest.approx(requests))


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1e-6, 1e2), st.floats(1e-6, 1e2), st.floats(1.0, 1e9))
def test_at_the_break_even_both_cost_the_same(
    once: float, other_once: float, each: float, other_each: float, requests: float
) -> None:
    """And on either side of it the one that is named is cheaper."""
    kind, at = break_even(rung("one", once, each), rung("base", other_once, other_each), YEAR)
    mine, others = once + each * requests, other_once + other_each * requests
    slack = 1e-9 * (mine + others)
    if kind == "cheaper":
        assert mine <= others + slack
    elif kind == "dearer":
        assert mine >= others - slack
    else:
        assert at is not None
        assert at >= 1
        cheaper = requests >= at if kind == "from" else requests <= at
        assert mine <= others + slack if cheaper else mine >= others - slack


def test_the_price_of_a_further_right_answer(ladder: Callable[..., Ladder]) -> None:
    """What the passages cost more, shared among the answers that they put right."""
    rag = ladder().rung("rag")
    assert rag.usd_per_further_right == pytest.approx((48 - 12) / (0.42 * 12_000))
    assert ladder().rung("plain").usd_per_further_right is None


def test_a_further_right_answer_has_no_price_below_nothing(
    ladder: Callable[..., Ladder], trial: Trial, compare: Compare
) -> None:
    """Who is better and cheaper sells none; and a gain in scores by degrees is no number of right answers."""
    found = ladder(baseline="rag")
    assert found.rung("plain").usd_per_further_right is None  # worse and cheaper
    better = {"plain": [0.0] * 90, "cheap": [1.0] * 90, "half": [0.5] * 90}
    for name, others in (("cheap", ("plain",)), ("half", ("plain", "cheap"))):
        table = {one: better[one] for one in (*others, name)}
        usd = {"plain": 0.002, "cheap": 0.001, "half": 0.003}
        trials = [trial(one, values, usd=usd[one]) for one, values in table.items()]
        rung = make_ladder(trials, compare(table), baseline="plain", makings={}, stretch=YEAR).rung(name)
        assert rung.gain is not None
        assert rung.gain.shown
        assert rung.usd_per_further_right is None


def test_a_baseline_that_nobody_measured_is_refused(ladder: Callable[..., Ladder]) -> None:
    """Its name is said."""
    with pytest.raises(ValueError, match="'nobody' is no candidate"):
        ladder(baseline="nobody")


@given(st.floats(-1e-3, 1e-3))
def test_nothing_is_minus_nothing(value: float) -> None:
    """What rounds to 0 in a sentence has no sign there; whatever does not keeps it."""
    said = Reason(template="{points:.1f} points", values={"points": 100 * value}).text()
    assert said != "-0.0 points"
    assert float(said.split()[0]) == pytest.approx(100 * value, abs=0.0501)
    assert Reason(template="{points:+.1f}, {n:,}", values={"points": -3.0, "n": 1_000}).text() == "-3.0, 1,000"
