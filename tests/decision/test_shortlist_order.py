"""In which order those stand who qualify, and the reason for each place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import examples
from tests.decision.market import (
    OWN_TEST,
    SCENARIO,
    calls,
    card,
    claim,
    ids,
    offer,
    solve,
)

from touchstone.catalog.cards import Card
from touchstone.decision.shortlist_base import Needs
from touchstone.errors import InvalidValue


def _scored(*values: float | None, usd: tuple[float, ...] = ()) -> list[Card]:
    return [
        card(
            f"acme/m{at}",
            offers=[offer("north", price, price)] if (price := (usd[at] if usd else None)) is not None else [],
            claims=[]
            if value is None
            else [claim(f"acme/m{at}", value, measured_by=somebody) for somebody in ("quiz authors", "somebody")],
        )
        for at, value in enumerate(values)
    ]


def test_level_models_are_a_tie_that_the_next_priority_decides() -> None:
    """Of 1,000 questions 80.0 and 80.5 % cannot be told apart, so the cheaper one stands first; 60 % can."""
    found = solve(_scored(80.5, 80.0, 60.0, usd=(3.0, 1.0, 0.1)), Needs(**calls()), scenarios=[SCENARIO])
    assert ids(found) == ["acme/m1", "acme/m0", "acme/m2"]
    reasons = [one.reason.text() for one in found.qualified]
    assert reasons[0] == "in the leading group by published tests"
    assert reasons[1] == "dearer than acme/m1: 3.30 USD a month by north, 2.20 more"
    assert reasons[2] == "in a later group than acme/m0 by published tests"
    assert found.published is not None
    assert (found.published.tests, found.published.pairs, found.published.known) == (2, 6, 3)


def test_unknown_quality_stands_after_known_and_is_no_zero() -> None:
    """However bad a result is, nobody knows that the unmeasured one is better; however cheap it is."""
    found = solve(_scored(None, 5.0, 50.0, 90.0, usd=(0.1, 5, 5, 5)), Needs(**calls()), scenarios=[SCENARIO])
    assert ids(found)[-1] == "acme/m0"
    assert found.qualified[-1].published is None
    assert found.qualified[-1].reason.text().startswith("quality unknown: ")


def test_only_results_measured_alike_are_compared() -> None:
    """A lone result of another harness says nothing, however high: nobody was measured beside it."""
    other = claim("acme/m0", 99.0, harness="another", measured_by="somebody else")
    cards = [card("acme/m0", claims=[other]), *_scored(None, 50.0, 60.0, 70.0)[1:]]
    found = solve(cards, Needs(), scenarios=[SCENARIO])
    assert ids(found) == ["acme/m3", "acme/m2", "acme/m1", "acme/m0"]
    assert found.qualified[-1].published is None


def test_tests_that_compare_hardly_anybody_decide_nothing() -> None:
    """Of two measured models alone no quality is told: it is unknown for all, and the price decides."""
    found = solve(_scored(10.0, 20.0, None, usd=(3, 2, 1)), Needs(**calls()), scenarios=[SCENARIO])
    assert found.published is None
    assert ids(found) == ["acme/m2", "acme/m1", "acme/m0"]


def test_results_of_models_that_do_not_qualify_count_too() -> None:
    """Through them it is seen how those who qualify compare."""
    cards = _scored(90.0, 80.0, 70.0, 60.0)
    claims = [one for made in cards for one in made.claims]
    found = solve(cards[1:], Needs(), scenarios=[SCENARIO], claims=claims)
    assert found.qualified[0].published is not None
    assert (found.qualified[0].published.place, found.qualified[0].published.of) == (2, 4)


def test_quality_that_is_no_priority_is_not_worked_out() -> None:
    """Then nothing of it is shown either."""
    found = solve(_scored(90.0, 80.0, 70.0), Needs(), scenarios=[SCENARIO], priorities=("cost",))
    assert found.published is None
    assert {one.published for one in found.qualified} == {None}


def test_own_results_count_before_published_ones() -> None:
    """A model measured on the team's own test stands before whoever has only a published result."""
    own = claim("acme/m2", 30.0, "our-task", ours=True, measured_by="ours")
    cards = _scored(90.0, 80.0, 70.0)
    cards[2] = cards[2].model_copy(update={"claims": (*cards[2].claims, own)})
    found = solve(cards, Needs(), scenarios=[SCENARIO], own_benchmark="our-task")
    assert ids(found)[0] == "acme/m2"
    assert found.qualified[0].standing is not None
    assert found.qualified[0].standing.claim.ours
    assert found.qualified[1].reason.text() == "after acme/m2, because your own results count before published ones"
    assert (found.yardstick, found.condition) == (OWN_TEST, ("our-task", "", "", "quiz", "ours"))


