"""
A query answered from the index: a truth value per row, narrowed by one filter after the other; then order and counts.

Filters on offers are answered beside it (`search_offers.py`); a row stays when one of its offers does. The price of a
hit is that of its cheapest offer that stayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from datetime import date
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from touchstone.catalog.index import RELEVANCE_LIMIT, CatalogIndex, Scores
from touchstone.catalog.memory import BITS_PER_WEIGHT, GIB, USABLE_SHARE
from touchstone.catalog.model import earliest
from touchstone.catalog.query import LICENCE_CLASSES, FacetCount, Found, Hit, Query
from touchstone.catalog.search_offers import OffersLeft

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FACETS = (
    "task", "openness", "licence", "lab", "provider", "architecture", "input", "output", "language", "ability", "trait",
)  # fmt: skip
"""What is counted beside the hits."""

_CACHE_BYTES = 2.0
"""Of one value of the cache at 16 bits."""

_RECENT_DAYS = 365
"""How much older than a benchmark's newest result the newest of a condition may be for its results to be shown."""


def search(
    index: CatalogIndex,
    query: Query,
    *,
    today: date,
    within: Sequence[Query] = (),
    facets: bool | Sequence[str] = False,
) -> Found:
    """
    What a query finds.

    Args:
        index: The catalog.
        query: Filters, order and page.
        today: Decides what is retired.
        within: Further queries that must hold too, such as those of a collection; only their filters count.
        facets: Whether to count the values of the facets, or of which of them.
    """
    counted: Sequence[str] = (FACETS if facets else ()) if isinstance(facets, bool) else facets
    selection = _Selection(index, query, today)
    for outer in within:
        selection.narrow_to(_Selection(index, outer, today))
    total = int(selection.rows.sum())
    return Found(
        total=total,
        hits=tuple(selection.hit(int(row)) for row in selection.page()),
        facets=tuple(selection.facet_counts(counted)),
        score_condition=tuple(orjson.loads(selection.shown.condition)) if selection.shown else None,
        suggestions=_close(index, query.text) if not total and query.text else (),
        today=today,
    )


def within(index: CatalogIndex, query: Query, outer: Sequence[Query], *, today: date) -> list[int]:
    """
    How many of the hits of a query each of some other queries would leave, as with `search(…, within=(other,))`.

    What an outer query leaves by itself is kept with the index: they are saved ones, asked again and again.
    """
    import numpy as np

    selection = _Selection(index, query, today)
    bits = np.packbits(selection.rows)
    counts = []
    for one in outer:
        kept = index.kept_outer.get((one, today))
        if kept is None:
            alone = _Selection(index, one, today)
            kept = index.kept_outer[one, today] = np.packbits(alone.rows), alone if alone.offers.asked else None
        rows, asks_of_offers = kept
        if selection.offers.asked and asks_of_offers is not None:
            both = selection.copy()  # one offer must meet both
            both.narrow_to(asks_of_offers)
            counts.append(int(both.rows.sum()))
        else:
            counts.append(int(np.bitwise_count(bits & rows).sum()))
    return counts


def listed(index: CatalogIndex, ids: Iterable[str], *, today: date) -> dict[str, Hit]:
    """The entries of these ids as hits of a query that filters nothing; unknown ids are left out."""
    selection = _Selection(index, Query(), today)
    rows = {entry_id: index.row_of(entry_id) for entry_id in ids}
    return {entry_id: selection.hit(row) for entry_id, row in rows.items() if row is not None}


