"""Queries: filters that combine, unknown that never passes, one offer for all its limits, counts that are true."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.catalog.shelf import TODAY, Made, OfferRow, fits, shelf, tighter
from tests.conftest import examples

from touchstone.catalog.index import CatalogIndex, match_expression
from touchstone.catalog.index_write import LaterPrice, ScoreRow
from touchstone.catalog.memory import Precision, bits_per_weight, memory_need
from touchstone.catalog.model import Network
from touchstone.catalog.query import Query
from touchstone.catalog.search import FACETS, search

_MAYBE_USD = st.none() | st.sampled_from([0.0, 0.1, 0.5, 2.0, 30.0])
_OFFERS = st.builds(
    OfferRow,
    provider=st.sampled_from(["north", "south", "east"]),
    served_name=st.just("served"),
    input_usd=_MAYBE_USD,
    output_usd=_MAYBE_USD,
    context_tokens=st.none() | st.sampled_from([4_000, 128_000]),
    regions=st.sampled_from([(), ("eu",), ("cn", "eu")]),
)


def _some(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=2).map(tuple)


_FACETS = st.fixed_dictionaries(
    {},
    optional={
        "task": _some("chat", "embedding", "code-generation"),
        "input": _some("text", "image"),
        "language": _some("en", "zh"),
        "ability": _some("tools", "reasoning"),
        "architecture": _some("decoder-only"),
        "lab": _some("acme", "other"),
        "openness": _some("open-licence", "proprietary"),
        "licence": _some("mit", "llama3.1"),
        "licence-class": _some("open", "commercial"),
        "weights": st.sampled_from([("open",), ("gated",), ("closed",)]),
        "has": _some("ours"),
    },
)
_NUMBERS = st.fixed_dictionaries(
    {},
    optional={
        "context_tokens": st.none() | st.sampled_from([4_000.0, 32_000.0, 128_000.0]),
        "parameters": st.none() | st.sampled_from([1e9, 7e9, 70e9]),
        "retired": st.none() | st.sampled_from([float(date(2026, m, 1).toordinal()) for m in (7, 8, 9)]),
        "released": st.none() | st.sampled_from([float(date(y, 1, 1).toordinal()) for y in (2024, 2026)]),
    },
)


@st.composite
def shelves(draw: st.DrawFn) -> list[Made]:
    made = draw(st.lists(st.tuples(_FACETS, _NUMBERS, st.lists(_OFFERS, max_size=3)), min_size=1, max_size=8))
    return [
        Made(f"m{position}", facets=facets, numbers=numbers, offers=tuple(offers))
        for position, (facets, numbers, offers) in enumerate(made)
    ]


_QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "tasks": _some("chat", "embedding", "code-generation"),
        "inputs": _some("text", "image"),
        "languages": _some("en", "zh"),
        "abilities": _some("tools", "reasoning"),
        "architectures": _some("decoder-only"),
        "labs": _some("acme", "other"),
        "openness": _some("open-licence", "proprietary"),
        "licences": _some("mit", "open", "commercial"),
        "has_weights": st.sampled_from([None, True, False]),
        "ours": st.sampled_from([None, True, False]),
        "retired": st.sampled_from([None, True, False]),
        "providers": _some("north", "south"),
        "regions": _some("eu", "cn"),
        "min_context_tokens": st.sampled_from([4_000, 32_000, 128_000]),
        "max_parameters": st.sampled_from([1_000_000_000, 7_000_000_000]),
        "min_parameters": st.sampled_from([7_000_000_000]),
        "max_input_usd": st.sampled_from([0.0, 0.1, 0.5, 2.0]),
        "max_output_usd": st.sampled_from([0.1, 2.0]),
        "max_blended_usd": st.sampled_from([0.2, 1.0]),
        "input_share": st.sampled_from([0.5, 0.75, 1.0]),
    },
)


def ids(index: CatalogIndex, query: Query, **more: Any) -> set[str]:
    return {hit.id for hit in search(index, tighter(query, limit=1000), today=TODAY, **more).hits}


@given(shelves(), _QUERIES)
@examples(30)
def test_filters_hold_together_as_plain_reading_says(models: list[Made], filters: dict[str, Any]) -> None:
    """A model is found when each of its facts meets the filter on it, and one of its offers meets all offer filters."""
    query = Query.model_validate(filters)

    assert ids(shelf(models), query) == {model.id for model in models if fits(model, query)}


@given(shelves(), _QUERIES, _QUERIES)
@examples(30)
def test_a_tighter_query_never_adds_a_model(models: list[Made], first: dict[str, Any], second: dict[str, Any]) -> None:
    """Whatever is asked in addition, nothing appears that was not found before."""
    index = shelf(models)
    free = {name: value for name, value in second.items() if name not in first and name != "input_share"}
    query = Query.model_validate(first)

    assert ids(index, tighter(query, **free)) <= ids(index, query)


@given(shelves(), _QUERIES)
@examples(30)
def test_a_facet_count_is_what_adding_the_value_leaves(models: list[Made], filters: dict[str, Any]) -> None:
    """Each number beside a value is the number of hits of the query with that value, and no other value has hits."""
    index, query = shelf(models), Query.model_validate(filters)
    field = {"task": "tasks", "openness": "openness", "licence": "licences", "lab": "labs", "provider": "providers",
             "architecture": "architectures", "language": "languages", "ability": "abilities"}  # fmt: skip
    counted = search(index, query, today=TODAY, facets=True).facets

    for facet, name in field.items():
        values = {value for model in models for value in model.facets.get(facet, ())}
        if facet == "provider":
            values = {offer.provider for model in models for offer in model.offers}
        counts = {item.value: item.count for item in counted if item.facet == facet}
        for value in values:
            outer = Query.model_validate({name: [value], "input_share": query.input_share})
            assert counts.get(value, 0) == search(index, query, today=TODAY, within=[outer]).total
        assert set(counts) <= values
    assert {item.facet for item in counted} <= set(FACETS)


def test_one_offer_must_meet_all_limits() -> None:
    """A cheap offer in China and a dear one in Europe are no cheap offer in Europe."""
    index = shelf([Made("m", offers=(OfferRow("cheap", "a", 0.1, 0.2, regions=("cn",)),
                                     OfferRow("dear", "b", 9.0, 9.0, regions=("eu",))))])  # fmt: skip

    assert ids(index, Query(regions=("eu",), max_input_usd=1.0)) == set()
    assert ids(index, Query(regions=("cn",), max_input_usd=1.0)) == {"acme/m"}


def test_the_price_of_a_hit_is_of_the_cheapest_offer_that_was_left() -> None:
    """Where a filter takes the cheapest offer away, the next one is shown; the ratio decides which is cheapest."""
    offers = (OfferRow("in", "a", 0.1, 5.0), OfferRow("out", "b", 1.0, 1.0), OfferRow("free?", "c"))
    index = shelf([Made("m", offers=offers)])

    def seller(query: Query) -> tuple[str | None, float | None, int]:
        (hit,) = search(index, query, today=TODAY).hits
        return hit.provider, hit.input_usd, hit.offers

    assert seller(Query(input_share=1.0)) == ("in", 0.1, 3)
    assert seller(Query(input_share=0.5)) == ("out", 1.0, 3)
    assert seller(Query(providers=("out",), input_share=1.0)) == ("out", 1.0, 1)
    assert seller(Query(providers=("free?",))) == ("free?", None, 1)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("price", ["cheap", "dear", "unknown"]),
        ("context", ["dear", "cheap", "unknown"]),
        ("parameters", ["dear", "cheap", "unknown"]),
        ("released", ["cheap", "dear", "unknown"]),
        ("score", ["dear", "cheap", "unknown"]),
        ("name", ["cheap", "dear", "unknown"]),
        ("relevance", ["cheap", "dear", "unknown"]),
    ],
)
def test_order_is_the_expected_one_and_unknown_comes_last(sort: str, expected: list[str]) -> None:
    """Cheapest, longest, largest, newest, best first; what nobody knows stands at the end, in either direction."""
    board = orjson.dumps(["mmlu", "", "", "", ""]).decode()
    models = [
        Made("cheap", numbers={"context_tokens": 1, "parameters": 1, "released": 9}, offers=(OfferRow("p", "a", 1, 1),),
             scores=(("mmlu", board, 10.0),)),
        Made("dear", numbers={"context_tokens": 2, "parameters": 2, "released": 5}, offers=(OfferRow("p", "b", 2, 2),),
             scores=(("mmlu", board, 20.0),)),
        Made("unknown"),
    ]  # fmt: skip
    index = shelf(models)
    benchmark = "mmlu" if sort == "score" else None
    known = 3 if sort != "score" else 2

    def names(**ways: Any) -> list[str]:
        query = Query.model_validate({"sort": sort, "benchmark": benchmark, **ways})
        return [hit.name for hit in search(index, query, today=TODAY).hits]

    assert names() == expected[:known]
    if sort not in {"name", "relevance"}:
        turned = "descending" if sort == "price" else "ascending"
        assert names(descending=turned == "descending") == [*expected[1::-1], "unknown"][:known]


def test_scores_order_only_what_was_measured_alike() -> None:
    """Results under another condition are neither mixed into the order nor listed; the condition is named."""
    common, other = (orjson.dumps(["mmlu", "", setting, "", ""]).decode() for setting in ("5-shot", "CoT"))
    index = shelf(
        [
            Made("a", scores=(("mmlu", common, 60.0), ("mmlu", other, 99.0))),
            Made("b", scores=(("mmlu", common, 70.0),)),
            Made("c", scores=(("mmlu", other, 90.0),)),
        ]
    )

    found = search(index, Query(benchmark="mmlu", sort="score"), today=TODAY)

    assert [(hit.name, hit.score) for hit in found.hits] == [("b", 70.0), ("a", 60.0)]
    assert found.score_condition == ("mmlu", "", "5-shot", "", "")


def _condition(setting: str) -> str:
    return orjson.dumps(["mmlu", "", setting, "", ""]).decode()


_MIXED = (
    Made("a", facets={"lab": ("one",)},
         scores=(("mmlu", _condition("5-shot"), 60.0), ("mmlu", _condition("CoT"), 99.0))),
    Made("b", facets={"lab": ("one",)}, scores=(("mmlu", _condition("5-shot"), 70.0),)),
    Made("c", facets={"lab": ("two",)}, scores=(("mmlu", _condition("CoT"), 90.0),)),
)  # fmt: skip


def test_a_minimum_holds_for_the_score_that_is_shown() -> None:
    """No row passes by a result under another condition; without a minimum any result is a result."""
    index = shelf(_MIXED)

    def scores(**filters: Any) -> dict[str, float | None]:
        return {hit.name: hit.score for hit in search(index, Query(benchmark="mmlu", **filters), today=TODAY).hits}

    assert scores(min_score=65.0) == {"b": 70.0}
    assert scores(min_score=50.0) == {"a": 60.0, "b": 70.0}
    assert scores() == {"a": 60.0, "b": 70.0, "c": None}


def test_no_other_filter_changes_the_condition() -> None:
    """A model's score is the same whatever else is asked, so a filter that leaves only others leaves them without."""
    found = search(shelf(_MIXED), Query(benchmark="mmlu", labs=("two",)), today=TODAY)

    assert [(hit.name, hit.score) for hit in found.hits] == [("c", None)]
    assert found.score_condition == ("mmlu", "", "5-shot", "", "")


