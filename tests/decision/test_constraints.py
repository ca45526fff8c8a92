"""A constraint holds when the conservative end of its interval holds; unknown is never assumed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.decision.conftest import make_trial

from touchstone.decision.base import Constraints, Volume
from touchstone.decision.constraints import Broken, broken
from touchstone.decision.ladder_base import Stretch
from touchstone.decision.ladder_costs import bare_rung
from touchstone.decision.projection import usd_per_month
from touchstone.evaluation.base import Cost, Estimate, Finding, Latency, MachineTime, OutcomeCounts, TrialSummary
from touchstone.evaluation.intervals import estimate, wilson

Scores = Callable[..., list[float]]
Trial = Callable[..., TrialSummary]


def check(trial: TrialSummary, requests: float | None = None, **limits: Any) -> tuple[Broken, ...]:
    return broken(trial, Constraints(**limits), Volume(requests_per_month=requests), 0.95)


def test_nothing_asked_is_nothing_broken(trial: Trial, scores: Scores) -> None:
    """Without constraints everybody with a score qualifies, and nobody without one."""
    assert check(trial("a", scores(0.1, 50))) == ()
    [fault] = check(trial("a", [], errors=40))
    assert (fault.kind, fault.reason.text()) == (
        "unmeasured",
        "none of its 40 cells has a score; 40 ended in an error",
    )


def test_score_must_hold_at_its_lower_end(trial: Trial, scores: Scores) -> None:
    """0.85 on 100 cases may be 0.767: below a minimum of 0.8, with the cases that would show it."""
    assert check(trial("a", scores(0.85, 1000)), min_score=0.8) == ()
    [fault] = check(trial("a", scores(0.85, 100)), min_score=0.8)
    assert fault.kind == "constraint"
    assert fault.reason.text() == (
        "its score 0.850 meets the minimum of 0.8, but on 100 cases the lower end 0.767 does not; "
        "about 246 cases with this score would show it"
    )
    [fault] = check(trial("a", scores(0.75, 100)), min_score=0.8)
    assert fault.reason.text() == "its score 0.750 is below the minimum of 0.8"
    assert fault.cases_needed is None


@pytest.mark.parametrize(("share", "limit"), [(0.85, 0.8), (0.92, 0.9), (0.6, 0.55)])
def test_cases_needed_for_a_minimum_are_enough_and_not_too_many(
    trial: Trial, scores: Scores, share: float, limit: float
) -> None:
    """At the number named, the Wilson interval clears the limit; at 95 % of it, it does not."""
    [fault] = check(trial("a", scores(share, 100)), min_score=limit)
    assert fault.cases_needed is not None
    assert wilson(share * fault.cases_needed, fault.cases_needed)[0] >= limit - 1e-9
    fewer = int(0.95 * fault.cases_needed)
    assert wilson(share * fewer, fewer)[0] < limit


def test_graded_scores_name_their_cases_too(trial: Trial) -> None:
    """From the width of the interval that was measured; none where the mean is the limit itself."""
    graded = [0.6, 0.9] * 40
    [fault] = check(trial("a", graded), min_score=0.74)
    assert fault.cases_needed is not None
    assert fault.cases_needed > 80
    [fault] = check(trial("a", [0.5, 1.0] * 40), min_score=0.75)
    assert fault.cases_needed is None
    assert "would show it" not in fault.reason.text()


def test_missing_cells_at_their_worst_count_when_coverage_is_not_fine(trial: Trial, scores: Scores) -> None:
    """A tenth of the cells failed: 0.90 of the rest is 0.81 at worst, and a minimum of 0.85 is not shown."""
    [fault] = check(trial("a", scores(0.9, 900), errors=100), min_score=0.85)
    assert fault.reason.text() == (
        "only 90% of its cells have a score; with the missing ones at their worst its score would be 0.810, "
        "below the minimum of 0.85"
    )
    assert check(trial("a", scores(0.9, 900), errors=10), min_score=0.85) == ()


def test_cost_per_case_must_hold_at_its_upper_end(trial: Trial, scores: Scores) -> None:
    """0.0010 USD may be 0.0011: above a limit of 0.00105; unknown cost breaks any limit."""
    some = scores(0.9, 100)
    assert check(trial("a", some, usd=0.001), max_usd_per_case=0.0011) == ()
    [fault] = check(trial("a", some, usd=0.001), max_usd_per_case=0.00105)
    assert fault.kind == "constraint"
    assert fault.cases_needed == pytest.approx(400, abs=1)
    [fault] = check(trial("a", some, usd=0.001), max_usd_per_case=0.0005)
    assert fault.reason.text() == "its cost per case, 0.001 USD, is above the limit of 0.0005 USD"
    [fault] = check(trial("a", some, usd=None), max_usd_per_case=1)
    assert fault.kind == "unknown"
    [fault] = check(trial("a", some, cost=Cost(per_case_usd=0.001)), max_usd_per_case=1)
    assert fault.kind == "unknown"


def test_cost_per_month_follows_the_volume(trial: Trial, scores: Scores) -> None:
    """Mean cost per case x requests, at its upper end; without a volume it is unknown."""
    some = scores(0.9, 100)
    limit = {"max_usd_per_month": 220.0}
    assert check(trial("a", some), 200_000, **limit) == ()
    [fault] = check(trial("a", some), 205_000, **limit)
    assert "but the upper end 225.50 USD does not" in fault.reason.text()
    [fault] = check(trial("a", some), 300_000, **limit)
    assert fault.reason.text() == "its cost per month, 300.00 USD, is above the limit of 220 USD"
    [fault] = check(trial("a", some), None, **limit)
    assert (fault.kind, fault.reason.text()) == (
        "unknown",
        "its cost per month is unknown: no number of requests is given",
    )
    [fault] = check(trial("a", some, usd=None), 1, **limit)
    assert fault.kind == "unknown"
    [fault] = check(trial("a", some, cost=Cost(per_case_usd=0.001)), 1, **limit)
    assert fault.kind == "unknown"


def test_cost_per_month_of_the_trial_stands_in_for_the_volume(trial: Trial, scores: Scores) -> None:
    """Where only the trial knows the volume its own month is used, and what is free stays free."""
    month = Cost(per_case_usd=0.001, per_case_high_usd=0.0011, per_month_usd=200.0)
    assert check(trial("a", scores(0.9, 100), cost=month), max_usd_per_month=221) == ()
    assert len(check(trial("a", scores(0.9, 100), cost=month), max_usd_per_month=219)) == 1
    free = Cost(per_case_usd=0.0, per_case_high_usd=0.0, per_month_usd=0.0)
    assert check(trial("a", scores(0.9, 100), cost=free), max_usd_per_month=0) == ()


def on_machine(**machine: Any) -> Cost:
    """Nothing is bought; the user's machine answers."""
    return Cost(per_case_usd=0.0, per_case_low_usd=0.0, per_case_high_usd=0.0, machine=MachineTime(**machine))


