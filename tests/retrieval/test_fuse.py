"""What fusing rankings promises: the published formula, and nothing but ranks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.retrieval.base import Found, Passage
from touchstone.retrieval.fuse import HybridRetriever, fused

PASSAGES = {name: Passage(id=name, document=name, text=name) for name in "abcdef"}
RANKING = st.permutations("abcdef").flatmap(lambda order: st.integers(0, 6).map(lambda n: order[:n]))


class Fixed:
    """A retriever that always finds the same."""

    def __init__(self, name: str, order: str) -> None:
        self.name = name
        self.order = order

    def find(self, query: str, k: int) -> tuple[Found, ...]:
        return tuple(
            Found(passage=PASSAGES[one], score=-rank, ranks={self.name: rank})
            for rank, one in enumerate(self.order[:k], start=1)
        )


def ranked(found: tuple[Found, ...]) -> str:
    return "".join(one.passage.id for one in found)


def test_worked_by_hand() -> None:
    """
    One says a, b; the other b, c: a 1/61, b 1/62 + 1/61, c 1/62.
    """
    found = fused({"one": [PASSAGES["a"], PASSAGES["b"]], "two": [PASSAGES["b"], PASSAGES["c"]]})
    assert ranked(found) == "bac"
    assert [one.score for one in found] == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62])
    assert found[0].ranks == {"one": 2, "two": 1}


def test_weights() -> None:
    """A ranking that counts less gives way."""
    rankings = {"one": [PASSAGES["a"], PASSAGES["b"]], "two": [PASSAGES["b"], PASSAGES["a"]]}
    assert ranked(fused(rankings, weights={"one": 0.5})) == "ba"
    assert ranked(fused(rankings, weights={"two": 0.5})) == "ab"


@given(RANKING, RANKING)
def test_the_order_of_retrievers_changes_nothing(first: list[str], second: list[str]) -> None:
    """The same ranking comes of one and two as of two and one, and holds each passage of either once."""
    one, two = ([PASSAGES[name] for name in names] for names in (first, second))
    found = fused({"one": one, "two": two})
    assert ranked(found) == ranked(fused({"two": two, "one": one}))
    assert sorted(ranked(found)) == sorted({*first, *second})


@given(RANKING)
def test_agreement_is_kept(order: list[str]) -> None:
    """Where all say the same, so does the fused ranking."""
    passages = [PASSAGES[name] for name in order]
    assert ranked(fused({"one": passages, "two": passages})) == "".join(order)


def test_the_hybrid_looks_deeper_than_it_answers() -> None:
    """A passage that both have second beats what only one has first, also when one passage is wanted."""
    hybrid = HybridRetriever((Fixed("one", "abc"), Fixed("two", "dbc")))
    assert ranked(hybrid.find("x", 1)) == "b"
    assert ranked(hybrid.find("x", 9)) == "bcad"
