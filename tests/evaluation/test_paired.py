"""What a comparison of two candidates promises: symmetry, honesty, and the published numbers."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import examples, seeded

from touchstone.evaluation.holm import holm
from touchstone.evaluation.paired import compare_pairs, mcnemar_p, tango
from touchstone.evaluation.resampling import mean_difference_p, mean_intervals

Floats = npt.NDArray[np.float64]


@st.composite
def two_candidates(draw: st.DrawFn) -> tuple[Floats, npt.NDArray[np.bool_], list[int] | None]:
    """Scores of two candidates (2, cells), which of them are known, and sometimes groups."""
    cells = draw(st.integers(1, 40))
    score = st.sampled_from([0.0, 1.0]) if draw(st.booleans()) else st.floats(0, 1)
    scores = np.array([[draw(score) for _ in range(cells)] for _ in range(2)])
    known = np.array([[draw(st.integers(0, 5)) > 0 for _ in range(cells)] for _ in range(2)])
    known[:, 0] = True
    return scores, known, draw(st.none() | st.just([at // 3 for at in range(cells)]))


@given(drawn=two_candidates())
@examples(30)
def test_swapping_a_and_b_mirrors_everything(
    drawn: tuple[Floats, npt.NDArray[np.bool_], list[int] | None],
) -> None:
    """Of b and a the difference is minus that of a and b, its interval is the mirrored one, and p is the same."""
    scores, known, groups = drawn
    [one] = compare_pairs(["a", "b"], scores, known, groups)
    [other] = compare_pairs(["b", "a"], scores[::-1], known[::-1], groups)
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low), abs=1e-9)
    assert one.p == pytest.approx(other.p, rel=1e-9)


def test_differences_that_mirror_themselves_have_a_symmetric_interval() -> None:
    """Groups that gain as much as others lose, size by size: no side is better, and the interval says so."""
    a = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    b = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0]
    [pair] = compare_pairs(["a", "b"], np.array([a, b]), groups=[0, 0, 0, 1, 2, 2, 2, 3, 4])
    assert pair.difference == 0
    assert pair.low == -pair.high < 0


@given(drawn=two_candidates())
@examples(30)
def test_pair_is_taken_on_the_cells_both_have(
    drawn: tuple[Floats, npt.NDArray[np.bool_], list[int] | None],
) -> None:
    """Difference and n are those of the common cells; -1 <= low <= difference <= high <= 1; 0 < p <= 1."""
    scores, known, groups = drawn
    [pair] = compare_pairs(["a", "b"], scores, known, groups)
    both = known[0] & known[1]
    assert pair.n == both.sum()
    assert pair.difference == pytest.approx(float((scores[0] - scores[1])[both].mean()), abs=1e-12)
    assert -1 <= pair.low <= pair.difference + 1e-12
    assert pair.difference - 1e-12 <= pair.high <= 1
    assert 0 < pair.p <= 1


@given(drawn=two_candidates(), data=st.data())
@examples(25)
def test_order_of_cells_does_not_matter(
    drawn: tuple[Floats, npt.NDArray[np.bool_], list[int] | None], data: st.DataObject
) -> None:
    """The same cells in another order give the same pair."""
    scores, known, groups = drawn
    order = np.array(data.draw(st.permutations(range(scores.shape[1]))))
    [one] = compare_pairs(["a", "b"], scores, known, groups)
    moved = None if groups is None else [groups[at] for at in order]
    [other] = compare_pairs(["a", "b"], scores[:, order], known[:, order], moved)
    assert (one.low, one.high, one.p) == pytest.approx((other.low, other.high, other.p), abs=1e-9)


@given(p=st.lists(st.floats(0, 1), max_size=30))
def test_holm_is_never_below_p_and_keeps_the_order(p: list[float]) -> None:
    """Adjusted p is at least p, at most 1, monotone in p, and p itself for a single test."""
    adjusted = holm(p)
    assert all(raw <= value <= 1 for raw, value in zip(p, adjusted, strict=True))
    ordered = [value for _, value in sorted(zip(p, adjusted, strict=True))]
    assert ordered == sorted(ordered)
    if len(p) == 1:
        assert adjusted == p


def test_holm_of_a_worked_example() -> None:
    """Four p values by hand: 4 x 0.005, 3 x 0.01, then 2 x 0.03, and 0.04 lifted to it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_published_pair_of_airway_data() -> None:
    """Fagerland, Lydersen and Laake (2013; 2014): 1 against 7 of 21: exact p 0.0703, Tango -0.517 to -0.026."""
    assert mcnemar_p(1, 7) == pytest.approx(0.0703125)
    low, high = tango(1, 7, 21)
    assert (float(low), float(high)) == pytest.approx((-0.517, -0.026), abs=5e-4)


