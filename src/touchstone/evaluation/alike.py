"""
Which published results may stand beside each other, and which of them in one ranking.

Imports nothing that takes time: a shortlist looks at thousands of results and at no ranks.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal

from touchstone.catalog.claims import Benchmark, Claim
from touchstone.catalog.model import ModelId, PartialDate, earliest
from touchstone.evaluation.claim_interval import question_count

FEWEST = 30
"""Measured on fewer questions than this, a model is shown beside the ranking, not in it."""
COVERAGE = 0.95
"""Measured on a smaller share of the questions than this, likewise."""

RECENT_DAYS = 730
"""Results whose newest is so much older than the newest of all are of models that hardly anybody chooses any more: in a
list they stand behind the others, and a shortlist does not look at them."""

WhyApart = Literal["partial", "few", "superseded"]


def of_one_condition(benchmark: Benchmark, claims: Iterable[Claim]) -> Iterator[list[Claim]]:
    """The results on a benchmark by `Claim.condition`, in the order of the conditions."""
    groups: dict[tuple[str, ...], list[Claim]] = defaultdict(list)
    for claim in claims:
        if claim.benchmark == benchmark.id:
            groups[claim.condition].append(claim)
    for condition in sorted(groups):
        yield groups[condition]


def sorted_out(benchmark: Benchmark, claims: Sequence[Claim]) -> tuple[list[Claim], list[tuple[Claim, WhyApart]]]:
    """Of results of one condition those that can be ranked together, best first, and the others with the reason."""
    sizes = [size for claim in claims if (size := question_count(benchmark, claim)) is not None]
    whole = max(
        [*sizes, *([benchmark.questions] if benchmark.questions and claims[0].subset is None else [])], default=0
    )
    # As `order` has it, whose texts begin with the model; written only where nothing else tells two apart, for a
    # shortlist sorts thousands of results.
    often = Counter((claim.value, claim.model) for claim in claims)
    orders = {
        id(claim): (
            -merit(benchmark, claim),
            claim.model,
            claim.model_dump_json() if often[claim.value, claim.model] > 1 else "",
        )
        for claim in claims
    }
    measured = {(claim.model, claim.snapshot, claim.mode) for claim in claims}
    if len(measured) == len(claims) and all(size >= max(FEWEST, COVERAGE * whole) for size in sizes):
        return sorted(claims, key=lambda claim: orders[id(claim)]), []  # nothing stands apart: no ages to compare
    apart: list[tuple[Claim, WhyApart]] = []
    newest: dict[tuple[str | None, ...], Claim] = {}
    for claim in sorted(claims, key=lambda claim: (_age(claim), orders[id(claim)]), reverse=True):
        size = question_count(benchmark, claim)
        same = (claim.model, claim.snapshot, claim.mode)
        if size is not None and size < FEWEST:
            apart.append((claim, "few"))
        elif size is not None and size < COVERAGE * whole:
            apart.append((claim, "partial"))
        elif same in newest:
            apart.append((claim, "superseded"))
        else:
            newest[same] = claim
    return sorted(newest.values(), key=lambda claim: orders[id(claim)]), apart


def newest_day(claims: Sequence[Claim], released: Mapping[ModelId, PartialDate | None] | None = None) -> int:
    """
    When the newest of some results was measured, as an ordinal.

    A table without dates is about as old as the newest model on it, or, where nobody says when its models were
    released, as the day that it was read.
    """
    known = released or {}
    days = (
        [claim.date for claim in claims if claim.date]
        or [day for claim in claims if (day := known.get(claim.model))]
        or [claim.as_of for claim in claims]
    )
    return earliest(max(days)).toordinal()  # as texts `2025`, `2025-01` and `2025-01-01` are in order, or begin alike


def merit(benchmark: Benchmark, claim: Claim) -> float:
    """The value, turned so that more is better."""
    return claim.value if benchmark.higher_is_better else -claim.value


def order(benchmark: Benchmark, claim: Claim) -> tuple[float, str]:
    """Best first; equal values in an order that does not depend on how they came in."""
    return -merit(benchmark, claim), claim.model_dump_json()


@lru_cache(maxsize=1024)  # a table is of one version, and a shortlist sorts many tables
def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts 0.9 before 0.10."""
    parts = re.findall(r"\d+|\D+", text)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def _age(claim: Claim) -> tuple[str, str, tuple[tuple[int, int, str], ...]]:
    return claim.date or "", claim.as_of, natural(claim.harness_version or "")