@pytest.mark.parametrize(
    ("age", "shown"), [(365, "wide and old"), (366, "a new one")], ids=["a year old", "a day more"]
)
def test_a_condition_of_which_nothing_is_recent_is_not_shown(age: int, shown: str) -> None:
    """The widest counts among those with a result of the benchmark's last year; of equals the first by name."""
    new, old, stray = (_condition(setting) for setting in ("a new one", "wide and old", "b"))
    index = shelf(
        [
            Made("a", scores=(ScoreRow("mmlu", old, 1.0, day=1000 - age), ScoreRow("mmlu", new, 2.0, day=1000))),
            Made("b", scores=(ScoreRow("mmlu", old, 1.0, day=10), ScoreRow("mmlu", stray, 3.0, day=990))),
        ]
    )
    found = search(index, Query(benchmark="mmlu"), today=TODAY)

    assert found.score_condition is not None
    assert found.score_condition[2] == shown


@pytest.mark.parametrize("turned", [False, True], ids=["best first", "best last"])
@pytest.mark.parametrize(("lower", "best"), [("[]", (93.3, "high")), ('["mmlu"]', (92.8, "low"))])
def test_of_several_results_of_a_model_its_best_is_shown(turned: bool, lower: str, best: tuple[float, str]) -> None:
    """Modes share a condition: the best by the benchmark's direction counts, in whatever order, and is named."""
    rows = [ScoreRow("mmlu", _condition("5-shot"), value, mode) for value, mode in ((93.3, "high"), (92.8, "low"))]
    other = Made("other", scores=(("mmlu", _condition("5-shot"), 93.0),))
    index = shelf([Made("o", scores=tuple(rows[::-1] if turned else rows)), other], lower_is_better=lower)
    (hit, plain) = search(index, Query(benchmark="mmlu", sort="score"), today=TODAY).hits

    assert ((hit.score, hit.score_of), (plain.score, plain.score_of)) == (best, (93.0, None))


