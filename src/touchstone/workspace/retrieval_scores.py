"""How well candidates find what their models should read, on the test cases; no model is asked, no answer looked at."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from touchstone.evaluation.base import Candidate, RetrievalScores
from touchstone.evaluation.intervals import estimate
from touchstone.evaluation.ledger import Ledger
from touchstone.strategies.chat import PromptCandidate
from touchstone.strategies.rag_finder import Finder
from touchstone.strategies.rag_measured import CaseFound, measure_case, right_ones

MOST_CASES = 2_000
"""Test cases that finding is measured on; of more, so many are drawn. The interval says what that leaves open."""


async def retrieval_scores(
    candidates: Sequence[Candidate], ledger: Ledger, dataset: str, *, confidence: float, seed: int
) -> tuple[RetrievalScores | None, ...]:
    """
    What each candidate finds, in their order; None for one that reads no passages or was told no column of right ones.

    It awaits between two cases, so that it can be stopped.

    Args:
        dataset: Digest of the cases.
        confidence: Of the intervals.
        seed: Of the draw, where there are more cases than are measured, and of the intervals.
    """
    return tuple([await _of(candidate, ledger, dataset, confidence, seed) for candidate in candidates])


async def _of(
    candidate: Candidate, ledger: Ledger, dataset: str, confidence: float, seed: int
) -> RetrievalScores | None:
    finder = candidate.finder if isinstance(candidate, PromptCandidate) else None
    if not isinstance(finder, Finder) or finder.wanted.right is None:
        return None
    kind, column = finder.wanted.right
    places = [place for place, case in ledger.datasets.cases(dataset, "test") if right_ones(case, column)]
    if not places:
        return None
    if len(places) > MOST_CASES:
        places = sorted(random.Random(seed).sample(places, MOST_CASES))  # noqa: S311 - the same draw every time
    found: list[CaseFound] = []
    for case in ledger.datasets.cases_at(dataset, "test", places):
        found.append(measure_case(finder, case, kind, column))
        await asyncio.sleep(0)
    groups = None
    if ledger.datasets.has_groups(dataset, "test"):
        named = ledger.datasets.case_column(dataset, "test", "group_name")
        groups = [named[place] for place in places]
    recall, rank, ndcg, _ = zip(*found, strict=True)
    return RetrievalScores(
        k=finder.wanted.passages,
        recall=estimate(recall, groups, confidence, seed),
        mrr=estimate(rank, groups, confidence, seed),
        ndcg=estimate(ndcg, groups, confidence, seed),
    )
