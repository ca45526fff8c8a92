"""From a card to its row: the words that find it, the facts that filter it, the prices that order it."""

from __future__ import annotations

import math
import sqlite3
from datetime import date
from typing import Any

import numpy as np
import pytest
from tests.catalog.entries import claim, model, offer, reported

from touchstone.catalog.assemble import assemble
from touchstone.catalog.cards import Card
from touchstone.catalog.index import CatalogIndex
from touchstone.catalog.index_rows import index_rows
from touchstone.catalog.index_write import fill_index
from touchstone.catalog.memory import BITS_PER_WEIGHT, bits_per_weight, cache_shape
from touchstone.catalog.model import Model, Network
from touchstone.catalog.offers import Offer
from touchstone.catalog.query import Query
from touchstone.catalog.search import search
from touchstone.catalog.shipped import shipped_model

DAY = date(2026, 8, 1)


def index_of(*cards: Card) -> CatalogIndex:
    """An index in memory of these cards."""
    connection = sqlite3.connect(":memory:")
    fill_index(connection, index_rows(cards, DAY, {"shop": ("eu",)}), {"key": "test"})
    return CatalogIndex(connection)


def one(*offers: Offer, reports: Any = (), claims: Any = (), model_id: str = "acme/one", **facts: Any) -> CatalogIndex:
    """An index of one model and what belongs to it."""
    return index_of(*assemble([model(model_id, **facts)], [o.model_copy(update={"model": model_id}) for o in offers],
                              claims, reports))  # fmt: skip


def finds(index: CatalogIndex, today: date = DAY, **filters: Any) -> bool:
    return search(index, Query(**filters), today=today).total == 1


class TestWords:
    """A model is found by whatever people call it."""

    INDEX = index_of(
        *assemble(
            [
                model(
                    "openai/gpt-4o", name="GPT-4o", lab="openai", family="GPT", aliases=("omni", "全能模型"),
                    hugging_face="openai-community/gpt-4o-weights", snapshots=[{"name": "gpt-4o-2024-08-06"}],
                    name_zh="智能四", licence="apache-2.0", weights="open", traits=("mixture-of-experts",),
                    intended_use={"en": "Customer letters.", "zh": "客户来信。"},
                ),
                model("other/unlike"),
            ],
            [offer("azure/deployment-7", model="openai/gpt-4o")],
            [],
            [reported("gpt-4o", provider="openai")],
        )
    )  # fmt: skip

    @pytest.mark.parametrize(
        "asked",
        ["openai/gpt-4o", "GPT-4o", "gpt 4o", "gpt4o", "GPT4O", "omni", "全能模型", "全能", "智能四", "openai",
         "gpt-4o-weights", "gpt4oweights", "gpt-4o-2024-08-06", "gpt4o20240806", "deployment-7", "gpt-4", "gpt4"],
    )  # fmt: skip
    def test_every_name_finds_it(self, asked: str) -> None:
        """Id, name, alias, Chinese name, repository, snapshot, a seller's name; also without hyphens, also begun."""
        assert [hit.id for hit in search(self.INDEX, Query(text=asked), today=DAY).hits] == ["openai/gpt-4o"]

    @pytest.mark.parametrize("asked", ["letters", "来信", "mixture of experts", "混合专家", "Apache"])
    def test_what_it_is_and_is_for_finds_it(self, asked: str) -> None:
        """Texts of the card in both languages, the taxonomy's words for it, the name of its licence."""
        assert [hit.id for hit in search(self.INDEX, Query(text=asked), today=DAY).hits] == ["openai/gpt-4o"]

    @pytest.mark.parametrize("asked", ["gpt-4o-mini", "gpt5", "4oo"])
    def test_what_only_looks_alike_does_not(self, asked: str) -> None:
        """A longer name is another model's."""
        assert search(self.INDEX, Query(text=asked), today=DAY).total == 0

    def test_the_labs_name_in_either_language_finds_it(self) -> None:
        """As it stands in `labs.toml`."""
        index = one(model_id="deepseek/one", lab="deepseek")

        assert finds(index, text="深度求索")
        assert finds(index, text="DeepSeek")