@pytest.mark.parametrize("leaving", [{"deprecated": True}, {"ends": TODAY.toordinal()}])
def test_an_offer_deprecated_or_over_sets_no_price_while_there_is_another(leaving: dict[str, Any]) -> None:
    """Shown, ordered and limited by what is still sold; the other offer counts for its seller, and is marked."""
    old, dear = OfferRow("old", "a", 0.1, 0.1, **leaving), OfferRow("dear", "b", 9.0, 9.0)
    index = shelf(
        [Made("both", offers=(old, dear)), Made("gone", offers=(old,)),
         Made("mid", offers=(OfferRow("p", "c", 5.0, 5.0),)), Made("unpriced", offers=(old, OfferRow("quiet", "d")))]
    )  # fmt: skip

    def sold(**filters: Any) -> list[tuple[str, str | None, float | None, bool]]:
        hits = search(index, Query(**filters), today=TODAY).hits
        return [(hit.name, hit.provider, hit.input_usd, hit.deprecated) for hit in hits]

    assert sold(sort="price") == [
        ("gone", "old", 0.1, True), ("mid", "p", 5.0, False), ("both", "dear", 9.0, False),
        ("unpriced", "quiet", None, False),
    ]  # fmt: skip
    assert sold(providers=("old", "dear"), sort="price") == [
        ("gone", "old", 0.1, True), ("unpriced", "old", 0.1, True), ("both", "dear", 9.0, False),
    ]  # fmt: skip
    assert sold(providers=("old",), sort="name") == [(name, "old", 0.1, True) for name in ("both", "gone", "unpriced")]
    for limit in ("max_input_usd", "max_output_usd", "max_blended_usd"):
        assert sold(**{limit: 1.0}) == []
        assert [name for name, *_rest in sold(**{limit: 9.0}, sort="name")] == ["both", "mid"]


