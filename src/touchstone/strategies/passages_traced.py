"""How the passages of a question were found: what each step of the search made of each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from touchstone.noun import Noun
from touchstone.retrieval.base import Found, Passage
from touchstone.retrieval.fuse import DEPTH, HybridRetriever
from touchstone.retrieval.retrievers import RerankedRetriever
from touchstone.retrieval.tokens import terms
from touchstone.strategies.rag_finder import Finder

FURTHER = 8
"""Passages that are told beyond those shown."""

LeftOut = Literal["beyond", "floor", "itself"]
"""Further down than are shown; below the least score; the labelled case that asks just this."""


class Placed(Noun):
    """Where a step of the search put a passage."""

    rank: int
    """From 1."""
    score: float


class PassageTrace(Noun):
    """One passage, and what each step made of it; None where a step did not find it, or there is no such step."""

    passage: Passage
    text: str
    """As the model reads it."""
    place: int | None
    """The number under which the model reads it, from 1; None where it does not."""
    left_out: LeftOut | None = None
    """Why it is not read, where the last step found it."""
    lexical: Placed | None = None
    """BM25 over the terms in common."""
    dense: Placed | None = None
    """Nearness of vectors: the cosine."""
    fused: Placed | None = None
    """Reciprocal ranks added up."""
    reranked: Placed | None = None
    shared: tuple[str, ...] = ()
    """Terms of the question that stand in it or in its headings, the rarest first."""


class SearchTrace(Noun):
    """A search, step by step."""

    query: str
    steps: tuple[str, ...]
    """Which of `lexical`, `dense`, `fused`, `reranked` there are, in their order."""
    passages: tuple[PassageTrace, ...]
    """Those that are read first, in their order; then what came closest."""


def trace_search(finder: Finder, query: str, own: str | None = None, further: int = FURTHER) -> SearchTrace:
    """
    What the search of a candidate makes of a question.

    Args:
        finder: The candidate's.
        query: What is asked.
        own: Question key of the case, where labelled cases are looked up: it is never read itself.
        further: How many passages are told that are not read.
    """
    wanted, opened = finder.wanted, finder.opened
    # The finder asks for one more than is read where a case may find itself, and a reranker for more than that.
    asked = wanted.passages + (own is not None)
    reranked = finder.retriever if isinstance(finder.retriever, RerankedRetriever) else None
    # As deep as when it answers: what is fused, and which terms are rare, depends on it.
    depth = max(DEPTH, asked, 0 if reranked is None else reranked.depth)
    steps: list[str] = []
    placed: dict[str, dict[str, Placed]] = {}
    passages: dict[str, Passage] = {}

    def note(step: str, found: Sequence[tuple[Passage, float]]) -> None:
        steps.append(step)
        placed[step] = {
            passage.id: Placed(rank=rank, score=score) for rank, (passage, score) in enumerate(found, start=1)
        }
        passages.update((passage.id, passage) for passage, _score in found)

    if wanted.retriever in ("lexical", "hybrid"):
        note("lexical", opened.lexical(query, depth))
    if wanted.retriever in ("dense", "hybrid"):
        note("dense", opened.dense(query, depth))
    first = finder.retriever if reranked is None else reranked.first
    if isinstance(first, HybridRetriever):
        note("fused", _scored(first.find(query, depth)))
    if reranked is not None:
        note("reranked", _scored(reranked.find(query, max(asked, reranked.depth))))
    last = placed[steps[-1]]
    floor = wanted.min_score
    order = sorted(last, key=lambda one: last[one].rank)
    within = order[:asked]
    read: list[str] = []
    why: dict[str, LeftOut] = {}
    for one in order:
        if own is not None and passages[one].document == own:
            why[one] = "itself"
        elif floor is not None and last[one].score < floor:
            why[one] = "floor"
        elif one in within and len(read) < wanted.passages:
            read.append(one)
        else:
            why[one] = "beyond"
    asked_terms = sorted(set(terms(query)), key=lambda term: (-opened.rarity(term), term))
    told = [*read, *[one for one in order if one not in read][:further]]
    return SearchTrace(
        query=query,
        steps=tuple(steps),
        passages=tuple(
            PassageTrace(
                passage=passages[one],
                text=finder.text_of(passages[one]),
                place=read.index(one) + 1 if one in read else None,
                left_out=why.get(one),
                **{step: placed[step].get(one) for step in steps},
                shared=_shared(asked_terms, passages[one]),
            )
            for one in told
        ),
    )


def _scored(found: Sequence[Found]) -> list[tuple[Passage, float]]:
    return [(one.passage, one.score) for one in found]


def _shared(asked: Sequence[str], passage: Passage) -> tuple[str, ...]:
    there = frozenset(terms(passage.searched))
    return tuple(term for term in asked if term in there)


def whole_text(passages: Sequence[Passage]) -> list[tuple[Passage, str]]:
    """
    The passages of a document with what each adds to those before it: passages may overlap.

    Read one behind the other, what they add is the document as it was indexed, but for blanks between them.
    """
    found: list[tuple[Passage, str]] = []
    end: int | None = None
    for passage in passages:
        text = passage.text
        if end is not None and passage.start is not None and passage.start < end:
            text = text[end - passage.start :]
        found.append((passage, text))
        if passage.end is not None:
            end = passage.end if end is None else max(end, passage.end)
    return found
