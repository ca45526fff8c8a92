"""Who sells a model, at what price, and how that price changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from touchstone.catalog.cards import Card
from touchstone.catalog.costs import dearest_rates
from touchstone.catalog.model import earliest
from touchstone.catalog.offers import Offer, Rate
from touchstone.catalog.sellers import seller_id, sellers
from touchstone.catalog.units import MILLION, dimensions_of
from touchstone.language import _
from touchstone.reporting import catalog_words as words
from touchstone.reporting import numbers
from touchstone.reporting.line_parts import LINES
from touchstone.reporting.pages import Block, Paragraph, Section, Table, without_empty
from touchstone.reporting.step_chart import Step, step_chart

_PLAIN = ("input_tokens", "output_tokens", "cache_read_tokens")
BRIEF_ROWS = 12
"""So many rows of a table of offers are shown where a page is to be short."""
_BEFORE_DAYS = 30


def offers_section(card: Card, today: date, *, brief: bool = False) -> Section:
    """
    The offers as a search ranks them, those that have ended last; then other units, tiers, and the history of prices.

    Args:
        card: Whose offers are shown.
        today: Whose prices.
        brief: At most `BRIEF_ROWS` rows a table.
    """
    title = _("Who sells it")
    if not card.offers:
        blocks: list[Block] = []
        if card.model is not None and card.model.weights in ("open", "gated"):
            blocks.append(Paragraph(_("No seller is known here. Its weights can be run on your own machines.")))
        return Section(title, blocks, anchor="offers")
    offers = card.offers_by_price(today)
    tables = [_offer_table(card, offers, today), _further(offers, today), _history(offers)]
    blocks = [_shortened(table) if brief else table for table in tables if table.rows]
    chart = step_chart(
        [
            Step(_("{seller}: {name}").format(seller=words.short_seller(offer.provider), name=offer.served_name), steps)
            for offer in offers
            if len(steps := _input_steps(offer)) > 1
        ][:LINES],
        until=today,
        write=words.usd,
        title=_("Input price over time"),
        caption=_(
            "USD per million input tokens, of the sellers whose input price changed. What held before the first known "
            "change is drawn from {n} days before it."
        ).format(n=_BEFORE_DAYS),
    )
    return Section(title, [*blocks, *([chart] if chart else [])], anchor="offers")


def _shortened(table: Table) -> Table:
    left = len(table.rows) - BRIEF_ROWS
    if left <= 0:
        return table
    more = _("{n} more rows with --all.").format(n=left)
    return table._replace(rows=table.rows[:BRIEF_ROWS], note=f"{table.note} {more}" if table.note else more)


def _usd(rates: Sequence[Rate]) -> dict[str, float]:
    return {rate.unit: float(rate.usd * MILLION / rate.per) for rate in rates}


def _offer_table(card: Card, offers: Sequence[Offer], today: date) -> Table:
    retired = card.model is not None and card.model.retired is not None and earliest(card.model.retired) <= today
    gone = retired and all(card.ended(offer, today) for offer in offers)
    rows = []
    for offer in offers:
        rates, hourly = dearest_rates(offer.periods, today) if offer.periods else ((), False)
        usd = _usd(rates)
        seller = sellers().get(seller_id(offer.provider))
        threshold = _first_threshold(rates)
        marks = [
            offer.snapshot if offer.snapshot and offer.snapshot not in offer.served_name else "",
            offer.precision or "",
            _("ended") if card.ended(offer, today) and not gone else _("deprecated") if offer.deprecated else "",
            _("dearest hour") if hourly else "",
            _("dearer above {n} tokens").format(n=words.tokens(threshold)) if threshold else "",
        ]
        rows.append(
            (
                words.seller(offer.provider),
                offer.served_name,
                *(words.usd(usd.get(unit)) for unit in _PLAIN),
                words.tokens(offer.context_tokens),
                words.places(seller.processed_in if seller else None),
                _(", ").join(mark for mark in marks if mark),
            )
        )
    sources = sorted({_source(offer) for offer in offers})
    if all(cell == numbers.UNKNOWN for row in rows for cell in row[2:5]):
        note = _("No price per token is known. Source: {sources}.")
    elif gone:
        note = _("Its maker serves it no more: the last known prices, USD per million tokens. Source: {sources}.")
    else:
        note = _("USD per million tokens on {day}. Source: {sources}.")
    return without_empty(
        Table(
            (
                _("Seller"),
                _("Name there"),
                _("$ in"),
                _("$ out"),
                _("$ cached in"),
                _("Context"),
                _("Processed in"),
                _("Note"),
            ),
            rows,
            numbers=frozenset({2, 3, 4, 5}),
            note=note.format(day=numbers.day(today.isoformat()), sources=_("; ").join(sources)),
        )
    )


def _source(offer: Offer) -> str:
    return _("{source}, {date}").format(source=offer.source, date=offer.as_of) if offer.as_of else offer.source


def _first_threshold(rates: Sequence[Rate]) -> int | None:
    found = [tier.above_input_tokens for rate in rates for tier in rate.tiers]
    return min(found) if found else None


def _further(offers: Sequence[Offer], today: date) -> Table:
    """Prices of units other than plain tokens, and of long calls."""
    rows = []
    for offer in offers:
        rates = dearest_rates(offer.periods, today)[0] if offer.periods else ()
        for rate in rates:
            unit = words.UNITS.get(rate.unit)
            name = _(unit) if unit else rate.unit
            if rate.unit not in _PLAIN and not _said_twice(rate, rates):
                rows.append((words.seller(offer.provider), offer.served_name, name, words.usd(rate.usd), _per(rate)))
            rows += [
                (
                    words.seller(offer.provider),
                    offer.served_name,
                    _("{unit}, calls above {n} input tokens").format(
                        unit=name, n=words.tokens(tier.above_input_tokens)
                    ),
                    words.usd(tier.usd),
                    _per(rate),
                )
                for tier in rate.tiers
            ]
    return Table(
        (_("Seller"), _("Name there"), _("What"), _("USD"), _("per")),
        rows,
        numbers=frozenset({3}),
        title=_("Other units and long calls"),
    )


def _said_twice(rate: Rate, rates: Sequence[Rate]) -> bool:
    """Whether a narrower unit of the same offer has the same price: sound in all, where only sound that is read is."""
    of = dimensions_of(rate.unit)
    return any(
        of < dimensions_of(other.unit) and (other.usd, other.per, other.tiers) == (rate.usd, rate.per, rate.tiers)
        for other in rates
    )


def _per(rate: Rate) -> str:
    if rate.per == 3600 and "seconds" in rate.unit:
        return _("hour")
    return {1: _("one"), 1000: _("thousand"), MILLION: _("million")}.get(rate.per, f"{rate.per:,}")


def _dated(offer: Offer) -> list[tuple[date | None, dict[str, float]]]:
    """From which day on which of the plain units cost how much, oldest first; None is before anybody noted it."""
    standard = [period for period in offer.periods if not period.when and period.hours is None]
    found: list[tuple[date | None, dict[str, float]]] = []
    for period in sorted(standard, key=lambda one: one.since or date.min):
        usd = {unit: price for unit, price in _usd(period.rates).items() if unit in _PLAIN}
        if not found or found[-1][1] != usd:
            found.append((period.since, usd))
    return found if len(found) > 1 else []


def _history(offers: Sequence[Offer]) -> Table:
    rows = [
        (
            words.seller(offer.provider),
            offer.served_name,
            since.isoformat() if since else _("earlier"),
            *(words.usd(usd.get(unit)) for unit in _PLAIN),
        )
        for offer in offers
        for since, usd in reversed(_dated(offer))
    ]
    return Table(
        (_("Seller"), _("Name there"), _("From"), _("$ in"), _("$ out"), _("$ cached in")),
        rows,
        numbers=frozenset({3, 4, 5}),
        title=_("How prices changed"),
        note=_("USD per million tokens, as far as the source remembers, the newest first."),
    )


def _input_steps(offer: Offer) -> list[tuple[date, float]]:
    """From which day the input cost how much; what held before the first known change begins a month before it."""
    dated = _dated(offer)
    first = next((since for since, _usd_then in dated if since), None)
    steps: list[tuple[date, float]] = []
    for since, usd in dated:
        price = usd.get("input_tokens")
        if price is not None and first is not None and (not steps or steps[-1][1] != price):
            steps.append((since or first - timedelta(days=_BEFORE_DAYS), price))
    return steps
