"""Who finds the passages of a case, and what stands in for them where a plan is priced."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from touchstone.data.base import Case
from touchstone.retrieval.base import Found, Passage, Retriever
from touchstone.retrieval.opened import OpenIndex
from touchstone.retrieval.rerank import TermReranker
from touchstone.strategies.example_pool import question_key
from touchstone.strategies.rag_settings import RagSettings

STAND_IN = "forecast"
"""Identity of a finder that finds nothing."""


@dataclass(frozen=True)
class Read:
    """A passage as a model reads it, and where it comes from."""

    id: str
    text: str
    document: str
    score: float


class Labelled(Protocol):
    """Labelled cases that are read as passages."""

    @property
    def shown(self) -> Mapping[str, str]:
        """What a model reads of a case, by its document's id, which is its question key."""
        ...

    @property
    def digest(self) -> str:
        """Of all that may be shown."""
        ...


class Finder:
    """
    A `ContextFinder`. A labelled case that asks what the case asks is never among its passages.

    Args:
        opened: What is searched.
        retriever: Finds in it.
        wanted: How many, and how good.
        key: Of the index.
        labelled: Where labelled cases are the documents, what is shown of them.
        kept: A folder that must not go before the finder does.
    """

    def __init__(
        self,
        opened: OpenIndex,
        retriever: Retriever,
        wanted: RagSettings,
        key: str,
        labelled: Labelled | None,
        *,
        kept: Any = None,
    ) -> None:
        self.opened = opened
        self.retriever = retriever
        self.wanted = wanted
        self._labelled = labelled
        self._kept = kept
        told: Any = [key, opened.digest, wanted.retriever, wanted.passages, wanted.rerank, wanted.min_score]
        if wanted.rerank is not None:
            told.append(TermReranker().identity)
        if labelled is not None:
            told.append(labelled.digest)
        self.identity = hashlib.sha256(orjson.dumps(told)).hexdigest()

    def find(self, case: Case) -> tuple[Read, ...]:
        """The passages of a case, best first; found again they are the same."""
        return tuple(
            Read(found.passage.id, self.text_of(found.passage), found.passage.document, found.score)
            for found in self.found(case)
        )

    def stand_in(self, case: Case) -> tuple[Read, ...]:
        """The very same: nobody is asked."""
        return self.find(case)

    def found(self, case: Case) -> tuple[Found, ...]:
        """What the retriever found, as far as a case may read it."""
        own = str(question_key(case)) if self._labelled is not None else None
        found = self.retriever.find(case.text, self.wanted.passages + (own is not None))
        floor = self.wanted.min_score
        kept = [one for one in found if one.passage.document != own and (floor is None or one.score >= floor)]
        return tuple(kept[: self.wanted.passages])

    def text_of(self, passage: Passage) -> str:
        """A passage as the model reads it."""
        return passage.shown if self._labelled is None else self._labelled.shown[passage.document]

    @property
    def reads_cases(self) -> bool:
        """Whether labelled cases are looked up, and no documents."""
        return self._labelled is not None


class Forecast:
    """
    Passages to price a plan with: as many as a case would get, of the median length.

    Args:
        passages: By length.
        wanted: How many.
        labelled: Where labelled cases are the documents, what is shown of them.
    """

    identity = STAND_IN

    def __init__(self, passages: Sequence[Passage], wanted: RagSettings, labelled: Labelled | None) -> None:
        middle = max(0, (len(passages) - wanted.passages) // 2)
        self._passages = tuple(
            Read(one.id, one.shown if labelled is None else labelled.shown[one.document], one.document, 0.0)
            for one in passages[middle : middle + wanted.passages]
        )

    def stand_in(self, case: Case) -> tuple[Read, ...]:
        """The same for every case."""
        return self._passages

    def find(self, case: Case) -> tuple[Read, ...]:
        """Never: a plan asks nobody."""
        raise AssertionError("a plan finds nothing")
