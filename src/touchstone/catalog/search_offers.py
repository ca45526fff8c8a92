"""
The offers that a query leaves, all at once: which rows still have one, the cheapest of each row, who sells how many.

A row's offers lie beside each other, by provider, so that whole groups are reduced in one pass over an array. Where few
rows are asked about, only their offers are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
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

    left: int
    """How many were left."""
    offer: int | None
    """
    The cheapest of them that is not deprecated, of deprecated ones where there are no others.

    The first where no price is known; None where none was left.
    """
    deprecated: bool = False
    """Whether that one is deprecated."""


class OffersLeft:
    """The offers that meet all that a query asks of one offer."""

    def __init__(self, index: CatalogIndex, query: Query) -> None:
        self.index, self.share = index, query.input_share
        limits = (query.max_input_usd, query.max_output_usd, query.max_blended_usd)
        self.asked = bool(
            query.providers or query.regions or "offer" in query.supplies or any(limit is not None for limit in limits)
        )
        """Whether a row needs an offer to stay."""
        self.kept: NDArray[np.bool_] | None = None
        """None while every offer stays."""
        self._filter(query)

    def _filter(self, query: Query) -> None:
        import numpy as np

        number = self.index.number
        limits = (query.max_input_usd, query.max_output_usd, query.max_blended_usd)
        if query.providers:
            self._and(self._any_of("provider", query.providers))
        if query.regions:
            self._and(self._any_of("region", query.regions))
        with np.errstate(invalid="ignore"):  # NaN, the unknown, is never at most anything
            if query.max_input_usd is not None:
                self._and(number("input_usd", of="offer_") <= query.max_input_usd)
            if query.max_output_usd is not None:
                self._and(number("output_usd", of="offer_") <= query.max_output_usd)
            if self._deprecated is not None and any(limit is not None for limit in limits):
                self._and(~self._deprecated)
            if query.max_blended_usd is not None:
                # What weighing and adding leaves in a float is no reason to leave out who costs just as much.
                self._and(self._blended(slice(None)) <= query.max_blended_usd * (1 + 1e-12))
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
        if self.kept is None:
            return np.diff(starts) > 0
        # A running count and its differences: three times as quick as reducing each row's offers.
        running = np.zeros(len(self.kept) + 1, np.int32)
        np.cumsum(self.kept, out=running[1:])
        return np.diff(running[starts]) > 0

    def cheapest_usd(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of each of some rows, ascending, the blended price of its cheapest offer; NaN without one."""
        import numpy as np

        if self.kept is None and _FEW * len(rows) >= len(self.index):
            return self._cheapest_of_all()[rows]
        starts = self.index.offer_starts
        counts = starts[rows + 1] - starts[rows]
        having = np.flatnonzero(counts)
        prices = np.full(len(rows), np.nan)
        if len(having):
            places = _ranges(starts[rows[having]], counts[having])
            usd = self._priced(places)
            if self.kept is not None:
                usd[~self.kept[places]] = np.inf
            firsts = np.concatenate([[0], np.cumsum(counts[having])[:-1]])
            prices[having] = self._cheapest_in(usd, firsts, places)
        return prices

    def _cheapest_in(
        self, usd: NDArray[np.float64], firsts: NDArray[np.int64], places: NDArray[np.int64] | slice
    ) -> NDArray[np.float64]:
        """Of groups of offers the least price, of deprecated ones only where a group has no others; NaN for unknown."""
        import numpy as np

        cheapest = np.minimum.reduceat(usd, firsts)
        if self._deprecated is not None:
            current = ~self._deprecated[places]
            if self.kept is not None:
                current &= self.kept[places]
            of_current = np.minimum.reduceat(np.where(current, usd, np.inf), firsts)
            cheapest = np.where(np.logical_or.reduceat(current, firsts), of_current, cheapest)
        return np.where(np.isinf(cheapest), np.nan, cheapest)

    @cached_property
    def _deprecated(self) -> NDArray[np.bool_] | None:
        """Which offers are over or called deprecated; None where that is none, so that nothing more is looked at."""
        found = self._any_of("deprecated", self.index.values_of("deprecated", of="offer_"))
        if self.index.today is not None:
            found |= self.index.number("ends", of="offer_") <= self.index.today
        return found if found.any() else None

    def _cheapest_of_all(self) -> NDArray[np.float64]:
        """The same for every row while every offer stays; kept with the index, for most people sort so first."""
        import numpy as np

        kept = self.index.computed.get(("cheapest", self.share))
        if kept is None:
            starts = self.index.offer_starts
            owners = np.flatnonzero(np.diff(starts))
            kept = np.full(len(self.index), np.nan)
            if len(owners):
                everywhere = slice(None)
                kept[owners] = self._cheapest_in(self._priced(everywhere), starts[owners], everywhere)
            self.index.computed["cheapest", self.share] = kept
        return kept

    def _priced(self, places: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """Blended prices, infinite where unknown, so that the least of several is a known one."""
        import numpy as np

        usd = self._blended(places)
        usd[np.isnan(usd)] = np.inf
        return usd

    def of_row(self, row: int) -> Cheapest:
        """How many of a row's offers were left, and the cheapest."""
        import numpy as np

        first, last = self.index.offer_starts[row : row + 2].tolist()
        kept = np.arange(first, last) if self.kept is None else first + np.flatnonzero(self.kept[first:last])
        if not len(kept):
            return Cheapest(0, None)
        left = len(kept)
        all_deprecated = self._deprecated is not None and bool(self._deprecated[kept].all())
        if self._deprecated is not None and not all_deprecated:
            kept = kept[~self._deprecated[kept]]
        usd = self._blended(kept)
        offer = int(kept[0 if np.isnan(usd).all() else np.nanargmin(usd)])
        return Cheapest(left, offer, all_deprecated)

    def sold_by(self, rows: NDArray[np.bool_]) -> list[tuple[str, int]]:
        """Of each provider, how many of some rows have an offer of its that was left."""
        names: list[str] = orjson.loads(self.index.meta["providers"])
        if self.kept is not None or not rows.all():
            return list(zip(names, self._sold_by(rows, len(names)).tolist(), strict=True))
        kept = self.index.computed.get("sold_by")
        if kept is None:
            kept = self.index.computed["sold_by"] = self._sold_by(rows, len(names)).astype(float)
        return [(name, int(count)) for name, count in zip(names, kept, strict=True)]

    def _sold_by(self, rows: NDArray[np.bool_], providers: int) -> NDArray[np.int64]:
        import numpy as np

        owners, codes = self.index.offer_codes
        if _FEW * int(np.count_nonzero(rows)) < len(rows):
            some = np.flatnonzero(rows)
            starts = self.index.offer_starts
            places = _ranges(starts[some], starts[some + 1] - starts[some])
        else:
            places = np.flatnonzero(rows.take(owners))
        if self.kept is not None:
            places = places[self.kept[places]]
        owner, code = owners[places], codes[places]
        # A row's offers lie by provider, so that a second one of the same provider follows the first.
        first = np.ones(len(places), np.bool_)
        first[1:] = (owner[1:] != owner[:-1]) | (code[1:] != code[:-1])
        return np.bincount(code[first], minlength=providers)

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
