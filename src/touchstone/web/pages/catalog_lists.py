"""Lists of the catalog beside its search: collections, the words that sort models, and cards side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import get_args

from touchstone.catalog.asked import in_collections
from touchstone.catalog.cards import Card
from touchstone.catalog.query import Query, Supply
from touchstone.catalog.taxonomy import terms
from touchstone.errors import UnknownName
from touchstone.language import _, current_language
from touchstone.reporting.cards_compared import called_in_list, compared_page, sameness
from touchstone.reporting.catalog_lists import KINDS
from touchstone.reporting.pages import Section, Table
from touchstone.web.base import Answer, Ask, Move, Route, Show
from touchstone.web.pages.catalog_asked import MOST_IN_TRAY, card_address, is_starter, playground_address
from touchstone.web.pages.catalog_card import places_of
from touchstone.web.render import address

_COUNTED = ("task", "output", "architecture", "trait", "origin", "relation", "openness")
"""Kinds of terms that are facets of the index; the parameter of a search is called as they are."""
_SUGGESTED = 300


def all_collections(ask: Ask) -> Answer:
    """Saved queries, each with how many models it finds today."""
    language = current_language()
    with ask.catalog() as catalog:
        counted = in_collections(catalog, Query(limit=0), says_of_retired=False)
    rows = [
        (one.name.in_language(language), one.explanation.in_language(language), count,
         address("/catalog", collection=one.id))
        for one, count in counted
    ]  # fmt: skip
    return Show("catalog/collections.html.j2", {"rows": rows})


# Taxonomy -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Word:
    """A term as it is explained."""

    id: str
    name: str
    text: str
    also: str
    """Other words for it in the reader's language."""
    examples: Sequence[tuple[str, str]]
    """Ids with their pages, of those that the catalog has."""
    count: int
    to: str
    """The search that finds what is so."""


def taxonomy(ask: Ask) -> Answer:
    """The words that sort models, each explained, with examples and its search."""
    language = current_language()
    groups: list[tuple[str, str, list[Word]]] = []
    with ask.catalog() as catalog:
        counted = catalog.search(Query(retired=False, limit=0), facets=_COUNTED).facets
        counts = {(one.facet, one.value): one.count for one in counted}
        for supply in get_args(Supply):
            asked = Query(retired=False, limit=0, supplies=(supply,))
            counts["supply", supply] = catalog.search(asked).total
        linked = places_of(catalog, (example for term in terms() for example in term.examples))
        for kind, group in groupby(
            sorted(terms(), key=lambda term: list(KINDS).index(term.kind)), lambda one: one.kind
        ):
            made = []
            for term in group:
                chinese = language == "zh"
                also = [one for one in term.aliases if any(ord(sign) > 0x2E80 for sign in one) == chinese]
                made.append(
                    Word(
                        id=term.id,
                        name=term.name.in_language(language),
                        text=term.explanation.in_language(language),
                        also=_(", ").join(also),
                        examples=[(one, linked[one]) for one in term.examples if one in linked],
                        count=counts.get((kind, term.id), 0),
                        to=address("/catalog", **{kind: term.id}),
                    )
                )
            groups.append((kind, _(KINDS[kind]), made))
    return Show("catalog/taxonomy.html.j2", {"groups": groups})


# Side by side ---------------------------------------------------------------------------------------------------------


def compare(ask: Ask) -> Answer:
    """Cards side by side, as many as are named; rows in which they differ say so in words."""
    named = [part for value in ask.query.all("models", longest=8_000) for part in value.split(",")]
    wanted = list(dict.fromkeys(one.strip() for one in (*named, *ask.query.all("tray", longest=400)) if one.strip()))
    wanted = wanted[:MOST_IN_TRAY]
    if "tray" in ask.query or "add" in ask.query:
        more = ask.query.text("add", longest=400)
        kept = ask.query.text("only")
        return Move(compared_address(dict.fromkeys([*wanted, *([more] if more else [])]), kept))
    cards: dict[str, Card] = {}
    unknown: list[str] = []
    with ask.catalog() as catalog:
        for one in wanted:
            try:
                card = catalog.card(one)
            except UnknownName:
                unknown.append(one)
            else:
                cards[card.id] = card
        today = catalog.today
        suggested = catalog.index.values_of("made-from")[:_SUGGESTED]
    only = ask.query.text("only") == "differ"
    page = compared_page(list(cards.values()), today) if cards else None
    chosen = [(one, called_in_list(card), card_address(one), _without(cards, one)) for one, card in cards.items()]
    return Show(
        "catalog/compare.html.j2",
        {
            "page": page,
            "sections": [_told(section, only) for section in page.sections] if page else [],
            "chosen": chosen,
            "unknown": unknown,
            "only": only,
            "models": ",".join(cards),
            "to_playground": playground_address(one.id for one in cards.values() if one.offers or is_starter(one.id)),
            "suggested": suggested,
            "to_all": compared_address(cards),
            "to_different": compared_address(cards, "differ"),
        },
        status=404 if unknown and not cards else 200,
    )


def compared_address(models: Mapping[str, object], only: str = "") -> str:
    """The page that sets models side by side."""
    return address("/catalog/compare", models=tuple(models), only=only if only == "differ" else "")


def _without(cards: Mapping[str, Card], one: str) -> str:
    return compared_address({card: None for card in cards if card != one})


@dataclass(frozen=True)
class Told:
    """A section with, for each row of its first table, how its cells stand to each other."""

    section: Section
    table: Table | None
    same: Sequence[str]


def _told(section: Section, only: bool) -> Told:
    """A section whose first block is a table of cards; with `only`, the rows in which they differ."""
    first = section.blocks[0] if section.blocks else None
    # The results name how they were measured beside the test; there two numbers always differ.
    if not isinstance(first, Table) or section.anchor == "results":
        return Told(section, None, ())
    rows = [(row, sameness(row[1:])) for row in first.rows]
    if only:
        rows = [(row, same) for row, same in rows if same == "differ"]
    table = first._replace(rows=[row for row, _same in rows])
    return Told(section._replace(blocks=section.blocks[1:]), table, [same for _row, same in rows])


routes = (
    Route("/catalog/collections", all_collections, "view"),
    Route("/catalog/taxonomy", taxonomy, "view"),
    Route("/catalog/compare", compare, "view"),
)
