from __future__ import annotations

from array import array
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.data.digests import DigestCounts, different, digest64, repeated

DIGESTS = st.lists(st.one_of(st.integers(0, 5), st.integers(0, 2**64 - 1), st.sampled_from([2**60, 2**64 - 1])))


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_borders_and_order_count(one: list[str], other: list[str]) -> None:
    """Two sequences of texts have the same digest just when they are the same."""
    assert (digest64(*one) == digest64(*other)) == (one == other)


def test_missing_is_not_empty() -> None:
    """A missing part and an empty one are told apart."""
    assert digest64(None) != digest64("")


@given(st.lists(st.one_of(st.integers(1, 6), st.integers(1, 2**64 - 1)), max_size=60))
def test_counts_are_those_of_a_dict(digests: list[int]) -> None:
    """The compact table counts exactly as a dict does."""
    table, plain = DigestCounts(), Counter[int]()
    for digest in digests:
        plain[digest] += 1
        assert table.count(digest) == plain[digest]
    assert len(table) == len(plain)


def test_counts_survive_growing() -> None:
    """Nothing is lost when the table grows, even where all digests want the same slot."""
    table = DigestCounts()
    digests = [n << 32 | 7 for n in range(1200)]
    assert {table.count(digest) for digest in digests} == {1}
    assert {table.count(digest) for digest in digests} == {2}


@settings(max_examples=200)
@given(DIGESTS)
def test_repeated_digests_are_found_with_their_places(digests: list[int]) -> None:
    """Every digest that occurs twice is found with all its places in order; zero is nothing."""
    found = {digests[places[0]]: places.tolist() for places in repeated(array("Q", digests))}
    places = {digest: [n for n, other in enumerate(digests) if other == digest] for digest in set(digests) - {0}}
    assert found == {digest: where for digest, where in places.items() if len(where) > 1}
    assert different(array("Q", digests)) == len(places)