@given(only_a=st.integers(0, 60), only_b=st.integers(0, 60))
def test_mcnemar_equals_the_exact_fraction(only_a: int, only_b: int) -> None:
    """Exact McNemar is the binomial sum over the discordant cells, to ten digits."""
    differing = only_a + only_b
    tail = sum(math.comb(differing, k) for k in range(min(only_a, only_b) + 1))
    assert mcnemar_p(only_a, only_b) == pytest.approx(min(1.0, 2 * tail / 2**differing), rel=1e-10)


def test_tango_holds_exactly_the_differences_its_test_does_not_refute() -> None:
    """At both ends the score statistic, with the nuisance maximised by brute force, equals z."""
    z = 1.959963984540054
    for gain, loss, n in ((9, 3, 40), (1, 7, 21), (30, 2, 50), (0, 4, 30)):
        for end in (float(found) for found in tango(gain, loss, n)):
            if abs(end) > 0.999:
                continue
            grid = np.linspace(max(0.0, -end) + 1e-9, min(1.0, (1 - end) / 2) - 1e-9, 400_001)
            likelihood = gain * np.log(grid + end) + loss * np.log(grid) + (n - gain - loss) * np.log1p(-2 * grid - end)
            nuisance = grid[np.argmax(likelihood)]
            statistic = abs(gain - loss - n * end) / math.sqrt(n * (2 * nuisance + end * (1 - end)))
            assert statistic == pytest.approx(z, abs=2e-3)


def test_interval_agrees_with_mcnemar() -> None:
    """Wherever exact McNemar is below 0.05, the interval leaves out 0."""
    for n in (10, 25, 60, 120):
        tables = [(a, b) for a in range(n + 1) for b in range(min(a, n - a) + 1) if mcnemar_p(a, b) < 0.05]
        only_a, only_b = np.array(tables).T
        assert (tango(only_a, only_b, n)[0] > 0).all()


@pytest.mark.parametrize("n", [20, 50, 300])
@pytest.mark.parametrize(("only_a", "only_b"), [(0.1, 0.1), (0.2, 0.1), (0.3, 0.05)])
def test_paired_01_intervals_cover_93_to_97_percent(n: int, only_a: float, only_b: float) -> None:
    """Exact coverage of Tango's interval, summed over all tables, is at least 93 %, and 97 % at most from n = 50."""
    gains, losses = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    possible = gains + losses <= n
    gain, loss = gains[possible], losses[possible]
    logs = np.array([math.lgamma(k + 1) for k in range(n + 1)])
    chance = np.exp(
        logs[n]
        - logs[gain]
        - logs[loss]
        - logs[n - gain - loss]
        + gain * math.log(only_a)
        + loss * math.log(only_b)
        + (n - gain - loss) * math.log(1 - only_a - only_b)
    )
    likely = chance > 1e-9
    low, high = tango(gain[likely], loss[likely], n)
    held = float(chance[likely][(low <= only_a - only_b) & (only_a - only_b <= high)].sum())
    assert held >= 0.93
    assert n < 50 or held <= 0.97


