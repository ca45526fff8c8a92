"""
How well passages were found for one question. Pure; intervals over many questions are made where all intervals are.

Relevance is a grade from 0; a collection of ids means grade 1 for each. Every function wants at least one relevant id:
a question that nothing answers has nothing to find, and belongs into no mean.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import log2

Relevant = Collection[str] | Mapping[str, float]
"""Ids that answer the question, or their grades."""


def recall_at_k(relevant: Relevant, ranked: Sequence[str], k: int) -> float:
    """
    Share, from 0 to 1, of the relevant ids that are among the first `k`.

    Args:
        relevant: At least one id with a grade above 0.
        ranked: Ids found, best first, no repeats.
        k: Cut-off, at least 1; may exceed `len(ranked)`.

    Raises:
        ValueError: nothing is relevant, the cut-off is no rank, or an id was found twice.
    """
    wanted = _grades(relevant, ranked, k)
    return len(wanted.keys() & set(ranked[:k])) / len(wanted)


def reciprocal_rank(relevant: Relevant, ranked: Sequence[str]) -> float:
    """
    1 / rank of the first relevant id, 0 when none was found (Voorhees 1999, TREC-8 question answering track).

    Its mean over questions is the MRR. Arguments and errors as in `recall_at_k`.
    """
    wanted = _grades(relevant, ranked, 1)
    return next((1 / rank for rank, one in enumerate(ranked, start=1) if one in wanted), 0.0)


def ndcg_at_k(relevant: Relevant, ranked: Sequence[str], k: int) -> float:
    """
    Discounted cumulated gain of the first `k` over the largest that any order could have, from 0 to 1.

    DCG is the sum over ranks i of (2^grade - 1) / log2(i + 1) (Burges et al. 2005, section 5; for grades 0 and 1 it
    is that of Jaervelin and Kekaelaeinen 2002 with a discount from the second rank on). Arguments and errors as in
    `recall_at_k`.
    """
    wanted = _grades(relevant, ranked, k)
    found = sum((2 ** wanted.get(one, 0.0) - 1) / log2(rank + 1) for rank, one in enumerate(ranked[:k], start=1))
    best = sorted(wanted.values(), reverse=True)[:k]
    return found / sum((2**grade - 1) / log2(rank + 1) for rank, grade in enumerate(best, start=1))


def _grades(relevant: Relevant, ranked: Sequence[str], k: int) -> dict[str, float]:
    grades = dict(relevant) if isinstance(relevant, Mapping) else dict.fromkeys(relevant, 1.0)
    wanted = {one: grade for one, grade in grades.items() if grade > 0}
    if not wanted:
        raise ValueError("nothing is relevant, so there is nothing to find")
    if k < 1:
        raise ValueError(f"the cut-off is {k}; it is a rank from 1")
    if len(set(ranked)) != len(ranked):
        raise ValueError("an id stands twice in a ranking")
    return wanted
