"""
The provider's own bill: an append-only file of one JSON object a line, written before any byte of an answer goes out.

The other ledger of the two that are compared. Nothing of Touchstone is imported here.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any


class Bill:
    """Writes one bill; each row is one `write`, so that readers in other processes see whole rows."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def received(self, number: int, digest: str) -> None:
        """A whole request came, whatever becomes of it."""
        self._row(what="received", number=number, digest=digest)

    def sold(self, number: int, model: str, input_tokens: int, output_tokens: int, usd: float) -> None:
        """Its answer begins: it is charged from here on, however it ends."""
        self._row(what="sold", number=number, model=model, input=input_tokens, output=output_tokens, usd=usd)

    def ended(self, number: int, *, whole: bool) -> None:
        """Nothing more is written for it; `whole` says whether every byte of the reply went out."""
        self._row(what="ended", number=number, whole=whole)

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)

    def _row(self, **row: Any) -> None:
        os.write(self._file, json.dumps({**row, "at": time.time()}).encode() + b"\n")


@dataclass(frozen=True)
class Sale:
    """One request that was answered, or whose answer was begun: what a provider charges for."""

    number: int
    """Of the request, from 1, in the order of arrival."""
    digest: str
    """SHA-256 of the request's body."""
    at: float
    """Seconds since the epoch at which the answer began."""
    model: str
    input_tokens: int
    output_tokens: int
    usd: float
    whole: bool = False
    """Whether the whole reply was written out."""


def sales(bill: Path) -> list[Sale]:
    """What was sold, in the order in which the answers began."""
    digests: dict[int, str] = {}
    found: dict[int, Sale] = {}
    for row in _rows(bill):
        number = row["number"]
        if row["what"] == "received":
            digests[number] = row["digest"]
        elif row["what"] == "sold":
            found[number] = Sale(
                number=number,
                digest=digests[number],
                at=row["at"],
                model=row["model"],
                input_tokens=row["input"],
                output_tokens=row["output"],
                usd=row["usd"],
            )
        elif number in found:
            found[number] = replace(found[number], whole=row["whole"])
    return list(found.values())


def spent_usd(bill: Path) -> float:
    """What the provider charges for all of it."""
    return sum(sale.usd for sale in sales(bill))


def requests(bill: Path) -> int:
    """How many whole requests arrived, refused ones included."""
    return sum(row["what"] == "received" for row in _rows(bill))


def being_answered(bill: Path) -> int:
    """Requests that arrived and for which the provider is not done yet."""
    return sum({"received": 1, "ended": -1}.get(row["what"], 0) for row in _rows(bill))


def sales_by_digest(bill: Path) -> dict[str, list[Sale]]:
    """The sales of each request body."""
    found: dict[str, list[Sale]] = defaultdict(list)
    for sale in sales(bill):
        found[sale.digest].append(sale)
    return dict(found)


def wait_until_quiet(bill: Path, deadline_s: float = 10.0) -> None:
    """Return when nothing is being answered any more: a killed client's last calls are billed to the end."""
    end = time.monotonic() + deadline_s
    while being_answered(bill):
        if time.monotonic() > end:
            raise TimeoutError(f"{being_answered(bill)} requests are still being answered after {deadline_s} s")
        time.sleep(0.005)


def _rows(bill: Path) -> list[dict[str, Any]]:
    # A row that is being written has no line end yet.
    return [json.loads(line) for line in bill.read_bytes().split(b"\n")[:-1]]