class _Selection:
    """The rows and offers that the filters of one query leave."""

    def __init__(self, index: CatalogIndex, query: Query, today: date) -> None:
        import numpy as np

        self.index, self.query, self.today = index, query, today
        self.found_by_words = index.matching(query.text)
        self.rows: NDArray[np.bool_] = np.ones(len(index), np.bool_)
        if query.text and self.found_by_words is None:
            self.rows[:] = False  # only signs that no word is made of
        if self.found_by_words is not None:
            self.rows[:] = False
            self.rows[self.found_by_words] = True
        self._filter_facets()
        self._filter_numbers()
        self._filter_results()
        self.offers = OffersLeft(index, query)
        if self.offers.asked:
            self.rows &= self.offers.rows()
        if query.fits_gib is not None:
            self._filter_memory(query.fits_gib)

    def copy(self) -> _Selection:
        """The same rows and offers, to be narrowed apart."""
        found = copy(self)
        found.rows, found.offers = self.rows.copy(), copy(self.offers)
        return found

    # Filters ----------------------------------------------------------------------------------------------------------

    def _filter_facets(self) -> None:
        query = self.query
        for facet, value in [
            *(("task", task) for task in query.tasks),
            *(("input", modality) for modality in query.inputs),
            *(("output", output) for output in query.outputs),
            *(("trait", trait) for trait in query.traits),
            *(("language", language) for language in query.languages),
            *(("ability", ability) for ability in query.abilities),
        ]:
            self._keep(facet, (value,))
        for facet, values in {
            "kind": query.kinds,
            "architecture": query.architectures,
            "origin": (query.origin,) if query.origin else (),
            "openness": query.openness,
            "lab": query.labs,
            "country": query.countries,
            "family": query.families,
            "relation": query.relations,
        }.items():
            if values:
                self._keep(facet, values)
        if query.licences:
            self._keep_licences(query.licences)
        if query.has_weights is not None:
            self._keep("weights", ("open", "gated") if query.has_weights else ("closed",))
        if "weights" in query.supplies:
            self._keep("weights", ("open", "gated"))
        if query.ours is not None:
            self._keep("has", ("ours",), wanted=query.ours)

    def _keep(self, facet: str, values: Sequence[str], *, wanted: bool = True) -> None:
        self.rows &= self._any_of(facet, values) if wanted else ~self._any_of(facet, values)

    def _any_of(self, facet: str, values: Sequence[str]) -> NDArray[np.bool_]:
        import numpy as np

        found = np.zeros(len(self.index), np.bool_)
        for value in values:
            found |= self.index.having(facet, value)
        return found

    def _keep_licences(self, asked: Sequence[str]) -> None:
        exact = [licence for licence in asked if licence not in LICENCE_CLASSES]
        classes = [licence for licence in asked if licence in LICENCE_CLASSES]
        self.rows &= self._any_of("licence", exact) | self._any_of("licence-class", classes)

    def _filter_numbers(self) -> None:
        import numpy as np

        query, number = self.query, self.index.number
        with np.errstate(invalid="ignore"):  # NaN, the unknown, is never at least or at most anything
            if query.min_context_tokens is not None:
                self.rows &= number("context_tokens") >= query.min_context_tokens
            if query.min_parameters is not None:
                self.rows &= number("parameters") >= query.min_parameters
            if query.max_parameters is not None:
                self.rows &= number("parameters") <= query.max_parameters
            if query.released_after is not None:
                self.rows &= number("released") >= earliest(query.released_after).toordinal()
            if query.retired is not None:
                gone = number("retired") <= self.today.toordinal()
                self.rows &= gone if query.retired else ~gone

    def _filter_memory(self, gib: float) -> None:
        """Weights and cache of one sequence must fit; as `memory.memory_need`, for all rows at once."""
        import numpy as np

        query, number = self.query, self.index.number
        key = ("memory", query.precision, query.fit_context_tokens)
        needed = self.index.computed.get(key)
        if needed is None:
            window = np.fmin(number("window_tokens"), query.fit_context_tokens)
            windowed = number("windowed_values_per_token")
            values = (
                query.fit_context_tokens * number("values_per_token")
                + np.where(windowed > 0, window * windowed, 0.0)
                + number("state_values")
            )
            bits = number("four_bit_bits") if query.precision == "4bit" else BITS_PER_WEIGHT[query.precision]
            needed = number("parameters") * bits / 8 + values * _CACHE_BYTES
            self.index.computed[key] = needed
        with np.errstate(invalid="ignore"):
            self.rows &= needed <= gib * GIB * USABLE_SHARE

    def _filter_results(self) -> None:
        import numpy as np

        if self.query.benchmark is None:
            return
        found = np.zeros(len(self.index), np.bool_)
        if self.query.min_score is None and self.query.sort != "score":
            for scores in self.index.scores(self.query.benchmark):
                found[scores.rows] = True
        elif self.shown is not None:
            rows, values = self.shown.rows, self.shown.values
            if self.query.min_score is not None:
                rows = rows[values <= self.query.min_score if self._lower_is_better else values >= self.query.min_score]
            found[rows] = True
        self.rows &= found

    def narrow_to(self, other: _Selection) -> None:
        """Keep only what another query leaves as well, offer by offer."""
        self.offers.narrow_to(other.offers)
        self.rows &= other.rows
        if self.offers.asked:
            self.rows &= self.offers.rows()

    # Order ------------------------------------------------------------------------------------------------------------

    def page(self) -> NDArray[np.int64]:
        """The rows of the page, in the order that was asked for; equals by name, the unknown last."""
        import numpy as np

        query, end = self.query, self.query.offset + self.query.limit
        words = self.found_by_words
        if query.sort == "relevance" and words is not None and len(words) <= RELEVANCE_LIMIT:
            ranked = self.index.by_relevance(query.text)
            ranked = ranked[self.rows[ranked]]
            return (ranked[::-1] if query.descending else ranked)[query.offset : end]
        rows = np.flatnonzero(self.rows)
        if query.sort == "name":
            return (rows[::-1] if query.descending else rows)[query.offset : end]  # rows are stored by name
        keys, falling = self._keys(rows)
        falling = falling if query.descending is None else query.descending
        return rows[_first(-keys if falling else keys, end)][query.offset :]

    def _keys(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], bool]:
        """What orders the rows, and whether people expect the highest first."""
        if self.query.sort == "price":
            return self.offers.cheapest_usd(rows), False
        if self.query.sort == "score":
            return self.scores[rows], not self._lower_is_better
        column = {"context": "context_tokens", "parameters": "parameters"}.get(self.query.sort, "released")
        return self.index.number(column)[rows], True

    @property
    def _lower_is_better(self) -> bool:
        return self.query.benchmark in orjson.loads(self.index.meta.get("lower_is_better", "[]"))

    @cached_property
    def shown(self) -> Scores | None:
        """
        The results on the query's benchmark that are shown, all of one condition: others are not comparable.

        It is the condition under which most models of the whole catalog were measured, among those whose newest result
        is not a year older than the benchmark's newest; of equals the first by name. No other filter changes it, so
        that a model keeps its score whatever else is asked.
        """
        conditions = self.index.scores(self.query.benchmark) if self.query.benchmark else []
        since = max((scores.newest or 0 for scores in conditions), default=0) - _RECENT_DAYS
        recent = [scores for scores in conditions if scores.newest is not None and scores.newest >= since]
        return next(iter(recent or conditions), None)

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Results on the query's benchmark, a value per row, NaN where there is none under the shown condition."""
        import numpy as np

        column = np.full(len(self.index), np.nan)
        if self.shown is not None:
            column[self.shown.rows] = self.shown.values
        return column

    @cached_property
    def _labels(self) -> dict[str, str]:
        """By row as text, which snapshot and mode the shown result is of."""
        labels: dict[str, str] = orjson.loads(self.shown.labels) if self.shown else {}
        return labels

    # What is shown ----------------------------------------------------------------------------------------------------

    def hit(self, row: int) -> Hit:
        """A row of the page."""
        import numpy as np

        listing: dict[str, Any] = orjson.loads(self.index.listing(row))
        found = self.offers.of_row(row)
        listing["offers"] = found.left
        if found.offer is not None:
            listing["provider"], listing["served_name"] = self.index.offer(found.offer)
            for name in ("input_usd", "output_usd"):
                stated = float(self.index.number(name, of="offer_")[found.offer])
                listing[name] = None if np.isnan(stated) else stated
            listing["deprecated"] = found.deprecated
        score = float(self.scores[row])
        if not np.isnan(score):
            listing |= {"score": score, "score_of": self._labels.get(str(row))}
        return Hit(**listing)

    def facet_counts(self, facets: Sequence[str]) -> list[FacetCount]:
        """Of each value of some facets, how many hits have it; values that nobody has are left out."""
        found = []
        for facet in facets:
            counts = self.offers.sold_by(self.rows) if facet == "provider" else self.index.counts(facet, self.rows)
            counts.sort(key=lambda pair: (-pair[1], pair[0]))
            found += [FacetCount(facet=facet, value=value, count=count) for value, count in counts if count]
        return found


def _first(keys: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Where the `count` smallest keys stand, ascending; equals in the order they stand in, NaN after all numbers."""
    import numpy as np

    keys = np.where(np.isnan(keys), np.inf, keys)
    if count < len(keys) // 4:
        # Only what can come among the first is put in order: of a million keys that is nearly nothing.
        highest = keys[np.argpartition(keys, count - 1)[:count]].max() if count else -np.inf
        below = np.flatnonzero(keys < highest)
        equal = np.flatnonzero(keys == highest)[: max(count - len(below), 0)]
        return np.concatenate([below[np.argsort(keys[below], kind="stable")], equal])
    return np.argsort(keys, kind="stable")[:count]


def _close(index: CatalogIndex, text: str) -> tuple[str, ...]:
    """Ids that look like the text; only in a catalog small enough to look through."""
    if len(index) > 20_000:
        return ()
    names = {entry_id.partition("/")[2] or entry_id: entry_id for entry_id in index.ids()}
    close = get_close_matches(text.strip().casefold().replace(" ", "-"), names, n=5, cutoff=0.6)
    return tuple(names[name] for name in close)
