"""Cards: what belongs to a model comes together by ids and the crosswalk, and nothing that was said is changed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.catalog.entries import claim, model, offer, reported

from touchstone.catalog.assemble import assemble
from touchstone.catalog.base import Price, PriceTier
from touchstone.catalog.cards import OPEN_LICENCE, OPEN_WEIGHTS, PROPRIETARY, Card
from touchstone.catalog.model import earliest
from touchstone.catalog.offers import Rate
from touchstone.catalog.own_offer import OwnOffer
from touchstone.catalog.query import KIND_CARD, KIND_OFFER, KIND_REPORTED

GPT_4O = model("openai/gpt-4o")
"""Of a model that the shipped crosswalk knows under several sellers' names."""


def by_id(*given_: Any, **more: Any) -> dict[str, Card]:
    return {card.id: card for card in assemble(*given_, **more)}


def said_of(*entries: Any, **facts: Any) -> Card:
    """The card of one model with what sources report of it."""
    return Card(id="acme/one", kind=KIND_CARD, name="one", model=model("acme/one", **facts), reported=entries)


def test_a_teams_own_card_replaces_the_shipped_one_and_keeps_its_offers_and_results() -> None:
    """Of two cards with one id the later counts; what belongs to the id belongs to it still."""
    shipped, own = model("acme/one", name="Shipped"), model("acme/one", name="Ours", ours=True)

    cards = by_id([shipped, own], [offer("one", model="acme/one")], [claim("acme/one")])

    assert list(cards) == ["acme/one"]
    card = cards["acme/one"]
    assert (card.name, card.kind, card.model) == ("Ours", KIND_CARD, own)
    assert [(one.provider, one.served_name) for one in card.offers] == [("shop", "one")]
    assert [one.benchmark for one in card.claims] == ["mmlu"]


def test_offers_go_to_their_model_or_become_entries_of_their_own() -> None:
    """An offer of no model, or of one without a card, is found under `provider:name there` and joins no other."""
    offers = [
        offer("one", model="acme/one"),
        offer("one-turbo", name="One Turbo"),
        offer("two", "mall", model="acme/without-card"),
    ]

    cards = by_id([model("acme/one")], offers, [])

    assert list(cards) == ["acme/one", "mall:two", "shop:one-turbo"]
    assert cards["acme/one"].offers == (offers[0],)
    assert (cards["shop:one-turbo"].kind, cards["shop:one-turbo"].name) == (KIND_OFFER, "One Turbo")
    assert (cards["mall:two"].kind, cards["mall:two"].name, cards["mall:two"].model) == (KIND_OFFER, "two", None)


def test_results_of_unknown_models_are_left_out() -> None:
    """A result needs a card to stand on; none is made up for it."""
    cards = by_id([model("acme/one")], [], [claim("acme/one"), claim("acme/other")])

    assert {card_id: len(card.claims) for card_id, card in cards.items()} == {"acme/one": 1}


def test_cards_come_by_id_and_lone_offers_after_them() -> None:
    """The order of the index is that of the ids, whatever the order of the files."""
    models = [model("zeta/a"), model("acme/z"), model("acme/b")]

    found = [card.id for card in assemble(models, [offer("x"), offer("a")], [])]

    assert found == ["acme/b", "acme/z", "zeta/a", "shop:a", "shop:x"]


