"""Advice: each sentence names its rule, and its numbers can be worked out again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.decision.market import BACKGROUND, calls, card, offer

from touchstone.catalog.cards import Card
from touchstone.decision.advice import GUIDE, RULES, Advice, Situation, advise
from touchstone.decision.shortlist import shortlist
from touchstone.decision.shortlist_base import Figure, Needs

ROOT = Path(__file__).resolve().parents[2]


def told(cards: list[Card], needs: Needs | None = None, **situation: Any) -> dict[str, Advice]:
    found = shortlist(cards, needs or Needs(**calls()), BACKGROUND, priorities=("cost",))
    return {one.rule: one for one in advise(found, {one.id: one for one in cards}, Situation(**situation))}


def sold(model: str = "acme/one", usd: float = 1.0, **facts: Any) -> Card:
    return card(model, offers=[offer("north", usd, usd)], **facts)


def test_without_the_price_of_a_server_the_formula_is_given() -> None:
    """No price is made up: what to give is said, and the price of a call."""
    one = told([sold(weights="open")])["host.give-gpu-price"]
    assert "--gpu-usd-per-hour" in one.reason.text()
    assert one.reason.values["call"] == pytest.approx(1100 / 1e6)
    assert one.source == "test prices, 2026-07-01"


@given(st.floats(0.1, 50), st.floats(1, 1e9))
def test_a_server_is_called_cheaper_exactly_when_it_is(gpu: float, requests: float) -> None:
    """Break-even is 730 hours by the price of a call; below it the API is called cheaper, from it on the server."""
    one = told([sold(weights="open")], Needs(**calls(requests)), gpu_usd_per_hour=gpu)["host.break-even"]
    server, api = gpu * 730, requests * 1100 / 1e6
    assert one.reason.text().startswith(f"at {requests:,.0f} calls a month your own machine") == (api >= server)
    assert one.reason.values["calls"] >= server / (1100 / 1e6) > one.reason.values["calls"] - 1  # type: ignore[operator]
    assert "if one server can take that load" in one.reason.text()


def test_without_a_volume_the_break_even_is_told_alone() -> None:
    """Who is cheaper cannot be told, from how many calls on can."""
    needs = Needs(**{**calls(), "requests_per_month": None})
    one = told([sold(weights="open")], needs, gpu_usd_per_hour=2.0)["host.break-even"]
    assert one.reason.values["calls"] == 1_327_273
    assert "volume" not in one.reason.values


@pytest.mark.parametrize(
    ("cards", "rule"),
    [
        ([sold(weights="closed")], "host.no-weights"),
        ([card(weights="open")], "host.no-price"),
        ([sold(usd=0.0, weights="open")], "host.free"),
    ],
)
def test_what_cannot_be_compared_says_why(cards: list[Card], rule: str) -> None:
    """Closed weights, no price, a price of nothing: each has a sentence of its own."""
    assert rule in told(cards, gpu_usd_per_hour=2.0)


@pytest.mark.parametrize(
    ("situation", "rule"),
    [
        ({"train_cases": 1000, "fixed_labels": True, "days": 0.5}, "improve.no-time"),
        ({"train_cases": 1000, "fixed_labels": True, "rests_on_documents": True}, "improve.documents"),
        ({}, "improve.unknown-cases"),
        ({"train_cases": 0}, "improve.few-cases"),
        ({"train_cases": 19, "fixed_labels": True}, "improve.few-cases"),
        ({"train_cases": 501, "fixed_labels": True}, "improve.labels"),
        ({"train_cases": 501, "answer_kind": "json"}, "improve.style"),
        ({"train_cases": 100, "answer_kind": "free"}, "improve.style"),
        ({"train_cases": 100, "budget_usd": 2.19}, "improve.no-budget"),
        ({"train_cases": 100, "budget_usd": 2.21}, "improve.prompt"),
        ({"train_cases": 500, "fixed_labels": True}, "improve.examples"),
        ({"train_cases": 20}, "improve.prompt"),
    ],
    ids=str,
)
def test_one_way_of_improving_comes_first(situation: dict[str, Any], rule: str) -> None:
    """The first row of the table that fits speaks, and no other."""
    found = told([sold()], **situation)
    assert [name for name in found if name.startswith("improve.")] == [rule]
    assert found[rule].reason.text()


def test_the_cost_of_a_search_is_twenty_prompts_on_every_case() -> None:
    """100 cases at 0.0011 USD, twenty times."""
    one = told([sold()], train_cases=100, budget_usd=1.0)["improve.no-budget"]
    assert "about 2.20 USD" in one.reason.text()


def test_a_retirement_within_a_year_is_told_with_its_successor() -> None:
    """The day, how far off it is, who states it, and what the maker names instead."""
    one = told([sold(retired="2026-10-30", successor="acme/two")])["chosen.retires"]
    assert one.reason.text() == "acme/one retires on 2026-10-30, in 90 days; its maker names acme/two as its successor"
    assert one.source == "page, 2026"
    assert "chosen.retires" in told([sold(retired="2027-08-01")])
    assert "chosen.retires" not in told([sold(retired="2027-08-02")])


def test_a_moving_name_is_to_be_pinned() -> None:
    """The newest snapshot is named; where none is known, that is said."""
    moves: dict[str, Any] = {
        "points_to": ({"model": "acme/v1", "since": "2026-01"}, {"model": "acme/v2", "since": "2026-06"})
    }
    one = told([sold(**moves, snapshots=({"name": "one-2026-05"}, {"name": "one-2026-06"}))])["chosen.moves"]
    assert one.reason.text().endswith("it stood for 2 models so far; ask for the snapshot one-2026-06 instead")
    assert "no snapshot is known" in told([sold(**moves)])["chosen.moves"].reason.text()


def test_thinking_makes_an_assumed_cost_too_low() -> None:
    """Said of models that reason while the output is not measured."""
    assumed = Needs(**{**calls(), "output_tokens": Figure(value=8, basis="assumed")})
    measured = Needs(**{**calls(), "output_tokens": Figure(value=800, basis="measured")})
    assert "chosen.thinks" in told([sold(reasoning=True)], assumed)
    assert "chosen.thinks" not in told([sold(reasoning=True)], measured)
    assert "chosen.thinks" not in told([sold()], assumed)


def test_a_long_list_is_to_be_cut_before_it_is_compared() -> None:
    """What asking everybody everything would cost is told where it is known."""
    cards = [sold(f"acme/m{at}") for at in range(9)]
    assert "up to 9.90 USD" in told(cards, test_cases=1000)["list.too-long"].reason.text()
    assert "USD" not in told(cards)["list.too-long"].reason.text()
    assert "list.too-long" not in told(cards[:8], test_cases=1000)


def test_an_empty_list_names_the_limit_that_brings_back_most() -> None:
    """Or says that no single limit is the reason."""
    one = told([sold()], Needs(licences=("mit",)))["list.empty"]
    assert one.reason.values == {"limit": "licence", "count": 1}
    both = told([sold()], Needs(licences=("mit",), languages=("zh",)))["list.empty"]
    assert both.reason.values == {}


def test_every_rule_is_explained_in_the_guide() -> None:
    """The id in the brackets of a sentence can be looked up."""
    guide = (ROOT / GUIDE).read_text(encoding="utf-8")
    assert [rule for rule in RULES if f"`{rule}`" not in guide] == []
