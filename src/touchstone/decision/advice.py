"""
Advice in words beside a shortlist: each sentence with the rule it follows, the numbers behind it and their source.

The rules are few and written down in docs/guide/shortlist.md under their ids. Where a number is missing, the sentence
says which one to give; no price is made up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import NamedTuple

from touchstone.catalog.cards import Card
from touchstone.catalog.model import ModelId, earliest
from touchstone.decision.advice_base import ENOUGH_TO_TRAIN, FEWEST_TO_LEARN, GUIDE, Advice, Situation
from touchstone.decision.advice_hosting import about_hosting
from touchstone.decision.base import Reason
from touchstone.decision.shortlist_base import Shortlist, Supply
from touchstone.decision.shortlist_costs import is_lower_end
from touchstone.language import N_

PROMPT_VARIANTS = 20
"""So many prompts are tried in a search, for what it would cost."""
MANY = 8
"""More candidates than this are better cut before they are compared."""
SOON = timedelta(days=365)
"""A retirement within this time is worth a warning."""


def advise(found: Shortlist, cards: Mapping[ModelId, Card], situation: Situation) -> tuple[Advice, ...]:
    """
    What follows from a shortlist, the most urgent first.

    Args:
        cards: At least those of the models that qualify.
    """
    return (
        *_about_the_first(found, cards),
        *about_hosting(found, situation),
        *_about_improving(found, situation),
        *_about_the_list(found, situation),
    )


# The first of the list ------------------------------------------------------------------------------------------------


def _about_the_first(found: Shortlist, cards: Mapping[ModelId, Card]) -> Iterator[Advice]:
    if not found.qualified:
        return
    first = found.qualified[0]
    card = cards[first.model]
    ends = None if first.supply is None else card.ends(first.supply.offer)
    if card.retires is not None and card.retires <= found.day + SOON:
        yield _retires(card, card.fact("retired"), found.day)
    elif first.supply is not None and ends is not None and ends <= found.day + SOON:
        yield _ends(card, first.supply, ends, found.day)
    model = card.model
    if model is not None and model.moves:
        meant = [step.model for step in model.points_to if earliest(step.since) <= found.day]
        snapshots = [snapshot.name for snapshot in model.snapshots]
        template = (
            N_("{model} is a moving name: it stood for {count} models so far; ask for the snapshot {pin} instead")
            if snapshots
            else N_(
                "{model} is a moving name: it stood for {count} models so far; no snapshot is known that could be "
                "asked for instead, so measure again when it moves"
            )
        )
        values: dict[str, str | int | float] = {"model": card.id, "count": max(len(meant), 1)}
        if snapshots:
            values["pin"] = snapshots[-1]
        yield Advice(
            rule="chosen.moves", reason=Reason(template=template, values=values), source=_source_of(card, "points_to")
        )
    yield from _about_thinking(found, cards)


def _about_thinking(found: Shortlist, cards: Mapping[ModelId, Card]) -> Iterator[Advice]:
    written = found.needs.output_tokens
    thinkers = [one for one in found.qualified if one.thinks]
    if not thinkers or written is None or written.basis == "measured" or not written.value:
        return
    values: dict[str, str | int | float] = {"tokens": written.value, "thinkers": len(thinkers)}
    if len(found.qualified) == 1:
        template = N_(
            "{model} can think before it answers, and those tokens are billed as output; its cost reckons with "
            "{tokens:,.0f} output tokens a call and may be many times too low until they are measured"
        )
        values = {"tokens": written.value, "model": thinkers[0].model}
    else:
        template = N_(
            "{thinkers:,} of the {count:,} who qualify can think before they answer, and those tokens are billed as "
            "output; their cost (marked ≥) reckons with {tokens:,.0f} output tokens a call and may be many times too "
            "low until they are measured"
        )
        values["count"] = len(found.qualified)
    yield Advice(
        rule="chosen.thinks",
        reason=Reason(template=template, values=values),
        source=_source_of(cards[thinkers[0].model], "reasoning"),
    )


def _retires(card: Card, retires: str, day: date) -> Advice:
    successor = card.fact("successor")
    values: dict[str, str | int | float] = {
        "model": card.id,
        "day": retires,
        "days": (earliest(retires) - day).days,
    }
    if successor:
        template = N_("{model} retires on {day}, in {days:,} days; its maker names {successor} as its successor")
        values["successor"] = successor
    else:
        template = N_("{model} retires on {day}, in {days:,} days; keep the runner-up measured")
    return Advice(
        rule="chosen.retires", reason=Reason(template=template, values=values), source=_source_of(card, "retired")
    )


def _ends(card: Card, supply: Supply, ends: date, day: date) -> Advice:
    template = N_("the offer of {model} by {seller} ends on {day}, in {days:,} days; others of it may go on")
    values: dict[str, str | int | float] = {
        "model": card.id,
        "seller": supply.offer.provider,
        "day": ends.isoformat(),
        "days": (ends - day).days,
    }
    return Advice(
        rule="chosen.ends", reason=Reason(template=template, values=values), source=_source_of(card, "retired")
    )


def _source_of(card: Card, fact: str) -> str:
    """Who states a fact of a card, and when."""
    for source in card.model.sources if card.model else ():
        if fact in source.facts:
            return f"{source.name}, {source.as_of}"
    for entry in card.reported:
        if fact in entry.facts:
            return entry.source
    return card.id


# Which way of improving first -----------------------------------------------------------------------------------------


class _Rule(NamedTuple):
    """A row of the table: the first that fits speaks."""

    id: str
    fits: Callable[[Situation, float | None], bool]
    template: str


_IMPROVE: tuple[_Rule, ...] = (
    _Rule(
        "improve.no-time",
        lambda given, _search: given.days is not None and given.days < 1,
        N_(
            "with less than a day, write the instruction well and show three to five examples; nothing else is "
            "ready by then"
        ),
    ),
    _Rule(
        "improve.documents",
        lambda given, _search: given.rests_on_documents,
        N_(
            "the answers stand in documents: give the model the right passages first (RAG); prompts and training do "
            "not teach facts reliably"
        ),
    ),
    _Rule(
        "improve.unknown-cases",
        lambda given, _search: given.train_cases is None,
        N_("which way of improving pays depends on how many labelled cases there are to learn from; give a task file"),
    ),
    _Rule(
        "improve.no-cases",
        lambda given, _search: given.train_cases == 0,
        N_(
            "no case is set apart to learn from: write the prompt first; before examples are shown or anything is "
            "trained, set cases apart (`split` in the task file) or collect some"
        ),
    ),
    _Rule(
        "improve.few-cases",
        lambda given, _search: (given.train_cases or 0) < FEWEST_TO_LEARN,
        N_(
            "{train:,} cases to learn from are fewer than {fewest}: write the prompt and show some of them as examples "
            "(few-shot); collect more before anything is trained"
        ),
    ),
    _Rule(
        "improve.labels",
        lambda given, _search: given.fixed_labels and (given.train_cases or 0) > ENOUGH_TO_TRAIN,
        N_(
            "{train:,} labelled cases of a fixed list of labels are more than {enough}: start with a classical "
            "baseline, which costs nothing, then fine-tune a small model; keep a prompted model as the measure"
        ),
    ),
    _Rule(
        "improve.style",
        lambda given, _search: given.answer_kind in ("json", "free"),
        N_(
            "what is asked for is a form or a style: show examples first (few-shot); with more than {enough} good "
            "answers fine-tuning makes it lasting"
        ),
    ),
    _Rule(
        "improve.no-budget",
        lambda given, search: given.budget_usd is not None and search is not None and search > given.budget_usd,
        N_(
            "a search over {variants} prompts on {train:,} cases would cost about {search:,.2f} USD, more than the "
            "{budget:,.2f} there are: choose examples by hand (few-shot)"
        ),
    ),
    _Rule(
        "improve.examples",
        lambda given, _search: given.fixed_labels,
        N_(
            "{train:,} labelled cases are enough to learn from by example and few for training: take a classical "
            "baseline as the measure, and few-shot with the most similar cases first"
        ),
    ),
    _Rule(
        "improve.prompt",
        lambda _given, _search: True,
        N_("improve the prompt first and measure; then examples (few-shot), out of {train:,} cases to learn from"),
    ),
)


def _about_improving(found: Shortlist, situation: Situation) -> Iterator[Advice]:
    first = next((one.supply for one in found.qualified if one.supply), None)
    per_call = first.usd_per_call if first else None
    search = None
    if per_call is not None and situation.train_cases is not None:
        search = per_call * PROMPT_VARIANTS * situation.train_cases
    rule = next(rule for rule in _IMPROVE if rule.fits(situation, search))
    values: dict[str, str | int | float] = {
        "train": situation.train_cases or 0,
        "fewest": FEWEST_TO_LEARN,
        "enough": ENOUGH_TO_TRAIN,
        "variants": PROMPT_VARIANTS,
        "search": search or 0.0,
        "budget": situation.budget_usd or 0.0,
    }
    told = {name: value for name, value in values.items() if "{" + name in rule.template}
    yield Advice(rule=rule.id, reason=Reason(template=rule.template, values=told), source=GUIDE)


# The list itself ------------------------------------------------------------------------------------------------------


def _about_the_list(found: Shortlist, situation: Situation) -> Iterator[Advice]:
    count = len(found.qualified)
    if not count:
        back = [one for one in found.relaxed if one.models]
        looked_at = [one for one in found.excluded if one.further is not None]
        values: dict[str, str | int | float] = {}
        if back:
            most = max(back, key=lambda one: len(one.models))
            template = N_("nobody qualifies; giving up the limit {limit} alone brings back {count}")
            values = {"limit": most.limit, "count": len(most.models)}
        elif not looked_at:
            template = N_("nobody qualifies: no model of the catalog is known to do this task")
        elif len(looked_at) < len(found.excluded):
            template = N_(
                "nobody qualifies, and no single limit is the reason: each of the {count:,} who do this task misses at "
                "least two"
            )
            values = {"count": len(looked_at)}
        else:
            template = N_("nobody qualifies, and no single limit is the reason: everybody misses at least two")
        yield Advice(rule="list.empty", reason=Reason(template=template, values=values), source=GUIDE)
        return
    if count <= MANY:
        return
    calls = [one.supply.usd_per_call if one.supply else None for one in found.qualified]
    known = [usd for usd in calls if usd is not None]
    if situation.test_cases and known:
        template = N_(
            "{count} models qualify; asking the {priced} with a known price all {cases:,} test cases would cost about "
            "{usd:,.2f} USD, so compare the first {many} (--write --top {many})"
        )
        if any(is_lower_end(one, found.needs) for one in found.qualified):
            template = N_(
                "{count} models qualify; asking the {priced} with a known price all {cases:,} test cases would cost at "
                "least {usd:,.2f} USD, so compare the first {many} (--write --top {many})"
            )
        values = {
            "count": count,
            "priced": len(known),
            "cases": situation.test_cases,
            "usd": sum(known) * situation.test_cases,
            "many": MANY,
        }
    else:
        template = N_("{count} models qualify: compare the first {many} (--write --top {many}), or add a limit")
        values = {"count": count, "many": MANY}
    yield Advice(rule="list.too-long", reason=Reason(template=template, values=values), source=GUIDE)


RULES: tuple[str, ...] = (
    "chosen.retires",
    "chosen.ends",
    "chosen.moves",
    "chosen.thinks",
    "host.no-weights",
    "host.memory",
    "host.no-price",
    "host.other-model",
    "host.free",
    "host.give-gpu-price",
    "host.break-even",
    *(rule.id for rule in _IMPROVE),
    "list.empty",
    "list.too-long",
)
"""Every rule, in the order in which they speak."""
