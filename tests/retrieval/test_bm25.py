"""What BM25 promises: the published formula, and a ranking that depends on nothing else."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.retrieval.bm25 import BM25

texts = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "d", "退货", "发票"]), max_size=8).map(" ".join), min_size=1, max_size=8
)
queries = st.lists(st.sampled_from(["a", "b", "e", "退货"]), max_size=4).map(" ".join)


def test_hand_worked_example() -> None:
    """
    Three documents of 2, 1 and 3 words (mean 2), k1 = 1.2, b = 0.75, query "cat".

    It stands in two of three: idf = ln(1 + 1.5 / 2.5) = 0.4700. Document 0 has it once at mean length:
    0.47 x 2.2 / (1 + 1.2) = 0.4700. Document 2 has it twice at 1.5 times the mean length:
    0.47 x 4.4 / (2 + 1.2 (0.25 + 1.125)) = 0.5666.
    """
    index = BM25(["cat sat", "dog", "cat cat ran"])
    idf = log(1 + 1.5 / 2.5)

    assert idf == pytest.approx(0.4700, abs=5e-5)
    assert index.scores("cat").tolist() == pytest.approx([idf, 0.0, idf * 4.4 / 3.65])
    assert index.scores("cat")[2] == pytest.approx(0.5666, abs=5e-5)
    assert index.top("cat", 5) == [(2, pytest.approx(0.5666, abs=5e-5)), (0, pytest.approx(0.47, abs=5e-5))]


@given(documents=texts, query=queries, data=st.data())
@settings(deadline=None)
def test_the_order_of_documents_changes_no_score(documents: list[str], query: str, data: st.DataObject) -> None:
    """Scores move with their documents and stay what they were."""
    order = data.draw(st.permutations(range(len(documents))))
    shuffled = BM25([documents[place] for place in order]).scores(query)

    assert shuffled.tolist() == BM25(documents).scores(query)[list(order)].tolist()


@given(documents=texts, query=queries)
@settings(deadline=None)
def test_a_word_that_stands_nowhere_changes_nothing(documents: list[str], query: str) -> None:
    """An unrelated word in the query adds no score to anybody."""
    index = BM25(documents)
    assert index.scores(f"zebra {query} zebra").tolist() == index.scores(query).tolist()


@given(documents=texts, query=queries)
@settings(deadline=None)
def test_scores_are_sums_over_the_words_of_the_query(documents: list[str], query: str) -> None:
    """Each word adds its own part, repeats too; nothing is negative; no shared word, no score."""
    index = BM25(documents)
    scores = index.scores(query)
    parts = [index.scores(word) for word in query.split()]

    assert scores.shape == (len(documents),)
    assert (scores >= 0).all()
    assert scores.tolist() == pytest.approx(np.sum(parts, axis=0).tolist() if parts else [0.0] * len(documents))
    for document, score in zip(documents, scores, strict=True):
        if not set(document.split()) & set(query.split()):
            assert score == 0.0


@given(documents=texts, query=queries, k=st.integers(1, 9))
@settings(deadline=None)
def test_top_is_the_best_of_the_scores(documents: list[str], query: str, k: int) -> None:
    """Best first, ties by place, only documents that share a word, and the first k of a longer list."""
    index = BM25(documents)
    found = index.top(query, k)
    scores = index.scores(query)
    everybody = sorted((place for place in range(len(documents)) if scores[place] > 0), key=lambda p: (-scores[p], p))

    assert [place for place, _ in found] == everybody[:k]
    assert [score for _, score in found] == [scores[place] for place in everybody[:k]]


@given(documents=texts)
@settings(deadline=None)
def test_a_rarer_word_weighs_more(documents: list[str]) -> None:
    """Of two words that stand once each in equally long documents, the one in fewer documents scores higher."""
    index = BM25([*documents, "common rare", "common x"])
    assert index.scores("rare")[len(documents)] > index.scores("common")[len(documents)]


def test_a_shorter_document_wins_at_equal_counts() -> None:
    """A word says more about a short text than about a long one."""
    scores = BM25(["refund", "refund of a parcel that never came"]).scores("refund")
    assert scores[0] > scores[1]


def test_chinese_documents_are_found_by_their_pairs() -> None:
    """The document about returning goods, not the one that shares a single character."""
    index = BM25(["我的发票在哪里", "我想退货", "货到付款吗"])
    assert index.top("怎么退货")[0][0] == 1


@pytest.mark.parametrize("documents", [[], [""], ["…", "!"]])
def test_nothing_to_index_finds_nothing(documents: list[str]) -> None:
    """No documents, or none with a word."""
    index = BM25(documents)
    assert index.scores("anything").tolist() == [0.0] * len(documents)
    assert index.top("anything") == []
