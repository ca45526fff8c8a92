"""
In which order qualified models stand, and why each stands where it does.

Priorities are looked at one after the other; who ties in one is put in order by the next, at last by name. Quality goes
by groups, within which it says nothing. Own results come first: the first of their board leads a group of everybody
whose possible ranks overlap with its own, the first of the rest leads the next group. Then come published results, see
`shortlist_published`. What is unknown stands after what is known, never as zero.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from touchstone.catalog.claims import Benchmark, Claim
from touchstone.catalog.model import ModelId
from touchstone.decision.base import Reason
from touchstone.decision.shortlist_base import OPENNESS, Priority, Qualified, Standing
from touchstone.decision.shortlist_published import groups_of_published
from touchstone.language import N_

if TYPE_CHECKING:
    from touchstone.evaluation.leaderboard_nouns import Board

PRIORITIES: Mapping[Priority, str] = {
    "quality": N_("quality"),
    "cost": N_("cost"),
    "speed": N_("speed"),
    "openness": N_("openness"),
}


class Yardstick(NamedTuple):
    """Own results that were measured alike."""

    benchmark: Benchmark
    condition: tuple[str, ...]
    board: Board


def own_yardstick(
    claims: Iterable[Claim], wanted: Sequence[str], benchmarks: Mapping[str, Benchmark]
) -> Yardstick | None:
    """
    The condition under which the team measured most of the models.

    Args:
        claims: Of those that qualify; published ones are left out.
        wanted: Ids of the benchmarks that count; of conditions that cover equally many, the first one's does.
    """
    by_condition: dict[tuple[str, ...], list[Claim]] = defaultdict(list)
    for claim in claims:
        if claim.ours and claim.benchmark in wanted and claim.benchmark in benchmarks:
            by_condition[claim.condition].append(claim)
    covers = Counter({one: len({claim.model for claim in found}) for one, found in by_condition.items()})
    if not covers:
        return None
    best = min(covers, key=lambda one: (-covers[one], wanted.index(one[0]), one))
    # Here and not above: most shortlists are made before the team has measured anything.
    from touchstone.evaluation.leaderboard import leaderboard

    benchmark = benchmarks[best[0]]
    return Yardstick(benchmark, best, leaderboard(benchmark, by_condition[best]).boards[0])


def standings(stick: Yardstick | None) -> dict[ModelId, Standing]:
    """Each model's best place on the board of own results."""
    found: dict[ModelId, Standing] = {}
    for place in stick.board.places if stick else ():  # best first
        if place.claim.model not in found:
            found[place.claim.model] = Standing(
                claim=place.claim,
                rank=place.rank,
                best_rank=place.rank if place.best_rank is None else place.best_rank,
                worst_rank=place.rank if place.worst_rank is None else place.worst_rank,
                of=len(stick.board.places) if stick else 0,
            )
    return found


def groups_of(standing: Mapping[ModelId, Standing]) -> dict[ModelId, int]:
    """The group of each model that stands on the board of own results, the best is 0; see the head of this module."""
    left = sorted((one.rank, model) for model, one in standing.items())
    found: dict[ModelId, int] = {}
    group = 0
    while left:
        first = standing[left[0][1]]
        members = [
            model
            for _, model in left
            if standing[model].best_rank <= first.worst_rank and first.best_rank <= standing[model].worst_rank
        ]
        found |= dict.fromkeys(members, group)
        left = [one for one in left if one[1] not in found]
        group += 1
    return found


def quality_groups(qualified: Iterable[Qualified]) -> dict[ModelId, int]:
    """The group of each model whose quality is known: first those with own results, then the others."""
    listed = list(qualified)
    own = groups_of({one.model: one.standing for one in listed if one.standing is not None})
    others = groups_of_published(
        {one.model: one.published for one in listed if one.standing is None and one.published is not None}
    )
    after = max(own.values(), default=-1) + 1
    return {**own, **{model: after + group for model, group in others.items()}}


def in_order(
    qualified: Sequence[Qualified], priorities: Sequence[Priority], stick: Yardstick | None
) -> tuple[Qualified, ...]:
    """The qualified models in order, each with the reason for its place."""
    groups = quality_groups(qualified)
    keys = {one.model: tuple(_key(one, priority, groups) for priority in priorities) for one in qualified}
    ordered = sorted(qualified, key=lambda one: (keys[one.model], one.model))
    found = []
    for position, one in enumerate(ordered):
        if not position:
            reason = _first(one, len(ordered), priorities, stick)
        else:
            before = ordered[position - 1]
            apart = next(
                (
                    name
                    for name, mine, theirs in zip(priorities, keys[one.model], keys[before.model], strict=True)
                    if mine != theirs
                ),
                None,
            )
            reason = _behind(one, before, apart, stick)
        found.append(one._replace(reason=reason))
    return tuple(found)


def _key(one: Qualified, priority: Priority, groups: Mapping[ModelId, int]) -> float:
    if priority == "quality":
        return groups.get(one.model, math.inf)
    if priority == "speed":
        return math.inf if one.seconds is None else one.seconds
    if priority == "openness":
        return len(OPENNESS) if one.openness is None else OPENNESS.index(one.openness)
    return _usd(one)


