"""Several cards side by side: a column for each, a row for each fact, and the results that were measured alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from typing import Literal

from touchstone.catalog.cards import Card
from touchstone.catalog.claims import Claim
from touchstone.catalog.costs import dearest_rates
from touchstone.catalog.memory import memory_need
from touchstone.catalog.model import earliest
from touchstone.catalog.offers import Offer
from touchstone.catalog.units import MILLION
from touchstone.language import _, current_language
from touchstone.reporting import catalog_words as words
from touchstone.reporting import numbers
from touchstone.reporting.card_results import benchmark_name, score
from touchstone.reporting.pages import Block, Page, Paragraph, Section, Table

_NAMED = 4
"""So many names fit a title."""


def compared_page(cards: Sequence[Card], today: date) -> Page:
    """The page; any number of cards, in the order that was asked for."""
    heads = ("", *(called_in_list(card) for card in cards))
    facts = _table(heads, cards, [(_("Id"), lambda card: card.id), *_facts(today)])
    prices = _table(heads, cards, _prices(today), numbers_only=True)
    sections = [
        Section(_("Facts"), [facts], anchor="facts"),
        Section(
            _("Price and memory"),
            [
                prices,
                Paragraph(
                    _(
                        "Prices: USD per million tokens on {day}, each at its cheapest seller for three input tokens "
                        "to one output token; of what is retired the last known."
                    ).format(day=numbers.day(today.isoformat())),
                    tone="quiet",
                ),
            ],
            anchor="prices",
        ),
        Section(_("Results measured alike"), _results(cards), anchor="results"),
    ]
    return Page(
        kicker=_("Models compared"),
        title=_title([called_in_list(card) for card in cards]),
        lead="",
        sections=sections,
        closing=_("As known on {date}.").format(date=numbers.day(today.isoformat())),
    )


Row = tuple[str, Callable[[Card], str]]

Sameness = Literal["differ", "alike", "partly"]
"""Cells differ; all are alike; of some it is unknown, and the others are alike."""


def sameness(cells: Sequence[str]) -> Sameness:
    """How the cells of one row, one a card, stand to each other."""
    stated = {cell for cell in cells if cell not in ("", numbers.UNKNOWN)}
    if len(stated) > 1:
        return "differ"
    return "partly" if any(cell in ("", numbers.UNKNOWN) for cell in cells) else "alike"


def _title(names: Sequence[str]) -> str:
    if len(names) <= _NAMED:
        return numbers.listing(names)
    named = _(", ").join(names[: _NAMED - 1])
    return _("{names} and {n} more").format(names=named, n=len(names) - _NAMED + 1)


def called_in_list(card: Card) -> str:
    """What a model is called in the reader's language."""
    chinese = card.model.name_zh if card.model and current_language() == "zh" else None
    return chinese or card.name


def _table(heads: Sequence[str], cards: Sequence[Card], rows: Sequence[Row], *, numbers_only: bool = False) -> Table:
    filled = [(name, *(read(card) for card in cards)) for name, read in rows]
    kept = [row for row in filled if any(cell != numbers.UNKNOWN for cell in row[1:])]
    return Table(heads, kept, numbers=frozenset(range(1, len(heads))) if numbers_only else frozenset())


def _facts(today: date) -> list[Row]:
    def fact(field: str, write: Callable[[object], str]) -> Row:
        def read(card: Card) -> str:
            value = card.fact(field)
            return numbers.UNKNOWN if value is None or value == () else write(value)

        return words.field_name(field), read

    return [
        (_("Lab"), lambda card: words.lab(card.model.lab) if card.model else numbers.UNKNOWN),
        (_("Openness"), lambda card: words.term("openness", card.openness)),
        fact("licence", lambda value: words.licence(str(value))),
        (_("Tasks"), lambda card: words.terms("task", card.model.tasks) if card.model else numbers.UNKNOWN),
        fact("input_modalities", lambda value: _(", ").join(_(words.MODALITIES[one]) for one in value)),  # type: ignore[attr-defined]
        fact("architecture", lambda value: words.term("architecture", str(value))),
        (
            _("Parameters"),
            lambda card: words.parameters(card.fact("parameters"), card.fact("active_parameters")),
        ),
        (_("Context"), lambda card: words.tokens(card.fact("context_tokens"))),
        (_("Longest answer"), lambda card: words.tokens(card.fact("max_output_tokens"))),
        fact("tools", lambda value: words.yes_no(bool(value))),
        fact("structured_output", lambda value: words.yes_no(bool(value))),
        fact("reasoning", lambda value: words.yes_no(bool(value))),
        fact("released", str),
        fact("knowledge_cutoff", str),
        (_("Retired"), lambda card: _retired(card, today)),
    ]


