"""
In which order qualified models stand, and why each stands where it does.

Priorities are looked at one after the other; who ties in one is put in order by the next, at last by name. Quality is
the place on one board of results that were measured alike. The first of a board leads a group of everybody whose
possible ranks overlap with its own; within a group quality says nothing. The first of the rest leads the next group.
What is unknown stands after what is known, never as zero.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from touchstone.catalog.cards import Card
from touchstone.catalog.claims import Benchmark, Claim, Scenario
from touchstone.catalog.model import ModelId, earliest
from touchstone.decision.base import Reason
from touchstone.decision.shortlist_base import OPENNESS, Priority, Qualified, Standing
from touchstone.language import N_

if TYPE_CHECKING:
    from touchstone.evaluation.leaderboard_nouns import Board

FEWEST_COMPARED = 3
"""A board on which fewer of the qualified models stand compares nothing,"""
LEAST_SHARE = 0.05
"""nor does one on which a smaller share of them stands: it would put the few that were tested before all others."""

RECENT_DAYS = 365
"""Results that are older than this than the newest that compare enough are not used to judge."""

PRIORITIES: Mapping[Priority, str] = {
    "quality": N_("quality"),
    "cost": N_("cost"),
    "speed": N_("speed"),
    "openness": N_("openness"),
}


class Yardstick(NamedTuple):
    """Results that were measured alike, on which quality is read off."""

    benchmark: Benchmark
    condition: tuple[str, ...]
    board: Board


def yardsticks(
    cards: Sequence[Card], scenarios: Iterable[Scenario], benchmarks: Mapping[str, Benchmark], *, own: str | None = None
) -> tuple[Yardstick, ...]:
    """
    Own results first, then published ones: of each the recent condition under which most of the models were measured.

    A scenario is passed over for the next one when none of its benchmarks compares enough of the models.
    Of conditions that cover equally many, the one of the scenario's closer benchmark counts.

    Args:
        cards: Those that qualify.
        scenarios: What the task is like, the closest first.
        own: Id of the team's own test of this task; its results come before everything else.
    """
    wanted = [[fit.benchmark for fit in scenario.benchmarks] for scenario in scenarios]
    named = {own} if own else {one for group in wanted for one in group}
    ours = _widest(cards, [sorted(named)], ours=True, least=1)
    fewest = max(FEWEST_COMPARED, math.ceil(LEAST_SHARE * len(cards)))
    published = _widest(cards, wanted, ours=False, least=fewest)
    return tuple(
        Yardstick(benchmarks[condition[0]], condition, _board(benchmarks[condition[0]], claims))
        for condition, claims in (ours, published)
        if condition and condition[0] in benchmarks
    )


def _widest(
    cards: Sequence[Card], wanted: Sequence[Sequence[str]], *, ours: bool, least: int
) -> tuple[tuple[str, ...], list[Claim]]:
    """
    The condition by which to judge, in the first group of benchmarks that has one, and its results.

    Of those that compare enough models and whose results are recent, the one that covers the most: a wide table of last
    year's models would put them before this year's.
    """
    claims: dict[tuple[str, ...], list[Claim]] = defaultdict(list)
    covers: Counter[tuple[str, ...]] = Counter()
    for card in cards:
        mine = {claim.condition for claim in card.claims if claim.ours is ours}
        covers.update(mine)
        for claim in card.claims:
            if claim.ours is ours:
                claims[claim.condition].append(claim)
    for group in wanted:
        fitting = [condition for condition in covers if condition[0] in group and covers[condition] >= least]
        if fitting:
            newest = max(_age(claims[condition]) for condition in fitting)
            recent = [condition for condition in fitting if newest - _age(claims[condition]) <= RECENT_DAYS]
            best = min(recent, key=lambda one: (-covers[one], group.index(one[0]), one))
            return best, claims[best]
    return (), []


def _age(claims: Sequence[Claim]) -> int:
    """The day of the newest result, as an ordinal; of a source that gives no dates, the day it was read."""
    return max(earliest(claim.date or claim.as_of).toordinal() for claim in claims)


def _board(benchmark: Benchmark, claims: Sequence[Claim]) -> Board:
    # Here and not above: the statistics behind it load numpy, and not every shortlist asks for quality.
    from touchstone.evaluation.leaderboard import leaderboard

    return leaderboard(benchmark, claims).boards[0]


def standings(sticks: Sequence[Yardstick]) -> dict[ModelId, tuple[int, Standing]]:
    """Of each model the first yardstick that knows it, and its best place there."""
    found: dict[ModelId, tuple[int, Standing]] = {}
    for at, stick in enumerate(sticks):
        for place in stick.board.places:  # best first
            if place.claim.model not in found:
                standing = Standing(
                    claim=place.claim,
                    rank=place.rank,
                    best_rank=place.rank if place.best_rank is None else place.best_rank,
                    worst_rank=place.rank if place.worst_rank is None else place.worst_rank,
                    of=len(stick.board.places),
                )
                found[place.claim.model] = at, standing
    return found


def groups_of(standing: Mapping[ModelId, tuple[int, Standing]], among: Iterable[ModelId]) -> dict[ModelId, int]:
    """The group of each model that stands on a board, the best is 0; see the head of this module."""
    left = sorted((standing[model][0], standing[model][1].rank, model) for model in among if model in standing)
    found: dict[ModelId, int] = {}
    group = 0
    while left:
        at, _, leader = left[0]
        first = standing[leader][1]
        members = [
            model
            for board, _, model in left
            if board == at
            and standing[model][1].best_rank <= first.worst_rank
            and first.best_rank <= standing[model][1].worst_rank
        ]
        found |= dict.fromkeys(members, group)
        left = [one for one in left if one[2] not in found]
        group += 1
    return found


def in_order(
    qualified: Sequence[Qualified], priorities: Sequence[Priority], sticks: Sequence[Yardstick]
) -> tuple[Qualified, ...]:
    """The qualified models in order, each with the reason for its place."""
    placed = standings(sticks)
    groups = groups_of(placed, [one.model for one in qualified])
    keys = {one.model: tuple(_key(one, priority, groups) for priority in priorities) for one in qualified}
    ordered = sorted(qualified, key=lambda one: (keys[one.model], one.model))
    found = []
    for position, one in enumerate(ordered):
        before = ordered[position - 1] if position else None
        reason = _first(one, len(ordered), priorities, placed, sticks)
        if before is not None:
            apart = next(
                (
                    name
                    for name, mine, theirs in zip(priorities, keys[one.model], keys[before.model], strict=True)
                    if mine != theirs
                ),
                None,
            )
            reason = _behind(one, before, apart, placed, sticks)
        found.append(one.model_copy(update={"reason": reason}))
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
    """What orders by cost: a month's bill, else a call's, else input and output together; infinite where unknown."""
    supply = one.supply
    if supply is None:
        return math.inf
    if supply.usd_per_call is not None:
        return supply.usd_per_call
    # Needs without tokens of a call say so for every model alike, so that one unit orders all.
    return math.inf if supply.input_usd is None else supply.input_usd + (supply.output_usd or 0.0)


# Reasons --------------------------------------------------------------------------------------------------------------


def _first(
    one: Qualified,
    count: int,
    priorities: Sequence[Priority],
    placed: Mapping[ModelId, tuple[int, Standing]],
    sticks: Sequence[Yardstick],
) -> Reason:
    if count == 1:
        return Reason(template=N_("the only model that meets every limit"))
    first = priorities[0]
    if first == "quality" and one.model in placed:
        at, standing = placed[one.model]
        template = N_("in the leading group on {benchmark}: {value:g}, place {low} to {high} of {of}")
        return Reason(template=template, values=_standing_values(standing, sticks[at].benchmark))
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


def _behind(
    one: Qualified,
    before: Qualified,
    apart: Priority | None,
    placed: Mapping[ModelId, tuple[int, Standing]],
    sticks: Sequence[Yardstick],
) -> Reason:
    """Why it stands after `before`: the first priority that tells the two apart."""
    values: dict[str, str | int | float] = {"before": before.model}
    if apart is None:
        return Reason(template=N_("level with {before} in every priority; by name"), values=values)
    if apart == "quality":
        return _behind_in_quality(one, before, placed, sticks)
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


def _behind_in_quality(
    one: Qualified,
    before: Qualified,
    placed: Mapping[ModelId, tuple[int, Standing]],
    sticks: Sequence[Yardstick],
) -> Reason:
    if one.model not in placed:
        template = N_("quality unknown: no result that can be compared; after those that have one, such as {before}")
        return Reason(template=template, values={"before": before.model})
    (at, standing), (before_at, ahead) = placed[one.model], placed[before.model]
    if at != before_at:
        template = N_("after {before}, because your own results count before published ones")
        return Reason(template=template, values={"before": before.model})
    template = N_("in a later group on {benchmark}: {value:g}, place {low} to {high} of {of}; {before} has {ahead:g}")
    values = _standing_values(standing, sticks[at].benchmark)
    return Reason(template=template, values={**values, "before": before.model, "ahead": ahead.claim.value})


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
        template = N_("cost unknown: {seller} states no price; after {before}")
        return Reason(template=template, values={**values, "seller": mine.offer.provider})
    values["seller"] = mine.offer.provider
    if mine.usd_per_month is not None and theirs.usd_per_month is not None:
        template = N_("dearer than {before}: {usd:,.2f} USD a month by {seller}, {gap:,.2f} more")
        usd, gap = mine.usd_per_month, mine.usd_per_month - theirs.usd_per_month
        return Reason(template=template, values={**values, "usd": usd, "gap": gap})
    usd, gap = _usd(one), _usd(one) - _usd(before)
    if mine.usd_per_call is not None:
        template = N_("dearer than {before}: {usd:.3g} USD a call by {seller}, {gap:.3g} more")
    else:
        template = N_(
            "dearer than {before}: {usd:.4g} USD for a million tokens each of input and output by {seller}, {gap:.4g} "
            "more"
        )
    return Reason(template=template, values={**values, "usd": usd, "gap": gap})
