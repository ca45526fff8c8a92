"""
A card: what is known of one model, from all sources, with who sells it and what it scored.

A card's own statement stands before a source's. What a card leaves open is taken from the sources where they agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

from touchstone.catalog.claims import Claim
from touchstone.catalog.costs import INPUT_SHARE, cheapest_first
from touchstone.catalog.model import Model, earliest
from touchstone.catalog.offers import Offer
from touchstone.catalog.own_offer import OwnOffer
from touchstone.catalog.sellers import seller_id
from touchstone.catalog.source_base import Reported
from touchstone.catalog.taxonomy import licences
from touchstone.noun import Noun

if TYPE_CHECKING:
    from touchstone.catalog.source_diff import Conflict

_WRITTEN_TOKENS = frozenset({"text", "code", "audio", "image", "video", "transcript"})
"""Output types that may be billed as output tokens. Vectors and scores are not."""
OWN_SELLER = OwnOffer.model_fields["provider"].default

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
        if not self.reported:
            return {}
        from touchstone.catalog.source_diff import conflicts, statements_of

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
        from touchstone.catalog.source_diff import conflicts, statements_of, statements_of_card

        said = list(statements_of_card(self.model)) if self.model else []
        for entry in self.reported:
            said += statements_of(entry)
        return conflicts(said)
