"""A catalog for tests: invented models as rows of an index, and the plain Python that says what a query must find."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson

from touchstone.catalog.index import CatalogIndex
from touchstone.catalog.index_write import IndexRow, OfferRow, fill_index
from touchstone.catalog.query import LICENCE_CLASSES, Query

TODAY = date(2026, 8, 1)


@dataclass(frozen=True)
class Made:
    """An invented model, as plainly as a reader would say it."""

    name: str
    about: str = ""
    facets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    offers: tuple[OfferRow, ...] = ()
    scores: tuple[tuple[str, str, float], ...] = ()

    @property
    def id(self) -> str:
        return f"acme/{self.name}"

    def row(self) -> IndexRow:
        facets = {"kind": ("card",), **self.facets}
        return IndexRow(
            id=self.id,
            listing=orjson.dumps({"id": self.id, "kind": facets["kind"][0], "name": self.name}),
            card=b"{}",
            names=self.name.replace("-", " "),
            about=self.about,
            facets=facets,
            numbers=self.numbers,
            offers=self.offers,
            scores=self.scores,
        )


def shelf(models: Iterable[Made], *, today: date = TODAY, **meta: str) -> CatalogIndex:
    """An index in memory that holds these models, by name, as it reads on a day."""
    connection = sqlite3.connect(":memory:")
    rows = [model.row() for model in sorted(models, key=lambda model: model.name)]
    fill_index(connection, rows, {"key": "test", **meta})
    return CatalogIndex(connection, today=today.toordinal())


def offer_fits(offer: OfferRow, query: Query) -> bool:
    """Whether one offer meets all that a query asks of an offer."""

    def at_most(usd: float | None, limit: float | None) -> bool:
        return limit is None or (usd is not None and (usd <= limit or math.isclose(usd, limit, rel_tol=1e-12)))

    blended = None
    if offer.input_usd is not None and offer.output_usd is not None:
        blended = query.input_share * offer.input_usd + (1 - query.input_share) * offer.output_usd
    long_enough = offer.context_tokens is None or offer.context_tokens >= (query.min_context_tokens or 0)
    return (
        (not query.providers or offer.provider in query.providers)
        and (not query.regions or bool(set(query.regions) & set(offer.regions)))
        and at_most(offer.input_usd, query.max_input_usd)
        and at_most(offer.output_usd, query.max_output_usd)
        and at_most(blended, query.max_blended_usd)
        and long_enough
    )


def fits(model: Made, query: Query, today: date = TODAY) -> bool:
    """Whether a model meets a query without words, fact by fact."""
    facets: dict[str, set[str]] = {name: set(values) for name, values in model.facets.items()}

    def has(facet: str, values: Iterable[str]) -> bool:
        return set(values) <= facets.get(facet, set())

    def one_of(facet: str, values: Iterable[str]) -> bool:
        return not set(values) or bool(set(values) & facets.get(facet, set()))

    def number(name: str) -> float | None:
        return model.numbers.get(name)

    def at_least(name: str, limit: float | None) -> bool:
        value = number(name)
        return limit is None or (value is not None and value >= limit)

    parameters, retired = number("parameters"), number("retired")
    gone = retired is not None and retired <= today.toordinal()
    licence = not query.licences or bool(
        {value for value in query.licences if value not in LICENCE_CLASSES} & facets.get("licence", set())
        or {value for value in query.licences if value in LICENCE_CLASSES} & facets.get("licence-class", set())
    )
    asks_offer = bool(query.providers or query.regions) or any(
        limit is not None for limit in (query.max_input_usd, query.max_output_usd, query.max_blended_usd)
    )
    return (
        has("task", query.tasks)
        and has("input", query.inputs)
        and has("language", query.languages)
        and has("ability", query.abilities)
        and one_of("architecture", query.architectures)
        and one_of("lab", query.labs)
        and one_of("openness", query.openness)
        and licence
        and (query.has_weights is None or one_of("weights", ("open", "gated") if query.has_weights else ("closed",)))
        and (query.ours is None or query.ours == has("has", ["ours"]))
        and at_least("context_tokens", query.min_context_tokens)
        and at_least("parameters", query.min_parameters)
        and (query.max_parameters is None or (parameters is not None and parameters <= query.max_parameters))
        and (query.retired is None or query.retired == gone)
        and (not asks_offer or any(offer_fits(offer, query) for offer in model.offers))
    )


def tighter(query: Query, **changes: Any) -> Query:
    """The same query with further or other filters."""
    return Query.model_validate({**query.model_dump(), **changes})
