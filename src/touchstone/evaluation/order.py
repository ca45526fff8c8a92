"""The one random order of the cases that all candidates share, drawn from a seed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Integers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, eq=False)
class CaseOrder:
    """
    Cases in the shared order, in units: a case, or a cluster of cases that are not independent.

    Attributes:
        ordinals: Place of each case in its split, shape (cases,), in the shared order.
        starts: Where each unit begins in `ordinals`, and where the last one ends; shape (units + 1,).
    """

    ordinals: Integers
    starts: Integers

    @classmethod
    def draw(cls, cases: int, seed: int, groups: Sequence[Hashable | None] | None = None) -> CaseOrder:
        """
        The order that a seed gives; the same on every machine and with every version of numpy.

        Args:
            cases: How many there are.
            seed: Any whole number.
            groups: Cluster of each case; None for a case that belongs to nobody else. The cases of a cluster stay
                together, in the order of the split, and the place of the cluster is random.
        """
        if groups is None:
            return cls(np.argsort(_scrambled(cases, seed), kind="stable"), np.arange(cases + 1))
        numbers: dict[Hashable, int] = {}
        unit = np.empty(cases, dtype=np.int64)
        for place, group in enumerate(groups):
            # A case without a group is a unit of its own; its place cannot be mistaken for the name of a group.
            unit[place] = numbers.setdefault(("case", place) if group is None else ("group", group), len(numbers))
        turn = np.argsort(np.argsort(_scrambled(len(numbers), seed), kind="stable"), kind="stable")
        ordinals = np.argsort(turn[unit], kind="stable")
        sizes = np.bincount(turn[unit], minlength=len(numbers))
        return cls(ordinals, np.concatenate(([0], np.cumsum(sizes))).astype(np.int64))

    @property
    def cases(self) -> int:
        """Number of cases."""
        return len(self.ordinals)

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.starts) - 1

    @property
    def sizes(self) -> Integers:
        """Cases of each unit, shape (units,)."""
        return np.diff(self.starts)

    def unit_of(self) -> Integers:
        """The unit of each case by its place in the split, shape (cases,)."""
        found = np.empty(self.cases, dtype=np.int64)
        found[self.ordinals] = np.repeat(np.arange(self.units), self.sizes)
        return found

    def only(self, places: Integers) -> CaseOrder:
        """
        The same order of some cases alone, for numbers about them; a unit without any of them is no unit of it.

        Args:
            places: Ordinals of the cases, at least one.
        """
        kept = np.isin(self.ordinals, places)
        sizes = np.add.reduceat(kept.astype(np.int64), self.starts[:-1])
        return CaseOrder(self.ordinals[kept], np.concatenate(([0], np.cumsum(sizes[sizes > 0]))).astype(np.int64))

    def cases_of(self, start: int, stop: int) -> Integers:
        """Ordinals of the cases of the units from `start` to before `stop`."""
        return self.ordinals[self.starts[start] : self.starts[stop]]


def _scrambled(count: int, seed: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """
    One number per place, a bijection of the place for each seed: SplitMix64.

    Source: Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators", OOPSLA, figure 17 (the
    finaliser is variant 13 of Stafford's).
    """
    with np.errstate(over="ignore"):
        start = _mix(np.array([seed & 0xFFFFFFFFFFFFFFFF], dtype=np.uint64))
        return _mix(start + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def _mix(z: np.ndarray[Any, np.dtype[np.uint64]]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
