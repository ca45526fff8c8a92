"""What the shared order promises: the same for everybody, everywhere; random; and clusters stay together."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.evaluation.order import CaseOrder

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mixed(z: int) -> int:
    """SplitMix64's finaliser, with Python's own whole numbers."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def drawn(units: int, seed: int) -> list[int]:
    """The units in the order of the numbers that SplitMix64 gives them, started at the mixed seed."""
    start = mixed(seed & MASK)
    return sorted(range(units), key=lambda place: mixed((start + (place + 1) * GOLDEN) & MASK))


grouped = st.lists(st.none() | st.sampled_from(["a", "b", "c", "d"]), max_size=40)


def test_the_generator_is_splitmix64() -> None:
    """Its published outputs, so that our own description of it is no description of a mistake."""
    found = [mixed((1234567 + place * GOLDEN) & MASK) for place in range(1, 6)]

    assert found == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@pytest.mark.parametrize(
    ("cases", "seed", "wanted"),
    [
        (12, 7, [9, 11, 1, 5, 6, 0, 7, 4, 8, 3, 10, 2]),
        (12, 8, [5, 10, 7, 9, 3, 11, 6, 1, 0, 2, 8, 4]),
        (5, -1, [3, 2, 0, 1, 4]),
        (1, 0, [0]),
        (0, 0, []),
    ],
)
def test_a_seed_gives_the_same_order_for_ever(cases: int, seed: int, wanted: list[int]) -> None:
    """Written down once: a stored run goes on with this order, on every machine and with every numpy."""
    assert CaseOrder.draw(cases, seed).ordinals.tolist() == wanted


@given(cases=st.integers(0, 300), seed=st.integers(-(2**70), 2**70))
def test_every_case_has_one_place(cases: int, seed: int) -> None:
    """For every seed and size: a permutation, the one that plain whole numbers give."""
    order = CaseOrder.draw(cases, seed)

    assert sorted(order.ordinals.tolist()) == list(range(cases))
    assert order.ordinals.tolist() == drawn(cases, seed)
    assert (order.cases, order.units) == (cases, cases)
    assert order.starts.tolist() == list(range(cases + 1))


@given(groups=grouped, seed=st.integers(0, 2**64 - 1))
def test_the_cases_of_a_cluster_stay_together(groups: list[str | None], seed: int) -> None:
    """In the order of the split; a case without a cluster is a unit of its own, and every case has one place."""
    order = CaseOrder.draw(len(groups), seed, groups)
    units = [order.cases_of(unit, unit + 1).tolist() for unit in range(order.units)]

    assert sorted(itertools.chain(*units)) == list(range(len(groups)))
    for unit in units:
        assert unit == sorted(unit)
        assert len({groups[place] for place in unit}) == 1
        assert len(unit) == (1 if groups[unit[0]] is None else groups.count(groups[unit[0]]))
    assert order.sizes.tolist() == [len(unit) for unit in units]


@given(groups=grouped, seed=st.integers(0, 2**64 - 1))
def test_the_place_of_a_cluster_is_drawn_like_that_of_a_case(groups: list[str | None], seed: int) -> None:
    """The clusters, in the order in which they first come, are shuffled as so many cases would be."""
    firsts: list[Hashable] = list(
        dict.fromkeys(place if group is None else group for place, group in enumerate(groups))
    )
    order = CaseOrder.draw(len(groups), seed, groups)
    found: list[Hashable] = []
    for unit in range(order.units):
        first = int(order.cases_of(unit, unit + 1)[0])
        group = groups[first]
        found.append(first if group is None else group)

    assert found == [firsts[place] for place in drawn(len(firsts), seed)]


def test_a_group_may_be_called_like_a_case() -> None:
    """The place of a case that belongs to nobody is not taken for the name of a group."""
    order = CaseOrder.draw(4, 3, [1, None, 1, 0])

    assert order.units == 3
    assert sorted(len(order.cases_of(unit, unit + 1)) for unit in range(3)) == [1, 1, 2]


@given(
    groups=st.none() | grouped,
    cases=st.integers(0, 40),
    seed=st.integers(0, 99),
    ends=st.tuples(*[st.integers(0, 40)] * 2),
)
def test_units_of_cases_and_cases_of_units_agree(
    groups: list[str | None] | None, cases: int, seed: int, ends: tuple[int, int]
) -> None:
    """`unit_of` and `cases_of` say the same from either side, for every stretch of units."""
    order = CaseOrder.draw(cases if groups is None else len(groups), seed, groups)
    unit_of = order.unit_of()
    start, stop = sorted(min(end, order.units) for end in ends)
    wanted = {place for place in range(order.cases) if start <= unit_of[place] < stop}

    assert set(order.cases_of(start, stop).tolist()) == wanted
    assert unit_of[order.ordinals].tolist() == sorted(unit_of.tolist())


def test_every_order_is_as_likely_as_any_other() -> None:
    """24 orders of 4 cases over 24,000 seeds: chi-square with 23 degrees of freedom below its 99.99 % quantile."""
    seen = Counter(tuple(CaseOrder.draw(4, seed).ordinals.tolist()) for seed in range(24_000))
    chi_square = sum((seen[order] - 1_000) ** 2 / 1_000 for order in itertools.permutations(range(4)))

    assert chi_square < 58.6


def test_neighbouring_seeds_have_nothing_in_common() -> None:
    """Ranks of the same cases under seeds 0 to 99 hardly correlate."""
    places = np.array([np.argsort(CaseOrder.draw(500, seed).ordinals) for seed in range(100)])
    correlations = np.corrcoef(places)[np.triu_indices(100, 1)]

    assert abs(correlations.mean()) < 0.005
    assert abs(correlations).max() < 0.25


@given(groups=grouped, seed=st.integers(0, 9), data=st.data())
def test_some_cases_alone_keep_their_order_and_their_clusters(
    groups: list[str | None], seed: int, data: st.DataObject
) -> None:
    """What is left of each cluster stays together; a cluster of which nothing is left is no unit."""
    order = CaseOrder.draw(len(groups), seed, groups)
    places = data.draw(st.sets(st.integers(0, max(0, len(groups) - 1)), min_size=1)) if groups else set()
    found = order.only(np.array(sorted(places), dtype=np.int64))
    units = [[place for place in order.cases_of(unit, unit + 1) if place in places] for unit in range(order.units)]

    assert [found.cases_of(unit, unit + 1).tolist() for unit in range(found.units)] == [own for own in units if own]
