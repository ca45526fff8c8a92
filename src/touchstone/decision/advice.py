"""
Advice in words beside a shortlist: each sentence with the rule it follows, the numbers behind it and their source.

The rules are few and written down in docs/guide/shortlist.md under their ids. Where a number is missing, the sentence
says which one to give; no price is made up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import NamedTuple

from pydantic import Field

from touchstone.catalog.cards import Card
from touchstone.catalog.model import ModelId, earliest
from touchstone.decision.base import Reason
from touchstone.decision.shortlist_base import Qualified, Shortlist
from touchstone.language import N_
from touchstone.noun import Noun

HOURS_A_MONTH = 730
"""A server that runs all the time: 8,760 hours a year by twelve."""
FEWEST_TO_LEARN = 20
"""Fewer labelled cases than this are examples to show, not data to learn from."""
ENOUGH_TO_TRAIN = 500
"""More labelled cases than this are worth training on."""
PROMPT_VARIANTS = 20
"""So many prompts are tried in a search, for what it would cost."""
MANY = 8
"""More candidates than this are better cut before they are compared."""
SOON = timedelta(days=365)
"""A retirement within this time is worth a warning."""

GUIDE = "docs/guide/shortlist.md"


class Situation(Noun):
    """What advice needs to know beside the shortlist; None where nobody said."""

    train_cases: int | None = Field(default=None, ge=0)
    """Labelled cases to learn from, apart from the test."""
    test_cases: int | None = Field(default=None, ge=0)
    answer_kind: str = "text"
    """As in a task file: label, choice, number, text, json, free."""
    fixed_labels: bool = False
    """Whether the answers come from a closed list."""
    rests_on_documents: bool = False
    """Whether right answers stand in documents of the user's own, such as a handbook."""
    days: float | None = Field(default=None, ge=0)
    """Working days until it must run."""
    budget_usd: float | None = Field(default=None, ge=0)
    """For comparing and improving together."""
    gpu_usd_per_hour: float | None = Field(default=None, gt=0)
    """What a server costs that can hold the model."""


class Advice(Noun):
    """One sentence of advice."""

    rule: str
    """Id of the rule, a heading of the guide."""
    reason: Reason
    """The sentence and the numbers behind it."""
    source: str
    """Where the numbers are from, or the rule where there are none."""


def advise(found: Shortlist, cards: Mapping[ModelId, Card], situation: Situation) -> tuple[Advice, ...]:
    """
    What follows from a shortlist, the most urgent first.

    Args:
        cards: At least those of the models that qualify.
    """
    return (
        *_about_the_first(found, cards),
        *_about_hosting(found, situation),
        *_about_improving(found, situation),
        *_about_the_list(found, situation),
    )


# The first of the list ------------------------------------------------------------------------------------------------


