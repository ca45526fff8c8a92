"""What a reader must know of cases that were left out, or given another right answer, after they were measured."""

from __future__ import annotations

from collections.abc import Iterator

from touchstone.decision.base import CaseChanges, Reason, Verdict
from touchstone.language import N_


def about_changes(changes: CaseChanges | None, verdict: Verdict, chosen: str | None) -> Iterator[Reason]:
    """
    Sentences, the weightiest first; none when nothing was changed.

    Whoever sees the answers can choose what to leave out, so that it was done with answers in sight is said each time.

    Args:
        verdict: What is decided with the changes.
        chosen: Who is taken with them.
    """
    if changes is None:
        return
    if changes.verdict_before is not None and (changes.verdict_before, changes.chosen_before) != (verdict, chosen):
        yield _turned(changes)
    if changes.excluded:
        template = N_("{n} of {cases} cases are left out for every candidate: {reasons}")
        if changes.excluded_seen:
            template = N_(
                "{n} of {cases} cases are left out for every candidate, {seen} of them after answers could be seen: "
                "{reasons}"
            )
        yield Reason(
            template=template,
            values={
                "n": changes.excluded,
                "cases": changes.cases,
                "seen": changes.excluded_seen,
                "reasons": "; ".join(changes.reasons),
            },
        )
    if changes.corrected:
        template = N_("{n} of {cases} right answers were corrected, and every candidate was scored by them")
        if changes.corrected_seen:
            template = N_(
                "{n} of {cases} right answers were corrected, {seen} of them after answers could be seen, and every "
                "candidate was scored again by them"
            )
        yield Reason(
            template=template,
            values={"n": changes.corrected, "cases": changes.cases, "seen": changes.corrected_seen},
        )
    if changes.kept_verdicts:
        yield Reason(
            template=N_(
                "{n} corrected cases keep the score they had: a judge gave it, who would have to be asked again"
            ),
            values={"n": changes.kept_verdicts},
        )


def _turned(changes: CaseChanges) -> Reason:
    before = changes.verdict_before
    if before == "winner":
        template = N_("on the cases as they were measured the decision was another: {name} would have won")
    elif before == "tie" and changes.chosen_before is not None:
        template = N_("on the cases as they were measured the decision was another: a tie, with {name} taken")
    elif before == "tie":
        template = N_("on the cases as they were measured the decision was another: a tie")
    elif before == "none_qualifies":
        template = N_("on the cases as they were measured the decision was another: nobody met the conditions")
    else:
        template = N_("on the cases as they were measured the decision was another: not enough evidence to choose")
    return Reason(template=template, values={"name": changes.chosen_before or ""})
