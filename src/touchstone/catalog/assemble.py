"""
Cards out of parts: what belongs together by ids and the crosswalk, from whatever source.

No fact is changed, and none is chosen over another. Apart from the noun, so that who reads finished cards out of the
index need not load what makes them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from urllib.parse import quote

from touchstone.catalog.base import Price
from touchstone.catalog.cards import Card
from touchstone.catalog.claims import Claim
from touchstone.catalog.crosswalk import find_model
from touchstone.catalog.model import Model, ModelId
from touchstone.catalog.offers import Offer, PricePeriod, Rate, RateTier
from touchstone.catalog.own_offer import OwnOffer
from touchstone.catalog.query import KIND_CARD, KIND_OFFER, KIND_REPORTED
from touchstone.catalog.sellers import seller_id
from touchstone.catalog.source_base import Reported
from touchstone.catalog.source_diff import offer_of
from touchstone.catalog.units import MILLION

OWN_CARD = "own card"
"""Source of a price that the team's card states without naming another."""
_UNNAMED = Price.model_fields["source"].default


def assemble(
    models: Sequence[Model],
    offers: Iterable[Offer],
    claims: Iterable[Claim],
    reported: Iterable[Reported] = (),
    endpoints: Mapping[ModelId, Sequence[OwnOffer]] | None = None,
) -> Iterator[Card]:
    """
    All cards, by id: models with what belongs to them, then what belongs to no model.

    Args:
        models: Curated and own cards; of two with one id the later counts, so that a team's own card replaces ours.
        offers: From any source; those whose model is unknown become entries of their own.
        claims: Results; those of models without a card are left out.
        reported: Entries of refreshed sources.
        endpoints: The team's own servers, by model.
    """
    known = {model.id: model for model in models}
    of_model: dict[ModelId | None, list[Offer]] = defaultdict(list)
    for offer in offers:
        of_model[offer.model if offer.model in known else None].append(offer)
    results: dict[ModelId, list[Claim]] = defaultdict(list)
    for claim in claims:
        results[claim.model].append(claim)
    entries: dict[str, list[Reported]] = defaultdict(list)
    lone: list[Reported] = []
    for entry in reported:
        found = _find(entry.provider or entry.source, entry.id)
        (entries[found[0]] if found and found[0] in known else lone).append(entry)
    for model_id in sorted(known):
        model = known[model_id]
        said = tuple(entries.get(model_id, ()))
        listed = of_model.get(model_id, [])
        listed += _further_offers(said, listed)
        served = tuple((endpoints or {}).get(model_id, ()))
        listed += [_offer_of_own(model_id, endpoint) for endpoint in served]
        yield Card(
            id=model_id,
            kind=KIND_CARD,
            name=model.name,
            model=model,
            offers=tuple(listed),
            endpoints=served,
            claims=tuple(results.get(model_id, ())),
            reported=said,
        )
    yield from _without_card(of_model.get(None, []), lone)


def _offer_of_own(model: ModelId, endpoint: OwnOffer) -> Offer:
    price = endpoint.price
    return Offer(
        model=model,
        provider=endpoint.provider,
        served_name=endpoint.served_name,
        periods=(PricePeriod(rates=tuple(_rates(price))),) if price else (),
        source=OWN_CARD if price is None or price.source == _UNNAMED else price.source,
        as_of=price.as_of if price else None,
    )


def _rates(price: Price) -> Iterator[Rate]:
    """All that a team reckons with: tokens, cached ones, long calls, the call itself."""
    fields = {"input_tokens": "input_usd", "output_tokens": "output_usd", "cache_read_tokens": "cached_input_usd"}
    for unit, field in fields.items():
        usd = getattr(price, field)
        if usd is not None:
            tiers = tuple(
                RateTier(above_input_tokens=tier.above_input_tokens, usd=_exact(dear))
                for tier in price.tiers
                if (dear := getattr(tier, field)) is not None
            )
            yield Rate(unit=unit, usd=_exact(usd), per=MILLION, tiers=tiers)
    if price.per_call_usd:
        yield Rate(unit="requests", usd=_exact(price.per_call_usd), per=1)


def _exact(usd: float) -> Decimal:
    return Decimal(repr(usd))


def _find(seller: str, served_name: str) -> tuple[str, str | None] | None:
    known = find_model(seller, served_name)
    return (known.model, known.snapshot) if known else None


def _further_offers(said: Iterable[Reported], listed: Sequence[Offer]) -> list[Offer]:
    """Offers that only refreshed sources list; a price of `genai-prices` is not replaced, only stood beside."""
    have = {(offer.provider, offer.served_name.lower()) for offer in listed}
    found = []
    for entry in said:
        offer = _offer_of(entry)
        if offer is not None and (offer.provider, offer.served_name.lower()) not in have:
            have.add((offer.provider, offer.served_name.lower()))
            found.append(offer)
    return found


def _offer_of(entry: Reported) -> Offer | None:
    """As `offer_of`, its seller called as everywhere in the catalog, whatever the source calls it."""
    offer = offer_of(entry, _find)
    return None if offer is None else offer.model_copy(update={"provider": seller_id(offer.provider)})


def _entry_id(seller: str, served_name: str) -> str:
    """
    `seller:name there`.

    What a foreign list calls a seller may hold a slash or a colon; written out, two sellers never share an id, and none
    takes that of a card.
    """
    return f"{quote(seller, safe=' ')}:{served_name}"


def _without_card(offers: Iterable[Offer], lone: Iterable[Reported]) -> Iterator[Card]:
    by_id: dict[str, tuple[list[Offer], list[Reported]]] = {}
    for offer in offers:
        by_id.setdefault(_entry_id(offer.provider, offer.served_name), ([], []))[0].append(offer)
    for entry in lone:
        sold, said = by_id.setdefault(_entry_id(seller_id(entry.provider or entry.source), entry.id), ([], []))
        said.append(entry)
        offer_there = _offer_of(entry)
        if offer_there is not None and not sold:
            sold.append(offer_there)
    for entry_id, (sold, said) in sorted(by_id.items()):
        names = [offer.name for offer in sold if offer.name] + [
            name for entry in said if isinstance(name := entry.facts.get("name"), str)
        ]
        yield Card(
            id=entry_id,
            kind=KIND_REPORTED if said else KIND_OFFER,
            name=(names or [entry_id.partition(":")[2]])[0],
            offers=tuple(sold),
            reported=tuple(said),
        )