@pytest.mark.parametrize("n", [20, 50, 299])
def test_paired_graded_intervals_cover_93_to_97_percent(n: int) -> None:
    """Of 2,000 pairs with a true difference of 0.1, 93 to 97 % of the intervals hold it."""
    generator = np.random.default_rng(5)
    hardness = 0.6 * generator.random((n, 2000))
    better, worse = hardness + 0.1 + 0.3 * generator.random((n, 2000)), hardness + 0.3 * generator.random((n, 2000))
    found = mean_intervals(
        better - worse, np.ones_like(better), floor=-1, ceiling=1, confidence=0.95, seed=0, grouped=False
    )
    assert 0.93 <= np.mean([low <= 0.1 <= high for _, low, high, _ in found]) <= 0.97


def test_identical_01_candidates_seldom_differ() -> None:
    """Shipped check: of 1,000 seeded runs of two equally good candidates at most 5 % come out significant."""
    generator, runs = np.random.default_rng(0), seeded(200, 1000)
    scores = (generator.random((runs, 2, 200)) < 0.8).astype(float)
    wrong = sum(compare_pairs(["a", "b"], run)[0].adjusted_p < 0.05 for run in scores)
    assert wrong <= 0.05 * runs


def test_identical_graded_candidates_seldom_differ() -> None:
    """
    Shipped check: of 1,000 seeded runs of two equally good graded candidates at most 5 % come out significant.

    The test's level is 5 % exactly, so a run of seeds may land on either side; 8,000 further ones are held to the
    level within three standard errors.
    """
    generator = np.random.default_rng(0)

    def significant(runs: int, cells: int) -> int:
        hardness = generator.random((cells, runs))
        differences = (hardness * generator.random((2, cells, runs))).round(2)
        p = mean_difference_p(differences[0] - differences[1], np.ones((cells, runs)), 9999, 0)
        return int((p < 0.05).sum())

    assert significant(1000, 100) <= 50
    further = seeded(2000, 8000)
    assert significant(further, 40) <= further * 0.05 + 3 * math.sqrt(further * 0.05 * 0.95)


def test_identical_grouped_candidates_seldom_differ() -> None:
    """Cells that repeat within a group do not count as new evidence; McNemar, told nothing, errs in over 15 %."""
    generator, runs = np.random.default_rng(1), seeded(100, 300)
    groups = [at // 8 for at in range(240)]
    wrong = naive = 0
    for _ in range(runs):
        scores = np.repeat((generator.random((2, 30)) < 0.7).astype(float), 8, axis=1)
        wrong += compare_pairs(["a", "b"], scores, groups=groups)[0].p < 0.05
        naive += compare_pairs(["a", "b"], scores)[0].p < 0.05
    assert wrong <= 0.05 * runs + 3 * math.sqrt(runs * 0.05 * 0.95)
    assert naive > 0.15 * runs


@given(
    differences=st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=40).filter(
        lambda found: sum(map(abs, found)) <= 14
    )
)
def test_sign_flips_of_01_differences_are_mcnemar(differences: list[float]) -> None:
    """One test, two names: flipping signs of -1, 0 and 1 gives the exact McNemar p."""
    column = np.array(differences)[:, None]
    [found] = mean_difference_p(column, np.ones_like(column), 9999, 0)
    assert found == pytest.approx(mcnemar_p(differences.count(1.0), differences.count(-1.0)))


def test_drawn_flips_agree_with_the_exact_count_and_with_scipy() -> None:
    """Random sign patterns and the t test land within Monte-Carlo error of what scipy finds."""
    stats = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(3)
    for n, tolerance in ((60, 0.015), (400, 1e-9)):
        differences = generator.normal(0.03, 0.15, n).clip(-1, 1)
        [found] = mean_difference_p(differences[:, None], np.ones((n, 1)), 9999, 0)
        assert found == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=tolerance)


