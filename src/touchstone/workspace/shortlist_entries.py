"""Which offer of a shortlisted model becomes a candidate: the one that is shown, where `compare` can call it so."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from touchstone.catalog.base import Provider
from touchstone.catalog.cards import OWN_SELLER, Card
from touchstone.catalog.offers import Offer
from touchstone.catalog.providers import find_provider
from touchstone.catalog.sellers import seller_id, sellers
from touchstone.decision.base import Constraints, Reason
from touchstone.decision.shortlist_base import Needs, Qualified, Shortlist, Supply
from touchstone.language import N_
from touchstone.noun import Noun
from touchstone.workspace.catalog_facts import facts_of_card

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@+-]*(?::[A-Za-z0-9_./@+-]+)*")
"""A reference that YAML reads as this very text without quotes."""
_ANY_NAME = re.compile(r".*", re.DOTALL)
_NAMES_AT: Mapping[str, re.Pattern[str]] = {
    # OpenRouter calls every model author/slug (openrouter.ai/docs, "Models"); some rows of the price list do not.
    "openrouter": re.compile(r"[^/]+/.+"),
    # The same seller's prices hold what it sells under another interface, Claude among it.
    "gemini": re.compile(r"(gemini|gemma|learnlm|text-embedding)-.*"),
}
"""What names look like at a preset, where the price list holds others too."""


class Entry(Noun):
    """One candidate to be written."""

    model: str
    """Id of the catalog."""
    reference: str | Mapping[str, Any]
    """As `compare` understands it."""
    key_env: str | None = None
    """Environment variable of the key, for a remark beside the line."""
    note: Reason | None = None
    """Where it is not the offer that is shown: which one it is, and what it costs."""

    @property
    def name(self) -> str:
        """What the comparison will call it."""
        if isinstance(self.reference, str):
            return self.reference
        given = self.reference
        own = given["model"] == "openai-compatible"
        return str(given.get("name") or (given["served_name"] if own else given["model"]))

    @property
    def line(self) -> str:
        """As YAML, without its dash; JSON is YAML's flow style."""
        if isinstance(self.reference, str):
            plain = _PLAIN.fullmatch(self.reference) is not None
            return self.reference if plain else json.dumps(self.reference, ensure_ascii=False)
        pairs = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in self.reference.items())
        return "{" + ", ".join(pairs) + "}"


def can_call(offer: Offer) -> bool:
    """Whether `compare` can ask for an offer by name, or at an address that the team's card states."""
    return offer.provider == OWN_SELLER or _preset_of(offer) is not None


def entry_of(card: Card) -> Entry | None:
    """A card's model as a candidate, by the first offer that can be called, deprecated ones last."""
    for offer in sorted(card.offers, key=lambda offer: bool(offer.deprecated)):
        reached = _way(offer, card)
        if reached is not None:
            return Entry(model=card.id, reference=reached[0], key_env=reached[1])
    return None


def entries_of(
    found: Shortlist, cards: Mapping[str, Card], top: int, constraints: Constraints
) -> tuple[list[Entry], list[Reason]]:
    """
    The first models of a shortlist that can be called, as candidates; and why others before them cannot.

    What is written meets the limits as it will be called: an offer that stays in the wanted region only by a setting or
    an address of its own is not written.

    Args:
        cards: Of the models that qualify.
        top: So many candidates at most.
        constraints: Of the task file; what they ask of a model is written beside it.
    """
    entries: list[Entry] = []
    left_out: list[Reason] = []
    told: set[str] = set()
    for one in found.qualified:
        if len(entries) == top:
            break
        card = cards[one.model]
        chosen = next((supply for supply in one.supplies if not supply.leaves and _way(supply.offer, card)), None)
        reached = None if chosen is None else _way(chosen.offer, card)
        if chosen is None or reached is None:
            left_out.append(_unreachable(one, card, found.needs, told))
            continue
        reference, key_env = reached
        if not isinstance(reference, str):
            # The decision finds out by itself what the catalog says of a provider's name; of an own address it cannot.
            reference = {**reference, **_facts(card, constraints)}
        entry = Entry(model=one.model, reference=reference, key_env=key_env)
        if chosen is not one.supply:
            entry = entry.model_copy(update={"note": _note(one, chosen, entry.name)})
        entries.append(entry)
    return entries, left_out


