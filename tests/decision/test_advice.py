"""Advice: each sentence names its rule, and its numbers can be worked out again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.decision.market import BACKGROUND, NETWORK, calls, card, offer

from touchstone.catalog.cards import Card
from touchstone.decision.advice import RULES, advise
from touchstone.decision.advice_base import GUIDE, Advice, Situation
from touchstone.decision.shortlist import other_task, shortlist
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


def test_a_server_is_compared_with_the_model_that_runs_on_it() -> None:
    """Not with whoever stands first: that one may be many times as dear."""
    dear = card("acme/first", weights="closed", claims=(), offers=[offer("north", 100, 100)])
    found = shortlist([dear, sold("acme/zopen", weights="open")], Needs(**calls()), BACKGROUND, priorities=("speed",))
    assert found.qualified[0].model == "acme/first"
    cards = {"acme/first": dear, "acme/zopen": sold("acme/zopen", weights="open")}
    advice = {one.rule: one for one in advise(found, cards, Situation(gpu_usd_per_hour=2.0))}
    assert (advice["host.break-even"].reason.values["own"], advice["host.break-even"].reason.values["sold"]) == (
        "acme/zopen",
        "acme/zopen",
    )
    assert "host.other-model" not in advice


def test_who_sells_no_hosted_model_is_compared_with_the_cheapest_and_that_is_said() -> None:
    """Of the hosted one nobody states a price."""
    cards = [card("acme/open", weights="open"), sold("acme/b", 3.0), sold("acme/c", 2.0)]
    advice = told(cards, gpu_usd_per_hour=2.0)
    assert advice["host.break-even"].reason.values["sold"] == "acme/c"
    assert advice["host.other-model"].reason.text() == (
        "of acme/open no offer with a known price meets the limits; compared is acme/c by north, the cheapest who "
        "qualifies"
    )


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"parameters": 10**12, "network": NETWORK}, "must have 2,070 GiB of memory at 16bit for a context of 8,192"),
        ({"parameters": 10**12}, "what a context of 8,192 tokens adds is unknown"),
        ({}, "which memory a server for acme/one must have is unknown"),
    ],
    ids=str,
)
def test_the_memory_of_a_server_is_named(facts: dict[str, Any], said: str) -> None:
    """One server at a price holds only what fits; an unknown size is said to be unknown."""
    assert said in told([sold(weights="open", **facts)], gpu_usd_per_hour=4.0)["host.memory"].reason.text()


@pytest.mark.parametrize("missing", ["input_tokens", "output_tokens"])
def test_the_number_that_is_missing_for_a_price_is_named(missing: str) -> None:
    """A table full of prices and the sentence that none is known would contradict each other."""
    needs = Needs(**{**calls(), missing: None})
    one = told([sold(weights="open")], needs)["host.no-price"]
    assert one.reason.text().endswith(f"give --{missing.replace('_', '-')}")


def test_a_call_that_costs_nearly_nothing_is_free() -> None:
    """No number of calls would pay a server then."""
    needs = Needs(**calls(1.0, 1e-310, 0.0))
    assert "host.free" in told([sold(weights="open")], needs, gpu_usd_per_hour=4.0)


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
        ({"train_cases": 0}, "improve.no-cases"),
        ({"train_cases": 1}, "improve.few-cases"),
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


def test_what_goes_on_elsewhere_does_not_retire() -> None:
    """Open weights outlive their maker's service; an offer of a dated version may end alone."""
    assert "chosen.retires" not in told([sold(retired="2026-10-30", weights="open")])
    own = card(offers=[offer("acme", 1, 1)], retired="2026-10-30", weights="open")
    one = told([own])["chosen.ends"]
    assert one.reason.text() == "the offer of acme/one by acme ends on 2026-10-30, in 90 days; others of it may go on"


def test_a_moving_name_is_to_be_pinned() -> None:
    """The newest snapshot is named; where none is known, that is said."""
    moves: dict[str, Any] = {
        "points_to": ({"model": "acme/v1", "since": "2026-01"}, {"model": "acme/v2", "since": "2026-06"})
    }
    one = told([sold(**moves, snapshots=({"name": "one-2026-05"}, {"name": "one-2026-06"}))])["chosen.moves"]
    assert one.reason.text().endswith("it stood for 2 models so far; ask for the snapshot one-2026-06 instead")
    assert "no snapshot is known" in told([sold(**moves)])["chosen.moves"].reason.text()


def test_thinking_makes_an_assumed_cost_too_low() -> None:
    """Said of all who reason, wherever they stand, while the output is not measured."""
    assumed = Needs(**{**calls(), "output_tokens": Figure(value=8, basis="assumed")})
    measured = Needs(**{**calls(), "output_tokens": Figure(value=800, basis="measured")})
    assert "chosen.thinks" in told([sold(reasoning=True)], assumed)
    assert "chosen.thinks" not in told([sold(reasoning=True)], measured)
    assert "chosen.thinks" not in told([sold()], assumed)
    several = told([sold("acme/a"), sold("acme/b", reasoning=True), sold("acme/c", reasoning=True)], assumed)
    assert several["chosen.thinks"].reason.text().startswith("2 of the 3 who qualify can think")


def test_a_long_list_is_to_be_cut_before_it_is_compared() -> None:
    """What asking everybody everything would cost is told where it is known."""
    cards = [sold(f"acme/m{at}") for at in range(9)]
    assert "about 9.90 USD" in told(cards, test_cases=1000)["list.too-long"].reason.text()
    assert "USD" not in told(cards)["list.too-long"].reason.text()
    cards[3] = sold("acme/m3", reasoning=True)
    assert "at least 9.90 USD" in told(cards, test_cases=1000)["list.too-long"].reason.text()
    assert "list.too-long" not in told(cards[:8], test_cases=1000)


def test_an_empty_list_names_the_limit_that_brings_back_most() -> None:
    """Or says that no single limit is the reason."""
    one = told([sold()], Needs(licences=("mit",)))["list.empty"]
    assert one.reason.values == {"limit": "licence", "count": 1}
    both = told([sold()], Needs(licences=("mit",), languages=("zh",)))["list.empty"]
    assert both.reason.text().endswith("everybody misses at least two")


def test_who_was_not_looked_at_is_not_spoken_of() -> None:
    """Models of another task may miss one limit or ten: nobody looked."""
    needs = Needs(tasks=("chat",), licences=("mit",), languages=("zh",))
    found = shortlist([sold()], needs, BACKGROUND)
    aside = other_task("acme/e", "E", ("embedding",), needs)
    assert aside is not None
    with_aside = found._replace(excluded=(aside, *found.excluded))
    (one,) = [one for one in advise(with_aside, {}, Situation()) if one.rule == "list.empty"]
    assert one.reason.text().endswith("each of the 1 who do this task misses at least two")
    nobody = found._replace(excluded=(aside,))
    (one,) = [one for one in advise(nobody, {}, Situation()) if one.rule == "list.empty"]
    assert one.reason.text() == "nobody qualifies: no model of the catalog is known to do this task"


def test_every_rule_is_explained_in_the_guide() -> None:
    """The id in the brackets of a sentence can be looked up."""
    guide = (ROOT / GUIDE).read_text(encoding="utf-8")
    assert [rule for rule in RULES if f"`{rule}`" not in guide] == []
