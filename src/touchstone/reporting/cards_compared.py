"""Several cards side by side: a column for each, a row for each fact, and the results that were measured alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date

from touchstone.catalog.benchmarks import benchmarks
from touchstone.catalog.cards import Card
from touchstone.catalog.claims import Claim
from touchstone.catalog.costs import dearest_rates
from touchstone.catalog.memory import memory_need
from touchstone.catalog.offers import Offer
from touchstone.catalog.units import MILLION
from touchstone.language import _
from touchstone.reporting import catalog_words as words
from touchstone.reporting import numbers
from touchstone.reporting.card_results import score
from touchstone.reporting.pages import Block, Page, Paragraph, Section, Table


def compared_page(cards: Sequence[Card], today: date) -> Page:
    """The page; any number of cards, in the order that was asked for."""
    heads = ("", *(card.id for card in cards))
    facts = _table(heads, cards, _facts())
    prices = _table(heads, cards, _prices(today))
    sections = [
        Section(_("Facts"), [facts], anchor="facts"),
        Section(
            _("Price and memory"),
            [
                prices,
                Paragraph(
                    _("Prices: USD per million tokens on {day}, each at its cheapest seller.").format(
                        day=today.isoformat()
                    ),
                    tone="quiet",
                ),
            ],
            anchor="prices",
        ),
        Section(_("Results measured alike"), _results(cards), anchor="results"),
    ]
    return Page(
        kicker=_("Models compared"),
        title=numbers.listing(card.name for card in cards),
        lead="",
        sections=sections,
        closing=_("As known on {date}.").format(date=numbers.day(today.isoformat())),
    )


Row = tuple[str, Callable[[Card], str]]


def _table(heads: Sequence[str], cards: Sequence[Card], rows: Sequence[Row]) -> Table:
    filled = [(name, *(read(card) for card in cards)) for name, read in rows]
    return Table(heads, [row for row in filled if any(cell != numbers.UNKNOWN for cell in row[1:])])


def _facts() -> list[Row]:
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
        fact("retired", str),
    ]


def _prices(today: date) -> list[Row]:
    def usd(unit: str) -> Row:
        name = {"input_tokens": _("$ in"), "output_tokens": _("$ out"), "cache_read_tokens": _("$ cached in")}[unit]
        return name, lambda card: words.usd(_usd(_cheapest(card, today), unit, today))

    return [
        (_("Sellers"), lambda card: numbers.count(len({offer.provider for offer in card.offers}))),
        (
            _("Cheapest seller"),
            lambda card: words.seller(found.provider) if (found := _cheapest(card, today)) else numbers.UNKNOWN,
        ),
        usd("input_tokens"),
        usd("output_tokens"),
        usd("cache_read_tokens"),
        (_("Memory, 16 bit, 8,192 tokens"), _memory),
    ]


def _cheapest(card: Card, today: date) -> Offer | None:
    """By the sum of input and output price; an offer without a known price only when there is no other."""
    return min(
        card.offers,
        key=lambda offer: (sum(_known(offer, today)) if _known(offer, today) else float("inf"), offer.provider),
        default=None,
    )


def _known(offer: Offer, today: date) -> list[float]:
    found = [_usd(offer, unit, today) for unit in ("input_tokens", "output_tokens")]
    return [usd for usd in found if usd is not None]


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
    found: dict[tuple[str, ...], dict[str, Claim]] = defaultdict(dict)
    for card in cards:
        for claim in card.claims:
            kept = found[claim.condition].get(card.id)
            # The newest counts; of two of one day the first of the source.
            if kept is None or (claim.date or "") > (kept.date or ""):
                found[claim.condition][card.id] = claim
    rows = []
    for condition in sorted(found, key=lambda one: (-len(found[one]), one)):
        by_card = found[condition]
        if len(by_card) < 2:
            continue
        benchmark = benchmarks().get(condition[0])
        how = _(", ").join(part for part in condition[1:] if part)
        rows.append(
            (
                _("{benchmark} ({how})").format(benchmark=benchmark.name if benchmark else condition[0], how=how)
                if how
                else condition[0],
                *(score(by_card[card.id].value) if card.id in by_card else numbers.UNKNOWN for card in cards),
            )
        )
    if not rows:
        return [Paragraph(_("No two of them were measured alike by any source that is known here."))]
    note = _(
        "Each row is one test under one harness, prompt and measurer; numbers of different rows are not comparable."
    )
    return [
        Table((_("Test"), *(card.id for card in cards)), rows, numbers=frozenset(range(1, len(cards) + 1)), note=note)
    ]
