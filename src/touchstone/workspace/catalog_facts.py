"""What the catalog knows of a candidate's model, where the task asks for it and the user has not said it."""

from __future__ import annotations

from typing import Literal

from touchstone.catalog.base import Facts
from touchstone.decision.base import Constraints
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
    openness = Card(id=model.id, kind=KIND_CARD, name=model.name, model=model).openness
    licence = facts.licence or (_LICENCES[openness] if openness else None)
    hostable = facts.self_hostable
    if hostable is None and model.weights is not None:
        hostable = model.weights != "closed"
    return facts.model_copy(update={"licence": licence, "self_hostable": hostable})
