"""What each goal makes of the candidates that qualify."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from touchstone.decision.base import PassedOver, PassedOverKind, RaceEvidence, Reason, Verdict
from touchstone.decision.evidence import Contest, covered, has_gaps, possible_means
from touchstone.decision.order import by_cost, names, not_outdone
from touchstone.evaluation.base import TrialSummary
from touchstone.evaluation.bounds import WITHHELD, overlap
from touchstone.language import N_

FEWEST_TO_RANK = 30
"""Below so many cases nothing is ranked (`method.md` 2)."""

Values = dict[str, str | int | float]


class Choice(NamedTuple):
    """A verdict, what it rests on, and whom it takes."""

    verdict: Verdict
    why: Reason
    chosen: TrialSummary | None = None
    cases_needed: int | None = None
    within: tuple[TrialSummary, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()


def doubt(
    leader: TrialSummary, tied: Sequence[TrialSummary], contest: Contest, race: RaceEvidence | None = None
) -> Choice | None:
    """Why the numbers carry no ranking, whatever the goal; None when they do."""
    # Whom a race stopped calling was settled there; its few cells are no gap.
    contenders = [leader, *(trial for trial in tied if trial.state != "eliminated")]
    thin = [trial for trial in contenders if covered(trial) < WITHHELD]
    if thin:
        template = N_(
            "too many cells are missing: {names} with a score in {share:.0%} of them; run the same command with "
            "--retry-failed to fill them, or leave the candidate out"
        )
        values: Values = {"names": ", ".join(names(thin)), "share": min(covered(trial) for trial in thin)}
        return Choice("insufficient", Reason(template=template, values=values))
    # A race stops when few cases are proven to be enough; that there are few cases in all is another matter.
    few = [trial for trial in contenders if _n(trial) < FEWEST_TO_RANK]
    if race is not None and race.finished and race.proven and race.cases >= FEWEST_TO_RANK:
        few = []
    if few:
        template = N_("too few to rank: {names} with {n} cases; it takes at least {fewest}")
        values = {"names": ", ".join(names(few)), "n": min(_n(trial) for trial in few), "fewest": FEWEST_TO_RANK}
        needed = max(FEWEST_TO_RANK, _cases_to_nearest(leader, tied, contest) or 0)
        return Choice("insufficient", Reason(template=template, values=values), cases_needed=needed)
    return None


def gaps_could_turn(leader: TrialSummary, trial: TrialSummary) -> bool:
    """Whether the cells that have no score could put the other one ahead."""
    return (has_gaps(leader) or has_gaps(trial)) and overlap(possible_means(leader), possible_means(trial))


def open_order(leader: TrialSummary, trial: TrialSummary) -> Choice:
    """No choice, because the cells without a score decide it."""
    template = N_("missing cells could turn the order of {a} and {b} round; run the same command with --retry-failed")
    return Choice("insufficient", Reason(template=template, values={"a": leader.name, "b": trial.name}))


def best(
    leader: TrialSummary, tied: Sequence[TrialSummary], qualifying: Sequence[TrialSummary], contest: Contest
) -> Choice:
    """Goal `best`: the leader, or a tie with everybody it does not beat."""
    beaten = [trial for trial in qualifying if trial is not leader and trial not in tied]
    for trial in beaten:
        if gaps_could_turn(leader, trial):
            return open_order(leader, trial)
    lost = tuple(_worse(leader, trial, contest) for trial in beaten)
    if not tied:
        template = (
            N_("{name} is better than every other candidate that qualifies")
            if lost
            else N_("{name} is the only candidate that qualifies")
        )
        return Choice("winner", Reason(template=template, values={"name": leader.name}), leader, passed_over=lost)
    taken = min(not_outdone((leader, *tied), qualifying), key=by_cost)
    others = [trial for trial in (leader, *tied) if trial is not taken]
    return Choice(
        "tie",
        Reason(template=_rule(taken, others), values={"name": taken.name}),
        taken,
        cases_needed=_cases_to_nearest(leader, tied, contest),
        passed_over=lost,
    )


def cheapest_within(
    leader: TrialSummary, qualifying: Sequence[TrialSummary], contest: Contest, tolerance: float
) -> Choice:
    """Goal `cheapest-within`: the cheapest of those shown to be at most the tolerance below the leader."""
    within = [
        trial
        for trial in qualifying
        if (trial is leader or _is_within(trial, leader, contest, tolerance))
        and not any(_gaps_hide(tolerance, trial, other) for other in qualifying if other is not trial)
    ]
    if not within:
        template = N_(
            "with the missing cells nobody is shown to be within {points:g} points of the best; run the same command "
            "with --retry-failed to fill them"
        )
        return Choice("insufficient", Reason(template=template, values={"points": 100 * tolerance}))
    priced = [trial for trial in within if trial.cost.per_case_usd is not None]
    if not priced:
        why = Reason(template=N_("no candidate within the tolerance has a known cost, so none is the cheapest"))
        return Choice("insufficient", why, within=tuple(within))
    taken = min(not_outdone(priced, priced), key=by_cost)
    passed = tuple(
        _not_taken(trial, taken, leader, trial in within, contest, tolerance)
        for trial in qualifying
        if trial is not taken
    )
    why = Reason(
        template=N_("{name} is the cheapest candidate shown to be within {points:g} points of {leader}"),
        values={"name": taken.name, "points": 100 * tolerance, "leader": leader.name},
    )
    return Choice("winner", why, taken, within=tuple(within), passed_over=passed)


def _is_within(trial: TrialSummary, leader: TrialSummary, contest: Contest, tolerance: float) -> bool:
    """Whether the conservative end of (trial - leader) is within the tolerance, on enough common cells."""
    pair = contest.pair(trial.name, leader.name)
    return pair is not None and pair.low >= -tolerance and pair.n >= FEWEST_TO_RANK and covered(trial) >= WITHHELD


def _gaps_hide(tolerance: float, trial: TrialSummary, other: TrialSummary) -> bool:
    """Whether missing cells, at their worst for one and their best for the other, hide a gap beyond the tolerance."""
    if not (has_gaps(trial) or has_gaps(other)):
        return False
    return possible_means(trial)[0] - possible_means(other)[1] < -tolerance


def _not_taken(
    trial: TrialSummary, taken: TrialSummary, leader: TrialSummary, within: bool, contest: Contest, tolerance: float
) -> PassedOver:
    values: Values = {"name": taken.name, "leader": leader.name, "points": 100 * tolerance}
    kind: PassedOverKind
    if not within:
        pair = contest.pair(trial.name, leader.name)
        if pair is None or pair.low >= -tolerance:
            kind = "not_shown_within"
            template = N_(
                "not shown to be within {points:g} points of {leader}: too few cells, or too many are missing"
            )
        else:
            values["low"] = 100 * pair.low
            kind = "not_shown_within"
            template = N_(
                "not shown to be within {points:g} points of {leader}: the difference may be {low:.1f} points"
            )
    elif trial.cost.per_case_usd is None:
        kind, template = "unpriced", N_("within the tolerance, but its cost is unknown")
    else:
        kind, template = (
            "dearer",
            N_("within the tolerance, but {name} costs less, or the same and is faster or better"),
        )
    return PassedOver(candidate=trial.name, kind=kind, reason=Reason(template=template, values=values))


def _worse(leader: TrialSummary, trial: TrialSummary, contest: Contest) -> PassedOver:
    pair = contest.pair(leader.name, trial.name)
    assert pair is not None  # it was beaten, so it was compared
    template = N_("{leader} is better by {points:.1f} points ({low:.1f} to {high:.1f}; n = {n}, adjusted p {p:.2g})")
    values: Values = {
        "leader": leader.name,
        "points": 100 * pair.difference,
        "low": 100 * pair.low,
        "high": 100 * pair.high,
        "n": pair.n,
        "p": pair.adjusted_p,
    }
    return PassedOver(candidate=trial.name, kind="worse", reason=Reason(template=template, values=values))


def _rule(taken: TrialSummary, others: Sequence[TrialSummary]) -> str:
    """Which step of the documented order put the taken one first among all that are tied."""
    cost, latency, worse, _ = by_cost(taken)
    if all(cost < by_cost(other)[0] for other in others):
        return N_("of those that cannot be told apart, {name} costs least per case")
    level = [other for other in others if by_cost(other)[0] <= cost]
    if all(cost == by_cost(other)[0] and latency < by_cost(other)[1] for other in level):
        return N_(
            "of those that cannot be told apart, none is known to cost less per case than {name}, and it answers "
            "fastest"
        )
    if all(worse < by_cost(other)[2] for other in level):
        return N_("of those that cannot be told apart, {name} has the best score; cost and latency do not decide")
    return N_("of those that cannot be told apart, nothing measured speaks for another than {name}")


def _cases_to_nearest(leader: TrialSummary, tied: Sequence[TrialSummary], contest: Contest) -> int | None:
    """Cases that would separate the leader from the best of its rivals; None without a rival or a difference."""
    return contest.cases_to_separate(leader.name, tied[0].name) if tied else None


def _n(trial: TrialSummary) -> int:
    return trial.estimate.n if trial.estimate is not None else 0