def _retired(card: Card, today: date) -> str:
    day = card.fact("retired")
    if day is None:
        return numbers.UNKNOWN
    return str(day) if earliest(str(day)) <= today else _("will be on {day}").format(day=day)


def _prices(today: date) -> list[Row]:
    def usd(unit: str) -> Row:
        name = {"input_tokens": _("$ in"), "output_tokens": _("$ out"), "cache_read_tokens": _("$ cached in")}[unit]
        return name, lambda card: words.usd(_usd(_cheapest(card, today), unit, today))

    return [
        (_("Sellers"), lambda card: numbers.count(len({offer.provider for offer in card.offers}))),
        (
            _("Cheapest seller"),
            lambda card: words.short_seller(found.provider) if (found := _cheapest(card, today)) else numbers.UNKNOWN,
        ),
        usd("input_tokens"),
        usd("output_tokens"),
        usd("cache_read_tokens"),
        (_("Memory, 16 bit, 8,192 tokens"), _memory),
    ]


def _cheapest(card: Card, today: date) -> Offer | None:
    """The one that a search names too."""
    return next(iter(card.offers_by_price(today)), None)


def _usd(offer: Offer | None, unit: str, today: date) -> float | None:
    if offer is None or not offer.periods:
        return None
    rates = {rate.unit: rate for rate in dearest_rates(offer.periods, today)[0]}
    return float(rates[unit].usd * MILLION / rates[unit].per) if unit in rates else None


def _memory(card: Card) -> str:
    model = card.model
    if model is None or model.parameters is None or model.weights == "closed":
        return numbers.UNKNOWN
    return words.gib(memory_need(model.parameters, model.network).total_bytes)


def _results(cards: Sequence[Card]) -> list[Block]:
    """A row for each condition under which at least two of the cards were measured."""
    found: dict[tuple[str, ...], dict[str, list[Claim]]] = defaultdict(lambda: defaultdict(list))
    for card in cards:
        for claim in card.claims:
            found[claim.condition][card.id].append(claim)
    rows = []
    for condition in sorted(found, key=lambda one: (-len(found[one]), one)):
        by_card = found[condition]
        if len(by_card) < 2:
            continue
        one = next(iter(by_card.values()))[0]
        how = [one.subset, one.setting, one.harness or one.source]
        said = _("{how}; measured by {who}").format(
            how=_(", ").join(part for part in how if part), who=_("us") if one.ours else one.measured_by
        )
        rows.append((benchmark_name(one.benchmark), said, *(_scores(by_card.get(card.id, ())) for card in cards)))
    if not rows:
        return [Paragraph(_("No two of them were measured alike by any source that is known here."))]
    note = _(
        "Each row is one test under one program, prompt and measurer; numbers of different rows are not comparable. "
        "Two numbers are the lowest and the highest of a model that was measured in several versions or modes."
    )
    heads = (_("Test"), _("How"), *(called_in_list(card) for card in cards))
    return [Table(heads, rows, numbers=frozenset(range(2, len(cards) + 2)), note=note)]


def _scores(claims: Sequence[Claim]) -> str:
    if not claims:
        return numbers.UNKNOWN
    low, high = min(claim.value for claim in claims), max(claim.value for claim in claims)
    return score(low) if low == high else f"{score(low)}–{score(high)}"