class TestFacets:
    """Each stated fact is a value by which the model is found; what nobody stated is none."""

    @pytest.mark.parametrize(
        ("facts", "filters"),
        [
            ({"tasks": ("chat", "translation")}, {"tasks": ("translation",)}),
            ({"input_modalities": ("text", "image")}, {"inputs": ("image",)}),
            ({"output_types": ("text", "code")}, {"outputs": ("code",)}),
            ({"architecture": "decoder-only"}, {"architectures": ("decoder-only",)}),
            ({"traits": ("mixture-of-experts",)}, {"traits": ("mixture-of-experts",)}),
            ({"origin": "foundation"}, {"origin": "foundation"}),
            ({"weights": "open", "licence": "mit"}, {"openness": ("open-licence",)}),
            ({"weights": "open", "licence": "llama3.1"}, {"openness": ("open-weights",)}),
            ({"weights": "closed"}, {"openness": ("proprietary",)}),
            ({"licence": "mit"}, {"licences": ("mit",)}),
            ({"licence": "mit"}, {"licences": ("open",)}),
            ({"licence": "mit"}, {"licences": ("commercial",)}),
            ({"licence": "llama3.1"}, {"licences": ("commercial",)}),
            ({"lab": "deepseek"}, {"labs": ("deepseek",)}),
            ({"lab": "deepseek"}, {"countries": ("CN",)}),
            ({"family": "Llama"}, {"families": ("Llama",)}),
            ({"languages": ("en", "zh")}, {"languages": ("zh",)}),
            ({"tools": True}, {"abilities": ("tools",)}),
            ({"input_modalities": ("image",)}, {"abilities": ("vision",)}),
            ({"weights": "gated"}, {"has_weights": True}),
            ({"weights": "closed"}, {"has_weights": False}),
            ({"ours": True}, {"ours": True}),
            ({"context_tokens": 8_000}, {"min_context_tokens": 8_000}),
            ({"parameters": 7}, {"max_parameters": 7, "min_parameters": 7}),
            ({"released": "2026-02"}, {"released_after": "2026-02-01"}),
        ],
        ids=str,
    )
    def test_a_stated_fact_is_found_and_an_unstated_one_is_not(
        self, facts: dict[str, Any], filters: dict[str, Any]
    ) -> None:
        """The filter holds for the model with the fact and for no model without it."""
        assert finds(one(**facts), **filters)
        assert not finds(one(), **filters)

    @pytest.mark.parametrize(
        ("licence", "asked"),
        [("llama3.1", "open"), ("cc-by-nc-4.0", "commercial"), ("of-nobody-known", "open"),
         ("of-nobody-known", "commercial")],
    )  # fmt: skip
    def test_a_licence_counts_only_for_what_it_allows(self, licence: str, asked: str) -> None:
        """Published weights are no open licence, and a licence nobody read allows nothing."""
        assert not finds(one(licence=licence), licences=(asked,))

    def test_facts_of_sources_count_where_the_card_is_silent(self) -> None:
        """A refreshed entry without a card is found by what its source states."""
        facts = {"context_tokens": 9_000, "input_modalities": ("text", "image"), "output_types": ("text",),
                 "weights": "open", "tools": True, "released": "2026-03-01"}  # fmt: skip
        index = index_of(*assemble([], [], [], [reported("new", provider="shop", facts=facts)]))

        assert finds(
            index, kinds=("reported",), min_context_tokens=9_000, inputs=("image",), outputs=("text",),
            abilities=("vision", "tools"), has_weights=True, released_after="2026-03", providers=("shop",),
        )  # fmt: skip
        assert not finds(index, outputs=("image",))

    def test_results_are_found_by_their_benchmark(self) -> None:
        """Each result stands under its condition, and whole for the leaderboard."""
        index = one(claims=[claim("acme/one", value=70.0), claim("acme/one", "gsm8k", 80.0)])

        assert finds(index, benchmark="mmlu", min_score=70.0)
        assert not finds(index, benchmark="mmlu", min_score=70.1)
        assert len(index.claims("gsm8k")) == 1

    def test_the_best_result_stands_with_snapshot_and_mode(self) -> None:
        """Of those under one condition, whichever the file names last."""
        given = [
            claim("acme/one", value=93.3, mode="high", snapshot="one-2025"),
            claim("acme/one", value=92.8, mode="low"),
        ]
        (hit,) = search(one(claims=given), Query(benchmark="mmlu"), today=DAY).hits

        assert (hit.score, hit.score_of) == (93.3, "one-2025, high")

    @pytest.mark.parametrize(
        ("dates", "newest"),
        [(("2025-02-03", "2024"), date(2025, 2, 3)), ((None, None), date(2026, 1, 1)),
         (("2025", None), date(2026, 1, 1))],
    )  # fmt: skip
    def test_a_condition_is_as_new_as_its_newest_result(self, dates: tuple[str | None, ...], newest: date) -> None:
        """By the day of the result; where nobody names one, by the day on which the source was read."""
        (scores,) = one(claims=[claim("acme/one", date=day) for day in dates]).scores("mmlu")

        assert scores.newest == newest.toordinal()

    def test_regions_are_those_of_the_seller(self) -> None:
        """An offer is in a region where its seller says so."""
        assert finds(one(offer("one")), regions=("eu",))
        assert not finds(one(offer("one", "elsewhere")), regions=("eu",))