class TestEndpoints:
    """A server of the team's own is an offer like others, sold by `own`."""

    def endpoint(self, **price: Any) -> OwnOffer:
        said = Price(**price) if price else None
        return OwnOffer(served_name="one-v2", base_url="http://models.internal:8000/v1", price=said, key_env="K")

    def card(self, endpoint: OwnOffer) -> Card:
        return by_id([model("acme/one")], [offer("one", model="acme/one")], [], (), {"acme/one": [endpoint]})[
            "acme/one"
        ]

    def test_it_stands_among_the_offers(self) -> None:
        """Name and model are the endpoint's; the price is per million tokens, exact to the last digit."""
        endpoint = self.endpoint(input_usd=0.1, output_usd=0.4, cached_input_usd=0.05, as_of="2026-02-01")

        card = self.card(endpoint)

        assert card.endpoints == (endpoint,)
        assert [one.provider for one in card.offers] == ["shop", "own"]
        own = card.offers[1]
        assert (own.model, own.served_name, own.as_of) == ("acme/one", "one-v2", "2026-02-01")
        assert {rate.unit: (rate.usd, rate.per) for rate in own.periods[0].rates} == {
            "input_tokens": (Decimal("0.1"), 1_000_000),
            "output_tokens": (Decimal("0.4"), 1_000_000),
            "cache_read_tokens": (Decimal("0.05"), 1_000_000),
        }

    def test_prices_of_long_calls_and_of_the_call_itself_are_kept(self) -> None:
        """A team that reckons with tiers or a fee per call finds them in the offer."""
        tier = PriceTier(above_input_tokens=200_000, input_usd=0.2, output_usd=0.8)

        own = self.card(self.endpoint(input_usd=0.1, output_usd=0.4, tiers=(tier,), per_call_usd=0.01)).offers[1]

        rates = {rate.unit: rate for rate in own.periods[0].rates}
        assert [(one.above_input_tokens, one.usd) for one in rates["input_tokens"].tiers] == [(200_000, Decimal("0.2"))]
        assert [(one.above_input_tokens, one.usd) for one in rates["output_tokens"].tiers] == [
            (200_000, Decimal("0.8"))
        ]
        assert rates["requests"] == Rate(unit="requests", usd=Decimal("0.01"), per=1)

    @pytest.mark.parametrize(
        ("price", "source"),
        [({}, "own card"), ({"input_usd": 1, "output_usd": 1}, "own card"),
         ({"input_usd": 1, "output_usd": 1, "source": "finance, March"}, "finance, March")],
    )  # fmt: skip
    def test_its_source_is_the_teams_card_unless_it_names_another(self, price: dict[str, Any], source: str) -> None:
        """No task file was read here, so none is named."""
        assert self.card(self.endpoint(**price)).offers[1].source == source

    def test_without_a_price_it_has_none(self) -> None:
        """Unknown is not free."""
        assert self.card(self.endpoint()).offers[1].periods == ()

    @given(st.floats(min_value=0, max_value=1e6, allow_nan=False))
    def test_no_digit_of_a_price_is_lost_or_made_up(self, usd: float) -> None:
        """What the team wrote is what is reckoned with."""
        (rate, *_) = self.card(self.endpoint(input_usd=usd, output_usd=0)).offers[1].periods[0].rates

        assert float(rate.usd) == usd
        assert rate.usd == Decimal(repr(usd))


class TestRefreshed:
    """What refreshed sources say stands beside the card, and never in its place."""

    def test_an_entry_stands_beside_the_card_that_the_crosswalk_names(self) -> None:
        """The seller's own name leads to the card; a name that only looks alike does not."""
        known = reported("gpt-4o", provider="openai", facts={"context_tokens": 128_000})
        alike = reported("gpt-4o-of-ours", provider="openai")

        cards = by_id([GPT_4O], [], [], [known, alike])

        assert cards["openai/gpt-4o"].reported == (known,)
        assert (cards["openai:gpt-4o-of-ours"].kind, cards["openai:gpt-4o-of-ours"].reported) == (
            KIND_REPORTED, (alike,)
        )  # fmt: skip

    def test_a_price_that_is_listed_already_is_not_replaced(self) -> None:
        """Of one seller and one name the price list's offer stays; another seller's is added."""
        listed = offer("gpt-4o", "openai", usd=("2.5", "10"), model="openai/gpt-4o")
        rates = (Rate(unit="input_tokens", usd=Decimal(9), per=1_000_000),)
        same = reported("GPT-4o", provider="openai", rates=rates)
        other = reported("openai/gpt-4o", "openrouter", provider="openrouter", rates=rates)

        card = by_id([GPT_4O], [listed], [], [same, other])["openai/gpt-4o"]

        assert [(one.provider, one.served_name, one.source) for one in card.offers] == [
            ("openai", "gpt-4o", "price list"), ("openrouter", "openai/gpt-4o", "openrouter")
        ]  # fmt: skip
        assert card.reported == (same, other)

    def test_a_seller_has_one_name_whatever_a_source_calls_it(self) -> None:
        """`togetherai` of models.dev is `together` of the price list: one offer, found by one name and one region."""
        listed = offer("acme/one", "together")
        entry = reported("acme/one", provider="togetherai")
        lone = reported("acme/two", provider="togetherai")

        cards = by_id([], [listed], [], [entry, lone])

        assert list(cards) == ["together:acme/one", "together:acme/two"]
        assert cards["together:acme/one"].offers == (listed,)
        assert [one.provider for one in cards["together:acme/two"].offers] == ["together"]

    @pytest.mark.parametrize("seller", ["acme/one", "a:b", "a/b:c", "own/x%2F"])
    def test_what_a_source_calls_a_seller_never_makes_the_id_of_a_card(self, seller: str) -> None:
        """A hostile list cannot take a card's id, nor the place of another entry."""
        entries = [reported("two", provider=seller), reported("c:two", provider="a/b")]

        cards = by_id([model("acme/one:two")], [], [], entries)

        assert len(cards) == 3
        assert all("/" not in card_id.partition(":")[0] for card_id, card in cards.items() if card.model is None)

    def test_a_source_that_speaks_of_models_adds_no_offer(self) -> None:
        """Without a seller nobody sells it."""
        card = by_id([], [], [], [reported("acme/one", "hugging-face", facts={"name": "One"})])["hugging-face:acme/one"]

        assert (card.offers, card.name, card.kind) == ((), "One", KIND_REPORTED)


