"""Who sells a model, at what price, and how that price changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from touchstone.catalog.cards import Card
from touchstone.catalog.costs import dearest_rates
from touchstone.catalog.offers import Offer, PricePeriod, Rate
from touchstone.catalog.sellers import seller_id, sellers
from touchstone.catalog.units import MILLION
from touchstone.language import _
from touchstone.reporting import catalog_words as words
from touchstone.reporting.pages import Block, Paragraph, Section, Table
from touchstone.reporting.step_chart import Step, step_chart

_PLAIN = ("input_tokens", "output_tokens", "cache_read_tokens")


def offers_section(card: Card, today: date) -> Section:
    """The offers, cheapest first; then other units, tiers, and the history of prices."""
    if not card.offers:
        blocks: list[Block] = []
        if card.model is not None and card.model.weights in ("open", "gated"):
            blocks.append(Paragraph(_("No seller is known here. Its weights can be run on your own machines.")))
        return Section(_("Who sells it"), blocks, anchor="offers")
    offers = sorted(card.offers, key=lambda offer: (_order(offer, today), offer.provider, offer.served_name))
    blocks = [_offer_table(offers, today)]
    further = _further(offers, today)
    if further.rows:
        blocks.append(further)
    history = _history(offers)
    if history.rows:
        chart = step_chart(
            [
                Step(f"{words.seller(offer.provider)}: {offer.served_name}", _input_steps(offer))
                for offer in offers
                if len(_input_steps(offer)) > 1
            ][:6],
            until=today,
            write=words.usd,
            title=_("Input price over time"),
            caption=_("USD per million input tokens; of the sellers whose price changed."),
        )
        blocks += [history, *([chart] if chart else [])]
    return Section(_("Who sells it"), blocks, anchor="offers")


def _order(offer: Offer, today: date) -> float:
    usd = _usd(dearest_rates(offer.periods, today)[0] if offer.periods else ())
    known = [usd[unit] for unit in ("input_tokens", "output_tokens") if unit in usd]
    return sum(known) if known else float("inf")


def _usd(rates: Sequence[Rate]) -> dict[str, float]:
    return {rate.unit: float(rate.usd * MILLION / rate.per) for rate in rates}


def _offer_table(offers: Sequence[Offer], today: date) -> Table:
    rows = []
    for offer in offers:
        rates, hourly = dearest_rates(offer.periods, today) if offer.periods else ((), False)
        usd = _usd(rates)
        seller = sellers().get(seller_id(offer.provider))
        marks = [
            offer.snapshot or "",
            offer.precision or "",
            _("deprecated") if offer.deprecated else "",
            _("dearest hour") if hourly else "",
            _("dearer above {n} tokens").format(n=words.tokens(_first_threshold(rates)))
            if _first_threshold(rates)
            else "",
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
    sources = sorted({_source(offer, today) for offer in offers})
    return Table(
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
        note=_("USD per million tokens on {day}. Source: {sources}.").format(
            day=today.isoformat(), sources=_(", ").join(sources)
        ),
    )


def _source(offer: Offer, today: date) -> str:
    # A list that knows of next year's prices carries next year's date, which says nothing about its age.
    dated = offer.as_of is not None and offer.as_of <= today.isoformat()
    return _("{source}, {date}").format(source=offer.source, date=offer.as_of) if dated else offer.source


def _first_threshold(rates: Sequence[Rate]) -> int | None:
    found = [tier.above_input_tokens for rate in rates for tier in rate.tiers]
    return min(found) if found else None


def _further(offers: Sequence[Offer], today: date) -> Table:
    """Prices of units other than plain tokens, and of long calls."""
    rows = []
    for offer in offers:
        for rate in dearest_rates(offer.periods, today)[0] if offer.periods else ():
            unit = words.UNITS.get(rate.unit)
            name = _(unit) if unit else rate.unit
            if rate.unit not in _PLAIN:
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
    return Table((_("Seller"), _("Name there"), _("What"), _("USD"), _("per")), rows, numbers=frozenset({3}))


def _per(rate: Rate) -> str:
    if rate.per == 3600 and "seconds" in rate.unit:
        return _("hour")
    return {1: _("one"), 1000: _("thousand"), MILLION: _("million")}.get(rate.per, f"{rate.per:,}")


def _dated(offer: Offer) -> list[PricePeriod]:
    found = [period for period in offer.periods if not period.when and period.hours is None]
    return found if len(found) > 1 else []


def _history(offers: Sequence[Offer]) -> Table:
    rows = [
        (
            words.seller(offer.provider),
            offer.served_name,
            period.since.isoformat() if period.since else _("before"),
            *(words.usd(_usd(period.rates).get(unit)) for unit in _PLAIN),
        )
        for offer in offers
        for period in _dated(offer)
    ]
    return Table(
        (_("Seller"), _("Name there"), _("From"), _("$ in"), _("$ out"), _("$ cached in")),
        rows,
        numbers=frozenset({3, 4, 5}),
        note=_("How prices changed, as far as the source remembers."),
    )


def _input_steps(offer: Offer) -> list[tuple[date, float]]:
    """From which day the input cost how much; what held before the first known change begins a month earlier."""
    steps: list[tuple[date, float]] = []
    dated = _dated(offer)
    first = next((period.since for period in dated if period.since), None)
    for period in dated:
        usd = _usd(period.rates).get("input_tokens")
        if usd is not None and first is not None:
            steps.append((period.since or first - timedelta(days=30), usd))
    return steps
