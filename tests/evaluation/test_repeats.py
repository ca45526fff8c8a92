"""What asking again shows: chances by counting, variances of a known making, and no claim where there is no data."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.evaluation.repeats import RepeatStats, repeat_stats, stability

NAN = math.nan
answers = st.sampled_from([0.0, 0.25, 0.5, 1.0, NAN])


@st.composite
def tables(draw: st.DrawFn) -> list[list[float]]:
    width = draw(st.integers(1, 5))
    return draw(st.lists(st.lists(answers, min_size=width, max_size=width), min_size=1, max_size=12))


def flat(found: RepeatStats) -> list[float]:
    """All numbers of the noun, NaN for None."""
    chances = [found.pass_at_1, *found.pass_hat_k, found.unstable_share]
    numbers = [found.variance_between, found.variance_within, found.within_share, found.repeats, found.cases]
    return [end for e in chances for end in (e.mean, e.low, e.high, e.n)] + [NAN if n is None else n for n in numbers]


def stats(scores: object, **more: object) -> RepeatStats:
    found = repeat_stats(scores, **more)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_four_cases_by_hand() -> None:
    """Three answers a case, 3, 2, 1 and 0 of them right."""
    found = stats([[1, 1, 1], [1, 1, 0], [0, 1, 0], [0, 0, 0]])

    assert (found.repeats, found.cases) == (3, 4)
    assert found.pass_at_1.mean == pytest.approx(0.5)
    # Of the pairs of answers, all three, one of three, none and none are right twice.
    assert [e.mean for e in found.pass_hat_k] == pytest.approx([0.5, (1 + 1 / 3) / 4, 0.25])
    assert [e.n for e in found.pass_hat_k] == [4, 4, 4]
    assert found.unstable_share.mean == 0.5
    # Each of the two mixed cases has a sum of squares of 2/3; the means are 1, 2/3, 1/3 and 0.
    within = (4 / 3) / (12 - 4)
    assert found.variance_within == pytest.approx(within)
    assert found.variance_between == pytest.approx((3 * (5 / 9) / 3 - within) / 3)
    assert not found.between_clipped


@given(tables())
def test_chances_are_counted(table: list[list[float]]) -> None:
    """pass^k is the share of all draws of k of a case's answers that are all right, averaged over cases with k."""
    found = repeat_stats(table)
    cases = [[value >= 0.5 for value in row if not math.isnan(value)] for row in table]
    if max(map(len, cases)) < 2:
        assert found is None
        return
    assert found is not None
    assert found.repeats == max(map(len, cases))
    assert found.pass_at_1 == found.pass_hat_k[0]
    for k, chance in enumerate(found.pass_hat_k, start=1):
        shares = [np.mean([all(drawn) for drawn in combinations(case, k)]) for case in cases if len(case) >= k]
        assert chance.n == len(shares)
        assert chance.mean == pytest.approx(float(np.mean(shares)))
        assert 0 <= chance.low <= chance.mean + 1e-12
        assert chance.mean - 1e-12 <= chance.high <= 1


@given(tables(), st.randoms())
def test_order_changes_nothing(table: list[list[float]], chance: object) -> None:
    """Neither the order of the cases nor that of a case's answers changes a number."""
    turned = [row[::-1] for row in table]
    chance.shuffle(turned)  # type: ignore[attr-defined]
    one, other = repeat_stats(table), repeat_stats(turned)
    if one is None or other is None:
        assert one is other
        return
    assert flat(other) == pytest.approx(flat(one), nan_ok=True)


@given(tables())
def test_shares_are_shares(table: list[list[float]]) -> None:
    """Variances are never negative, at most 0.5 within and 0.25 between are possible, and shares lie in [0, 1]."""
    found = repeat_stats(table)
    if found is None:
        return
    assert 0 <= found.variance_within <= 0.5 + 1e-12
    assert found.variance_between is None or found.variance_between >= 0
    assert found.within_share is None or 0 <= found.within_share <= 1
    assert (found.unstable_share.mean == 0) == (found.variance_within < 1e-12)
    if found.between_clipped:
        assert found.variance_between == 0


