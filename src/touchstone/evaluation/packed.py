"""
The numbers of a trial's cells as one block: a report over a million cells reads ten blocks, not a million rows.

A header in JSON names the columns with their types; the arrays follow, little-endian, one after the other. Nothing in
it can be executed, and nothing in it is not in the `outcome` table too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import numpy as np
import orjson

from touchstone.evaluation.base import OutcomeKind

Vector = np.ndarray[Any, Any]

KINDS: tuple[str, ...] = get_args(OutcomeKind)

_TYPES = {
    "ordinal": "<u4",
    "repeat": "<u2",
    "score": "<f8",
    "cost_usd": "<f8",
    "retry_usd": "<f8",
    "judge_usd": "<f8",
    "latency_s": "<f8",
    "queue_s": "<f8",
    "first_token_s": "<f8",
    "input_tokens": "<f8",
    "output_tokens": "<f8",
    "estimated": "<f8",
    "retries": "<u4",
    "from_cache": "|u1",
}

COLUMNS = ("kind", "run", *_TYPES)
"""What is packed: every number of a cell, its kind, and which comparison asked for it."""

NUMERIC = frozenset(_TYPES)


def pack(columns: Mapping[str, Vector]) -> tuple[list[Any], int]:
    """
    (block, number of cells) of the columns, each of shape (cells,); `kind` and `run` are texts, the rest numbers.

    The block comes in parts, buffers that follow each other.
    """
    cells = len(columns["ordinal"])
    runs = sorted({str(run) for run in columns["run"] if run is not None})
    numbers = {run: place + 1 for place, run in enumerate(runs)}
    parts: list[Any] = [
        kind_codes(columns["kind"]),
        np.fromiter((numbers.get(run, 0) for run in columns["run"]), dtype="<u2", count=cells),
        *(columns[name].astype(kind, copy=False) for name, kind in _TYPES.items()),
    ]
    header = orjson.dumps({"version": 1, "cells": cells, "kinds": KINDS, "runs": runs, "types": _TYPES})
    return [struct.pack("<I", len(header)), header, *parts], cells


def unpack(body: bytes, run: str | None) -> dict[str, Vector]:
    """
    The columns that `pack` was given, as arrays of shape (cells,).

    `kind` comes as a place in `KINDS`; instead of `run` there is `here`: whether this very run asked for the cell.
    """
    (size,) = struct.unpack_from("<I", body)
    header = orjson.loads(body[4 : 4 + size])
    cells, place = header["cells"], 4 + size
    found: dict[str, Vector] = {}
    for name, kind in (("kind", "|u1"), ("run", "<u2"), *header["types"].items()):
        found[name] = np.frombuffer(body, dtype=kind, count=cells, offset=place)
        place += found[name].nbytes
    if tuple(header["kinds"]) != KINDS:  # written by a version that knew other kinds
        found["kind"] = np.array([KINDS.index(kind) for kind in header["kinds"]], dtype="|u1")[found["kind"]]
    runs = header["runs"]
    number = runs.index(run) + 1 if run in runs else 0
    found["here"] = (found.pop("run") == number) & (number > 0)
    return found


def kind_codes(kinds: Vector) -> Vector:
    """Places in `KINDS` of kinds as texts."""
    places = {kind: place for place, kind in enumerate(KINDS)}
    return np.fromiter((places[kind] for kind in kinds), dtype="|u1", count=len(kinds))


def is_kind(codes: Vector, kinds: Iterable[str]) -> Vector:
    """Which of the codes mean one of these kinds, shape as `codes`."""
    wanted = np.zeros(len(KINDS), dtype=bool)
    wanted[[KINDS.index(kind) for kind in kinds]] = True
    found: Vector = wanted[codes]
    return found