class TestMemory:
    """The columns of the index say what `memory.cache_shape` says."""

    NETWORKS = (
        Network(layers=32, hidden_size=4096, attention_heads=32, key_value_heads=8, head_size=128),
        Network(layers=61, hidden_size=7168, attention_heads=128, latent_rank=512, latent_rope_size=64),
        Network(layers=26, hidden_size=2304, attention_heads=8, key_value_heads=4, head_size=256,
                sliding_window=4096, sliding_layers=13),
        Network(layers=32, hidden_size=4096, attention_heads=32, key_value_heads=8, attention_layers=4,
                state_layers=28, state_values=139_264),
        Network(layers=24, hidden_size=1024, attention_heads=16, keeps_cache=False),
    )  # fmt: skip

    @pytest.mark.parametrize("network", NETWORKS, ids=["grouped", "latent", "windowed", "hybrid", "encoder"])
    def test_columns_are_the_shape(self, network: Network) -> None:
        """Value by value, for each kind of attention."""
        index, shape = one(parameters=7_000_000_000, network=network), cache_shape(network)

        assert shape is not None
        for name in ("values_per_token", "windowed_values_per_token", "window_tokens", "state_values"):
            (kept,), said = index.number(name).tolist(), getattr(shape, name)
            assert math.isnan(kept) if said is None else kept == said

    @pytest.mark.parametrize("vocabulary", [None, 128_256])
    def test_4_bit_are_those_of_the_card(self, vocabulary: int | None) -> None:
        """Vocabulary and all; a model without sizes of its layers has the bits of a large one."""
        network = Network(layers=16, hidden_size=2048, attention_heads=32, vocabulary=vocabulary)

        kept = [one(parameters=10**9, network=said).number("four_bit_bits").tolist() for said in (network, None)]
        assert kept == [[bits_per_weight("4bit", 10**9, network)], [BITS_PER_WEIGHT["4bit"]]]

    def test_a_network_that_says_too_little_leaves_them_unknown(self) -> None:
        """No cache is computed out of nothing, so no device is said to hold it."""
        index = one(parameters=1_000, network=Network(layers=32, hidden_size=4096))

        assert np.isnan(index.number("values_per_token")).all()
        assert not finds(index, fits_gib=80)


class TestPrices:
    """An offer's price is that of the day, per million tokens, and complete only where it can be billed."""

    def test_embeddings_are_priced_by_their_input_alone(self) -> None:
        """No vector is billed as an output token, so the blend of an embedder is known without an output price."""
        index = one(offer("one", usd=("0.1",)), tasks=("embedding",), output_types=("embedding",))

        assert finds(index, max_blended_usd=0.1)
        (hit,) = search(index, Query(sort="price"), today=DAY).hits
        assert (hit.input_usd, hit.output_usd) == (0.1, None)

    def test_a_writer_without_an_output_price_has_no_blend(self) -> None:
        """Unknown is not free."""
        assert not finds(one(offer("one", usd=("0.1",))), max_blended_usd=1000.0)

    def test_a_report_of_an_embedder_is_priced_by_its_input_too(self) -> None:
        """Without a card, what the source says comes out decides."""
        rates = offer("one", usd=("0.1",)).periods[0].rates
        entry = reported("one", provider="shop", rates=rates, facts={"output_types": ("embedding",)})
        writer = reported("two", provider="shop", rates=rates)

        index = index_of(*assemble([], [], [], [entry, writer]))

        assert [hit.id for hit in search(index, Query(max_blended_usd=1.0), today=DAY).hits] == ["shop:one"]

    @pytest.mark.parametrize(("said", "kept"), [(True, True), (False, False), (None, False)])
    def test_what_its_seller_calls_deprecated_is(self, said: bool | None, kept: bool) -> None:
        """The only offer of a model is shown either way, and marked."""
        (hit,) = search(one(offer("one", deprecated=said)), Query(), today=DAY).hits

        assert (hit.provider, hit.deprecated) == ("shop", kept)

    def test_an_offer_without_a_price_is_an_offer(self) -> None:
        """It is counted, and no limit on a price holds for it."""
        index = one(offer("one", usd=None))

        assert finds(index, providers=("shop",))
        assert not finds(index, max_input_usd=1000.0)


