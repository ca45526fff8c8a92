"""How well the passages of a case were found, where a column of the cases says which are right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from touchstone.data.base import Case
from touchstone.retrieval.base import Found
from touchstone.retrieval.metrics import ndcg_at_k, reciprocal_rank
from touchstone.retrieval.pieces import estimated_tokens
from touchstone.strategies.rag_settings import RagSettings


class Finds(Protocol):
    """Whoever is measured."""

    @property
    def wanted(self) -> RagSettings:
        """Under which settings it finds."""
        ...

    def found(self, case: Case) -> Sequence[Found]:
        """The passages of a case, best first."""
        ...


class CaseFound(NamedTuple):
    """One case: what was found of what is right, among as many passages as it is shown."""

    recall: float
    reciprocal_rank: float
    ndcg: float
    tokens: float
    """Estimated, of its passages."""


def right_ones(case: Case, column: str) -> tuple[str, ...]:
    """What a case says is right, each once; several are parted by `;`."""
    said = case.fields.get(column, "").split(";")
    return tuple(dict.fromkeys(part.strip() for part in said if part.strip()))


def measure_case(finder: Finds, case: Case, kind: str, column: str) -> CaseFound:
    """
    How well the passages of a case are found; nobody is asked and no answer is looked at.

    Args:
        finder: Whose passages are looked at, as many as the case would be shown.
        case: One with something in the column.
        kind: `document`, `heading` or `text`: what the column names.
        column: Of the cases.
    """
    gold = right_ones(case, column)
    found = finder.found(case)
    said = _said(found, gold, _SAYS[kind])
    # What one passage says together is found together, and is one thing to find for measures that go by rank.
    ranked = [new[0] if new else f"\0{one.passage.id}" for one, new in zip(found, said, strict=True)]
    further = {one for new in said for one in new[1:]}
    to_find = [one for one in gold if one not in further]
    tokens = sum(estimated_tokens(one.passage.shown) for one in found)
    return CaseFound(
        recall=sum(map(len, said)) / len(gold),
        reciprocal_rank=reciprocal_rank(to_find, ranked),
        ndcg=ndcg_at_k(to_find, ranked, finder.wanted.passages),
        tokens=tokens,
    )


_SAYS: Mapping[str, Callable[[Found, str], bool]] = {
    "document": lambda found, gold: found.passage.document == gold,
    "heading": lambda found, gold: (
        gold in found.passage.headings
        or gold == found.passage.text[: found.passage.heading_chars]
        # Short sections share a passage; each of their headings is a line of it.
        or any(line.strip() == gold for line in found.passage.text.splitlines())
    ),
    "text": lambda found, gold: " ".join(gold.split()) in " ".join(found.passage.text.split()),
}


def _said(found: Sequence[Found], gold: Sequence[str], says: Callable[[Found, str], bool]) -> list[list[str]]:
    """For each passage those of the right ones that it is the first to say."""
    left = list(gold)
    said = []
    for one in found:
        said.append([each for each in left if says(one, each)])
        left = [each for each in left if each not in said[-1]]
    return said
