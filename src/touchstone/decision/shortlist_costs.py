"""
What an offer costs a scenario, as far as it can be told.

The tokens of a call are tokens of text. Where pictures or recordings are written, or are read and billed by a unit of
their own, nobody has said how many there are, and the cost is unknown rather than that of the text alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from touchstone.catalog.cards import Card
from touchstone.catalog.costs import dearest_rates, price_usage
from touchstone.catalog.offers import Offer, Rate
from touchstone.catalog.sellers import ANYWHERE, Seller
from touchstone.catalog.units import MILLION, dimensions_of
from touchstone.decision.shortlist_base import Needs, Qualified, Supply

_MEDIA = frozenset({"image", "audio", "video"})
_WRITE_MEDIA = frozenset(
    {"image-generation", "image-editing", "speech-synthesis", "speech-conversation", "video-generation"}
)
"""Tasks whose output is no text."""
_READ_MEDIA = {
    "speech-recognition": "audio",
    "speech-conversation": "audio",
    "image-editing": "image",
    "image-understanding": "image",
    "image-embedding": "image",
    "document-reading": "file",
}
"""Tasks whose input is no text, or not only."""
_FAMILIES = {"pixels": "image", "images": "image", "document_pages": "file"}
"""What units without a modality of their own are of."""


def writes_media(needs: Needs) -> bool:
    """Whether what is asked for is a picture, a recording or a film."""
    return not (_MEDIA.isdisjoint(needs.outputs) and _WRITE_MEDIA.isdisjoint(needs.tasks))


def read_media(needs: Needs) -> frozenset[str]:
    """The modalities beside text that a call holds or may hold."""
    return _read_media(needs.inputs, needs.tasks, "vision" in needs.abilities)


@lru_cache(maxsize=64)  # asked of every offer of a catalog
def _read_media(inputs: tuple[str, ...], tasks: tuple[str, ...], sees: bool) -> frozenset[str]:
    asked = {*inputs, *(_READ_MEDIA[task] for task in tasks if task in _READ_MEDIA)}
    return frozenset(asked | ({"image"} if sees else set()) - {"text"})


def supply_of(offer: Offer, card: Card, needs: Needs, seller: Seller | None, day: date) -> Supply:
    """One offer of a card with what it costs these needs on a day, in its dearest hour."""
    rates = _rates(offer, day)
    read, written = (_per_million(rates, unit) for unit in ("input_tokens", "output_tokens"))
    media = writes_media(needs) or bills_media(rates, read_media(needs))
    per_call = per_month = compared = None
    input_only = False
    if needs.input_tokens is not None and needs.output_tokens is not None:
        if rates and not media:
            per_call = usd_per_call(rates, needs.input_tokens.value, needs.output_tokens.value)
        if per_call is not None and needs.requests_per_month is not None:
            month = _exact(per_call * needs.requests_per_month.value)
            per_month = month if math.isfinite(month) else None
        compared = per_call
    elif read is not None and not media:
        input_only = written is None and not card.writes_tokens
        compared = read if input_only else None if written is None else _exact(read + written)
    return Supply(
        offer=offer,
        usd_per_month=per_month,
        usd_per_call=per_call,
        input_usd=read,
        output_usd=written,
        compared_usd=compared,
        input_only=input_only,
        leaves=_outside(seller, needs),
    )


def _rates(offer: Offer, day: date) -> Sequence[Rate]:
    """The standard rates of a day in its dearest hour."""
    periods = offer.periods
    if len(periods) == 1 and periods[0].hours is None and not periods[0].when:
        return periods[0].rates  # of most offers, so that no hour has to be looked at
    return dearest_rates(periods, day)[0] if periods else ()


def _per_million(rates: Sequence[Rate], unit: str) -> float | None:
    for rate in rates:
        if rate.unit == unit:
            return float(rate.usd if rate.per == MILLION else rate.usd * MILLION / rate.per)
    return None


def bills_media(rates: Sequence[Rate], modalities: frozenset[str]) -> bool:
    """Whether the input of some modality has a price of its own that differs from that of other tokens."""
    if not modalities:
        return False
    plain = next((rate for rate in rates if rate.unit == "input_tokens"), None)
    for rate in rates:
        of = dict(dimensions_of(rate.unit))
        if of.get("direction") == "output" or "token_type" in of:
            continue  # what is written was looked at; of cached tokens the ordinary ones tell enough
        if of.get("modality", _FAMILIES.get(of["family"])) in modalities and not _same_price(rate, plain):
            return True
    return False


def _same_price(rate: Rate, plain: Rate | None) -> bool:
    tokens = ("family", "tokens") in dimensions_of(rate.unit)
    return tokens and plain is not None and (rate.usd * plain.per, rate.tiers) == (plain.usd * rate.per, plain.tiers)


def usd_per_call(rates: Sequence[Rate], input_tokens: float, output_tokens: float) -> float | None:
    """What a call of so many tokens of text costs; None where the rates do not price them."""
    by_unit = {rate.unit: rate for rate in rates}
    read, written = by_unit.get("input_tokens"), by_unit.get("output_tokens")
    if read and written and "requests" not in by_unit and not any(rate.tiers or rate.least for rate in rates):
        # Most prices are two numbers; the general rules say the same of them and take ten times as long.
        return _exact(float(read.usd / read.per) * input_tokens + float(written.usd / written.per) * output_tokens)
    used = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    cost = price_usage(rates, {unit: count for unit, count in used.items() if count})
    return None if cost.usd is None else float(cost.usd)


def _exact(usd: float) -> float:
    """
    A sum of prices without what adding floats left in it: 0.1 and 0.2 cost as much as 0.15 and 0.15.

    Twelve digits are more than any price has, and four fewer than a float.
    """
    return float(f"{usd:.12g}")


def by_cost(supply: Supply) -> tuple[float, float, str, str]:
    """The cheapest first, the unpriced last."""
    usd = math.inf if supply.compared_usd is None else supply.compared_usd
    listed = math.inf if supply.input_usd is None else _exact(supply.input_usd + (supply.output_usd or 0.0))
    return usd, listed, supply.offer.provider, supply.offer.served_name


def _outside(seller: Seller | None, needs: Needs) -> tuple[str, ...]:
    if not needs.regions or ANYWHERE in needs.regions or seller is None:
        return ()
    return tuple(place for place in seller.processed_in or () if place not in needs.regions)


def is_lower_end(one: Qualified, needs: Needs) -> bool:
    """Whether a cost is only what it is at least: media are not counted, or the model thinks and nobody measured it."""
    read, written = needs.input_tokens, needs.output_tokens
    if read is None or written is None:
        return False
    return read.at_least or (one.thinks is True and written.basis != "measured" and written.value > 0)
