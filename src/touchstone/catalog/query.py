"""
What somebody looks for in the catalog: filters that combine, an order, and a page.

A filter on a fact that nobody stated does not hold: unknown is no yes. So a further or tighter filter never adds a
model. Filters on providers, regions and prices hold together for one offer, never each for another one.

An offer that its seller calls deprecated may still answer, so it counts for the filters on providers and regions; for a
limit on a price it does not, and its price decides nothing where the model has an offer that is not deprecated.

Results on a benchmark are shown of one condition, the same whatever else is asked (`search.py` says which): others are
not comparable.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import Field

from touchstone.catalog.memory import Precision
from touchstone.catalog.model import Modality, PartialDate, earliest
from touchstone.noun import Noun

Supply = Literal["offer", "weights"]
"""How a model can be had: somebody sells it; its weights can be downloaded."""
Sort = Literal["relevance", "price", "score", "context", "released", "parameters", "name"]

KIND_CARD, KIND_REPORTED, KIND_OFFER = "card", "reported", "offer"
"""A curated or own card; a model that only a refreshed source lists; an offer that belongs to no card."""

LICENCE_CLASSES = ("open", "commercial")
"""What may stand for a licence in a query: an open licence; one that allows commercial use, conditions included."""


class Query(Noun):
    """Filters of the catalog; what is left out does not filter."""

    text: str = Field(default="", max_length=300)
    """Words in English or Chinese; all must be found, of more than 32 the first 32; the last may be a beginning."""
    kinds: tuple[str, ...] = (KIND_CARD, KIND_REPORTED)
    tasks: tuple[str, ...] = ()
    """Taxonomy ids; the model must do all of them."""
    inputs: tuple[Modality, ...] = ()
    """It must read all of them."""
    outputs: tuple[str, ...] = ()
    """It must write all of them: taxonomy ids of the kind `output`."""
    architectures: tuple[str, ...] = ()
    """One of them."""
    traits: tuple[str, ...] = ()
    """All of them."""
    origin: str | None = None
    openness: tuple[str, ...] = ()
    """One of `open-licence`, `open-weights`, `proprietary`."""
    relations: tuple[str, ...] = ()
    """One of them is how it was made from another: taxonomy ids of the kind `relation`."""
    supplies: tuple[Supply, ...] = ()
    """It can be had in all of these ways: somebody sells it; its weights can be downloaded."""
    licences: tuple[str, ...] = ()
    """One of these ids, or `open`, or `commercial`."""
    labs: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    """ISO 3166-1 codes of the labs' seats."""
    families: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    """One of them sells it."""
    regions: tuple[str, ...] = ()
    """One of them is a region in which the offer keeps the data."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes; it must be made for all of them."""
    abilities: tuple[Literal["tools", "structured-output", "vision", "reasoning"], ...] = ()
    has_weights: bool | None = None
    ours: bool | None = None
    retired: bool | None = None
    """False leaves out what is retired on `today`; True shows only that."""
    min_context_tokens: int | None = Field(default=None, ge=1)
    min_parameters: int | None = Field(default=None, ge=1)
    max_parameters: int | None = Field(default=None, ge=1)
    released_after: PartialDate | None = None
    """Released on or after this day."""
    max_input_usd: float | None = Field(default=None, ge=0)
    """USD per million input tokens."""
    max_output_usd: float | None = Field(default=None, ge=0)
    max_blended_usd: float | None = Field(default=None, ge=0)
    """USD per million tokens at `input_share`."""
    input_share: float = Field(default=0.75, ge=0, le=1)
    """Share of a call's tokens that are input; 3:1 unless the user's own is known."""
    fits_gib: float | None = Field(default=None, gt=0)
    """Memory of the device that must hold weights and cache."""
    precision: Precision = "16bit"
    fit_context_tokens: int = Field(default=8192, ge=1)
    benchmark: str | None = None
    """It has a published or own result on this benchmark; with `min_score` or ordered by score, one that is shown."""
    min_score: float | None = None
    """At least this on `benchmark`, in its unit (at most, where lower is better), under the condition that is shown."""
    sort: Sort = "relevance"
    descending: bool | None = None
    """None takes the order people expect: cheapest, best, longest, newest first."""
    limit: int = Field(default=20, ge=0, le=10_000)
    offset: int = Field(default=0, ge=0)

    @property
    def filters(self) -> dict[str, Any]:
        """The fields that differ from an empty query, for saying what was asked."""
        ways = {"sort", "descending", "limit", "offset"}
        return {name: value for name, value in self.model_dump(exclude_defaults=True).items() if name not in ways}


class FacetCount(Noun):
    """Of the hits, how many have a value."""

    facet: str
    value: str
    count: int


class Hit(Noun):
    """One model that was found, with the offer that decided its price."""

    id: str
    kind: str
    name: str
    name_zh: str | None = None
    lab: str | None = None
    tasks: tuple[str, ...] = ()
    openness: str | None = None
    licence: str | None = None
    parameters: int | None = None
    active_parameters: int | None = None
    context_tokens: int | None = None
    released: str | None = None
    retired: str | None = None
    ours: bool = False
    offers: int = 0
    """How many offers the query allows."""
    provider: str | None = None
    """Seller of the cheapest of them at `input_share`; of those that are not deprecated, where there are any."""
    served_name: str | None = None
    input_usd: float | None = None
    output_usd: float | None = None
    deprecated: bool = False
    """Whether that seller calls its offer so."""
    score: float | None = None
    """Result on the query's benchmark under the condition named in `Found.score_condition`; the model's best there."""
    score_of: str | None = None
    """Which snapshot and mode of the model it is of, where the source says it."""

    def is_gone(self, today: date) -> bool:
        """Whether nobody can serve it any more: its maker stopped, and nobody else has the weights."""
        given_out = self.openness in ("open-licence", "open-weights")
        return self.retired is not None and not given_out and earliest(self.retired) <= today


class Found(Noun):
    """What a query found."""

    total: int
    hits: tuple[Hit, ...]
    facets: tuple[FacetCount, ...] = ()
    score_condition: tuple[str, ...] | None = None
    """Benchmark, subset, setting, harness and measurer of the results that are shown; others are not comparable."""
    retired_left_out: int = 0
    """How many more would be found if retired models counted, where nobody asked to leave them out."""
    suggestions: tuple[str, ...] = ()
    """Names close to the text, when nothing was found."""
    today: date