def test_few_differing_cells_never_look_significant() -> None:
    """Five cells that differ, all one way, among 2,000 graded ones: p is 2 / 2^5, as McNemar would say."""
    scores = np.full((2, 2000), 0.5)
    scores[0, :5] = 0.9
    [pair] = compare_pairs(["a", "b"], scores)
    assert pair.p == pytest.approx(2 / 32)


def test_identical_scores_have_no_difference_and_still_a_width() -> None:
    """Equal to the last cell: difference 0, p 1, and an interval that admits a difference nobody has seen yet."""
    for value, n in ((1.0, 50), (0.5, 50), (0.5, 500)):
        [pair] = compare_pairs(["a", "b"], np.full((2, n), value))
        assert (pair.difference, pair.p) == (0.0, 1.0)
        assert pair.low == pytest.approx(-pair.high)
        assert 0 < pair.high < 0.08


def test_one_case_or_one_group_decides_nothing() -> None:
    """With a single unit the interval is everything and p is 1."""
    [single] = compare_pairs(["a", "b"], np.array([[0.9], [0.1]]))
    assert (single.low, single.high, single.p) == (-1.0, 1.0, 1.0)
    [group] = compare_pairs(["a", "b"], np.array([[1.0, 1.0], [0.0, 0.0]]), groups=["x", "x"])
    assert (group.low, group.high, group.p) == (-1.0, 1.0, 1.0)
    assert group.method == "one group only: no interval"


def test_a_pair_without_common_cells_is_left_out() -> None:
    """Nothing shared is no difference at all; the other pairs are still there."""
    known = np.array([[True, True, False, False], [False, False, True, True], [True, True, True, True]])
    found = compare_pairs(["a", "b", "c"], np.ones((3, 4)), known)
    assert [(pair.a, pair.b, pair.n) for pair in found] == [("a", "c", 2), ("b", "c", 2)]
    assert compare_pairs(["a"], np.ones((1, 4))) == ()


def test_discordance_is_measured_for_01_scores_only() -> None:
    """The share of cells where two 0/1 candidates differ, which planning uses; None for graded scores."""
    scores = np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0]])
    assert compare_pairs(["a", "b"], scores)[0].discordance == 0.5
    assert compare_pairs(["a", "b"], scores * 0.5)[0].discordance is None


def test_p_does_not_depend_on_which_other_pairs_are_tested() -> None:
    """A third candidate changes the adjusted p values and nothing else."""
    scores = np.random.default_rng(4).random((3, 80))
    [alone] = compare_pairs(["a", "b"], scores[:2])
    among = compare_pairs(["a", "b", "c"], scores)[0]
    assert alone.p == among.p
    assert (alone.low, alone.high) == pytest.approx((among.low, among.high), abs=1e-12)


def test_wrong_shapes_and_nan_are_refused() -> None:
    """A score that is not there must be marked, not passed as NaN."""
    with pytest.raises(ValueError, match="wanted"):
        compare_pairs(["a"], np.ones((2, 3)))
    with pytest.raises(ValueError, match="known has shape"):
        compare_pairs(["a", "b"], np.ones((2, 3)), np.ones((2, 4), dtype=bool))
    nan = np.array([[1.0, np.nan], [1.0, 0.0]])
    with pytest.raises(ValueError, match="NaN or outside"):
        compare_pairs(["a", "b"], nan)
    assert compare_pairs(["a", "b"], nan, ~np.isnan(nan))[0].n == 1


def test_many_pairs_take_moments() -> None:
    """12 candidates, 3,000 cells in 1,000 groups: 66 pairs by bootstrap in under 10 CPU seconds."""
    import time

    scores = (np.random.default_rng(0).random((12, 3000)) < 0.7).astype(float)
    started = time.process_time()
    assert len(compare_pairs([str(at) for at in range(12)], scores, groups=[at // 3 for at in range(3000)])) == 66
    assert time.process_time() - started < 10