def test_a_month_on_an_own_machine_costs_its_time(trial: Trial, scores: Scores) -> None:
    """Seconds x the price of an hour, at the upper end; no price or no time is unknown and not nothing."""
    some, limit = scores(0.9, 100), {"max_usd_per_month": 5.0}
    seconds = {"seconds": 1.8, "seconds_low": 1.2, "seconds_high": 2.4}
    assert check(trial("a", some, cost=on_machine(usd_per_hour=0.5, **seconds)), 10_000, **limit) == ()
    [fault] = check(trial("a", some, cost=on_machine(usd_per_hour=0.9, **seconds)), 10_000, **limit)
    assert "its cost per month, 4.50 USD, meets the limit of 5 USD, but the upper end 6.00 USD" in fault.reason.text()
    [fault] = check(trial("a", some, cost=on_machine()), 10_000, **limit)
    assert fault.kind == "unknown"
    assert fault.reason.text().endswith("set `machine_usd_per_hour` under `improve` in the task file")
    [fault] = check(trial("a", some, cost=on_machine(usd_per_hour=0.9)), 10_000, **limit)
    assert (fault.kind, "its time was not measured" in fault.reason.text()) == ("unknown", True)
    assert check(trial("a", some, cost=on_machine()), 10_000) == ()


@given(
    bought=st.floats(0, 10),
    seconds=st.floats(0, 3_600),
    hourly=st.floats(0, 100),
    requests=st.floats(0.1, 1e7),
    months=st.floats(0.1, 60),
)
def test_a_month_and_the_ladder_count_alike(
    bought: float, seconds: float, hourly: float, requests: float, months: float
) -> None:
    """One rule: a month times its months is what the ladder adds to what making took."""
    machine = MachineTime(usd_per_hour=hourly, seconds=seconds, seconds_low=seconds, seconds_high=seconds)
    cost = Cost(per_case_usd=bought, per_case_low_usd=bought, per_case_high_usd=bought, machine=machine)
    stretch = Stretch(months=months, requests_per_month=requests)
    [month, low, high] = usd_per_month(cost, Volume(requests_per_month=requests))
    rung = bare_rung(make_trial("a", [1.0, 0.0], cost=cost), {}, stretch)

    assert month is not None
    assert rung.total is not None
    assert month * months == pytest.approx(rung.total.usd, rel=1e-9, abs=1e-12)
    assert [low, high] == pytest.approx([month, month])


