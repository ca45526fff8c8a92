"""What planning promises: a difference that is there is found as often as advertised."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import seeded

from touchstone.evaluation.paired import compare_pairs, mcnemar_p
from touchstone.evaluation.power import cases_needed, detectable_difference


def exact_power(n: int, difference: float, discordance: float, alpha: float = 0.05) -> float:
    """Probability that exact McNemar is below alpha; summed over all numbers of discordant cells."""
    better = (discordance + difference) / 2 / discordance
    found = 0.0
    for differing in range(1, n + 1):
        here = math.exp(
            math.lgamma(n + 1)
            - math.lgamma(differing + 1)
            - math.lgamma(n - differing + 1)
            + differing * math.log(discordance)
            + (n - differing) * math.log1p(-discordance)
        )
        if here < 1e-10:
            continue
        # The largest smaller count that is still significant; counts beyond it lie in the middle.
        fewest = -1
        while mcnemar_p(fewest + 1, differing - fewest - 1) < alpha:
            fewest += 1
        for count in (*range(fewest + 1), *range(differing - fewest, differing + 1)):
            found += here * math.comb(differing, count) * better**count * (1 - better) ** (differing - count)
    return found


def test_a_five_point_difference_is_found_with_the_advertised_power() -> None:
    """Shipped check, exactly: at the advertised 665 cases exact McNemar finds 5 points in 80 to 81 % of runs."""
    n = cases_needed(0.05)
    assert n == 665
    assert 0.80 <= exact_power(n, 0.05, 0.2) <= 0.81
    assert exact_power(int(n * 0.95), 0.05, 0.2) < 0.80


def test_a_five_point_difference_is_found_in_seeded_runs() -> None:
    """Shipped check, through the front door: 1,000 seeded comparisons at the advertised n, 77 to 84 % significant."""
    runs = seeded(200, 1000)
    lowest, highest = (0.77, 0.84) if runs == 1000 else (0.73, 0.88)
    generator = np.random.default_rng(0)
    n = cases_needed(0.05)
    found = 0
    for _ in range(runs):
        drawn = generator.random(n)
        a_alone, b_alone = drawn < 0.125, (drawn >= 0.125) & (drawn < 0.2)
        both = (drawn >= 0.2) & (drawn < 0.8)
        [pair] = compare_pairs(["a", "b"], np.array([a_alone | both, b_alone | both], dtype=float))
        found += pair.adjusted_p < 0.05
    assert lowest <= found / runs <= highest


@pytest.mark.parametrize(("difference", "discordance"), [(0.1, 0.2), (0.05, 0.1), (0.02, 0.1), (0.15, 0.4)])
def test_advertised_power_is_never_missed(difference: float, discordance: float) -> None:
    """Elsewhere too exact McNemar reaches 80 % at the advertised n, without needing 10 % fewer cases."""
    n = cases_needed(difference, discordance)
    assert 0.80 <= exact_power(n, difference, discordance) <= 0.84
    assert exact_power(int(n * 0.9), difference, discordance) < 0.80


def test_power_holds_at_the_level_of_many_pairs() -> None:
    """With 66 pairs planned, the test at 0.05 / 66 still finds the difference in 80 %."""
    n = cases_needed(0.1, 0.2, comparisons=66)
    assert 0.80 <= exact_power(n, 0.1, 0.2, alpha=0.05 / 66) <= 0.84


@given(n=st.integers(6, 100_000), discordance=st.floats(0.01, 1))
def test_the_two_questions_are_inverse(n: int, discordance: float) -> None:
    """The difference n cases can show needs n cases, give or take the last one."""
    shown = detectable_difference(n, discordance)
    assert shown is not None
    assert 0 < shown <= 1
    assert n - 1 <= cases_needed(shown, discordance) <= n + 1


@given(
    difference=st.floats(0.001, 1),
    factor=st.floats(1.01, 3),
    discordance=st.floats(0.01, 0.5),
)
def test_smaller_differences_and_more_discordance_need_more_cases(
    difference: float, factor: float, discordance: float
) -> None:
    """Cases needed never fall when the difference shrinks, or discordance, power or the number of pairs grow."""
    n = cases_needed(difference, discordance)
    assert cases_needed(difference / factor, discordance) >= n
    assert cases_needed(difference, min(1.0, discordance * factor)) >= n
    assert cases_needed(difference, discordance, power=0.9) >= n
    assert cases_needed(difference, discordance, comparisons=10) >= n
    assert cases_needed(-difference, discordance) == n


def test_too_few_cases_show_nothing() -> None:
    """Below 6 cases exact McNemar cannot reach 0.05 whatever happens, and planning says so."""
    assert all(mcnemar_p(n, 0) >= 0.05 for n in range(6))
    assert mcnemar_p(6, 0) < 0.05
    assert [detectable_difference(n) for n in range(1, 6)] == [None] * 5
    assert detectable_difference(6) == pytest.approx(1.0, abs=0.01)


def test_nonsense_is_refused() -> None:
    """No cases show a difference of 0, and no plan is made for impossible settings."""
    for difference in (0.0, 1.5):
        with pytest.raises(ValueError, match="cannot be planned for"):
            cases_needed(difference)
    with pytest.raises(ValueError, match="show nothing"):
        detectable_difference(0)
    for settings in ({"discordance": 0.0}, {"power": 1.0}, {"alpha": 0.0}, {"comparisons": 0}):
        with pytest.raises(ValueError, match="cannot plan with"):
            cases_needed(0.1, **settings)
