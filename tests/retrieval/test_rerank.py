"""What the reranker promises: the same passages, in an order that follows the query's words."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from touchstone.retrieval.base import Found, Passage
from touchstone.retrieval.rerank import TermReranker
from touchstone.retrieval.retrievers import RerankedRetriever

TEXTS = st.lists(
    st.text(alphabet=st.sampled_from("ab 。.退货"), max_size=20).filter(lambda text: bool(text.strip())),
    min_size=1,
    max_size=6,
    unique=True,
)


def found(texts: Sequence[str], headings: tuple[str, ...] = ()) -> list[Found]:
    return [
        Found(
            passage=Passage(id=f"{place:032x}", document="d", headings=headings, text=text),
            score=1 / place,
            ranks={"first": place},
        )
        for place, text in enumerate(texts, start=1)
    ]


def order(query: str, texts: Sequence[str]) -> list[str]:
    return [one.passage.text for one in TermReranker().rerank(query, found(texts))]


@given(st.text(alphabet="ab退货 ", max_size=8), TEXTS)
def test_the_same_passages_with_their_ranks(query: str, texts: list[str]) -> None:
    """Nothing is lost, added or changed but scores; they fall, and asking again gives the same."""
    before = found(texts)
    after = TermReranker().rerank(query, before)
    assert sorted(one.passage.id for one in after) == sorted(one.passage.id for one in before)
    assert {one.passage.id: one.ranks for one in after} == {one.passage.id: one.ranks for one in before}
    assert [one.score for one in after] == sorted((one.score for one in after), reverse=True)
    assert TermReranker().rerank(query, before) == after


@given(TEXTS)
def test_a_query_of_unknown_words_keeps_the_order(texts: list[str]) -> None:
    """Where no sign says anything the first ranking stands."""
    assert order("zzz", texts) == texts
    assert TermReranker().rerank("zzz", []) == ()


def test_more_of_the_query_wins() -> None:
    """A passage with both words stands before one with the same word twice."""
    assert order("fjord price", ["A fjord, a fjord.", "The price of Fjord is $88.", "Nothing."])[0].startswith("The")


def test_closer_words_win() -> None:
    """Of two passages with the same words, the one in which they stand together."""
    far = "Fjord is wool. It is warm. It is soft. It is blue. We know its price."
    near = "We know its Fjord price. It is warm. It is soft. It is blue. It is wool."
    assert order("fjord price", [far, near]) == [near, far]


def test_headings_count() -> None:
    """What stands in the heading is part of what a passage says."""
    plain = found(["It costs $88."])[0]
    headed = found(["It costs $44."], ("The Fjord blanket",))[0].model_copy(update={"score": 0.9})
    after = TermReranker().rerank("Fjord blanket costs", [plain, headed])
    assert after[0].passage.text == "It costs $44."


def test_chinese() -> None:
    """Characters and pairs are words: what asks for 退货 finds it."""
    assert order("退货期限", ["我们送货到九个国家。", "退货期限是三十天。"])[0] == "退货期限是三十天。"


class First:
    """A retriever with one ranking, and how many it was asked for."""

    name = "first"

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.asked: list[int] = []

    def find(self, query: str, k: int) -> tuple[Found, ...]:
        self.asked.append(k)
        return tuple(found(self.texts)[:k])


def test_a_reranked_retriever_looks_deeper_than_it_answers() -> None:
    """It asks for 20, or for as many as are wanted, and gives the best of its order."""
    first = First(["Nothing.", "Nothing at all.", "The price of Fjord."])
    retriever = RerankedRetriever(first, TermReranker())
    assert [one.passage.text for one in retriever.find("fjord price", 1)] == ["The price of Fjord."]
    retriever.find("fjord price", 30)
    assert first.asked == [20, 30]
    assert retriever.name == "first+terms"
