"""Words that people write become a query; commands and pages share the way there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from touchstone.catalog import asked
from touchstone.catalog.catalog import Catalog
from touchstone.catalog.collections import collections
from touchstone.catalog.query import Query
from touchstone.errors import UnknownName

TODAY = date(2026, 11, 27)


@pytest.fixture(scope="module")
def catalog() -> Iterator[Catalog]:
    with Catalog(today=TODAY) as found:
        yield found


def query(**fields: Any) -> Query:
    return asked.query_of(fields, asked.flag_of)


def test_names_in_either_language_sizes_and_codes_become_ids() -> None:
    """What people say, as filters have it."""
    found = query(tasks=["对话"], labs=["阿里巴巴"], licences=["MIT"], max_parameters="1.5B", countries=["cn"])
    assert (found.tasks, found.labs, found.licences) == (("chat",), ("alibaba",), ("mit",))
    assert (found.max_parameters, found.countries) == (1_500_000_000, ("CN",))
    assert query(min_parameters="7000000000", max_parameters=9).min_parameters == 7_000_000_000


@pytest.mark.parametrize(
    ("fields", "field", "flag"),
    [
        ({"max_parameters": "lots"}, "max_parameters", "--max-parameters"),
        ({"text": "x" * 301}, "text", "WORD…"),
        ({"min_score": 3.0}, "min_score", "--benchmark"),
        ({"sort": "score"}, "sort", "--sort score"),
        ({"fits_gib": -1.0}, "fits_gib", "--fits-gb"),
        ({"released_after": "soon"}, "released_after", "--released-after"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_field(fields: dict[str, Any], field: str, flag: str) -> None:
    """A page shows the sentence beside the field, a command calls it by its flag."""
    with pytest.raises(asked.FieldWrong) as wrong:
        query(**fields)
    assert wrong.value.field == field
    assert flag in str(wrong.value)


@pytest.mark.parametrize("fields", [{"labs": ["nobody"]}, {"providers": ["nobody"]}, {"licences": ["none"]},
                                    {"regions": ["moon"]}, {"languages": ["qq"]}, {"families": ["none"]}])  # fmt: skip
def test_a_name_that_no_entry_has_is_refused(catalog: Catalog, fields: dict[str, Any]) -> None:
    """It would find nothing, which looks like an answer."""
    with pytest.raises(UnknownName):
        asked.known_to(catalog, query(**fields))


def test_known_names_pass_and_families_are_written_as_in_the_catalog(catalog: Catalog) -> None:
    """Also a seller by its other name, and `own`."""
    assert asked.known_to(catalog, query(families=["qwen"], providers=["Groq", "own"])).families == ("Qwen",)


def test_ticking_a_further_value_finds_what_its_count_says(catalog: Catalog) -> None:
    """Where one value is enough, what is ticked does not hide the alternatives."""
    wanted = query(tasks=["chat"], openness=["proprietary"], retired=False)
    found = catalog.search(wanted, facets=asked.COUNTED)
    counts = {(one.facet, one.value): one.count for one in asked.beside(catalog, wanted, found)}
    other = wanted.model_copy(update={"openness": ("open-licence",)})
    assert counts["openness", "open-licence"] == catalog.search(other).total > 0
    both = wanted.model_copy(update={"openness": ("open-licence", "proprietary")})
    assert catalog.search(both).total == counts["openness", "open-licence"] + counts["openness", "proprietary"]
    assert counts["ability", "tools"] == catalog.search(wanted.model_copy(update={"abilities": ("tools",)})).total


@pytest.mark.parametrize("fields", [{}, {"tasks": ["chat"]}, {"max_blended_usd": 2.0}, {"text": "qwen"},
                                    {"providers": ["deepseek", "groq"], "max_input_usd": 1.0}])  # fmt: skip
def test_a_collections_count_is_what_searching_within_it_finds(catalog: Catalog, fields: dict[str, Any]) -> None:
    """Offer by offer where both ask something of one offer; asked twice, for what is kept must not change."""
    wanted = query(**fields)
    for _time in range(2):
        for one, count in asked.in_collections(catalog, wanted, says_of_retired=False):
            inner = one.query_with_defaults(wanted)
            assert catalog.search(inner, collection=one.id).total == count, one.id


def test_retired_models_are_counted_where_nobody_said_a_word(catalog: Catalog) -> None:
    """A collection may say it; else they are left out, and it is said how many."""
    plain, found = asked.find(catalog, query(labs=["openai"]), says_of_retired=False)
    assert plain.retired is False
    everything = catalog.search(query(labs=["openai"])).total
    assert found.total + found.retired_left_out == everything > found.total
    gone, _found = asked.find(catalog, query(), collection="retired", says_of_retired=False)
    assert gone.retired is True


def test_how_one_was_made_and_can_be_had_are_filters(catalog: Catalog) -> None:
    """Every word of the taxonomy has a search."""
    made = catalog.search(query(relations=["quantised"], limit=1_000))
    assert "alibaba/qwen3-32b-awq" in {hit.id for hit in made.hits}
    weights, offered = query(supplies=["weights"]), query(supplies=["offer"])
    both = query(supplies=["weights", "offer"])
    assert catalog.search(weights).total == catalog.search(query(has_weights=True)).total
    assert 0 < catalog.search(both).total < min(catalog.search(weights).total, catalog.search(offered).total)
    assert all(hit.offers for hit in catalog.search(offered).hits)


def test_the_command_for_a_query_says_what_was_asked() -> None:
    """In words that a shell takes as they are."""
    wanted = query(text="it's <b>", tasks=["chat"], max_blended_usd=1.5, abilities=["tools"], retired=False)
    said = asked.command_of(wanted, collection="code", says_of_retired=False)
    assert said == ("touchstone catalog search --task=chat --max-usd=1.5 --tools --collection=code -- 'it'\"'\"'s <b>'")
    assert asked.command_of(query(retired=True)) == "touchstone catalog search --retired"
    assert len(collections()) == 20
