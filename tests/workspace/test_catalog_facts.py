"""What the catalog adds to a candidate's facts, and what it never overrules."""

from __future__ import annotations

import pytest

from touchstone.catalog.base import Facts
from touchstone.decision.base import Constraints
from touchstone.strategies.base import CandidateSpec
from touchstone.workspace.catalog_facts import asks_facts, informed, with_catalog_facts


@pytest.mark.parametrize(
    ("reference", "licence", "hostable"),
    [
        ("openai/gpt-4o-mini", "proprietary", False),
        ("groq/llama-3.3-70b-versatile", "open_weights", True),
        ("openrouter/qwen/qwen3-8b", "open", True),
    ],
)
def test_a_known_name_gets_what_its_card_says(reference: str, licence: str, hostable: bool) -> None:
    """Through the crosswalk, not by likeness, a provider's name leads to licence and weights."""
    assert with_catalog_facts(Facts(), reference) == Facts(licence=licence, self_hostable=hostable)


@pytest.mark.parametrize("reference", ["openai/gpt-4o-mini-of-ours", "openai-compatible", "fake/parrot", "my-model"])
def test_an_unknown_name_stays_unknown(reference: str) -> None:
    """Nothing that merely looks alike is taken for a card."""
    assert with_catalog_facts(Facts(), reference) == Facts()


def test_what_the_user_said_stands() -> None:
    """A user may have a contract of their own, or weights that nobody else has."""
    said = Facts(licence="open", self_hostable=True)

    assert with_catalog_facts(said, "openai/gpt-4o-mini") == said


def test_only_who_asks_a_provider_is_looked_up() -> None:
    """Recorded answers under a provider's name may have come from anywhere."""
    spec = CandidateSpec(name="a", model="openai/gpt-4o-mini", strategy="recorded")

    assert informed(spec) == spec
    assert informed(spec.model_copy(update={"strategy": "prompt"})).facts.licence == "proprietary"


def test_cards_are_looked_at_only_when_somebody_asks() -> None:
    """Without a constraint on licence or hosting no card is read."""
    assert not asks_facts(Constraints(min_score=0.5))
    assert asks_facts(Constraints(licence="open"))
    assert asks_facts(Constraints(self_hostable=True))