class TestFacts:
    """The card's own word counts; what it leaves open is taken from sources that agree."""

    def test_the_card_stands_before_the_sources(self) -> None:
        """A stated fact is not outvoted."""
        entries = [reported("one", f"source-{n}", facts={"context_tokens": 8_000}) for n in range(3)]

        assert said_of(*entries, context_tokens=32_000).fact("context_tokens") == 32_000

    def test_false_is_stated_and_nothing_is_not(self) -> None:
        """That a model has no tools is a fact; an empty list says nothing."""
        entry = reported("one", facts={"tools": True, "languages": ("en",)})

        assert said_of(entry, tools=False).fact("tools") is False
        assert said_of(entry, languages=()).fact("languages") == ("en",)

    def test_an_open_fact_is_taken_where_all_who_speak_agree(self) -> None:
        """Two voices that agree are one; two that do not are none."""
        agreeing = [reported("one", name, facts={"context_tokens": 8_000}) for name in ("a", "b")]
        other = reported("one", "c", facts={"context_tokens": 16_000})

        assert said_of(*agreeing).fact("context_tokens") == 8_000
        assert said_of(*agreeing, other).fact("context_tokens") is None
        assert said_of().fact("context_tokens") is None

    @pytest.mark.parametrize(
        ("field", "one", "other", "taken"),
        [
            ("released", "2025-04", "2025-04-16", "2025-04-16"),
            ("weights", "open", "gated", "gated"),
            ("languages", ("en", "zh"), ("zh", "en"), ("en", "zh")),
            ("tools", True, 1, None),
            ("released", "2025-04", "2025-05-16", None),
        ],
    )
    def test_what_is_no_conflict_is_taken_as_exactly_as_it_was_said(
        self, field: str, one: Any, other: Any, taken: Any
    ) -> None:
        """The rule for taking a fact is the rule for showing a conflict: what is not taken is shown."""
        for first, second in ((one, other), (other, one)) if field != "languages" else ((one, other),):
            card = said_of(reported("one", "a", facts={field: first}), reported("one", "b", facts={field: second}))

            assert card.fact(field) == taken
            assert (field in {conflict.field for conflict in card.conflicts}) == (taken is None)

    def test_a_conflict_is_shown_with_every_statement(self) -> None:
        """Value, source and day of all who spoke, those who agree included; nothing is decided."""
        card = said_of(
            reported("one", "a", facts={"context_tokens": 8_000}),
            reported("one", "b", facts={"context_tokens": 32_000}),
            context_tokens=32_000,
        )

        (conflict,) = card.conflicts
        assert conflict.field == "context_tokens"
        assert [(one.value, one.source, one.as_of) for one in conflict.statements] == [
            (32_000, "card of the maker", "2026-01-01"), (8_000, "a", "2026-05-01"), (32_000, "b", "2026-05-01")
        ]  # fmt: skip
        assert card.fact("context_tokens") == 32_000


@pytest.mark.parametrize(
    ("weights", "licence", "expected"),
    [
        ("open", "apache-2.0", OPEN_LICENCE),
        ("gated", "mit", OPEN_LICENCE),
        ("open", "llama3.1", OPEN_WEIGHTS),
        ("gated", "gemma", OPEN_WEIGHTS),
        ("open", None, OPEN_WEIGHTS),
        ("open", "of-nobody-known", OPEN_WEIGHTS),
        ("closed", None, PROPRIETARY),
        ("closed", "mit", PROPRIETARY),
        (None, "apache-2.0", None),
        (None, None, None),
    ],
)
def test_open_licence_open_weights_and_proprietary_are_three_things(
    weights: str | None, licence: str | None, expected: str | None
) -> None:
    """Weights without an open licence are only open weights; a licence without known weights says nothing."""
    assert said_of(weights=weights, licence=licence).openness == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, ()),
        ({"tools": True, "structured_output": True, "reasoning": True, "input_modalities": ("text", "image")},
         ("tools", "structured-output", "vision", "reasoning")),
        ({"tools": False, "input_modalities": ("text", "audio")}, ()),
    ],
)  # fmt: skip
def test_an_ability_is_what_somebody_stated(facts: dict[str, Any], expected: tuple[str, ...]) -> None:
    """Unknown is no yes; who reads images has vision."""
    assert said_of(**facts).abilities == expected
    assert said_of(reported("one", facts=facts)).abilities == expected