def test_whoever_costs_just_as_much_as_the_limit_is_found() -> None:
    """Half of 0.1 and half of 0.2 are a little more than 0.15 to a computer."""
    index = shelf(
        [Made("just", offers=(OfferRow("p", "a", 0.1, 0.2),)), Made("over", offers=(OfferRow("p", "b", 0.1, 0.2001),))]
    )

    assert ids(index, Query(max_blended_usd=0.15, input_share=0.5)) == {"acme/just"}


def test_an_index_reads_as_of_today() -> None:
    """An announced price counts from its day on, and what ends later is still sold."""
    tomorrow = TODAY + timedelta(days=1)
    later = (LaterPrice(tomorrow.toordinal(), 2.0, None), LaterPrice(tomorrow.toordinal() + 1, 3.0, 30.0))
    models = [
        Made("dear", offers=(OfferRow("p", "a", 1.0, 10.0, later=later),)),
        Made("ending", offers=(OfferRow("p", "b", 0.1, 0.1, ends=tomorrow.toordinal()), OfferRow("q", "c", 5.0, 5.0))),
        Made("vectors", offers=(OfferRow("p", "d", 4.0, writes_tokens=False, later=later[:1]),)),
    ]

    def prices(days: int) -> dict[str, tuple[float | None, float | None]]:
        today = TODAY + timedelta(days=days)
        hits = search(shelf(models, today=today), Query(), today=today).hits
        return {hit.name: (hit.input_usd, hit.output_usd) for hit in hits}

    def cheapest_first(days: int) -> list[str]:
        today = TODAY + timedelta(days=days)
        hits = search(shelf(models, today=today), Query(sort="price"), today=today).hits
        return [hit.name for hit in hits]

    assert prices(0) == {"dear": (1.0, 10.0), "ending": (0.1, 0.1), "vectors": (4.0, None)}
    assert prices(1) == {"dear": (2.0, None), "ending": (5.0, 5.0), "vectors": (2.0, None)}
    assert prices(2) == {"dear": (3.0, 30.0), "ending": (5.0, 5.0), "vectors": (2.0, None)}
    assert cheapest_first(0) == ["ending", "vectors", "dear"]
    assert cheapest_first(2) == ["vectors", "ending", "dear"]


