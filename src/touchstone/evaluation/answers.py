"""
All cells of a comparison as one table in memory, to be filtered, counted and put in order within milliseconds.

Pure: it is made of arrays, and knows no store.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

import numpy as np

from touchstone.evaluation.answer_filter import (
    BUCKETS,
    AnswerFilter,
    Count,
    Differ,
    Facets,
    Labels,
    Sort,
    State,
    buckets_of,
    spread_of,
)
from touchstone.evaluation.answer_masks import all_of, by_case, counts_of, one_of, ranked
from touchstone.evaluation.base import STRICT_ZEROS
from touchstone.evaluation.cells import Cells
from touchstone.evaluation.packed import KINDS, is_kind

Vector = np.ndarray[Any, Any]

_KEPT_MASKS = 24
_LOOKED_AT = 1 << 16
"""Cells of an order that are looked at at once."""


@dataclass(frozen=True)
class AnswerMatrix:
    """
    Everything that is known of the cells of a comparison in numbers.

    Arrays of cells have the shape (candidates x repeats, cases), draws of a candidate one below the other: a question
    of the cases then costs one pass over each row. The place of a cell is case * columns + column, column being its row
    here, so that places in rising order are the order of the cases.
    """

    candidates: tuple[str, ...]
    repeats: int
    ids: Sequence[str]
    """Of the cases, in order."""
    kind: Vector
    """Places in `packed.KINDS`."""
    score: Vector
    """Strict scores: 0 where nothing usable was answered, NaN where nobody knows."""
    cost_usd: Vector
    latency_s: Vector
    tags: Labels
    groups: Labels
    excluded: Vector
    """Shape (cases,)."""
    corrected: Vector
    """Shape (cases,)."""
    answers_differ: Vector | None = None
    """Cases on which candidates gave different answers, shape (cases,); None while nobody has looked."""
    _orders: dict[str, Vector] = field(default_factory=dict, repr=False, compare=False)
    _counted: OrderedDict[Any, Facets] = field(default_factory=OrderedDict, repr=False, compare=False)
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        candidates: Sequence[str],
        cells: Sequence[Cells],
        ids: Sequence[str],
        *,
        tags: Sequence[Sequence[str]],
        groups: Sequence[str | None] | None,
        excluded: Vector,
        corrected: Vector,
    ) -> AnswerMatrix:
        """Of the stored cells of each candidate; cells without a row are what their comparison says they are."""
        cases, repeats = len(ids), cells[0].repeats if cells else 1
        shape = (len(cells) * repeats, cases)
        kind = np.empty(shape, dtype=np.uint8)
        score, cost_usd, latency_s = (np.full(shape, np.nan, dtype=np.float32) for _ in range(3))
        for place, own in enumerate(cells):
            kind[place * repeats : (place + 1) * repeats] = KINDS.index(own.rest)
            column = place * repeats + own.repeat
            kind[column, own.ordinal] = own.kind
            strict = np.where(is_kind(own.kind, ("scored",)), own.score, np.nan)
            strict[is_kind(own.kind, STRICT_ZEROS)] = 0.0
            score[column, own.ordinal] = strict
            cost_usd[column, own.ordinal] = own.cost_usd
            latency_s[column, own.ordinal] = own.latency_s
        return cls(
            candidates=tuple(candidates),
            repeats=repeats,
            ids=ids,
            kind=kind,
            score=score,
            cost_usd=cost_usd,
            latency_s=latency_s,
            tags=Labels.read(tags),
            groups=Labels.read([() if group is None else (group,) for group in groups] if groups else []),
            excluded=excluded,
            corrected=corrected,
        )

    def changed(
        self, excluded: Vector, corrected: Vector, cells: Mapping[tuple[int, int, int], tuple[str, float | None]]
    ) -> AnswerMatrix:
        """
        The same with what people changed about the cases.

        Args:
            cells: (case, candidate, repeat) to the kind and strict score that hold now; None where nobody knows it.
        """
        kind, score = self.kind, self.score
        with self._lock:
            # What depends on scores is worked out anew where one changed.
            kept = {
                name: order for name, order in self._orders.items() if not cells or name.endswith((" cost", " latency"))
            }
        if cells:
            kind, score = kind.copy(), score.copy()
            for (case, candidate, repeat), (name, value) in cells.items():
                column = candidate * self.repeats + repeat
                kind[column, case] = KINDS.index(name)
                score[column, case] = np.nan if value is None else value
        return replace(
            self,
            kind=kind,
            score=score,
            excluded=excluded,
            corrected=corrected,
            _orders=kept,
            _counted=OrderedDict(),
            _lock=Lock(),
        )

    @property
    def cases(self) -> int:
        """How many there are."""
        return len(self.ids)

    @property
    def columns(self) -> int:
        """Cells of a case: one for each candidate and draw."""
        return int(self.kind.shape[0])

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, about."""
        cell = self.kind.nbytes + self.score.nbytes + self.cost_usd.nbytes + self.latency_s.nbytes
        orders = sum(order.nbytes for order in self._orders.values())
        return int(cell + orders + 100 * self.cases)

    def spread(self) -> Vector:
        """Largest difference of two scores on a case, shape (cases,); NaN where fewer than two candidates have one."""
        with self._lock:
            found = self._orders.get("spread")
            if found is None:
                found = self._orders["spread"] = spread_of(self.score, self.repeats)
        return found

    def cell(self, place: int) -> tuple[int, int, int]:
        """(case, candidate, repeat) of the place of a cell."""
        case, column = divmod(int(place), self.columns)
        return case, *divmod(column, self.repeats)

    # Filters --------------------------------------------------------------------------------------------------------

    def masks(self, wanted: AnswerFilter) -> dict[str, Vector]:
        """
        One mask for each filter that asks something, of a shape that goes with (columns, cases).

        Raises:
            ValueError: answers are to be compared and nobody has looked at them yet.
        """
        found: dict[str, Vector] = {}
        if wanted.candidates:
            lanes = np.array([name in wanted.candidates for name in self.candidates], dtype=bool)
            found["candidates"] = np.repeat(lanes, self.repeats)[:, None]
        if wanted.kinds:
            found["kinds"] = one_of(self.kind, [KINDS.index(kind) for kind in wanted.kinds if kind in KINDS])
        if wanted.buckets:
            codes = [place for place, bucket in enumerate(BUCKETS) if bucket in wanted.buckets]
            found["buckets"] = one_of(self._bucket(), codes)
        if wanted.low is not None or wanted.high is not None:
            low = -np.inf if wanted.low is None else wanted.low
            high = np.inf if wanted.high is None else wanted.high
            # NaN is in no range, and asking for one leaves it out. Scores are stored in 32 bits here.
            found["range"] = (self.score >= np.float32(low)) & (self.score <= np.float32(high))
        if wanted.tags:
            found["tags"] = self.tags.mask(self.cases, wanted.tags)[None, :]
        if wanted.groups:
            found["groups"] = self.groups.mask(self.cases, wanted.groups)[None, :]
        if wanted.differ:
            found["differ"] = self._differs(wanted.differ)[None, :]
        if wanted.state:
            found["state"] = self._in_state(wanted.state)[None, :]
        return found

    def _kinds_here(self) -> list[int]:
        with self._lock:
            found = self._orders.get("kinds")
            if found is None:
                found = self._orders["kinds"] = np.unique(self.kind)
        return [int(code) for code in found]

    def _bucket(self) -> Vector:
        with self._lock:
            found = self._orders.get("bucket")
            if found is None:
                found = buckets_of(self.score)
                self._orders["bucket"] = found
        return found

    def _differs(self, how: Differ) -> Vector:
        if how == "answer":
            if self.answers_differ is None:
                raise ValueError("nobody has looked at the answers yet")
            return self.answers_differ
        found: Vector = np.asarray(np.nan_to_num(self.spread()) > 0)
        return found

    def _in_state(self, state: State) -> Vector:
        if state == "counted":
            return np.asarray(~self.excluded)
        return self.excluded if state == "excluded" else np.asarray(self.corrected & ~self.excluded)

    def matching(self, wanted: AnswerFilter, further: Vector | None = None) -> Vector:
        """
        The cells that are meant, shape (columns, cases).

        Args:
            further: A mask of that shape, such as of a search for words.
        """
        return all_of(self.kind.shape, [*self.masks(wanted).values(), *([] if further is None else [further])])

    # Counts ---------------------------------------------------------------------------------------------------------

    def facets(self, wanted: AnswerFilter, further: Vector | None = None, key: str = "", most: int = 30) -> Facets:
        """
        What each filter would leave with all the others.

        Args:
            further: As in `matching`.
            key: What names `further`; facets are kept for the next page of the same list.
            most: Tags and groups that are counted out.
        """
        known = (wanted, key, most, self.answers_differ is not None)
        with self._lock:
            if known in self._counted:
                self._counted.move_to_end(known)
                return self._counted[known]
        found = self._facets(wanted, further, most)
        with self._lock:
            self._counted[known] = found
            while len(self._counted) > _KEPT_MASKS:
                self._counted.popitem(last=False)
        return found

    def _facets(self, wanted: AnswerFilter, further: Vector | None, most: int) -> Facets:
        masks = self.masks(wanted)
        if further is not None:
            masks["text"] = further
        base = all_of(self.kind.shape, list(masks.values()))

        def without(*names: str) -> Vector:
            if not any(name in masks for name in names):
                return base
            return all_of(self.kind.shape, [mask for name, mask in masks.items() if name not in names])

        by_lane = np.array([np.count_nonzero(row) for row in without("candidates")])
        by_candidate = by_lane.reshape(len(self.candidates), self.repeats).sum(axis=1)
        kinds = counts_of(self.kind, without("kinds"), self._kinds_here())
        buckets = counts_of(self._bucket(), without("buckets"), range(len(BUCKETS)))
        differ: list[Count] = []
        apart: Vector = by_case(without("differ"))
        differ.append(Count("score", int(apart[self._differs("score")].sum())))
        if self.answers_differ is not None:
            differ.append(Count("answer", int(apart[self.answers_differ].sum())))
        weights: Vector = by_case(without("state"))
        states: tuple[State, ...] = ("counted", "excluded", "corrected")
        return Facets(
            candidates=tuple(
                Count(name, int(count)) for name, count in zip(self.candidates, by_candidate, strict=True)
            ),
            kinds=tuple(
                Count(KINDS[code], count) for code, count in sorted(kinds.items(), key=lambda one: -one[1]) if count
            ),
            buckets=tuple(Count(BUCKETS[code], count) for code, count in buckets.items() if count),
            tags=self.tags.counts(by_case(without("tags")), most),
            groups=self.groups.counts(by_case(without("groups")), most),
            differ=tuple(differ),
            states=tuple(Count(state, int(weights[self._in_state(state)].sum())) for state in states),
        )

    # Order ----------------------------------------------------------------------------------------------------------

    def page(self, mask: Vector, sort: Sort, start: int, stop: int) -> tuple[list[int], int]:
        """
        (places of the cells from `start` to before `stop`, how many there are in all).

        Args:
            mask: Of the cells, as `matching` gives it.
        """
        if sort == "case":
            return self._page_by_case(mask, start, stop)
        flat, order = mask.ravel(), self._order(sort)
        there, seen = int(np.count_nonzero(flat)), 0
        found: list[int] = []
        # In blocks: the first page of a long list is found in the first of them.
        for begin in range(0, len(order) if start < there else 0, _LOOKED_AT):
            block = order[begin : begin + _LOOKED_AT]
            own = block[flat[block]]
            found += own[max(0, start - seen) : max(0, stop - seen)].tolist()
            seen += len(own)
            if seen >= stop:
                break
        return [case * self.columns + column for column, case in (divmod(one, self.cases) for one in found)], there

    def _page_by_case(self, mask: Vector, start: int, stop: int) -> tuple[list[int], int]:
        ends = np.cumsum(by_case(mask))
        there = int(ends[-1]) if len(ends) else 0
        if start >= there:
            return [], there
        stop = min(stop, there)
        first = int(np.searchsorted(ends, start, side="right"))
        last = int(np.searchsorted(ends, stop - 1, side="right"))
        before = int(ends[first - 1]) if first else 0
        places = np.flatnonzero(mask[:, first : last + 1].T.ravel()) + first * self.columns
        return places[start - before : stop - before].tolist(), there

    def case_page(self, mask: Vector, sort: Sort, start: int, stop: int) -> tuple[list[int], int]:
        """(cases with a cell that is meant, from `start` to before `stop`, how many there are in all)."""
        found = self._cases_meant(mask, sort)
        return found[start:stop].tolist(), len(found)

    def _cases_meant(self, mask: Vector, sort: Sort) -> Vector:
        there: Vector = np.asarray(np.logical_or.reduce(mask, axis=0))
        if sort == "case":
            return np.flatnonzero(there)
        order = self._case_order(sort)
        found: Vector = order[there[order]]
        return found

    def neighbours(self, mask: Vector, sort: Sort, case: int) -> tuple[int | None, int | None]:
        """The cases before and after one in the list of `case_page`; of all cases where it is not in that list."""
        found = self._cases_meant(mask, sort)
        at = np.flatnonzero(found == case)
        if not at.size:
            return (case - 1 if case else None, case + 1 if case + 1 < self.cases else None)
        place = int(at[0])
        return (
            int(found[place - 1]) if place else None,
            int(found[place + 1]) if place + 1 < len(found) else None,
        )

    def _order(self, sort: Sort) -> Vector:
        """Places in the flattened arrays; equals in the order of the cases."""
        name = f"order {sort}"
        with self._lock:
            found = self._orders.get(name)
        if found is None:
            keys = np.repeat(self.spread(), self.columns) if sort == "disagreement" else self._key(sort).T.ravel()
            case, column = np.divmod(ranked(keys, high_first=sort != "score"), self.columns)
            found = (column * self.cases + case).astype(np.int32)
            with self._lock:
                self._orders[name] = found
        return found

    def _key(self, sort: Sort) -> Vector:
        return {"cost": self.cost_usd, "latency": self.latency_s}.get(sort, self.score)

    def _case_order(self, sort: Sort) -> Vector:
        name = f"cases {sort}"
        with self._lock:
            found = self._orders.get(name)
        if found is None:
            if sort == "disagreement":
                keys = self.spread()
            else:
                values = self._key(sort)
                known = ~np.isnan(values)
                count = known.sum(axis=0)
                total = np.where(known, values, 0.0).sum(axis=0)
                keys = np.where(count > 0, total / np.maximum(count, 1), np.nan)
            found = ranked(keys, high_first=sort != "score")
            with self._lock:
                self._orders[name] = found
        return found
