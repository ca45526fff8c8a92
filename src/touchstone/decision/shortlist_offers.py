"""
Limits on who sells a model: seller, place, price, context served. They hold together for one offer, or not at all.

An offer that is cheap and another one that stays in the EU are no cheap offer in the EU.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from touchstone.catalog.cards import Card
from touchstone.catalog.sellers import Seller, seller_id
from touchstone.decision.base import Reason
from touchstone.decision.shortlist_base import (
    Background,
    Check,
    LimitName,
    Needs,
    Supply,
    Verdict,
)
from touchstone.decision.shortlist_checks import joined
from touchstone.decision.shortlist_costs import by_cost, supply_of
from touchstone.decision.shortlist_permits import country_meets
from touchstone.language import N_

_FIRST_PAGE = 3
"""So many sellers are named in a sentence."""


class Stock(NamedTuple):
    """One offer held against all limits on offers."""

    supply: Supply
    verdicts: dict[LimitName, Verdict]
    """Of every limit on offers that was asked."""
    misses: frozenset[LimitName]
    """Those that it does not meet."""
    ends: date | None = None
    """From when it is over though others of the model may not be."""


def asked_of_offers(needs: Needs) -> dict[LimitName, Reason]:
    """The limits that needs put on an offer, each in words, in the fixed order."""
    found: dict[LimitName, Reason] = {}
    if needs.context_tokens is not None:
        found["context"] = Reason(
            template=N_("its context holds {tokens:,} tokens"), values={"tokens": needs.context_tokens}
        )
    if needs.serve_until is not None:
        found["retirement"] = Reason(
            template=N_("it is not retired on {day} or before"), values={"day": needs.serve_until.isoformat()}
        )
    if needs.providers:
        found["provider"] = Reason(
            template=N_("it is sold by one of {sellers}"), values={"sellers": joined(needs.providers)}
        )
    if needs.callable:
        found["callable"] = Reason(template=N_("Touchstone can call it by name"))
    if needs.seller_countries or needs.not_seller_countries:
        codes = (*needs.seller_countries, *(f"≠{code}" for code in needs.not_seller_countries))
        found["seller-country"] = Reason(
            template=N_("its seller has its seat in: {countries}"), values={"countries": joined(codes)}
        )
    if needs.regions:
        found["region"] = Reason(
            template=N_("calls can be kept within: {places}"), values={"places": joined(needs.regions)}
        )
    if needs.max_input_usd is not None:
        found["input-usd"] = Reason(
            template=N_("a million input tokens cost at most {limit:,g} USD"), values={"limit": needs.max_input_usd}
        )
    if needs.max_output_usd is not None:
        found["output-usd"] = Reason(
            template=N_("a million output tokens cost at most {limit:,g} USD"), values={"limit": needs.max_output_usd}
        )
    if needs.max_usd_per_month is not None:
        found["usd-per-month"] = Reason(
            template=N_("a month costs at most {limit:,g} USD"), values={"limit": needs.max_usd_per_month}
        )
    if not needs.allow_deprecated:
        found["deprecated"] = Reason(template=N_("its seller does not call the offer deprecated"))
    return found


_NEED_NO_OFFER: frozenset[LimitName] = frozenset({"context", "retirement", "deprecated"})
"""These judge the offers there are; a model that nobody sells breaks none of them."""


def without_offer(asked: Iterable[LimitName]) -> frozenset[LimitName]:
    """The limits, of those that are asked of offers, that a model misses when no offer is counted."""
    return frozenset(asked) - _NEED_NO_OFFER


def stocks_of(card: Card, needs: Needs, asked: Iterable[LimitName], background: Background) -> tuple[Stock, ...]:
    """Every offer of a model with its costs and verdicts, the cheapest first, the unpriced last."""
    found = []
    for offer in card.offers:
        seller = background.sellers.get(seller_id(offer.provider))
        supply = supply_of(offer, card, needs, seller, background.day)
        ends = card.ends(offer) if needs.serve_until is not None else None
        verdicts = {name: _verdict(name, supply, ends, seller, needs, background) for name in asked}
        misses = frozenset([name for name, verdict in verdicts.items() if verdict != "met"])
        found.append(Stock(supply, verdicts, misses, ends))
    if len(found) > 1:  # most have one, and a catalog has a hundred thousand
        found.sort(key=lambda stock: by_cost(stock.supply))
    return tuple(found)


def _verdict(
    name: LimitName,
    supply: Supply,
    ends: date | None,
    seller: Seller | None,
    needs: Needs,
    background: Background,
) -> Verdict:
    offer = supply.offer
    if name == "context":
        # What an offer does not say is the model's own, of which the card is asked.
        served = offer.context_tokens
        return _holds(served is None or needs.context_tokens is None or served >= needs.context_tokens)
    if name == "retirement":
        return _holds(ends is None or needs.serve_until is None or ends > needs.serve_until)
    if name == "deprecated":
        return _holds(offer.deprecated is not True)
    if name == "provider":
        return _holds(bool({offer.provider, seller_id(offer.provider)} & set(needs.providers)))
    if name == "callable":
        return _holds(background.can_call(offer))
    if name == "seller-country":
        country = seller.country if seller else None
        if country is None:
            return "unknown"
        return _holds(country_meets(country, needs.seller_countries, needs.not_seller_countries))
    if name == "region":
        kept = seller.can_keep_in(frozenset(needs.regions)) if seller else None
        return "unknown" if kept is None else _holds(kept)
    usd, limit = _money(name, supply, needs)
    return "unknown" if usd is None else _holds(usd <= limit)


def _holds(met: bool) -> Verdict:
    return "met" if met else "not-met"


def _money(name: LimitName, supply: Supply, needs: Needs) -> tuple[float | None, float]:
    """What an offer costs and may cost, in the unit of the limit."""
    found = {
        "input-usd": (supply.input_usd, needs.max_input_usd),
        "output-usd": (supply.output_usd, needs.max_output_usd),
        "usd-per-month": (supply.usd_per_month, needs.max_usd_per_month),
    }
    usd, limit = found[name]
    assert limit is not None  # only limits that were asked are looked at
    return usd, limit


# In words -------------------------------------------------------------------------------------------------------------


def offer_check(name: LimitName, stocks: Sequence[Stock], alone: bool, needs: Needs, background: Background) -> Check:
    """
    One limit on offers that a model misses, told of the offer that comes closest.

    Args:
        stocks: All offers of the model.
        alone: Whether there are offers that miss this limit and nothing else; then only they are looked at.
    """
    if not stocks:
        return _of_no_offer(name, "unknown", N_("unknown: nobody is known to sell it"))
    missing = [stock for stock in stocks if name in stock.misses]
    if not missing:
        template = N_("its offers meet this and miss other limits; without this one no offer would be needed")
        return _of_no_offer(name, "not-met", template)
    rest = [stock for stock in missing if stock.misses == {name}]
    if alone and rest:
        looked_at, among = rest, N_("of the offers that meet everything else")
    elif len(missing) == len(stocks):
        looked_at, among = list(stocks), N_("of all its offers")
    else:
        # Some offer meets this limit and misses another: told is what the one costs that misses the fewest.
        fewest = min(len(stock.misses) for stock in missing)
        looked_at = [stock for stock in missing if len(stock.misses) == fewest]
        among = N_("of the offers that miss the fewest limits; no offer meets all at once")
    return _told(name, looked_at, among, needs, background)


@lru_cache(maxsize=256)
def _of_no_offer(name: LimitName, verdict: Verdict, template: str) -> Check:
    return Check(limit=name, verdict=verdict, reason=Reason(template=template))


@lru_cache(maxsize=8)
def _among(template: str) -> Reason:
    return Reason(template=template)


def _told(name: LimitName, stocks: Sequence[Stock], among: str, needs: Needs, background: Background) -> Check:
    if name in ("input-usd", "output-usd", "usd-per-month"):
        return _told_money(name, stocks, among, needs)
    if name == "context":
        return _told_context(stocks, among, needs)
    if name == "retirement":
        return _told_end(stocks, among, needs)
    sellers = tuple(sorted({seller_id(stock.supply.offer.provider) for stock in stocks}))
    if name in ("provider", "callable", "deprecated"):
        return _told_sellers(name, sellers, among, needs.providers)
    known = [stock for stock in stocks if stock.verdicts[name] == "not-met"]
    return _told_place(name, known, _shown(sellers), among, needs, background)


def _shown(sellers: Sequence[str]) -> str:
    return joined([*sellers[:_FIRST_PAGE], *(["…"] if len(sellers) > _FIRST_PAGE else [])])


# Many models are sold by the same, and what is said of that is said once.
@lru_cache(maxsize=4096)
def _told_sellers(name: LimitName, sellers: tuple[str, ...], among: str, wanted: tuple[str, ...]) -> Check:
    values, actual = {"sellers": _shown(sellers)}, joined(sellers)
    if name == "provider":
        return Check(
            limit=name,
            verdict="not-met",
            reason=Reason(template=N_("it is sold only by {sellers}"), values=values),
            among=_among(among),
            actual=actual,
            required=joined(wanted),
            nearest=sellers[0],
        )
    template = (
        N_("it is sold by {sellers}, in no way that Touchstone can call by name")
        if name == "callable"
        else N_("what {sellers} sells is called deprecated there")
    )
    reason = Reason(template=template, values=values)
    return Check(limit=name, verdict="not-met", reason=reason, among=_among(among), actual=actual)


def _told_money(name: LimitName, stocks: Sequence[Stock], among: str, needs: Needs) -> Check:
    priced = [(usd, stock) for stock in stocks if (usd := _money(name, stock.supply, needs)[0]) is not None]
    limit = _money(name, stocks[0].supply, needs)[1]
    if not priced:
        sellers = joined(sorted({seller_id(stock.supply.offer.provider) for stock in stocks})[:_FIRST_PAGE])
        template = N_("unknown: no price is stated by {sellers}")
        if any(stock.supply.offer.periods for stock in stocks):
            template = N_("unknown: by the tokens of text alone it cannot be told what {sellers} would charge")
        reason = Reason(template=template, values={"sellers": sellers})
        return Check(limit=name, verdict="unknown", reason=reason, among=_among(among), required=limit)
    usd, stock = min(priced, key=lambda one: (one[0], by_cost(one[1].supply)))
    template = {
        "input-usd": N_(
            "the cheapest offer, by {seller}, costs {usd:,.4g} USD a million input tokens, {gap:,.4g} over {limit:,g}"
        ),
        "output-usd": N_(
            "the cheapest offer, by {seller}, costs {usd:,.4g} USD a million output tokens, {gap:,.4g} over {limit:,g}"
        ),
        "usd-per-month": N_(
            "the cheapest offer, by {seller}, costs {usd:,.2f} USD a month, {gap:,.2f} over {limit:,g}"
        ),
    }[name]
    values: dict[str, str | int | float] = {
        "seller": seller_id(stock.supply.offer.provider),
        "usd": usd,
        "gap": usd - limit,
        "limit": limit,
    }
    return Check(
        limit=name,
        verdict="not-met",
        reason=Reason(template=template, values=values),
        among=_among(among),
        actual=usd,
        required=limit,
        gap=usd - limit,
        # Whole cents of a month's bill, rounded so that the model does come back.
        nearest=max(math.ceil(usd * 100) / 100, usd) if name == "usd-per-month" else usd,
    )


def _told_context(stocks: Sequence[Stock], among: str, needs: Needs) -> Check:
    wanted = needs.context_tokens or 0
    stock = max(stocks, key=lambda one: (one.supply.offer.context_tokens or 0, one.supply.offer.provider))
    served = stock.supply.offer.context_tokens or 0
    template = N_("the longest context served, by {seller}, holds {had:,} tokens, {gap:,} fewer than {wanted:,}")
    values: dict[str, str | int | float] = {
        "seller": seller_id(stock.supply.offer.provider),
        "had": served,
        "gap": wanted - served,
        "wanted": wanted,
    }
    return Check(
        limit="context",
        verdict="not-met",
        reason=Reason(template=template, values=values),
        among=_among(among),
        actual=served,
        required=wanted,
        gap=wanted - served,
        nearest=served,
    )


def _told_end(stocks: Sequence[Stock], among: str, needs: Needs) -> Check:
    assert needs.serve_until is not None  # who asks has looked
    stock = max(stocks, key=lambda one: (one.ends or date.min, one.supply.offer.provider))
    ends, wanted = stock.ends or date.min, needs.serve_until
    days = (wanted - ends).days
    template = N_("the offer that lasts longest, by {seller}, ends on {day}, {days:,} days before {wanted}")
    values: dict[str, str | int | float] = {
        "seller": seller_id(stock.supply.offer.provider),
        "day": ends.isoformat(),
        "days": days,
        "wanted": wanted.isoformat(),
    }
    return Check(
        limit="retirement",
        verdict="not-met",
        reason=Reason(template=template, values=values),
        among=_among(among),
        actual=ends.isoformat(),
        required=wanted.isoformat(),
        gap=days,
        nearest=(ends - timedelta(days=1)).isoformat(),
    )


def _told_place(
    name: LimitName, known: Sequence[Stock], sellers: str, among: str, needs: Needs, background: Background
) -> Check:
    """Where the sellers sit, or where calls run."""
    places: list[str] = []
    for stock in known:
        seller = background.sellers[seller_id(stock.supply.offer.provider)]
        stated = [seller.country] if name == "seller-country" else seller.processed_in or ()
        places += [place for place in stated if place is not None and place not in places]
    if name == "seller-country":
        required = joined((*needs.seller_countries, *(f"≠{code}" for code in needs.not_seller_countries)))
        missed = N_("its sellers, {sellers}, have their seats in: {places}")
        unsaid = N_("unknown: in which country they have their seats is not stated by {sellers}")
    else:
        required = joined(needs.regions)
        missed = N_("{sellers} sell it, and calls run in: {places}")
        unsaid = N_("unknown: in which places calls run is not stated by {sellers}")
    if not places:
        reason = Reason(template=unsaid, values={"sellers": sellers})
        return Check(limit=name, verdict="unknown", reason=reason, among=_among(among), required=required)
    reason = Reason(template=missed, values={"sellers": sellers, "places": joined(places)})
    return Check(
        limit=name,
        verdict="not-met",
        reason=reason,
        among=_among(among),
        actual=joined(places),
        required=required,
        nearest=places[0],
    )


def offer_met(name: LimitName, stock: Stock | None) -> Check:
    """A limit on offers that a model meets: by this offer, or because there is none that would break it."""
    if stock is None:
        return Check(limit=name, verdict="met", reason=Reason(template=N_("no offer has to meet this")))
    reason = Reason(
        template=N_("the offer by {seller} meets it"), values={"seller": seller_id(stock.supply.offer.provider)}
    )
    return Check(limit=name, verdict="met", reason=reason, actual=stock.supply.offer.provider)