@given(st.integers(2, 30), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_the_parts_make_the_whole(cases: int, repeats: int, seed: int) -> None:
    """With as many answers everywhere, the variance of the case means is between + within / repeats."""
    table = np.random.default_rng(seed).random((cases, repeats))
    found = stats(table)
    assert found.variance_between is not None
    whole = float(np.var(table.mean(axis=1), ddof=1))
    if not found.between_clipped:
        assert found.variance_between + found.variance_within / repeats == pytest.approx(whole)
    else:
        assert found.variance_within / repeats >= whole


def drawn(generator: np.random.Generator, cases: int, repeats: int, *, holes: float) -> np.ndarray:
    """0/1 answers of cases whose chances are Beta(3, 2), some of them missing."""
    chances = generator.beta(3, 2, cases)
    table = (generator.random((cases, repeats)) < chances[:, None]).astype(float)
    table[generator.random((cases, repeats)) < holes] = np.nan
    return table


@pytest.mark.parametrize("holes", [0.0, 0.35])
def test_known_variances_are_found(holes: float) -> None:
    """Over many runs the estimates centre on the variances of the making, also with unequal numbers of answers."""
    generator = np.random.default_rng(11)
    # Of Beta(3, 2): mean 0.6, variance 0.04, and the mean of p (1 - p) is 0.6 - (0.04 + 0.36) = 0.2.
    found = [stats(drawn(generator, 640, 4, holes=holes)) for _ in range(75)]

    assert np.mean([one.variance_between for one in found]) == pytest.approx(0.04, abs=0.004)
    assert np.mean([one.variance_within for one in found]) == pytest.approx(0.2, abs=0.003)
    assert np.mean([one.within_share for one in found]) == pytest.approx(5 / 6, abs=0.015)


def test_known_chances_are_found_and_covered() -> None:
    """pass^k centres on the mean of p^k, and 95 % intervals hold it in 91 to 99 of 100 runs."""
    generator = np.random.default_rng(12)
    # Moments of Beta(3, 2): 3/5, 3 x 4 / (5 x 6), 3 x 4 x 5 / (5 x 6 x 7).
    truths = (0.6, 0.4, 2 / 7)
    found = [stats(drawn(generator, 320, 3, holes=0.0)) for _ in range(300)]

    for truth, chances in zip(truths, zip(*(one.pass_hat_k for one in found), strict=True), strict=True):
        assert np.mean([chance.mean for chance in chances]) == pytest.approx(truth, abs=0.005)
        assert 0.91 <= np.mean([chance.low <= truth <= chance.high for chance in chances]) <= 0.99


def test_answers_to_one_case_are_no_further_cases() -> None:
    """Asking three times as often does not make the interval as narrow as three times as many cases would."""
    once = np.repeat(np.arange(100) % 10 < 7, 3).reshape(100, 3).astype(float)
    found = stats(once)

    assert found.pass_at_1.n == 100
    assert found.pass_at_1.high - found.pass_at_1.low > 0.15


def test_cases_that_belong_together_are_one_unit() -> None:
    """With groups of cases the interval is over groups."""
    table = np.repeat(np.arange(200) // 20 % 2, 2).reshape(200, 2).astype(float)
    groups = [f"customer {case // 20}" for case in range(200)]
    alone, together = stats(table), stats(table, groups=groups)

    assert together.pass_at_1.mean == alone.pass_at_1.mean
    assert together.pass_at_1.high - together.pass_at_1.low > 3 * (alone.pass_at_1.high - alone.pass_at_1.low)
    assert "10 groups" in together.pass_at_1.method


def test_a_negative_variance_is_zero_and_says_so() -> None:
    """Cases that are alike on average, while answers are not, give a negative estimate: shown as 0 and marked."""
    found = stats([[0, 1], [1, 0], [0, 1]])

    assert found.variance_between == 0
    assert found.between_clipped
    assert found.within_share == 1


def test_answers_that_never_differ() -> None:
    """All variance lies between the cases; where there is none at all, its share is unknown."""
    assert stats([[0, 0], [1, 1]]).within_share == 0
    assert stats([[1, 1], [1, 1]]).within_share is None
    assert stats([[1, 1], [1, 1]]).unstable_share.mean == 0


def test_one_case_has_no_variance_between() -> None:
    """What a single case cannot show is None, not 0."""
    found = stats([[1, 0, 1], [NAN, NAN, NAN]])

    assert found.cases == 1
    assert found.variance_between is None
    assert found.within_share is None
    assert not found.between_clipped


@pytest.mark.parametrize("table", [[[1.0], [0.0]], [[1.0, NAN], [NAN, 0.0]], [[NAN, NAN]], np.empty((0, 3))])
def test_nothing_was_repeated(table: object) -> None:
    """Where no case has two scores there is nothing to say."""
    assert repeat_stats(table) is None  # type: ignore[arg-type]


def test_a_graded_answer_is_right_from_one_half_on() -> None:
    """Chances count answers of 0.5 and more; unlike scores on the same side of it are unstable all the same."""
    found = stats([[0.5, 0.9], [0.4, 0.4]])

    assert found.pass_at_1.mean == 0.5
    assert found.unstable_share.mean == 0.5
    assert found.variance_within == pytest.approx(0.08 / 2)


@pytest.mark.parametrize("table", [[0.0, 1.0], [[1.5, 0.0]], [[-0.1, 0.0]], [[math.inf, 0.0]]])
def test_what_is_no_table_of_scores(table: object) -> None:
    """One dimension, or a score outside [0, 1], is an error of the caller."""
    with pytest.raises(ValueError, match="scores"):
        repeat_stats(table)  # type: ignore[arg-type]


def test_stability_of_each_case() -> None:
    """How many of a case's answers are right, of how many that have a score."""
    assert stability([[1, 1, 0], [NAN, 0.5, 0.2], [NAN, NAN, NAN]]) == ((2, 3), (1, 2), (0, 0))


@given(tables())
def test_stability_and_chances_agree(table: list[list[float]]) -> None:
    """The mean of right / of over the cases is pass@1."""
    found = repeat_stats(table)
    if found is None:
        return
    shares = [right / of for right, of in stability(table) if of]
    assert found.pass_at_1.mean == pytest.approx(float(np.mean(shares)))


def test_the_noun_does_not_load_numpy() -> None:
    """Whoever only reads a result does not wait for numpy."""
    code = "import sys, touchstone.reporting.base; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