def _way(offer: Offer, card: Card) -> tuple[str | dict[str, Any], str | None] | None:
    """How `compare` asks for an offer; None where it cannot without being told an address."""
    if offer.provider == OWN_SELLER:
        endpoint = next((one for one in card.endpoints if one.served_name == offer.served_name), None)
        return None if endpoint is None else (endpoint.candidate(), endpoint.key_env)
    provider = _preset_of(offer)
    return None if provider is None else (f"{provider.id}/{offer.served_name}", provider.key_env)


def _preset_of(offer: Offer) -> Provider | None:
    seller = sellers().get(seller_id(offer.provider))
    for preset in seller.presets if seller else ():
        provider = find_provider(preset)
        # Where every customer has an address and names of their own, a reference would mean nothing yet.
        if provider.base_url is not None and _NAMES_AT.get(preset, _ANY_NAME).fullmatch(offer.served_name):
            return provider
    return None


def _note(one: Qualified, chosen: Supply, reference: str) -> Reason:
    """Which offer is written in the place of the one that is shown."""
    shown = one.supply
    values: dict[str, str | int | float] = {
        "model": one.model,
        "reference": reference,
        "seller": chosen.offer.provider,
        "shown": shown.offer.provider if shown else "",
    }
    if chosen.usd_per_month is not None:
        template = N_(
            "{model} is written as {reference}, by {seller} at {usd:,.2f} USD a month, because what {shown} sells "
            "cannot be called as it is"
        )
        values["usd"] = chosen.usd_per_month
    elif chosen.usd_per_call is not None:
        template = N_(
            "{model} is written as {reference}, by {seller} at {usd:.3g} USD a call, because what {shown} sells cannot "
            "be called as it is"
        )
        values["usd"] = chosen.usd_per_call
    elif chosen.input_usd is not None and chosen.output_usd is not None:
        template = N_(
            "{model} is written as {reference}, by {seller} at {input:,.4g} USD a million input tokens and "
            "{output:,.4g} a million output tokens, because what {shown} sells cannot be called as it is"
        )
        values |= {"input": chosen.input_usd, "output": chosen.output_usd}
    else:
        template = N_(
            "{model} is written as {reference}, by {seller} at a cost nobody knows, because what {shown} sells cannot "
            "be called as it is"
        )
    return Reason(template=template, values=values)


def _unreachable(one: Qualified, card: Card, needs: Needs, told: set[str]) -> Reason:
    """Why a model is left out; `told` are the sellers whose setting was named before."""
    if not one.supplies:
        return Reason(
            template=N_("{model} is left out: nobody is known to sell it; serve it yourself and add its address"),
            values={"model": one.model},
        )
    leaving = next((supply.offer for supply in one.supplies if supply.leaves and _way(supply.offer, card)), None)
    if leaving is not None:
        seller = seller_id(leaving.provider)
        values: dict[str, str | int | float] = {
            "model": one.model,
            "seller": seller,
            "places": ", ".join(needs.regions),
        }
        if seller in told:
            template = N_("{model} is left out: called by name, {seller} may run it outside {places} too; see above")
            return Reason(template=template, values=values)
        told.add(seller)
        template = N_(
            "{model} is left out: called by name, {seller} may run it outside {places} too; set up what keeps it there "
            "and add it with its base_url: {setting}"
        )
        return Reason(template=template, values={**values, "setting": seller})
    named = ", ".join(dict.fromkeys(supply.offer.provider for supply in one.supplies))
    return Reason(
        template=N_("{model} is left out: Touchstone cannot call {sellers} by name; add it with its base_url"),
        values={"model": one.model, "sellers": named},
    )


def _facts(card: Card, constraints: Constraints) -> dict[str, Any]:
    """What the task's constraints ask of a model, so that the decision knows it too."""
    known = facts_of_card(card)
    found: dict[str, Any] = {}
    if constraints.licence is not None and known.licence is not None:
        found["licence"] = known.licence
    if constraints.self_hostable and known.self_hostable is not None:
        found["self_hostable"] = known.self_hostable
    return found
