"""What is chosen when a race decided whom to ask."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.decision.base import PassedOver, RaceEvidence, Reason
from touchstone.decision.evidence import Contest
from touchstone.decision.goals import Choice, Values, gaps_could_turn, open_order
from touchstone.decision.order import by_cost, not_outdone
from touchstone.evaluation.base import TrialSummary
from touchstone.language import N_


def raced_best(
    leader: TrialSummary,
    tied: Sequence[TrialSummary],
    qualifying: Sequence[TrialSummary],
    contest: Contest,
    race: RaceEvidence,
) -> Choice:
    """
    Goal `best` after a race: the leader, or a tie with everybody whom it is not shown to beat.

    Of those tied only who is shown to be as close to the best as the goal asks may be taken instead of the leader: a
    rival that was settled early is tied for want of answers, and may be far below.
    """
    beaten = [trial for trial in qualifying if trial is not leader and trial not in tied]
    for trial in beaten:
        if gaps_could_turn(leader, trial):
            return open_order(leader, trial)
    lost = tuple(_settled(leader, trial, contest) for trial in beaten)
    if not tied:
        if len(qualifying) == 1:
            why = Reason(template=N_("{name} is the only candidate that qualifies"), values={"name": leader.name})
        else:
            template = N_(
                "{name} is better than each other candidate that qualifies (each at {confidence:.0%} confidence for "
                "itself)"
            )
            why = Reason(template=template, values={"name": leader.name, "confidence": 1 - contest.alpha})
        return Choice("winner", why, leader, passed_over=lost)
    reach = max(race.epsilon, race.certificate if race.certificate is not None else 0.0)
    close = [leader]
    close += [
        trial
        for trial in tied
        if (certificate := race.certificates.get(trial.name)) is not None and certificate <= reach
    ]
    taken = min(not_outdone(close, qualifying) or [leader], key=by_cost)
    return Choice("tie", _why_tied(taken, leader, race), taken, passed_over=lost)


def raced_cheapest(
    leader: TrialSummary, qualifying: Sequence[TrialSummary], tolerance: float, race: RaceEvidence
) -> Choice:
    """Goal `cheapest-within` after a race that reached its finish: the race's own choice."""
    why = Reason(
        template=N_(
            "{name} is the cheapest candidate that the race proved to be at most {points:g} points below the best"
        ),
        values={"name": leader.name, "points": 100 * (tolerance + race.epsilon)},
    )
    passed = tuple(_not_taken(trial, leader, tolerance) for trial in qualifying if trial is not leader)
    return Choice("winner", why, leader, within=(leader,), passed_over=passed)


def _why_tied(taken: TrialSummary, leader: TrialSummary, race: RaceEvidence) -> Reason:
    certificate = race.certificates.get(taken.name)
    values: Values = {"name": taken.name, "leader": leader.name}
    if taken is not leader:
        template = N_("{name} is as close to the best as {leader} is shown to be, and costs less or answers faster")
        return Reason(template=template, values=values)
    if certificate is not None and certificate <= 0:
        template = N_("on these cases nobody who was asked is better than {name}")
        return Reason(template=template, values={"name": taken.name})
    if certificate is not None and certificate <= race.epsilon:
        template = N_("on these cases {name} is at most {points:g} points below the best of all who were asked")
        return Reason(template=template, values={**values, "points": round(100 * certificate, 4)})
    return Reason(template=N_("{name} was ahead when the run stopped"), values=values)


def _settled(leader: TrialSummary, trial: TrialSummary, contest: Contest) -> PassedOver:
    pair = contest.pair(leader.name, trial.name)
    assert pair is not None  # it is beaten, so it was compared
    template = N_("{leader} is better by {points:.1f} points ({low:.1f} to {high:.1f}; n = {n}, p {p:.2g})")
    values: Values = {
        "leader": leader.name,
        "points": 100 * pair.difference,
        "low": 100 * pair.low,
        "high": 100 * pair.high,
        "n": pair.n,
        "p": pair.adjusted_p,
    }
    return PassedOver(candidate=trial.name, kind="worse", reason=Reason(template=template, values=values))


def _not_taken(trial: TrialSummary, taken: TrialSummary, tolerance: float) -> PassedOver:
    cost, other = trial.cost.per_case_usd, taken.cost.per_case_usd
    values: Values = {"name": taken.name, "points": 100 * tolerance}
    if cost is None:
        template = N_("its cost is unknown, so it is not the cheapest")
        return PassedOver(candidate=trial.name, kind="unpriced", reason=Reason(template=template))
    if other is not None and cost >= other:
        template = N_("{name} costs less, or the same and is faster or better")
        return PassedOver(candidate=trial.name, kind="dearer", reason=Reason(template=template, values=values))
    template = N_(
        "the race settled it: shown to be more than {points:g} points below the best, or not to cost less than {name}"
    )
    return PassedOver(candidate=trial.name, kind="not_shown_within", reason=Reason(template=template, values=values))
