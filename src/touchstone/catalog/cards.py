"""
A card: what is known of one model, from all sources, with who sells it and what it scored.

Parts are put together by ids and the crosswalk. No fact is changed, and none is chosen over another, except that
a card's own statement stands before a source's. What a card leaves open is taken from the sources where they agree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import quote

from touchstone.catalog.base import Price
from touchstone.catalog.claims import Claim
from touchstone.catalog.costs import INPUT_SHARE, cheapest_first
from touchstone.catalog.crosswalk import find_model
from touchstone.catalog.model import Model, ModelId, earliest
from touchstone.catalog.offers import Offer, PricePeriod, Rate, RateTier
from touchstone.catalog.own import OwnOffer
from touchstone.catalog.query import KIND_CARD, KIND_OFFER, KIND_REPORTED
from touchstone.catalog.sellers import seller_id
from touchstone.catalog.source_base import Reported
from touchstone.catalog.source_diff import Conflict, conflicts, offer_of, statements_of, statements_of_card
from touchstone.catalog.taxonomy import licences
from touchstone.catalog.units import MILLION
from touchstone.noun import Noun

OWN_CARD = "own card"
"""Source of a price that the team's card states without naming another."""
_WRITTEN_TOKENS = frozenset({"text", "code", "audio", "image", "video", "transcript"})
"""Output types that may be billed as output tokens. Vectors and scores are not."""
OWN_SELLER = OwnOffer.model_fields["provider"].default
_UNNAMED = Price.model_fields["source"].default

OPEN_LICENCE, OPEN_WEIGHTS, PROPRIETARY = "open-licence", "open-weights", "proprietary"


class Card(Noun):
    """One entry of the catalog."""

    id: str
    """The model's id; of an offer or a reported entry that no card is known for, `provider:name there`."""
    kind: str
    """`card`, `reported` or `offer`; see `query`."""
    name: str
    model: Model | None = None
    """The card's own facts; None where nobody wrote a card."""
    offers: tuple[Offer, ...] = ()
    endpoints: tuple[OwnOffer, ...] = ()
    """Servers of the team's own that serve it; each stands among `offers` too, sold by `own`."""
    claims: tuple[Claim, ...] = ()
    reported: tuple[Reported, ...] = ()
    """What refreshed sources say, as they say it."""

    def fact(self, field: str) -> Any:
        """What the card states, else what the sources state with one voice; None when nobody does or they disagree."""
        stated = getattr(self.model, field, None) if self.model else None
        if stated is not None and stated != ():
            return stated
        return self._from_sources.get(field)

    @cached_property
    def _from_sources(self) -> Mapping[str, Any]:
        disputed = {one.field for one in conflicts(said for entry in self.reported for said in statements_of(entry))}
        stated: dict[str, Any] = {}
        for field, value in (pair for entry in self.reported for pair in entry.facts.items()):
            # Of words that agree the longest is the most exact: the day of a month, `gated` among the open weights.
            if field not in stated or (isinstance(value, str) and len(value) > len(stated[field])):
                stated[field] = value
        return {field: value for field, value in stated.items() if field not in disputed}

    @property
    def openness(self) -> str | None:
        """Taxonomy id: whether weights are given out, and whether their licence is open."""
        weights = self.fact("weights")
        if weights is None:
            return None
        if weights == "closed":
            return PROPRIETARY
        licence = licences().get(self.fact("licence") or "")
        return OPEN_LICENCE if licence is not None and licence.kind == "open" else OPEN_WEIGHTS

    @property
    def writes_tokens(self) -> bool:
        """Whether its output is billed by the token; vectors and scores are not."""
        outputs = self.fact("output_types")
        return outputs is None or bool(_WRITTEN_TOKENS & set(outputs))

    @property
    def retires(self) -> date | None:
        """From when nobody serves it; None for weights that are given out: those go on working."""
        day = self.fact("retired")
        return None if day is None or self.fact("weights") in ("open", "gated") else earliest(day)

    def ends(self, offer: Offer) -> date | None:
        """
        From when an offer is over though others of the model may not be.

        The maker's end of a dated version ends the offers that name it, and the end of the maker's own service only
        that one. Whoever has the weights may go on serving either.
        """
        model = self.model
        if model is None or offer.provider == OWN_SELLER:
            return None
        given_out = model.weights in ("open", "gated")
        if given_out and seller_id(offer.provider) != model.lab:
            return None
        days = [one.retired for one in model.snapshots if offer.snapshot is not None and one.name == offer.snapshot]
        days += [model.retired] if given_out else []
        return min((earliest(day) for day in days if day is not None), default=None)

    def ended(self, offer: Offer, today: date) -> bool:
        """Whether an offer is over, by itself or with the model; a server of the team's own never is."""
        if self.model is None or offer.provider == OWN_SELLER:
            return False
        return any(day is not None and day <= today for day in (self.retires, self.ends(offer)))

    def offers_by_price(self, today: date) -> list[Offer]:
        """Its offers as a search ranks them: those that are over or deprecated last, each kind by blended price."""

        def goes(offer: Offer) -> bool:
            end = self.ends(offer)
            return bool(offer.deprecated) or (end is not None and end <= today)

        return sorted(cheapest_first(self.offers, INPUT_SHARE, today, writes_tokens=self.writes_tokens), key=goes)

    @property
    def abilities(self) -> tuple[str, ...]:
        """What it can, of what a query may ask."""
        inputs = self.fact("input_modalities") or ()
        found = {
            "tools": self.fact("tools"),
            "structured-output": self.fact("structured_output"),
            "vision": "image" in inputs,
            "reasoning": self.fact("reasoning"),
        }
        return tuple(name for name, able in found.items() if able is True)

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The facts on which card and sources disagree, every statement with its source and date."""
        said = list(statements_of_card(self.model)) if self.model else []
        for entry in self.reported:
            said += statements_of(entry)
        return conflicts(said)


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