def _owned(*values: float) -> list[Card]:
    return [
        card(f"acme/m{at}", claims=[claim(f"acme/m{at}", value, "our-task", ours=True, measured_by="ours")])
        for at, value in enumerate(values)
    ]


def test_own_results_that_overlap_are_a_tie() -> None:
    """Of 1,000 questions 80.0 and 80.5 % cannot be told apart; 60 % can, and each says where it stands."""
    found = solve(_owned(80.5, 80.0, 60.0), Needs(), own_benchmark="our-task")
    assert [one.reason.text() for one in found.qualified] == [
        "in the leading group on Our task: 80.5, place 1 to 2 of 3",
        "level with acme/m0 in every priority; by name",
        "in a later group on Our task: 60, place 3 to 3 of 3; acme/m1 has 80",
    ]


def test_the_widest_of_own_conditions_counts() -> None:
    """Two ways of measuring are never mixed: the one that covers most models is taken."""
    lone = claim("acme/m2", 99.0, "our-task", ours=True, measured_by="ours", setting="otherwise")
    cards = [*_owned(50.0, 60.0), card("acme/m2", claims=[lone])]
    found = solve(cards, Needs(), own_benchmark="our-task")
    assert ids(found) == ["acme/m1", "acme/m0", "acme/m2"]
    assert found.qualified[-1].standing is None


@examples(20)
@given(st.lists(st.sampled_from([20.0, 21.0, 50.0, 52.0, 90.0]), max_size=8))
def test_nobody_stands_before_whoever_is_shown_to_be_better(values: list[float]) -> None:
    """By own results: a model whose worst possible place is before another's best one stands before it."""
    found = solve(_owned(*values), Needs(), own_benchmark="our-task")
    places = [one.standing for one in found.qualified]
    for at, later in enumerate(places):
        for earlier in places[:at]:
            if earlier is not None and later is not None:
                assert not later.worst_rank < earlier.best_rank


def test_cost_first_puts_the_unpriced_last() -> None:
    """An unknown price is not a low one."""
    cards = [
        *_scored(None, None, usd=(2.0, 1.0)),
        card("acme/free", offers=[offer("quiet", None, None)]),
        card("acme/x"),
    ]
    found = solve(cards, Needs(**calls()), priorities=("cost",))
    assert ids(found) == ["acme/m1", "acme/m0", "acme/free", "acme/x"]
    reasons = [one.reason.text() for one in found.qualified]
    assert reasons[0] == "nobody who qualifies is known to cost less; it is sold by north"
    assert reasons[2:] == [
        "cost unknown: quiet states no price; after acme/m0",
        "level with acme/free in every priority; by name",
    ]


def test_without_tokens_of_a_call_the_list_prices_decide() -> None:
    """Then input and output of a million tokens each are added up, for every model alike."""
    found = solve(_scored(None, None, usd=(2.0, 1.0)), Needs(), priorities=("cost",))
    assert ids(found) == ["acme/m1", "acme/m0"]
    assert "for a million tokens each" in found.qualified[1].reason.text()


