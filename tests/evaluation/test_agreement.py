"""Kappa: what judges and people agree on beyond chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.evaluation.agreement import cohen_kappa


@given(verdicts=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=60))
def test_kappa_is_symmetric_and_inside_its_interval(verdicts: list[tuple[str, str]]) -> None:
    """-1 <= low <= kappa <= high <= 1, the same for both orders; full agreement is 1 with a lower end below."""
    one, other = (list(side) for side in zip(*verdicts, strict=True))
    found = cohen_kappa(one, other)
    assert found == cohen_kappa(other, one)
    if found is None:
        assert len(set(one) | set(other)) == 1
        return
    assert -1 <= found.low <= found.mean + 1e-12
    assert found.mean - 1e-12 <= found.high <= 1 + 1e-12
    assert found.low < found.high
    if one == other:
        assert found.mean == pytest.approx(1.0)


def test_kappa_of_a_worked_example() -> None:
    """By hand: 20 + 15 agreements of 50 are 0.7, chance is 0.5 x 0.6 + 0.5 x 0.4 = 0.5, so kappa is 0.4."""
    one = ["yes"] * 25 + ["no"] * 25
    other = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = cohen_kappa(one, other)
    assert found is not None
    assert found.mean == pytest.approx(0.4)
    assert found.n == 50


def test_kappa_agrees_with_scikit_learn() -> None:
    """Where scikit-learn is at hand, the value is its own."""
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(0)
    one = generator.integers(0, 4, 200).tolist()
    other = [verdict if generator.random() < 0.6 else int(generator.integers(0, 4)) for verdict in one]
    found = cohen_kappa(one, other)
    assert found is not None
    assert found.mean == pytest.approx(metrics.cohen_kappa_score(one, other))


@pytest.mark.parametrize("n", [50, 100])
@pytest.mark.parametrize(
    "table", [[[0.45, 0.05], [0.05, 0.45]], [[0.8, 0.03], [0.05, 0.12]], [[0.6, 0.01], [0.01, 0.38]]]
)
def test_interval_covers_at_the_sizes_people_label(n: int, table: list[list[float]]) -> None:
    """With 50 or 100 labels, of 1,000 draws at least 93 % of the intervals hold the true kappa."""
    shares = np.array(table)
    chance = float((shares.sum(axis=1) * shares.sum(axis=0)).sum())
    truth = (float(np.trace(shares)) - chance) / (1 - chance)
    generator = np.random.default_rng(2)
    held = []
    for _ in range(1000):
        cells = generator.choice(4, size=n, p=shares.ravel())
        found = cohen_kappa((cells // 2).tolist(), (cells % 2).tolist())
        held.append(found is not None and found.low <= truth <= found.high)
    assert np.mean(held) >= 0.93


def test_one_single_verdict_and_wrong_lengths() -> None:
    """Where chance agreement is 1 kappa is unknown; lists of different length are refused."""
    assert cohen_kappa(["a", "a"], ["a", "a"]) is None
    assert cohen_kappa(["a", "a"], ["b", "b"]) is not None
    with pytest.raises(ValueError, match="two verdicts per cell"):
        cohen_kappa(["a"], [])