def _about_the_first(found: Shortlist, cards: Mapping[ModelId, Card]) -> Iterator[Advice]:
    if not found.qualified:
        return
    card = cards[found.qualified[0].model]
    retires = card.fact("retired")
    if retires is not None and earliest(retires) <= found.day + SOON:
        yield _retires(card, retires, found.day)
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
    needs = found.needs
    if card.fact("reasoning") is True and needs.output_tokens is not None and needs.output_tokens.basis != "measured":
        template = N_(
            "{model} can think before it answers, and those tokens are billed as output; the month's cost reckons with "
            "{tokens:,.0f} output tokens a call and may be many times too low until they are measured"
        )
        yield Advice(
            rule="chosen.thinks",
            reason=Reason(template=template, values={"model": card.id, "tokens": needs.output_tokens.value}),
            source=_source_of(card, "reasoning"),
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


def _source_of(card: Card, fact: str) -> str:
    """Who states a fact of a card, and when."""
    for source in card.model.sources if card.model else ():
        if fact in source.facts:
            return f"{source.name}, {source.as_of}"
    for entry in card.reported:
        if fact in entry.facts:
            return entry.source
    return card.id


# API or self-host -----------------------------------------------------------------------------------------------------


def _about_hosting(found: Shortlist, situation: Situation) -> Iterator[Advice]:
    hosted = next((one for one in found.qualified if one.openness in ("open-licence", "open-weights")), None)
    sold = next((one for one in found.qualified if one.supply and one.supply.usd_per_call is not None), None)
    if not found.qualified:
        return
    if hosted is None:
        template = N_("nobody who qualifies gives out its weights, so there is nothing to run on your own machines")
        yield Advice(rule="host.no-weights", reason=Reason(template=template), source=GUIDE)
        return
    if sold is None or sold.supply is None or sold.supply.usd_per_call is None:
        template = N_(
            "whether {model} pays on your own machines cannot be told: no price of an offer is known, or the tokens "
            "of a call are not"
        )
        yield Advice(
            rule="host.no-price", reason=Reason(template=template, values={"model": hosted.model}), source=GUIDE
        )
        return
    yield _break_even(hosted, sold, sold.supply.usd_per_call, found, situation)


def _break_even(
    hosted: Qualified, sold: Qualified, usd_per_call: float, found: Shortlist, situation: Situation
) -> Advice:
    assert sold.supply is not None  # who asks has looked
    source = _priced_by(sold)
    values: dict[str, str | int | float] = {
        "own": hosted.model,
        "sold": sold.model,
        "seller": sold.supply.offer.provider,
        "call": usd_per_call,
    }
    if usd_per_call == 0:
        template = N_("{sold} by {seller} is free of charge at this price; no server of your own can be cheaper")
        return Advice(rule="host.free", reason=Reason(template=template, values=values), source=source)
    gpu = situation.gpu_usd_per_hour
    if gpu is None:
        template = N_(
            "API or your own machine: {sold} by {seller} costs {call:.3g} USD a call; a server that runs all month "
            "breaks even at (USD an hour x {hours}) / {call:.3g} calls a month; give --gpu-usd-per-hour to work it out"
        )
        values["hours"] = HOURS_A_MONTH
        return Advice(rule="host.give-gpu-price", reason=Reason(template=template, values=values), source=source)
    server = gpu * HOURS_A_MONTH
    values |= {"gpu": gpu, "hours": HOURS_A_MONTH, "server": server, "calls": math.ceil(server / usd_per_call)}
    volume = found.needs.requests_per_month
    if volume is None:
        template = N_(
            "a server for {own} at {gpu:g} USD an hour costs {server:,.0f} USD for {hours} hours; it is cheaper than "
            "{sold} by {seller} from {calls:,} calls a month on, if one server can take that load"
        )
    elif volume.value >= server / usd_per_call:
        template = N_(
            "at {volume:,.0f} calls a month your own machine is cheaper: {server:,.0f} USD ({hours} hours at {gpu:g}) "
            "for {own}, against {api:,.0f} by {seller} for {sold}; it pays from {calls:,} calls on, if one server can "
            "take that load"
        )
        values |= {"volume": volume.value, "api": volume.value * usd_per_call}
    else:
        template = N_(
            "at {volume:,.0f} calls a month the API is cheaper: {api:,.2f} USD by {seller} for {sold}, against "
            "{server:,.0f} ({hours} hours at {gpu:g}) for a server with {own}; that pays from {calls:,} calls on, if "
            "one server can take that load"
        )
        values |= {"volume": volume.value, "api": volume.value * usd_per_call}
    return Advice(rule="host.break-even", reason=Reason(template=template, values=values), source=source)


def _priced_by(sold: Qualified) -> str:
    assert sold.supply is not None  # who asks has looked
    offer = sold.supply.offer
    return f"{offer.source}, {offer.as_of}" if offer.as_of else offer.source


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
        if back:
            most = max(back, key=lambda one: len(one.models))
            template = N_("nobody qualifies; giving up the limit {limit} alone brings back {count}")
            values: dict[str, str | int | float] = {"limit": most.limit, "count": len(most.models)}
        else:
            template = N_("nobody qualifies, and no single limit is the reason: everybody misses at least two")
            values = {}
        yield Advice(rule="list.empty", reason=Reason(template=template, values=values), source=GUIDE)
        return
    if count <= MANY:
        return
    calls = [one.supply.usd_per_call if one.supply else None for one in found.qualified]
    known = [usd for usd in calls if usd is not None]
    if situation.test_cases and known:
        template = N_(
            "{count} models qualify; asking the {priced} with a known price all {cases:,} test cases would cost up to "
            "{usd:,.2f} USD, so compare the first {many} (--write --top {many})"
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
    "chosen.moves",
    "chosen.thinks",
    "host.no-weights",
    "host.no-price",
    "host.free",
    "host.give-gpu-price",
    "host.break-even",
    *(rule.id for rule in _IMPROVE),
    "list.empty",
    "list.too-long",
)
"""Every rule, in the order in which they speak."""