@pytest.mark.parametrize("given", [{}, calls(requests=1, read=1e4, written=1e4)], ids=["list prices", "calls"])
def test_what_costs_the_same_is_level_however_it_is_added_up(given: dict[str, Any]) -> None:
    """0.3 + 0.6 is a little less than 0.45 + 0.45 to a computer, or a little more; to whoever pays it is neither."""
    cards = [
        card(f"acme/{name}", offers=[offer("north", *usd)])
        for name, usd in {"a": (0.45, 0.45), "b": (0.3, 0.6)}.items()
    ]
    found = solve(cards, Needs(**given), priorities=("cost",))
    assert found.qualified[1].reason.text() == "level with acme/a in every priority; by name"
    if given:
        assert len(solve(cards, Needs(**given, max_usd_per_month=0.009)).qualified) == 2


def test_a_call_that_cannot_be_priced_is_not_put_in_order_by_list_prices() -> None:
    """With the tokens of a call given, a model without a price for the answer stands last, however cheap its input."""
    cards = [card("acme/ranker", offers=[offer("north", 0.001, None)]), *_scored(None, usd=(5.0,))]
    found = solve(cards, Needs(**calls()), priorities=("cost",))
    assert ids(found) == ["acme/m0", "acme/ranker"]
    assert found.qualified[1].reason.text() == (
        "cost unknown: by the tokens of text alone it cannot be told what north would charge; after acme/m0"
    )


def test_a_missing_price_of_the_answer_is_unknown_unless_there_is_no_answer_to_pay() -> None:
    """Vectors are not billed by the token, so the price of input is all; of a model that writes it is half."""
    cards = [
        card("acme/half", offers=[offer("north", 0.001, None)]),
        card("acme/vectors", output_types=("embedding",), offers=[offer("north", 4, None)]),
        *_scored(None, usd=(1.0,)),
    ]
    found = solve(cards, Needs(), priorities=("cost",))
    assert ids(found) == ["acme/m0", "acme/vectors", "acme/half"]
    assert found.qualified[1].reason.text() == (
        "dearer than acme/m0: 4 USD for a million tokens of input by north, 2 more; its output is not billed by the "
        "token"
    )


def test_speed_is_measured_or_unknown() -> None:
    """Nobody's speed is guessed: who was not measured stands last."""
    found = solve(_scored(None, None, None), Needs(), priorities=("speed",), seconds={"acme/m1": 2.0, "acme/m2": 0.5})
    assert ids(found) == ["acme/m2", "acme/m1", "acme/m0"]
    assert found.qualified[2].reason.text() == "after acme/m1, because nobody has measured its speed here"


def test_openness_goes_from_an_open_licence_to_closed_weights() -> None:
    """An open licence, open weights, proprietary, unknown."""
    cards = [
        card("acme/closed", weights="closed", licence="terms"),
        card("acme/weights", weights="open", licence="research"),
        card("acme/open", weights="open", licence="mit"),
        card("acme/silent"),
    ]
    found = solve(cards, Needs(), priorities=("openness", "cost"))
    assert ids(found) == ["acme/open", "acme/weights", "acme/closed", "acme/silent"]


def test_the_cheapest_qualifying_offer_is_named() -> None:
    """Of the offers that meet all limits the cheapest stands first; the others are kept."""
    needs = Needs(regions=("eu", "us"), **calls())
    found = solve([card(offers=[offer("south", 2, 2), offer("north", 1, 1), offer("quiet", 0.1, 0.1)])], needs)
    assert [supply.offer.provider for supply in found.qualified[0].supplies] == ["north", "south"]
    assert found.qualified[0].supply is not None
    assert found.qualified[0].supply.usd_per_month == pytest.approx(1.1)


def test_priorities_are_named_once() -> None:
    """A priority twice is a mistake, and so is none."""
    for priorities in ((), ("cost", "cost")):
        with pytest.raises(InvalidValue, match="each priority once"):
            solve([], Needs(), priorities=priorities)