def test_a_card_survives_being_stored() -> None:
    """What the index keeps is the card, to the last statement."""
    endpoint = OwnOffer(served_name="v2", base_url="http://models.internal:8000/v1")
    entry = reported("gpt-4o", provider="openai", facts={"context_tokens": 1, "tools": True, "languages": ("en",)})
    (card,) = assemble(
        [GPT_4O], [offer("gpt-4o", model="openai/gpt-4o")], [claim("openai/gpt-4o")], [entry],
        {"openai/gpt-4o": [endpoint]},
    )  # fmt: skip

    stored = Card.model_validate_json(card.model_dump_json(exclude_defaults=True))

    assert stored == card
    assert stored.fact("languages") == ("en",)


_DAYS = st.dates(date(1000, 1, 1)).flatmap(lambda day: st.sampled_from((day.isoformat(), f"{day:%Y-%m}", f"{day:%Y}")))


@given(st.lists(_DAYS, min_size=1))
def test_the_last_of_some_partial_dates_is_the_last_as_text(days: list[str]) -> None:
    """A shortlist finds the newest of a thousand results so: `2025`, `2025-01` and `2025-01-01` begin on one day."""
    assert earliest(max(days)) == max(map(earliest, days))


def test_a_model_is_not_made_from_itself() -> None:
    """It would be its own descendant."""
    with pytest.raises(ValidationError, match="acme/one names itself as its base model"):
        model("acme/one", base_model="acme/one")


@pytest.mark.parametrize(("weights", "elsewhere"), [("open", False), ("gated", False), ("closed", True), (None, True)])
def test_an_offer_ends_with_the_makers_service_where_nobody_else_has_the_weights(weights: Any, elsewhere: bool) -> None:
    """The maker's own ends in any case, a server of the team's own in none; a dated version ends by its own day."""
    last_day, day = date(2026, 1, 31), date(2026, 2, 1)
    gone = said_of(weights=weights, retired="2026-02-01")
    dated = said_of(weights=weights, snapshots=[{"name": "one-1", "retired": "2026-02-01"}, {"name": "one-2"}])

    assert gone.ended(offer("one", "acme"), day)
    assert gone.ended(offer("one", "shop"), day) is elsewhere
    assert not gone.ended(offer("one", "own"), day)
    assert not gone.ended(offer("one", "acme"), last_day)
    assert dated.ended(offer("one", "acme", snapshot="one-1"), day)
    assert dated.ended(offer("one", "shop", snapshot="one-1"), day) is elsewhere
    assert not dated.ended(offer("one", "acme", snapshot="one-1"), last_day)
    assert not dated.ended(offer("one", "acme", snapshot="one-2"), day)
    assert not dated.ended(offer("one", "acme"), day)


def test_offers_that_are_over_or_deprecated_come_last() -> None:
    """The search counts both alike, and so each kind stands by its price."""
    card = said_of(weights="open", snapshots=[{"name": "one-1", "retired": "2026-02-01"}])
    over = offer("one-1", "acme", snapshot="one-1", usd=("2", "2"))
    leaving = offer("one", "shop", usd=("1", "1"), deprecated=True)
    even, dear, silent = (offer("one", seller, usd=usd) for seller, usd in
                          (("even", ("3", "3")), ("dear", ("9", "9")), ("silent", None)))  # fmt: skip
    card = card.model_copy(update={"offers": (silent, over, dear, leaving, even)})

    assert card.offers_by_price(date(2026, 2, 1)) == [even, dear, silent, leaving, over]
    assert card.offers_by_price(date(2026, 1, 31)) == [over, even, dear, silent, leaving]


def test_what_is_retired_as_a_whole_ranks_its_offers_as_before() -> None:
    """Its own date says that it is over; the last known prices still tell its sellers apart, in a search too."""
    card = said_of(weights="closed", retired="2026-02-01")
    leaving = offer("one", "shop", usd=("1", "1"), deprecated=True)
    even = offer("one", "even", usd=("3", "3"))
    card = card.model_copy(update={"offers": (leaving, even)})

    assert card.ended(even, date(2026, 2, 1))
    assert card.ended(leaving, date(2026, 2, 1))
    assert card.offers_by_price(date(2026, 2, 1)) == [even, leaving]
