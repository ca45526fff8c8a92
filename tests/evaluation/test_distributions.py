"""Tails and quantiles agree with exact arithmetic and with scipy."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.evaluation.distributions import (
    binomial_cdf,
    incomplete_beta,
    normal_cdf,
    t_quantile,
    t_two_sided_p,
)


@given(trials=st.integers(1, 200), data=st.data())
def test_binomial_tails_equal_exact_fractions(trials: int, data: st.DataObject) -> None:
    """P(X <= k) at one half is the sum of binomial coefficients over 2^n."""
    successes = data.draw(st.integers(-1, trials + 1))
    exact = Fraction(sum(math.comb(trials, k) for k in range(min(successes, trials) + 1)), 2**trials)
    assert binomial_cdf(successes, trials, 0.5) == pytest.approx(float(exact), rel=1e-10)


@pytest.mark.parametrize(
    ("degrees", "published"), [(1, 12.7062), (2, 4.30265), (5, 2.57058), (10, 2.22814), (30, 2.04227), (120, 1.97993)]
)
def test_t_quantiles_equal_the_printed_table(degrees: int, published: float) -> None:
    """The 0.975 quantiles are those of the tables at the back of statistics books."""
    assert t_quantile(0.975, degrees) == pytest.approx(published, abs=6e-5)


@given(degrees=st.floats(1, 1e6), probability=st.floats(0.001, 0.999))
def test_t_quantile_inverts_the_tail(degrees: float, probability: float) -> None:
    """The two-sided p of a quantile is the share outside it, on both sides of 0."""
    outside = 2 * min(probability, 1 - probability)
    assert t_two_sided_p(t_quantile(probability, degrees), degrees) == pytest.approx(outside, rel=1e-7)


def test_tails_agree_with_scipy() -> None:
    """Where scipy is at hand, t and beta tails agree with it to eight digits, also far out."""
    stats = pytest.importorskip("scipy.stats")
    special = pytest.importorskip("scipy.special")
    for degrees in (1, 3, 19, 299, 3000, 100_000):
        for t in (0.01, 0.7, 2.0, 5.0, 12.0):
            assert t_two_sided_p(t, degrees) == pytest.approx(2 * stats.t.sf(t, degrees), rel=1e-8)
    for x, a, b in ((0.2, 0.5, 7.0), (0.9, 30.0, 2.5), (0.5, 1500.0, 1490.0)):
        assert incomplete_beta(x, a, b) == pytest.approx(special.betainc(a, b, x), rel=1e-9)
    assert normal_cdf(-9.0) == pytest.approx(stats.norm.cdf(-9.0), rel=1e-12)


def test_nonsense_is_refused() -> None:
    """Parameters outside the definition raise instead of giving a number."""
    for x, a, b in ((1.5, 1, 1), (0.5, 0, 1), (0.5, 1, -1)):
        with pytest.raises(ValueError, match="incomplete beta"):
            incomplete_beta(x, a, b)
    for probability, degrees in ((0.0, 3), (1.0, 3), (0.5, 0.5)):
        with pytest.raises(ValueError, match="no t quantile"):
            t_quantile(probability, degrees)
