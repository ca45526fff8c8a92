"""
Which models fit a scenario: hard limits solved together, an order by stated priorities, and a reason for everybody.

Pure: cards, the words of the shipped files and the day come in as arguments.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from touchstone.catalog.cards import Card
from touchstone.catalog.claims import Claim, Scenario
from touchstone.catalog.model import ModelId, PartialDate
from touchstone.decision.base import Reason
from touchstone.decision.shortlist_base import (
    LIMITS,
    Background,
    Check,
    Excluded,
    LimitName,
    Needs,
    Priority,
    Qualified,
    Relaxed,
    Shortlist,
)
from touchstone.decision.shortlist_checks import Limit
from touchstone.decision.shortlist_fit import Fit, PublishedTest, fit_of
from touchstone.decision.shortlist_limits import any_task_check, model_limits, task_check
from touchstone.decision.shortlist_offers import (
    asked_of_offers,
    offer_check,
    offer_met,
    stocks_of,
    without_offer,
)
from touchstone.decision.shortlist_order import in_order, own_yardstick, standings
from touchstone.decision.shortlist_permits import memory_of
from touchstone.decision.shortlist_published import published
from touchstone.errors import InvalidValue

DEFAULT_PRIORITIES: tuple[Priority, ...] = ("quality", "cost")


def shortlist(
    cards: Iterable[Card],
    needs: Needs,
    background: Background,
    *,
    priorities: Sequence[Priority] = DEFAULT_PRIORITIES,
    claims: Collection[Claim] = (),
    scenarios: Sequence[Scenario] = (),
    own_benchmark: str | None = None,
    released: Mapping[ModelId, PartialDate | None] | None = None,
    seconds: Mapping[ModelId, float] | None = None,
    fit: Callable[[Sequence[PublishedTest]], Fit] = fit_of,
) -> Shortlist:
    """
    Everybody who meets all limits, in order, and everybody else with the limit that excluded them.

    Args:
        cards: In any order. Each is judged and let go: a long list need not be in memory as a whole.
        needs: The limits, and what a call is like.
        background: Sellers, labs, licences, benchmarks, and the day whose prices count.
        priorities: What the order goes by, the first one first.
        claims: Results of all models, also of those that no card is given of; who met whom is seen in them.
        scenarios: Whose benchmarks speak for quality, the closest first.
        own_benchmark: Id of the team's own test of this task; its results come before everything else.
        released: When each model came out.
        seconds: Measured median of an answer, by model.
        fit: Works out what the published tests say together, or remembers it.

    Raises:
        InvalidValue: a priority is named twice, or none is.
    """
    if not priorities or len(set(priorities)) < len(priorities):
        raise InvalidValue("name each priority once, and at least one; {given} were given", given=", ".join(priorities))
    limits = model_limits(needs, background)
    of_offers = frozenset(asked_of_offers(needs))
    fitting: list[Qualified] = []
    missed: list[_Missed] = []
    for card in cards:
        one = _Judged(card, needs, background, limits, of_offers)
        if one.qualifies:
            fitting.append(one.entry(seconds or {}))
        else:
            missed.append(one.let_go())
    asked_quality = "quality" in priorities
    qualified_ids = {one.model for one in fitting}
    wanted = [own_benchmark] if own_benchmark else [use.benchmark for one in scenarios for use in one.benchmarks]
    stick = (
        own_yardstick((claim for claim in claims if claim.model in qualified_ids), wanted, background.benchmarks)
        if asked_quality
        else None
    )
    placed = standings(stick)
    known, basis = (
        published(claims, scenarios, background.benchmarks, qualified_ids, released or {}, fit=fit)
        if asked_quality
        else ({}, None)
    )
    entries = [
        one._replace(standing=placed.get(one.model), published=known.get(one.model))
        if one.model in placed or one.model in known
        else one
        for one in fitting
    ]
    qualified = in_order(entries, priorities, stick)
    return Shortlist(
        day=background.day,
        needs=needs,
        priorities=tuple(priorities),
        asked=asked_in_order(limits, needs),
        qualified=qualified,
        excluded=tuple(sorted((one.excluded for one in missed), key=_by_limit)),
        relaxed=tuple(_relaxed(name, missed) for name in asked_in_order(limits, needs)),
        yardstick=stick.benchmark if stick else None,
        condition=stick.condition if stick else None,
        published=basis,
    )


def explain(card: Card, needs: Needs, background: Background) -> tuple[Check, ...]:
    """Every limit that was asked, held against one model, in the fixed order."""
    judged = _Judged(card, needs, background, model_limits(needs, background), frozenset(asked_of_offers(needs)))
    return tuple(judged.check(name) for name in asked_in_order(judged.limits, needs))


def other_task(model: ModelId, name: str, tasks: Sequence[str], needs: Needs) -> Excluded | None:
    """
    What is said of a model of which only its tasks were looked at; None when they meet the needs.

    For whoever has a long list and opens no card of a model that does something else.
    """
    missed = _other_task(tuple(tasks), needs.tasks, needs.one_task_of)
    return None if missed is None else Excluded(model=model, name=name, check=missed, further=None)


@lru_cache(maxsize=4096)  # a long list is full of models that do the same
def _other_task(had: tuple[str, ...], all_of: tuple[str, ...], one_of: tuple[str, ...]) -> Check | None:
    checks = [
        *([task_check(had, all_of)] if all_of else []),
        *([any_task_check(had, one_of)] if one_of else []),
    ]
    return next((check for check in checks if check.verdict != "met"), None)


def asked_in_order(limits: Iterable[Limit], needs: Needs) -> dict[LimitName, Reason]:
    """Every limit that was asked, in words, in the fixed order."""
    asked = {**asked_of_offers(needs), **{limit.name: limit.asked for limit in limits}}
    return {name: asked[name] for name in LIMITS if name in asked}


class _Missed(NamedTuple):
    """What is left of a card that does not qualify."""

    excluded: Excluded
    alone: Mapping[LimitName, Check]
    """Of each limit of which giving up it alone brings the card back."""


class _Judged:
    """
    One card held against all limits.

    The ways in are its offers, and the way without one. A way misses the limits on the model and its own; the card
    qualifies when some way misses nothing, and a limit is the only one missed when some way misses it alone.
    """

    def __init__(
        self,
        card: Card,
        needs: Needs,
        background: Background,
        limits: Sequence[Limit],
        of_offers: frozenset[LimitName],
    ) -> None:
        self.card, self.needs, self.background, self.limits = card, needs, background, limits
        self.checks = {limit.name: limit.check(card) for limit in limits}
        self.stocks = stocks_of(card, needs, of_offers, background)
        self.of_model = frozenset(name for name, check in self.checks.items() if check.verdict != "met")
        self.by_offer = [self.of_model | stock.misses for stock in self.stocks]
        self.by_itself = self.of_model | without_offer(of_offers)
        self.qualifies = not self.by_itself or not all(self.by_offer)
        """Whether some way in misses nothing."""
        self.sole = () if self.qualifies else self._sole()
        """The limits of which giving up one alone brings it back: those with an offer behind them first."""
        self.missed = () if self.qualifies else self.sole[:1] or self._fewest()
        """The fewest limits that keep it out, in the fixed order; one of `sole` where there are such."""

    def _sole(self) -> tuple[LimitName, ...]:
        offered = {name for way in self.by_offer if len(way) == 1 for name in way}
        alone = self.by_itself - offered if len(self.by_itself) == 1 else ()
        return (*sorted(offered, key=LIMITS.index), *alone)

    def _fewest(self) -> tuple[LimitName, ...]:
        ways = [sorted(map(LIMITS.index, way)) for way in (*self.by_offer, self.by_itself)]
        return tuple(LIMITS[place] for place in min(ways, key=lambda way: (len(way), way)))

    def check(self, name: LimitName) -> Check:
        """One limit, met or missed, and by how much."""
        mine = self.checks.get(name)
        if name in self.of_model and mine is not None:
            return self._in_reach(mine)
        if not self.qualifies and name in (*self.missed, *self.sole):
            found = offer_check(name, self.stocks, name in self.sole, self.needs, self.background)
            if name in self.checks:
                return self._in_reach(found)
            # An offer that misses more is no way in at any value of this limit; only without it none is needed.
            return found if {name} in self.by_offer else found._replace(nearest=None)
        if mine is not None:
            return mine
        meeting = [stock for stock in self.stocks if stock.verdicts[name] == "met"]
        return offer_met(name, min(meeting, key=lambda stock: len(stock.misses), default=None))

    def _in_reach(self, check: Check) -> Check:
        """A check of a limit on both the model and its offers, with the value at which one of the ways in meets it."""
        if check.limit == "context":
            return check._replace(nearest=self._context_in_reach())
        if check.limit == "retirement":
            return check._replace(nearest=self._day_in_reach())
        return check

    def _day_in_reach(self) -> str | None:
        """The last day on which one of the ways in that miss nothing else is served."""
        own = self.card.retires or date.max
        ends = [
            min(own, stock.ends or date.max)
            for stock, way in zip(self.stocks, self.by_offer, strict=True)
            if way == {"retirement"}
        ]
        last = max([*ends, *([own] if self.by_itself == {"retirement"} else [])], default=None)
        return None if last is None else (last - timedelta(days=1)).isoformat()

    def _context_in_reach(self) -> float | None:
        """The longest context of the ways in that miss nothing else: the model's, or what a seller serves of it."""
        own = self.card.fact("context_tokens")
        if own is None:
            return None
        served = [
            min(own, stock.supply.offer.context_tokens or own)
            for stock, way in zip(self.stocks, self.by_offer, strict=True)
            if way == {"context"}
        ]
        reach = max([*served, *([own] if self.by_itself == {"context"} else [])], default=None)
        return None if reach is None else float(reach)

    def entry(self, seconds: Mapping[ModelId, float]) -> Qualified:
        """As the list shows it, without its quality; the reason for its place comes with the order."""
        return Qualified(
            model=self.card.id,
            name=self.card.name,
            openness=self.card.openness,
            licence=self.card.fact("licence"),
            supplies=tuple(stock.supply for stock in self.stocks if not stock.misses),
            memory=memory_of(self.card, self.needs),
            seconds=seconds.get(self.card.id),
            thinks=self.card.fact("reasoning"),
            reason=Reason(template=""),
        )

    def let_go(self) -> _Missed:
        """With the one limit that is told."""
        alone = {name: self.check(name) for name in self.sole}
        told = self.missed[0]
        check = alone[told] if alone else self.check(told)
        return _Missed(
            Excluded(model=self.card.id, name=self.card.name, check=check, further=len(self.missed) - 1), alone
        )


def _by_limit(excluded: Excluded) -> tuple[int, float, str]:
    gap = excluded.check.gap
    return LIMITS.index(excluded.check.limit), math.inf if gap is None else gap, excluded.model


def _relaxed(name: LimitName, missed: Sequence[_Missed]) -> Relaxed:
    """
    Who comes back when one limit is given up, and how far it must be given up for the first of them.

    Where limits have no size, such as places and licences, the value that brings back the most is the nearest.
    """
    back = {one.excluded.model: one.alone[name] for one in missed if name in one.alone}
    known = {model: check for model, check in back.items() if check.nearest is not None}
    counts = Counter(check.nearest for check in known.values())
    closest = sorted(
        known,
        key=lambda model: (
            math.inf if known[model].gap is None else known[model].gap,
            -counts[known[model].nearest],
            str(known[model].nearest),
            model,
        ),
    )
    first = closest[0] if closest else None
    return Relaxed(
        limit=name,
        models=(*closest, *sorted(back.keys() - known.keys())),
        unknown=sum(check.verdict == "unknown" for check in back.values()),
        nearest=None if first is None else known[first].nearest,
        first=first,
    )