def _usd(one: Qualified) -> float:
    """What orders by cost, in one unit for all models of a list; infinite where unknown."""
    supply = one.supply
    return math.inf if supply is None or supply.compared_usd is None else supply.compared_usd


# Reasons --------------------------------------------------------------------------------------------------------------


def _first(one: Qualified, count: int, priorities: Sequence[Priority], stick: Yardstick | None) -> Reason:
    if count == 1:
        return Reason(template=N_("the only model that meets every limit"))
    first = priorities[0]
    if first == "quality" and one.standing is not None and stick is not None:
        template = N_("in the leading group on {benchmark}: {value:g}, place {low} to {high} of {of}")
        return Reason(template=template, values=_standing_values(one.standing, stick.benchmark))
    if first == "quality" and one.published is not None:
        return Reason(template=N_("in the leading group by published tests"))
    if first == "cost" and one.supply is not None and math.isfinite(_usd(one)):
        template = N_("nobody who qualifies is known to cost less; it is sold by {seller}")
        return Reason(template=template, values={"seller": one.supply.offer.provider})
    if first == "openness" and one.openness is not None:
        template = N_("nobody who qualifies is more open: {openness}")
        return Reason(template=template, values={"openness": one.openness})
    if first == "speed" and one.seconds is not None:
        template = N_("nobody who qualifies was measured to be faster: {seconds:.2f} s an answer")
        return Reason(template=template, values={"seconds": one.seconds})
    template = N_("nobody who qualifies has a known {priority}; the next priorities decide")
    return Reason(template=template, values={"priority": first})


def _behind(one: Qualified, before: Qualified, apart: Priority | None, stick: Yardstick | None) -> Reason:
    """Why it stands after `before`: the first priority that tells the two apart."""
    values: dict[str, str | int | float] = {"before": before.model}
    if apart is None:
        return Reason(template=N_("level with {before} in every priority; by name"), values=values)
    if apart == "quality":
        return _behind_in_quality(one, before, stick)
    if apart == "cost":
        return _behind_in_cost(one, before)
    if apart == "openness":
        template = N_("less open than {before}: {openness}")
        return Reason(template=template, values={**values, "openness": one.openness or "unknown"})
    if one.seconds is None or before.seconds is None:
        template = N_("after {before}, because nobody has measured its speed here")
        return Reason(template=template, values=values)
    template = N_("slower than {before} by {gap:.2f} s an answer: {seconds:.2f} s")
    return Reason(template=template, values={**values, "gap": one.seconds - before.seconds, "seconds": one.seconds})


def _behind_in_quality(one: Qualified, before: Qualified, stick: Yardstick | None) -> Reason:
    if one.standing is not None and before.standing is not None and stick is not None:
        template = N_(
            "in a later group on {benchmark}: {value:g}, place {low} to {high} of {of}; {before} has {ahead:g}"
        )
        values = _standing_values(one.standing, stick.benchmark)
        return Reason(
            template=template, values={**values, "before": before.model, "ahead": before.standing.claim.value}
        )
    if one.published is None:
        template = N_("quality unknown: no result that can be compared; after those that have one, such as {before}")
        return Reason(template=template, values={"before": before.model})
    if before.standing is not None:
        template = N_("after {before}, because your own results count before published ones")
        return Reason(template=template, values={"before": before.model})
    return Reason(template=N_("in a later group than {before} by published tests"), values={"before": before.model})


def _standing_values(standing: Standing, benchmark: Benchmark) -> dict[str, str | int | float]:
    return {
        "benchmark": benchmark.name,
        "value": standing.claim.value,
        "low": standing.best_rank,
        "high": standing.worst_rank,
        "of": standing.of,
    }


def _behind_in_cost(one: Qualified, before: Qualified) -> Reason:
    values: dict[str, str | int | float] = {"before": before.model}
    mine, theirs = one.supply, before.supply
    if mine is None:
        template = N_("cost unknown: nobody is known to sell it; after {before}")
        return Reason(template=template, values=values)
    if theirs is None or not math.isfinite(_usd(one)):
        template = (
            N_("cost unknown: by the tokens of text alone it cannot be told what {seller} would charge; after {before}")
            if mine.offer.periods
            else N_("cost unknown: {seller} states no price; after {before}")
        )
        return Reason(template=template, values={**values, "seller": mine.offer.provider})
    values["seller"] = mine.offer.provider
    if mine.usd_per_month is not None and theirs.usd_per_month is not None:
        template = N_("dearer than {before}: {usd:,.2f} USD a month by {seller}, {gap:,.2f} more")
        usd, gap = mine.usd_per_month, mine.usd_per_month - theirs.usd_per_month
        return Reason(template=template, values={**values, "usd": usd, "gap": gap})
    usd, gap = _usd(one), _usd(one) - _usd(before)
    if mine.usd_per_call is not None:
        template = N_("dearer than {before}: {usd:.3g} USD a call by {seller}, {gap:.3g} more")
    elif mine.input_only:
        template = N_(
            "dearer than {before}: {usd:.4g} USD for a million tokens of input by {seller}, {gap:.4g} more; its output "
            "is not billed by the token"
        )
    else:
        template = N_(
            "dearer than {before}: {usd:.4g} USD for a million tokens each of input and output by {seller}, {gap:.4g} "
            "more"
        )
    return Reason(template=template, values={**values, "usd": usd, "gap": gap})
