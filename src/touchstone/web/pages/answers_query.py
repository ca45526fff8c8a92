"""What somebody asks of the answers: an address's query as a filter, and a filter as an address's query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from touchstone.evaluation.answer_filter import BUCKETS, SORTS, AnswerFilter
from touchstone.evaluation.answer_texts import PLACES
from touchstone.evaluation.packed import KINDS
from touchstone.language import N_
from touchstone.web.forms import Form

PAGE = 50
"""Rows of a page."""

SORT_WORDS = {
    "case": N_("order of the cases"),
    "disagreement": N_("most disagreement first"),
    "score": N_("lowest score first"),
    "score-high": N_("highest score first"),
    "cost": N_("dearest first"),
    "latency": N_("slowest first"),
}
WHERE_WORDS = {
    "any": N_("anywhere"),
    "output": N_("in what was answered"),
    "input": N_("in what was asked"),
    "target": N_("in the right answer"),
}
BUCKET_WORDS = {
    "zero": "0",
    "part": N_("between 0 and 1"),
    "full": "1",
    "none": N_("no score"),
}
STATE_WORDS = {
    "counted": N_("cases that count"),
    "excluded": N_("cases left out"),
    "corrected": N_("corrected right answers"),
}
DIFFER_WORDS = {"score": N_("candidates differ in score"), "answer": N_("candidates answer differently")}

_MOST_WORDS = 200


@dataclass(frozen=True)
class AnswerQuery:
    """What is asked, as it stands in the address."""

    words: str
    where: Any
    sort: Any
    by: str
    """`case`: a row a case; `answer`: a row an answer."""
    page: int
    filter: AnswerFilter

    def query(self, **changes: object) -> Mapping[str, object]:
        """The same as parts of an address, with some of them changed; what stands for itself is left out."""
        own = self.filter
        parts: dict[str, object] = {
            "q": self.words,
            "where": "" if self.where == "any" else self.where,
            "sort": "" if self.sort == "case" else self.sort,
            "by": "" if self.by == "case" else self.by,
            "candidate": list(own.candidates),
            "kind": list(own.kinds),
            "bucket": list(own.buckets),
            "low": own.low,
            "high": own.high,
            "tag": list(own.tags),
            "group": list(own.groups),
            "differ": own.differ,
            "state": own.state,
            "page": "" if self.page == 1 else self.page,
        }
        return {**parts, **changes}

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked but to see everything."""
        return not self.words and self.filter == AnswerFilter()


def read_query(form: Form, names: Sequence[str], tags: Sequence[str], groups: Sequence[str]) -> AnswerQuery:
    """
    The query of an address.

    Args:
        names: Of the candidates.
        tags, groups: That the cases have; others are not asked for.

    Raises:
        SettingsError: a value cannot be used; its field is named.
    """
    low, high = (form.number(name, None, low=0, high=1) for name in ("low", "high"))
    known_tags, known_groups = set(tags), set(groups)
    return AnswerQuery(
        words=form.text("q", longest=_MOST_WORDS),
        where=form.choice("where", PLACES, "any"),
        sort=form.choice("sort", SORTS, "case"),
        by=form.choice("by", ("case", "answer"), "case"),
        page=form.whole("page", 1, low=1, high=10_000_000) or 1,
        filter=AnswerFilter(
            candidates=tuple(name for name in form.all("candidate") if name in names),
            kinds=tuple(kind for kind in form.all("kind") if kind in KINDS),
            buckets=tuple(bucket for bucket in form.all("bucket") if bucket in BUCKETS),
            low=low,
            high=high,
            tags=tuple(tag for tag in form.all("tag") if tag in known_tags),
            groups=tuple(group for group in form.all("group") if group in known_groups),
            differ=form.choice("differ", ("score", "answer"), ""),
            state=form.choice("state", tuple(STATE_WORDS), ""),
        ),
    )