def test_latency_must_hold_at_its_upper_end(trial: Trial, scores: Scores) -> None:
    """The 95th percentile of 2 s may be 2.5 s; too few cells have no upper end, and unmeasured is unknown."""
    some = scores(0.9, 100)
    assert check(trial("a", some), max_p95_latency_s=2.5) == ()
    [fault] = check(trial("a", some), max_p95_latency_s=2.2)
    assert "the upper end 2.50 s of 100 measured cells does not" in fault.reason.text()
    [fault] = check(trial("a", some), max_p95_latency_s=1.9)
    assert fault.reason.text() == "its 95th percentile of latency, 2.00 s, is above the limit of 1.9 s"
    [fault] = check(trial("a", some, seconds=None), max_p95_latency_s=9)
    assert fault.kind == "unknown"
    few = trial("a", some, latency=Latency(p95=1.0, n=40))
    [fault] = check(few, max_p95_latency_s=9)
    assert fault.cases_needed == 72
    [fault] = check(trial("a", some, latency=Latency(p95=1.0, n=400)), max_p95_latency_s=9)
    assert fault.cases_needed is None
    assert "of too few cases or groups" in fault.reason.text()


@pytest.mark.parametrize(
    ("licence", "wanted", "kind"),
    [
        ("open", "open", None),
        ("open", "open_weights", None),
        ("open_weights", "open_weights", None),
        ("open_weights", "open", "constraint"),
        ("proprietary", "open_weights", "constraint"),
        (None, "open", "unknown"),
    ],
)
def test_licence(trial: Trial, scores: Scores, licence: str | None, wanted: str, kind: str | None) -> None:
    """An open licence meets both demands, open weights one of them, an unknown licence none."""
    found = check(trial("a", scores(0.9, 50), licence=licence), licence=wanted)
    assert [fault.kind for fault in found] == ([] if kind is None else [kind])


@pytest.mark.parametrize(("known", "kind"), [(True, None), (False, "constraint"), (None, "unknown")])
def test_self_hosting(trial: Trial, scores: Scores, known: bool | None, kind: str | None) -> None:
    """Asked for, it must be known; not asked for, it does not matter."""
    one = trial("a", scores(0.9, 50), self_hostable=known)
    assert [fault.kind for fault in check(one, self_hostable=True)] == ([] if kind is None else [kind])
    assert check(one, self_hostable=False) == ()


def test_every_broken_constraint_is_named(trial: Trial, scores: Scores) -> None:
    """Four demands, four reasons, in the order they are asked."""
    found = check(
        trial("a", scores(0.5, 50), usd=None, seconds=None),
        min_score=0.9,
        max_usd_per_case=1,
        max_p95_latency_s=1,
        licence="open",
    )
    assert [fault.kind for fault in found] == ["constraint", "unknown", "unknown", "unknown"]


def test_estimate_of_the_fixture_is_a_real_one(trial: Trial, scores: Scores) -> None:
    """Trials of these tests carry the estimate that the statistics give."""
    assert trial("a", scores(0.5, 50)).estimate == estimate(scores(0.5, 50))


def test_calls_in_doubt_are_counted_among_the_errors(trial: Trial) -> None:
    """A candidate whose every reply was cut off has not failed 0 times."""
    lost = trial("a", [], errors=40).model_copy(update={"outcomes": OutcomeCounts(planned=40, error=10, in_doubt=30)})
    [fault] = check(lost)
    assert "40 ended in an error" in fault.reason.text()


def test_refusals_must_hold_at_the_upper_end_that_was_measured(trial: Trial, scores: Scores) -> None:
    """After a race that is the end of an interval that holds at any moment; a share nobody knows is unknown."""

    def refusing(high: float) -> TrialSummary:
        share = Estimate(mean=0.01, low=0.0, high=high, n=300, method="anytime-valid 95 %")
        return trial("a", scores(0.9, 300), refused=share)

    assert check(refusing(0.05), max_refused_share=0.05) == ()
    [fault] = check(refusing(0.06), max_refused_share=0.05)
    assert fault.reason.text() == (
        "it declines 1.0% of the cases, which meets the limit of 5.0%, but on 300 cases the upper end 6.0% does not"
    )
    [fault] = check(refusing(0.06), max_refused_share=0.005)
    assert fault.reason.text() == "it declines 1.0% of the cases, more than 0.5%"
    [fault] = check(trial("a", scores(0.9, 300)), max_refused_share=0.05)
    assert fault.kind == "unknown"


def test_a_score_that_means_nothing_qualifies_for_nothing(trial: Trial, scores: Scores) -> None:
    """Whoever learned from the test cases is out, whatever it scored, and the row is named. A remark is no bar."""
    template = "{count} cases of train ask what test cases ask ({pairs})"
    leak = Finding(kind="leak", template=template, values={"count": 1, "pairs": "t7 = q3"}, blocks=True)
    found = broken(trial("a", scores(1.0, 100), findings=(leak,)), Constraints(min_score=0.5), Volume(), 0.95)
    assert [one.kind for one in found] == ["blocked"]
    assert found[0].reason.text() == "1 cases of train ask what test cases ask (t7 = q3)"
    remark = leak.model_copy(update={"blocks": False})
    assert broken(trial("a", scores(1.0, 100), findings=(remark,)), Constraints(), Volume(), 0.95) == ()