class TestRetired:
    """A service that ended is gone; weights that were given out are not."""

    @pytest.mark.parametrize(
        ("weights", "gone"), [("closed", True), (None, True), ("open", False), ("gated", False)]
    )  # fmt: skip
    def test_retired_means_that_nobody_can_use_it(self, weights: str | None, gone: bool) -> None:
        """A closed model is retired from its day on; of an open one only its maker's service ended."""
        index = one(weights=weights, retired="2026-07-31")

        assert finds(index, retired=True) == gone
        assert finds(index, retired=False) != gone
        assert finds(index, retired=False, today=date(2026, 7, 30))

    def test_the_day_is_shown_either_way(self) -> None:
        """A reader wants to know that the maker stopped, weights or not."""
        (hit,) = search(one(weights="open", retired="2026-07-31"), Query(), today=DAY).hits

        assert hit.retired == "2026-07-31"


def test_a_listing_shows_what_a_list_needs() -> None:
    """Names, lab, tasks, openness, size and dates, the sources' word where the card is silent."""
    index = one(
        model_id="openai/gpt-4o", name_zh="一", weights="open", licence="mit", parameters=7, released="2026-01",
        ours=True, reports=[reported("gpt-4o", provider="openai", facts={"context_tokens": 5, "parameters": 9})],
    )  # fmt: skip
    (hit,) = search(index, Query(ours=True), today=DAY).hits

    assert hit.model_dump(exclude_defaults=True) == {
        "id": "openai/gpt-4o", "kind": "card", "name": "gpt-4o", "name_zh": "一", "lab": "openai", "tasks": ("chat",),
        "openness": "open-licence", "licence": "mit", "parameters": 7, "context_tokens": 5, "released": "2026-01",
        "ours": True, "offers": 1, "provider": "openai", "served_name": "gpt-4o",
    }  # fmt: skip


@pytest.mark.parametrize("model_id", ["deepseek/deepseek-v3", "openai/text-embedding-3-small", "openai/whisper-1"])
def test_a_stored_card_is_the_card(model_id: str) -> None:
    """What ships comes back from the index as it was put in."""
    shipped = shipped_model(model_id)
    assert isinstance(shipped, Model)
    (card,) = assemble([shipped], [offer("a", model=model_id)], [claim(model_id)])

    index = index_of(card)

    assert Card.model_validate_json(index.card(0)) == card


@pytest.mark.parametrize("results", [0, 1, 2])
def test_a_card_is_read_without_its_results_where_nobody_asks_for_them(results: int) -> None:
    """The same card but for them; with them they stand in their order."""
    claims = [claim("acme/one", value=value) for value in (1.0, 2.0)[:results]]
    (card,) = assemble([model("acme/one")], [offer("a", model="acme/one")], claims)

    index = index_of(card)

    assert [one.value for one in Card.model_validate_json(index.card(0)).claims] == [1.0, 2.0][:results]
    assert Card.model_validate_json(index.card(0, results=False)) == card.model_copy(update={"claims": ()})


def test_a_list_of_everything_is_in_the_order_of_the_rows() -> None:
    """Row, id and what a list shows of each."""
    index = index_of(*assemble([model("acme/two"), model("acme/one")], [], []))

    listed = list(index.listings())

    assert [(row, name) for row, name, _ in listed] == [(0, "acme/one"), (1, "acme/two")]
    assert [body for _, _, body in listed] == [index.listing(0), index.listing(1)]
