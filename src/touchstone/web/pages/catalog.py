"""The catalog: search as one types, narrow by facets and limits, and set models aside to be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from touchstone.catalog import asked as from_words
from touchstone.catalog.benchmarks import benchmarks
from touchstone.catalog.query import Found, Query
from touchstone.catalog.taxonomy import terms_of
from touchstone.errors import UnknownName
from touchstone.language import _, current_language
from touchstone.reporting import catalog_words as words
from touchstone.reporting.card_results import benchmark_name
from touchstone.reporting.search_list import condition_words
from touchstone.web.base import Answer, Ask, Route, Show
from touchstone.web.pages import catalog_asked as fields
from touchstone.web.pages import catalog_card, catalog_change, catalog_lists
from touchstone.web.pages.catalog_asked import Asked, is_starter

if TYPE_CHECKING:
    from touchstone.catalog.catalog import Catalog

_FACETS = (
    "task", "input", "output", "ability", "openness", "licence", "lab", "provider", "language", "architecture", "trait",
)  # fmt: skip
_OPEN = ("task", "openness", "ability")
"""Facets that stand open from the start; others once something in them is ticked."""
_MOST_VALUES = 60
"""Values of a facet that are listed; the others are found by words."""
_MOST_CHOICES = 300
_UNKNOWN = {
    "licence": "licence",
    "lab": "lab",
    "seller": "provider",
    "region": "region",
    "language code": "language",
    "country code": "country",
    "family": "family",
}
"""By kind of an unknown name, the parameter that it stands in."""


@dataclass(frozen=True)
class Value:
    """A value of a facet that may be ticked."""

    value: str
    words: str
    count: int
    is_ticked: bool


@dataclass(frozen=True)
class Facet:
    """What hits have in common, with counts."""

    name: str
    words: str
    values: Sequence[Value]
    is_open: bool
    left: int
    """Further values that are not listed."""


def search(ask: Ask) -> Answer:
    """What is asked for, with counts, in pages of fifty."""
    asked = fields.read(ask.query)
    with ask.catalog() as catalog:
        found, query, problems, counted = _found(catalog, asked)
        tray = catalog.facts(asked.tray)
        inside = _inside(catalog, query, asked, found)
        choices = _choices(catalog, query)
        command = from_words.command_of(
            query.model_copy(update={"limit": Query().limit, "offset": 0}),
            collection=asked.collection,
            says_of_retired=asked.says_of_retired,
        )
        # They change when the index does, and reading all cards of a team again takes time.
        of = (ask.viewer.project, "problems of the catalog", catalog.index.meta.get("key"))
        broken = [problem.text(_) for problem in ask.site.kept(of, 3600.0, lambda: catalog.problems)]
    pages = max(-(-found.total // fields.PAGE_ROWS), 1)
    kept = [one for one in asked.tray if one in tray]
    values: dict[str, Any] = {
        "asked": asked,
        "query": query,
        "found": found,
        "problems": problems,
        "told": [said for name, said in problems.items() if name not in fields.SHOWN_BESIDE],
        "facets": _facets(asked, counted),
        "inside": inside,
        "tray": [(one, tray[one].name) for one in kept],
        "to_playground": fields.playground_address(one for one in kept if tray[one].offers or is_starter(one)),
        "models": ",".join(kept),
        "elsewhere": [one for one in kept if one not in {hit.id for hit in found.hits}],
        "pages": pages,
        "condition": condition_words(found.score_condition) if found.score_condition and found.hits else "",
        "gone": {hit.id for hit in found.hits if hit.is_gone(found.today)},
        "command": command,
        "broken": broken,
        **choices,
        "names": words,
        "labels": fields.LABELS,
        "retired": list(fields.RETIRED.items()),
        "sorts": [(key, said) for key, said in fields.SORTS.items() if key != "score" or query.benchmark],
        "views": list(fields.VIEWS.items()),
        "tests": [("", _("does not matter")), *((one, benchmark_name(one)) for one in benchmarks())],
        "origins": [("", _("does not matter")), *_terms("origin")],
        "relations": _terms("relation"),
        "supplies": _terms("supply"),
        "to_card": fields.card_address,
    }
    # The address says what is asked and nothing else, so that it can be passed on.
    headers = {"hx-push-url": asked.to(page=asked.page)} if ask.is_fragment else {}
    return Show("catalog/search.html.j2", values, block="found", status=422 if problems else 200, headers=headers)


def _found(catalog: Catalog, asked: Asked) -> tuple[Found, Query, Mapping[str, str], list[Any]]:
    """What was found, the query in the end, what was wrong with it, and the counts."""
    problems, query = dict(asked.problems), asked.query
    for _try in _UNKNOWN:
        try:
            query = from_words.known_to(catalog, query)
            break
        except UnknownName as error:
            name = _UNKNOWN[error.kind]
            problems[name] = error.text(_)
            query = query.model_copy(update={fields.TICKED[name]: ()})
    query, found = from_words.find(
        catalog,
        query,
        collection=asked.collection,
        says_of_retired=asked.says_of_retired,
        facets=from_words.COUNTED,
    )
    return found, query, problems, list(from_words.beside(catalog, query, found, collection=asked.collection))


def _facets(asked: Asked, counted: Sequence[Any]) -> list[Facet]:
    counts: dict[str, list[tuple[str, int]]] = {}
    for one in counted:
        counts.setdefault(one.facet, []).append((one.value, one.count))
    if counts.get("licence"):
        counts["licence"] = counts.get("licence-class", []) + counts["licence"]
    made = []
    for name in _FACETS:
        ticked = asked.ticked(name)
        there = counts.get(name, [])
        # What is ticked can always be unticked, also where nothing has it any more.
        there = there + [(value, 0) for value in ticked if value not in {one for one, _count in there}]
        shown = [one for place, one in enumerate(there) if place < _MOST_VALUES or one[0] in ticked]
        values = [Value(value, fields.value_words(name, value), count, value in ticked) for value, count in shown]
        if values:
            is_open = name in _OPEN or bool(ticked)
            made.append(Facet(name, fields.facet_name(name), values, is_open, len(there) - len(shown)))
    return made


def _inside(catalog: Catalog, query: Query, asked: Asked, found: Found) -> list[tuple[str, str, int, str, bool]]:
    """Of each collection: id, name, how many of the hits are in it, the address within it, and whether it is chosen."""
    # Within another collection than the one that is chosen, which may have said something of retired models.
    if asked.collection and not asked.says_of_retired:
        query = query.model_copy(update={"retired": False})
    counted = from_words.in_collections(catalog, query, says_of_retired=asked.says_of_retired)
    rows = []
    for one, count in counted:
        is_here = one.id == asked.collection
        if count or is_here:
            to = asked.to(without=("collection", ""), collection="" if is_here else one.id)
            rows.append(
                (one.id, one.name.in_language(current_language()), found.total if is_here else count, to, is_here)
            )
    return rows


def _choices(catalog: Catalog, query: Query) -> dict[str, list[tuple[str, str]]]:
    """What may be chosen one at a time: families, countries, regions."""
    index, any_one = catalog.index, ("", _("does not matter"))
    families = dict.fromkeys([*query.families, *index.values_of("family")[:_MOST_CHOICES]])
    regions = index.values_of("region", of="offer_")
    return {
        "families": [any_one, *((one, one) for one in families)],
        "countries": [any_one, *((one, one) for one in sorted(index.values_of("country")))],
        "regions": [any_one, *((one, words.places([one])) for one in regions)],
    }


def _terms(kind: Any) -> list[tuple[str, str]]:
    return [(one.id, one.name.in_language(current_language())) for one in terms_of(kind).values()]


routes = (
    Route("/catalog", search, "view"),
    *catalog_lists.routes,
    *catalog_change.routes,
    *catalog_card.routes,
)
