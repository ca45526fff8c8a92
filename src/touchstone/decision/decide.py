"""The decision: who qualifies, who leads, who cannot be told apart, who is taken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from touchstone.decision.base import (
    CaseChanges,
    Constraints,
    Decision,
    Goal,
    JudgeState,
    RaceEvidence,
    Reason,
    Rejection,
    Volume,
)
from touchstone.decision.case_changes import about_changes
from touchstone.decision.caveats import caveats
from touchstone.decision.constraints import Broken, broken
from touchstone.decision.evidence import Contest
from touchstone.decision.goals import Choice, best, cheapest_within, doubt, gaps_could_turn
from touchstone.decision.order import axes, by_mean, names
from touchstone.decision.projection import project
from touchstone.decision.raced import raced_best, raced_cheapest
from touchstone.evaluation.base import PairResult, TrialSummary
from touchstone.evaluation.ranks import pareto_front
from touchstone.language import N_


def decide(
    trials: Sequence[TrialSummary],
    pairs: Sequence[PairResult],
    *,
    goal: Goal | None = None,
    constraints: Constraints | None = None,
    volume: Volume | None = None,
    confidence: float = 0.95,
    judge: JudgeState = "none",
    expires: date | None = None,
    race: RaceEvidence | None = None,
    changes: CaseChanges | None = None,
) -> Decision:
    """
    Choose among measured trials. Pure: the same arguments give the same decision, in whatever order they come.

    1. Whoever breaks a constraint on the conservative end of its interval is rejected; an unknown fact that is
       constrained breaks it.
    2. The leader is the best mean among the rest that nobody among them significantly beats on common cells.
    3. `insufficient`, and nobody is chosen, when more than one model answered under a name; when the judge failed its
       control rows; or when the leader, or somebody
       who cannot be told apart from it, has fewer than `FEWEST_TO_RANK` cases or a score in less than 80 % of its
       cells.
    4. Goal `best`: the leader wins when it beats everybody else who qualifies (p adjusted by Holm over all pairs of
       the comparison, at 1 - confidence). Else a tie of the leader and everybody it does not beat; of those, leaving
       out whom somebody who qualifies dominates in score, cost and latency, the one with the least cost per case is
       taken, then the fastest by median latency, then the best mean, then by name; unknown comes last.
       `insufficient` when filling missing cells could turn round the order of the leader and somebody it beats. A
       candidate that joins and is worse can change a verdict through Holm only: a winner may then become a tie.
    5. Goal `cheapest-within: x`: the cheapest among those whose lower end of (candidate - leader) is at least -x, and
       whose missing cells at their worst hide no larger gap to anybody. A candidate of unknown cost is not the
       cheapest; `insufficient` when nobody of known cost is left.

    After a race (`race`), pairs are anytime-valid and the leader is the race's; who was settled early may be tied with
    it but is taken only where it is shown to be as close to the best; few cases are no doubt, for the race stopped
    because they were enough.

    Args:
        trials: One per candidate, names distinct.
        pairs: Their differences, either way round; p values adjusted over all of them.
        goal: Default: best.
        constraints: Default: none.
        volume: For the cost per month; without it the one behind the trials' own `per_month_usd` holds.
        confidence: As used for the intervals.
        judge: Who scored.
        expires: Passed through; this room has no clock.
        race: What a race says; None when everybody was asked everything.
        changes: What was changed about the cases after they were measured; the numbers have it in them already.

    Raises:
        ValueError: there is no trial, or two have one name.
    """
    goal, constraints, volume = goal or Goal(), constraints or Constraints(), volume or Volume()
    if not trials:
        raise ValueError("there is nothing to decide: no trial was given")
    if len({trial.name for trial in trials}) < len(trials):
        raise ValueError("two trials have the same name; a decision could not say which one it means")
    contest = Contest(pairs, confidence)
    ordered = sorted(trials, key=by_mean)
    faults = {trial.name: broken(trial, constraints, volume, confidence) for trial in ordered}
    measured = [trial for trial in ordered if trial.estimate is not None]
    qualifying = [trial for trial in ordered if not faults[trial.name]]
    # A race for the cheapest that is not finished names whom it asks next, not whom to compare with.
    leader = _leader(qualifying, contest, race if race is not None and (goal.name == "best" or race.finished) else None)
    settled = race.eliminated if race is not None else ()
    tied = [
        trial
        for trial in qualifying
        if leader
        and trial is not leader
        # A race takes a missing score as what is worse for its claim; a pair, which leaves it out, shows nothing then.
        and (not contest.beats(leader.name, trial.name) or (trial.name in settled and gaps_could_turn(leader, trial)))
    ]
    mixed = [trial for trial in ordered if len(trial.served_models) > 1]
    if leader is None:
        choice = _nobody(measured, faults)
    elif mixed:
        # What was measured under such a name is neither of the models (promises.md, F18).
        template = N_(
            "more than one model answered as {name}: {served}; ask for each by its dated name, as its own candidate"
        )
        values = {"name": mixed[0].name, "served": ", ".join(mixed[0].served_models)}
        choice = Choice("insufficient", Reason(template=template, values=values))
    elif judge == "unfit":
        why = Reason(template=N_("the judge failed its control rows; no ranking may rest on it"))
        choice = Choice("insufficient", why)
    elif (withheld := doubt(leader, tied, contest, race)) is not None:
        choice = withheld
    elif goal.name == "best" and race is not None:
        choice = raced_best(leader, tied, qualifying, contest, race)
    elif goal.name == "best":
        choice = best(leader, tied, qualifying, contest)
    elif race is not None and race.finished and leader.name == race.leader:
        choice = raced_cheapest(leader, qualifying, goal.tolerance, race)
    else:
        choice = cheapest_within(leader, qualifying, contest, goal.tolerance)
    said = [choice.why] if choice.verdict in ("insufficient", "tie") else []
    said += about_changes(changes, choice.verdict, choice.chosen.name if choice.chosen else None)
    said += caveats(measured, qualifying, tied, leader, choice.chosen, contest, constraints, judge)
    return Decision(
        goal=goal,
        constraints=constraints,
        volume=volume,
        confidence=confidence,
        verdict=choice.verdict,
        chosen=choice.chosen.name if choice.chosen else None,
        leader=leader.name if leader else None,
        why=choice.why,
        indistinguishable=names([leader, *tied]) if leader and choice.verdict == "tie" else (),
        qualifying=names(qualifying),
        within=names(choice.within),
        rejected=tuple(
            Rejection(
                candidate=trial.name,
                kind=faults[trial.name][0].kind,
                reason=faults[trial.name][0].reason,
                further=tuple(fault.reason for fault in faults[trial.name][1:]),
            )
            for trial in ordered
            if faults[trial.name]
        ),
        passed_over=choice.passed_over,
        front=pareto_front({trial.name: axes(trial) for trial in measured}),
        projections=tuple(found for trial in measured if (found := project(trial, volume)) is not None),
        caveats=tuple(said),
        changes=changes,
        cases_needed=choice.cases_needed,
        expires=expires,
    )


def _leader(qualifying: Sequence[TrialSummary], contest: Contest, race: RaceEvidence | None) -> TrialSummary | None:
    """
    The race's leader where it qualifies; else the best mean that nobody significantly beats: where cells are missing,
    common cells say more than the mean.
    """
    if race is not None:
        for trial in qualifying:
            if trial.name == race.leader:
                return trial
        # Who left a race early has the mean of a few cases; it leads only when nobody else is left.
        still = [trial for trial in qualifying if trial.name not in race.eliminated]
        qualifying = still or qualifying
    for trial in qualifying:
        if not any(contest.beats(other.name, trial.name) for other in qualifying):
            return trial
    return qualifying[0] if qualifying else None


def _nobody(measured: Sequence[TrialSummary], faults: dict[str, tuple[Broken, ...]]) -> Choice:
    if not measured:
        return Choice("insufficient", Reason(template=N_("no candidate has a score; nothing can be said")))
    curable = [
        max(fault.cases_needed or 0 for fault in found)
        for found in faults.values()
        if all(fault.cases_needed is not None for fault in found)
    ]
    return Choice(
        "none_qualifies",
        Reason(template=N_("none of {count} candidates meets every constraint"), values={"count": len(faults)}),
        cases_needed=min(curable, default=None),
    )