def test_a_long_text_asks_for_no_more_than_32_different_words() -> None:
    """Each word costs time, and thousands took minutes; the same word again costs nothing."""
    asked = match_expression(" ".join(f"w{n}" for n in range(30_000)))

    assert asked is not None
    assert asked.split(" AND ") == [f'"w{n}"' for n in range(32)]
    assert match_expression("a " * 30_000) == '"a"'
    assert match_expression("a b a") == '"a" AND "b" AND "a"*'


def test_a_text_has_at_most_300_characters() -> None:
    """Nobody looks for a model with more."""
    assert Query(text="a" * 300).text
    with pytest.raises(ValidationError, match="300"):
        Query(text="a" * 301)


def test_lower_is_better_turns_order_and_minimum_round() -> None:
    """Of word error rates the smallest is best, and a bar is not to be passed upwards."""
    condition = orjson.dumps(["wer"]).decode()
    index = shelf(
        [Made("good", scores=(("wer", condition, 2.0),)), Made("bad", scores=(("wer", condition, 9.0),))],
        lower_is_better='["wer"]',
    )

    found = search(index, Query(benchmark="wer", sort="score"), today=TODAY)
    barred = search(index, Query(benchmark="wer", min_score=5.0), today=TODAY)

    assert [hit.name for hit in found.hits] == ["good", "bad"]
    assert [hit.name for hit in barred.hits] == ["good"]


def test_a_page_is_a_part_of_the_same_order() -> None:
    """Pages one after the other give everything once; the total does not depend on the page."""
    index = shelf([Made(f"m{n:02}") for n in range(25)])

    pages = [search(index, Query(sort="name", limit=10, offset=start), today=TODAY) for start in (0, 10, 20, 30)]

    assert [hit.name for page in pages for hit in page.hits] == [f"m{n:02}" for n in range(25)]
    assert {page.total for page in pages} == {25}


def test_fitting_into_memory_agrees_with_the_card() -> None:
    """The filter on memory is the calculation that the card shows, and unknown sizes do not fit."""
    network = Network(
        layers=32, hidden_size=4096, attention_heads=32, key_value_heads=8, head_size=128, vocabulary=256_000
    )
    numbers = {
        "parameters": 8e9,
        "values_per_token": 32 * 8 * 256,
        "windowed_values_per_token": 0,
        "state_values": 0,
        "four_bit_bits": bits_per_weight("4bit", 8e9, network),
    }
    index = shelf([Made("known", numbers=numbers), Made("unknown", numbers={"parameters": 8e9})])

    precisions: tuple[Precision, ...] = ("16bit", "8bit", "4bit")
    for gib, tokens, precision in product((5.3, 5.4, 16.0, 17.5, 18.0, 24.0, 48.0), (1_000, 32_000), precisions):
        query = Query(fits_gib=gib, fit_context_tokens=tokens, precision=precision)
        expected = memory_need(8_000_000_000, network, precision=precision, context_tokens=tokens).fits(gib)
        assert ("acme/known" in ids(index, query)) == expected
        assert "acme/unknown" not in ids(index, query)


def test_a_text_that_finds_nothing_gets_close_names() -> None:
    """A typing mistake leads to what may have been meant; signs alone find nothing and suggest nothing."""
    index = shelf([Made("whisper-large"), Made("writer")])

    assert search(index, Query(text="wisper large"), today=TODAY).suggestions == ("acme/whisper-large",)
    assert search(index, Query(text="???"), today=TODAY).total == 0
