"""What stands against a decision: the sentences a careful reader would add."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from touchstone.decision.base import Constraints, JudgeState, Reason
from touchstone.decision.evidence import Contest, covered, has_gaps, possible_means
from touchstone.evaluation.base import TrialSummary
from touchstone.evaluation.bounds import coverage_class
from touchstone.evaluation.power import DISCORDANCE, detectable_difference
from touchstone.language import N_

COARSE = 0.05
"""A test that cannot show a difference of five points is called coarse."""
WIDE = 0.1
"""Width of a score's interval from which it is called wide."""
MANY = 5
"""From so many candidates on, the best one's mean is noticeably flattered."""
COMMON = 0.95
"""Share of its cells on which a candidate must have been compared before nothing is said."""


def caveats(
    measured: Sequence[TrialSummary],
    qualifying: Sequence[TrialSummary],
    tied: Sequence[TrialSummary],
    leader: TrialSummary | None,
    chosen: TrialSummary | None,
    contest: Contest,
    constraints: Constraints,
    judge: JudgeState,
) -> Iterator[Reason]:
    """
    Sentences, the weightiest first.

    Args:
        measured: Everybody with a score, best mean first.
        qualifying: Those among them who meet all constraints.
        tied: Those who cannot be told apart from the leader, without the leader.
        leader: Best mean among the qualifying; None when nobody qualifies.
        chosen: None when nobody is.
        contest: The pairs.
        constraints: What was asked.
        judge: Who scored.
    """
    if judge == "unvalidated":
        yield Reason(template=N_("the judge that scored was never compared with people's verdicts"))
    yield from _gaps(qualifying)
    yield from _size(leader, contest, qualifying)
    if chosen is not None and chosen.estimate is not None and chosen.estimate.high - chosen.estimate.low > WIDE:
        yield Reason(
            template=N_("the score of {name} is known only as lying between {low:.3f} and {high:.3f}"),
            values={"name": chosen.name, "low": chosen.estimate.low, "high": chosen.estimate.high},
        )
    yield from _other_convention(qualifying, leader)
    if leader is not None:
        yield from _common_cells(leader, qualifying, contest)
        yield from _holm(leader, tied, contest)
    if len(measured) == 1:
        yield Reason(
            template=N_("only {name} was measured; there is nothing to compare it with"),
            values={"name": measured[0].name},
        )
    if len(measured) >= MANY and chosen is not None and chosen is leader:
        yield Reason(
            template=N_("the best of {count} candidates looks a little better than it is; expect less on new cases"),
            values={"count": len(measured)},
        )
    yield from _money(qualifying, chosen)
    latency = chosen.latency if chosen is not None else None
    if latency is not None and latency.p95 is not None and latency.concurrency is not None:
        template = N_("latency was measured with up to {concurrency} requests in flight from one machine")
        if latency.concurrency > 1 or constraints.max_p95_latency_s is not None:
            yield Reason(template=template, values={"concurrency": latency.concurrency})


def _gaps(qualifying: Sequence[TrialSummary]) -> Iterator[Reason]:
    for trial in qualifying:
        if has_gaps(trial) and coverage_class(covered(trial)) != "fine":
            worst, best = possible_means(trial)
            yield Reason(
                template=N_(
                    "{name} has a score in {share:.0%} of its cells; with the rest its mean could lie anywhere from "
                    "{worst:.3f} to {best:.3f}"
                ),
                values={"name": trial.name, "share": covered(trial), "worst": worst, "best": best},
            )


def _size(leader: TrialSummary | None, contest: Contest, qualifying: Sequence[TrialSummary]) -> Iterator[Reason]:
    if leader is None or leader.estimate is None or len(qualifying) < 2:
        return
    n = leader.estimate.n
    seen = [
        pair.discordance
        for trial in qualifying
        if trial is not leader and (pair := contest.pair(leader.name, trial.name)) is not None and pair.discordance
    ]
    smallest = detectable_difference(n, min(seen, default=DISCORDANCE), alpha=contest.alpha)
    if smallest is None or smallest > COARSE:
        yield Reason(
            template=N_("{n} cases show differences from about {points:.0f} points on; smaller ones stay hidden"),
            values={"n": n, "points": 100 * (1.0 if smallest is None else smallest)},
        )


def _other_convention(qualifying: Sequence[TrialSummary], leader: TrialSummary | None) -> Iterator[Reason]:
    answered = [trial for trial in qualifying if trial.answered_only is not None]
    if leader is None or leader.answered_only is None or not answered:
        return
    best = max(answered, key=lambda trial: trial.answered_only.mean if trial.answered_only else 0.0)
    assert best.answered_only is not None
    if best.answered_only.mean > leader.answered_only.mean:
        yield Reason(
            template=N_(
                "counting answered cells only, {name} is ahead of {leader}: {best:.3f} against {mean:.3f}; unanswered "
                "cells count as wrong"
            ),
            values={
                "name": best.name,
                "leader": leader.name,
                "best": best.answered_only.mean,
                "mean": leader.answered_only.mean,
            },
        )


def _common_cells(leader: TrialSummary, qualifying: Sequence[TrialSummary], contest: Contest) -> Iterator[Reason]:
    assert leader.estimate is not None
    for trial in qualifying:
        if trial is leader:
            continue
        pair = contest.pair(leader.name, trial.name)
        if pair is None:
            yield Reason(
                template=N_("{a} and {b} have no case in common and were not compared"),
                values={"a": leader.name, "b": trial.name},
            )
        elif pair.n < COMMON * leader.estimate.n:
            yield Reason(
                template=N_("{a} and {b} were compared on the {n} cells both have, of {all}"),
                values={"a": leader.name, "b": trial.name, "n": pair.n, "all": leader.estimate.n},
            )


def _holm(leader: TrialSummary, tied: Sequence[TrialSummary], contest: Contest) -> Iterator[Reason]:
    for trial in tied:
        if contest.would_beat(leader.name, trial.name):
            yield Reason(
                template=N_(
                    "{a} would be separated from {b} if they were the only pair; {pairs} pairs were tested together, "
                    "and each needs the stronger evidence (Holm)"
                ),
                values={"a": leader.name, "b": trial.name, "pairs": contest.count},
            )


def _money(qualifying: Sequence[TrialSummary], chosen: TrialSummary | None) -> Iterator[Reason]:
    unpriced = sorted(trial.name for trial in qualifying if trial.cost.per_case_usd is None)
    if unpriced and len(unpriced) < len(qualifying):
        yield Reason(
            template=N_("the cost of {names} is unknown; costs were compared among the others only"),
            values={"names": ", ".join(unpriced)},
        )
    elif unpriced:
        yield Reason(template=N_("no cost is known, so none was compared"))
    if chosen is not None and chosen.usage.estimated_share > 0 and chosen.cost.per_case_usd is not None:
        yield Reason(
            template=N_("{share:.0%} of the usage of {name} was estimated, and so was its cost"),
            values={"share": chosen.usage.estimated_share, "name": chosen.name},
        )
