"""What the catalog knows of a candidate's model, where the task asks for it and the user has not said it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from touchstone.catalog.base import Facts
from touchstone.decision.base import Constraints

if TYPE_CHECKING:
    # Whoever makes a shortlist has cards and no candidates yet; these libraries would take longer than the list.
    from touchstone.catalog.cards import Card
    from touchstone.strategies.base import CandidateSpec

_LICENCES: dict[str, Literal["open", "open_weights", "proprietary"]] = {
    "open-licence": "open",
    "open-weights": "open_weights",
    "proprietary": "proprietary",
}


def asks_facts(constraints: Constraints) -> bool:
    """Whether somebody wants to know: cards are looked at only then."""
    return constraints.licence is not None or constraints.self_hostable is not None


def informed(spec: CandidateSpec) -> CandidateSpec:
    """The candidate with what the catalog knows; only one that asks a provider can be known by its name there."""
    if spec.strategy in ("baseline", "recorded"):
        return spec
    return spec.model_copy(update={"facts": with_catalog_facts(spec.facts, spec.model)})


def facts_of_card(card: Card) -> Facts:
    """Licence and weights of a card, in the words of a task file's constraints; None where nobody states them."""
    openness, weights = card.openness, card.fact("weights")
    return Facts(
        licence=None if openness is None else _LICENCES[openness],
        self_hostable=None if weights is None else weights != "closed",
    )


def with_catalog_facts(facts: Facts, reference: str) -> Facts:
    """The facts with what the card of the model adds; what the user said stands."""
    # Imported here: a run that asks for no such fact need not know what a card is.
    from touchstone.catalog.cards import Card
    from touchstone.catalog.crosswalk import model_behind
    from touchstone.catalog.query import KIND_CARD
    from touchstone.catalog.shipped import shipped_model

    known = model_behind(reference)
    model = shipped_model(known) if known else None
    if model is None:
        return facts
    stated = facts_of_card(Card(id=model.id, kind=KIND_CARD, name=model.name, model=model))
    return facts.model_copy(
        update={
            "licence": facts.licence or stated.licence,
            "self_hostable": stated.self_hostable if facts.self_hostable is None else facts.self_hostable,
        }
    )
