"""Truth values of a million cells: put together, counted and ranked in passes over whole rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

Vector = np.ndarray[Any, Any]


def ranked(keys: Vector, *, high_first: bool) -> Vector:
    """Places in rising or falling order; equals stay in order, and what is unknown comes last."""
    return np.argsort(-keys if high_first else keys, kind="stable").astype(np.int32)


def all_of(shape: tuple[int, ...], masks: Sequence[Vector]) -> Vector:
    """Where all masks hold, everywhere where there is none; each is of a shape that goes with `shape`."""
    found = np.ones(shape, dtype=bool)
    for mask in masks:
        found &= mask
    return found


def one_of(codes: Vector, wanted: Sequence[int]) -> Vector:
    """Which of the codes are wanted, shape as `codes`; a pass for each wanted one."""
    found = np.zeros(codes.shape, dtype=bool)
    for code in wanted:
        found |= codes == code
    return found


def counts_of(codes: Vector, mask: Vector, wanted: Iterable[int]) -> dict[int, int]:
    """How many of the cells have each code; a pass for each, which is quicker than looking every cell up."""
    return {code: int(np.count_nonzero(mask & (codes == code))) for code in wanted}


def by_case(mask: Vector) -> Vector:
    """Cells of each case, shape (cases,)."""
    # Whole rows are added, in small numbers: there are fewer columns than 255 nearly always.
    kind = np.uint8 if len(mask) < np.iinfo(np.uint8).max else np.int64
    return np.asarray(np.add.reduce(mask.view(np.uint8), axis=0, dtype=kind)).astype(np.int64)
