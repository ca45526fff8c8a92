"""
The offers that a query leaves, all at once: which rows still have one, the cheapest of each row, who sells how many.

A row's offers lie beside each other, by provider, so that whole groups are reduced in one pass over an array. Where few
rows are asked about, only their offers are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import orjson

from touchstone.catalog.index import CatalogIndex
from touchstone.catalog.query import Query

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FEW = 20
"""Rows that are less than one in so many are looked up one by one."""


class Cheapest(NamedTuple):
    """What one row's offers come to."""

    count: int
    """How many were left."""
    offer: int | None
    """The cheapest of them; the first where no price is known; None where none was left."""


class OffersLeft:
    """The offers that meet all that a query asks of one offer."""

    def __init__(self, index: CatalogIndex, query: Query) -> None:
        self.index, self.share = index, query.input_share
        limits = (query.max_input_usd, query.max_output_usd, query.max_blended_usd)
        self.asked = bool(query.providers or query.regions or any(limit is not None for limit in limits))
        """Whether a row needs an offer to stay."""
        self.kept: NDArray[np.bool_] | None = None
        """None while every offer stays."""
        self._filter(query)

    def _filter(self, query: Query) -> None:
        import numpy as np

        number = self.index.number
        if query.providers:
            self._and(self._any_of("provider", query.providers))
        if query.regions:
            self._and(self._any_of("region", query.regions))
        with np.errstate(invalid="ignore"):  # NaN, the unknown, is never at most anything
            if query.max_input_usd is not None:
                self._and(number("input_usd", of="offer_") <= query.max_input_usd)
            if query.max_output_usd is not None:
                self._and(number("output_usd", of="offer_") <= query.max_output_usd)
            if query.max_blended_usd is not None:
                self._and(self._blended(slice(None)) <= query.max_blended_usd)
            if query.min_context_tokens is not None:
                # An offer may serve less than the model can; what it does not say is the model's own.
                self._and(~(number("context_tokens", of="offer_") < query.min_context_tokens))

    def _any_of(self, facet: str, values: Sequence[str]) -> NDArray[np.bool_]:
        import numpy as np

        found = np.zeros(self.index.offer_count, np.bool_)
        for value in values:
            found |= self.index.having(facet, value, of="offer_")
        return found

    def _and(self, mask: NDArray[np.bool_]) -> None:
        self.kept = mask if self.kept is None else self.kept & mask

    def narrow_to(self, other: OffersLeft) -> None:
        """Keep only what another query leaves as well."""
        self.asked = self.asked or other.asked
        if other.kept is not None:
            self._and(other.kept)

    def rows(self) -> NDArray[np.bool_]:
        """Which rows have an offer that was left."""
        import numpy as np

        starts = self.index.offer_starts
        owners = np.flatnonzero(np.diff(starts))
        found = np.zeros(len(self.index), np.bool_)
        if self.kept is None:
            found[owners] = True
        elif len(owners):
            found[owners] = np.logical_or.reduceat(self.kept, starts[owners])
        return found

    def cheapest_usd(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of each of some rows, the blended price of its cheapest offer; NaN without one."""
        import numpy as np

        starts = self.index.offer_starts
        counts = starts[rows + 1] - starts[rows]
        having = np.flatnonzero(counts)
        prices = np.full(len(rows), np.inf)
        if len(having):
            few = _FEW * len(rows) < len(self.index)
            places: NDArray[np.int64] | slice = _ranges(starts[rows[having]], counts[having]) if few else slice(None)
            usd = self._blended(places)
            usd[np.isnan(usd)] = np.inf
            if self.kept is not None:
                usd[~self.kept[places]] = np.inf
            firsts = np.concatenate([[0], np.cumsum(counts[having])[:-1]]) if few else starts[rows[having]]
            if few or len(having) == len(np.flatnonzero(np.diff(starts))):
                prices[having] = np.minimum.reduceat(usd, firsts)
            else:
                owners = np.flatnonzero(np.diff(starts))
                of_all = np.full(len(self.index), np.inf)
                of_all[owners] = np.minimum.reduceat(usd, starts[owners])
                prices = of_all[rows]
        prices[np.isinf(prices)] = np.nan
        return prices

    def of_row(self, row: int) -> Cheapest:
        """How many of a row's offers were left, and the cheapest."""
        import numpy as np

        first, last = self.index.offer_starts[row : row + 2].tolist()
        kept = np.arange(first, last) if self.kept is None else first + np.flatnonzero(self.kept[first:last])
        if not len(kept):
            return Cheapest(0, None)
        usd = self._blended(kept)
        return Cheapest(len(kept), int(kept[0 if np.isnan(usd).all() else np.nanargmin(usd)]))

    def sold_by(self, rows: NDArray[np.bool_]) -> list[tuple[str, int]]:
        """Of each provider, how many of some rows have an offer of its that was left."""
        import numpy as np

        names = orjson.loads(self.index.meta["providers"])
        owners, providers = self.index.offer_codes
        if _FEW * (total := int(np.count_nonzero(rows))) < len(rows):
            some = np.flatnonzero(rows)
            starts = self.index.offer_starts
            places = _ranges(starts[some], starts[some + 1] - starts[some]) if total else some
        else:
            places = np.flatnonzero(rows.take(owners))
        if self.kept is not None:
            places = places[self.kept[places]]
        owner, provider = owners[places], providers[places]
        # A row's offers lie by provider, so that a second one of the same provider follows the first.
        again = np.zeros(len(places), np.bool_)
        again[1:] = (owner[1:] == owner[:-1]) & (provider[1:] == provider[:-1])
        return list(zip(names, np.bincount(provider[~again], minlength=len(names)).tolist(), strict=True))

    def _blended(self, places: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """USD per million tokens of some offers, at the query's share of input; a new array."""
        usd: NDArray[np.float64] = self.index.number("input_usd", of="offer_")[places] * self.share
        usd += self.index.number("blended_output_usd", of="offer_")[places] * (1 - self.share)
        return usd


def _ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """`starts[0], starts[0] + 1, …` for each start as many as its count, one after the other."""
    import numpy as np

    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    found: NDArray[np.int64] = np.arange(total) + np.repeat(starts - (ends - counts), counts)
    return found
