"""Several rankings made into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from touchstone.retrieval.base import Found, Passage, Retriever

K = 60
"""Cormack, Clarke and Buettcher 2009, "Reciprocal rank fusion outperforms Condorcet": 60, fixed in a pilot."""

DEPTH = 50
"""How many of each ranking are fused; a passage that stands further down adds less than 1/110."""


def fused(
    rankings: Mapping[str, Sequence[Passage]], *, k: int = K, weights: Mapping[str, float] | None = None
) -> tuple[Found, ...]:
    """
    Reciprocal rank fusion: the score of a passage is the sum over the rankings that have it of w / (k + rank).

    Scores of different retrievers have no common scale, their ranks do.

    Args:
        rankings: By name of the retriever, best first, no passage twice.
        k: How little the first ranks stand out.
        weights: By name of the retriever; 1 where nothing is said.

    Returns:
        Every passage of any ranking, best first; ties by the better of their ranks, then by id.
    """
    scores: dict[str, float] = {}
    ranks: dict[str, dict[str, int]] = {}
    passages: dict[str, Passage] = {}
    for name, ranking in rankings.items():
        weight = 1.0 if weights is None else weights.get(name, 1.0)
        for rank, passage in enumerate(ranking, start=1):
            scores[passage.id] = scores.get(passage.id, 0.0) + weight / (k + rank)
            ranks.setdefault(passage.id, {})[name] = rank
            passages[passage.id] = passage
    order = sorted(scores, key=lambda one: (-scores[one], min(ranks[one].values()), one))
    return tuple(Found(passage=passages[one], score=scores[one], ranks=ranks[one]) for one in order)


class HybridRetriever:
    """
    Asks several retrievers and fuses their rankings.

    Args:
        members: Each with a name of its own.
        weights: By name; 1 where nothing is said.
        k: See `fused`.
        depth: How many of each are fused, at least as many as are wanted.
    """

    name = "hybrid"

    def __init__(
        self,
        members: Sequence[Retriever],
        *,
        weights: Mapping[str, float] | None = None,
        k: int = K,
        depth: int = DEPTH,
    ) -> None:
        self.members = tuple(members)
        self.weights = weights
        self.k = k
        self.depth = depth

    def find(self, query: str, k: int) -> tuple[Found, ...]:
        """The `k` best of the fused ranking."""
        depth = max(k, self.depth)
        rankings = {member.name: [found.passage for found in member.find(query, depth)] for member in self.members}
        return fused(rankings, k=self.k, weights=self.weights)[:k]
