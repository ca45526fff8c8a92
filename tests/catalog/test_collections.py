"""Collections: saved queries that find something, in two languages, and combine with what a user asks besides."""

from __future__ import annotations

import re

import pytest

from touchstone.catalog.catalog import Catalog
from touchstone.catalog.collections import Collection, collections, find_collection
from touchstone.catalog.query import Query
from touchstone.catalog.sellers import sellers
from touchstone.catalog.taxonomy import labs, terms_of
from touchstone.errors import UnknownName

_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def test_ids_and_names_are_unique() -> None:
    """What somebody types means one collection."""
    asked = [name.casefold() for one in collections() for name in {one.id, one.name.en, one.name.zh}]

    assert len({one.id for one in collections()}) == len(collections())
    assert all(find_collection(name).id == find_collection(name.upper()).id for name in asked)
    for one in collections():
        assert {find_collection(name).id for name in (one.id, one.name.en, one.name.zh)} == {one.id}


def test_those_that_people_expect_are_there() -> None:
    """The shelves of a cloud portal, and those it does not have."""
    assert {
        "openai", "azure-openai", "hugging-face", "small-open", "chinese-providers", "embeddings", "speech", "images",
        "retired", "ours",
    } <= {one.id for one in collections()}  # fmt: skip


@pytest.mark.parametrize("one", collections(), ids=lambda one: one.id)
def test_each_is_explained_in_both_languages(one: Collection) -> None:
    """A sentence in English without Chinese characters, and one in Chinese."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", one.id)
    assert one.explanation.en.endswith(".")
    assert one.explanation.zh.endswith("。")
    assert not _CHINESE.search(one.name.en + one.explanation.en)
    assert _CHINESE.search(one.explanation.zh)


@pytest.mark.parametrize("one", collections(), ids=lambda one: one.id)
def test_each_names_only_words_that_exist(one: Collection) -> None:
    """A misspelt task, lab or seller would find nothing and say nothing."""
    query = one.query

    assert set(query.tasks) <= set(terms_of("task"))
    assert set(query.openness) <= set(terms_of("openness"))
    assert set(query.labs) <= set(labs())
    assert set(query.providers) <= set(sellers())
    assert set(query.countries) <= {lab.country for lab in labs().values()}
    assert one.query.filters


@pytest.mark.parametrize("one", collections(), ids=lambda one: one.id)
def test_each_finds_something_that_ships(everything: Catalog, one: Collection) -> None:
    """At least one model; `ours` none, for nothing that ships is ours."""
    found = everything.search(Query(limit=0), collection=one.id).total

    assert (found > 0) == (one.id != "ours")


def test_chinese_providers_are_all_sellers_with_their_seat_in_china() -> None:
    """The list is kept by hand; what `sellers.toml` says decides."""
    assert set(find_collection("chinese-providers").query.providers) == {
        seller.id for seller in sellers().values() if seller.country == "CN"
    }


@pytest.mark.parametrize("one", collections(), ids=lambda one: one.id)
def test_a_collection_and_a_query_hold_together(everything: Catalog, one: Collection) -> None:
    """What both find separately is what is found together, and each hit is one of the collection."""
    asked = Query(has_weights=True, limit=10_000)
    within = {hit.id for hit in everything.search(Query(limit=10_000), collection=one.id).hits}
    alone = {hit.id for hit in everything.search(asked).hits}
    together = {hit.id for hit in everything.search(asked, collection=one.id).hits}

    assert together <= within & alone
    if not one.query.providers and one.query.max_blended_usd is None:
        assert together == within & alone


def test_offers_of_collection_and_query_are_the_same_offer(everything: Catalog) -> None:
    """OpenAI's models on Azure under a price: it is Azure's price that counts."""
    hits = everything.search(Query(max_input_usd=0.2, limit=10_000), collection="azure-openai").hits

    assert hits
    assert all(hit.provider == "azure" and hit.input_usd is not None and hit.input_usd <= 0.2 for hit in hits)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("embeddings", "embeddings"), ("  Embeddings ", "embeddings"), ("向量", "embeddings"), ("谷歌", "google"),
     ("Open weights under 10B", "small-open"), ("100 亿参数以下的开放权重", "small-open"), ("OPENAI", "openai")],
)  # fmt: skip
def test_a_collection_is_found_by_id_or_name_in_either_language(asked: str, expected: str) -> None:
    """As it stands in the list that people read."""
    assert find_collection(asked).id == expected


def test_an_unknown_collection_names_the_close_ones() -> None:
    """A slip of the finger costs one look."""
    with pytest.raises(UnknownName, match="embeddings") as raised:
        find_collection("embeding")
    assert "rerankers" not in str(raised.value)
