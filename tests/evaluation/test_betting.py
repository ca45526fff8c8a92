"""Accounts that bet against statements about a mean."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.evaluation.betting import (
    BAR_REACH,
    BAR_STAKES,
    LEAST_STAKE,
    MOST_STAKE,
    PRIOR_GAIN,
    PRIOR_SPREAD,
    PRIOR_UNITS,
    RACE_REACH,
    STAKES,
    Accounts,
)

graded = st.floats(-1, 1).map(lambda value: round(value, 3))
values = st.lists(st.sampled_from([-1.0, 0.0, 1.0]) | graded, min_size=1, max_size=40)


def by_the_formula(
    seen: Sequence[float], total: int | None, c: float, *, reach: float = RACE_REACH, shared: bool = True
) -> list[float]:
    """The account after each value, written down as in the definition; infinite from a refutation by arithmetic on."""
    money = dict.fromkeys(STAKES, 1.0)
    path, known, refuted = [], 0.0, False
    for t, value in enumerate(seen, start=1):
        r = math.inf if total is None else total - t + 1
        m = c if total is None else (total * c - known) / r
        m0 = -known / r
        room = max(1 / reach, 1 + m0) if shared else 1 / reach
        if c > 0 or not shared:
            room = max(room, 1 + m)
        scale = 0.0 if shared and m0 >= 1 else 1 / room
        for s in STAKES:
            money[s] *= 1 + s * scale * (value - m)
        known += value
        if total is not None:
            refuted = refuted or known - (total - t) > total * c + 1e-9 * total
        path.append(math.inf if refuted else sum(money.values()) / len(STAKES))
    return path


def fed(seen: Sequence[float], means: Sequence[float], total: int | None, **options: object) -> Accounts:
    accounts = Accounts(means, total, **options)  # type: ignore[arg-type]
    accounts.feed(np.array(seen))
    return accounts


@given(seen=values, unseen=st.integers(0, 30), c=st.floats(-0.5, 0.5), finite=st.booleans(), shared=st.booleans())
def test_an_account_is_what_the_formula_says(
    seen: list[float], unseen: int, c: float, finite: bool, shared: bool
) -> None:
    """After any values the running maximum and the first crossing of a level are those of the written-down formula."""
    total = len(seen) + unseen if finite else None
    accounts = fed(seen, [c], total, levels=[1.5], shared=shared)
    path = by_the_formula(seen, total, c, shared=shared)
    assert accounts.best[0] == pytest.approx(max(1.0, *path), rel=1e-9)
    crossed = next((t for t, account in enumerate(path, start=1) if account >= 1.5), 0)
    assert accounts.crossed[0, 0] == crossed or path[crossed - 1] == pytest.approx(1.5)


@given(seen=values, unseen=st.integers(0, 30), data=st.data(), aim=st.none() | st.just(0.02))
def test_how_values_are_cut_into_blocks_leaves_no_trace(
    seen: list[float], unseen: int, data: st.DataObject, aim: float | None
) -> None:
    """The same bits result from one block and from any other cut."""
    means, total = [-0.1, -0.02, 0.0], len(seen) + unseen
    cuts = sorted(data.draw(st.lists(st.integers(0, len(seen)), max_size=4)))
    whole, pieces = fed(seen, means, total, levels=[2.0], aim=aim), Accounts(means, total, levels=[2.0], aim=aim)
    for start, stop in itertools.pairwise([0, *cuts, len(seen)]):
        pieces.feed(np.array(seen[start:stop]))
    for name in ("best", "now", "crossed", "sum", "units"):
        assert np.array_equal(getattr(whole, name), getattr(pieces, name))


def test_a_long_block_is_the_same_as_many_short_ones() -> None:
    """Blocks longer than what is held at once are cut, and nothing else changes."""
    seen = np.random.default_rng(1).choice([-1.0, 0.0, 1.0], 30_000)
    whole, pieces = fed(seen, [-0.01, 0.0], 60_000), Accounts([-0.01, 0.0], 60_000)
    for block in np.array_split(seen, 77):
        pieces.feed(block)
    assert np.array_equal(whole.best, pieces.best)
    assert np.array_equal(whole.now, pieces.now)


@pytest.mark.parametrize("aim", [None, 0.1])
@pytest.mark.parametrize(
    "population", [(1, 0, -1, 0, 0, 0), (1, 1, -1, -1, -1, 0), (0.3, -0.2, 0.5, -1, 0.4, 0), (-1, -1, 1, 1, 1, -1)]
)
def test_no_bet_gains_under_a_true_statement(population: tuple[float, ...], aim: float | None) -> None:
    """Over all orders of a finite set the account against its own mean, or more, is on average at most what it was."""
    orders = list(itertools.permutations(population))
    mean = min(sum(population) / len(population), 0.0)
    for count in range(1, len(population)):
        money = [fed(order[:count], [mean], len(population), aim=aim).now[0] for order in orders]
        assert sum(money) / len(orders) <= 1 + 1e-9
        if mean == sum(population) / len(population):
            assert sum(money) / len(orders) == pytest.approx(1)


@pytest.mark.parametrize("aim", [None, 0.05])
def test_a_true_statement_is_rarely_refuted_at_any_time(aim: float | None) -> None:
    """Over all orders of a finite set the share whose account ever reaches K is at most 1 / K."""
    population = (1, 1, -1, -1, -1, 0, 0)
    orders = set(itertools.permutations(population))
    mean = sum(population) / len(population)
    best = np.array([fed(order, [mean], len(population), aim=aim).best[0] for order in orders])
    assert np.isfinite(best).all()
    for level in (1.2, 1.5, 2.0, 3.0):
        assert (best >= level).mean() <= 1 / level
    assert (best >= 1.2).any()


def test_for_future_units_the_finite_set_does_not_count() -> None:
    """Without a total the same bet is made again and again: 1 + s for a gain at c = 0."""
    assert fed([1, 1, 1], [0.0], None).best[0] == pytest.approx(sum((1 + s) ** 3 for s in STAKES) / len(STAKES))


@given(seen=values, unseen=st.integers(0, 20), aim=st.none() | st.just(0.03))
def test_a_larger_mean_is_never_refuted_before_a_smaller_one(seen: list[float], unseen: int, aim: float | None) -> None:
    """Accounts fall as c grows, at every moment, so that all tolerances hold at once."""
    means = [-0.6, -0.2, -0.05, 0.0] + ([0.05, 0.2, 0.6] if aim is None else [])
    accounts = Accounts(means, len(seen) + unseen, levels=[1.3], aim=aim)
    for value in seen:
        accounts.feed(np.array([value]))
        finite = np.isfinite(accounts.best)
        assert (np.diff(np.where(finite, accounts.best, 1e300)) <= 1e-9 * accounts.best.clip(max=1e300)[1:]).all()


@given(seen=values, unseen=st.integers(0, 20), c=st.floats(-1, 1), shared=st.booleans(), aim=st.none() | st.just(0.05))
def test_money_stays_positive(seen: list[float], unseen: int, c: float, shared: bool, aim: float | None) -> None:
    """Whatever is seen, also what the statement does not allow, no factor takes more than the stake."""
    adapted = aim is not None and c <= 0
    reach = RACE_REACH if shared or adapted else BAR_REACH
    accounts = Accounts([c], len(seen) + unseen, shared=shared or adapted, reach=reach, aim=aim if adapted else None)
    before = 1.0
    for value in seen:
        accounts.feed(np.array([value]))
        assert accounts.now[0] >= before * (1 - max(*STAKES, MOST_STAKE)) * (1 - 1e-9)
        assert accounts.now[0] > 0
        before = float(accounts.now[0])


def test_what_can_no_longer_be_is_refuted_by_arithmetic() -> None:
    """Seven of ten gains: even three losses leave the mean at 0.4, so "at most 0.3" is refuted for good, 0.4 is not."""
    accounts = fed([1.0] * 7, [0.0, 0.3, 0.4, 0.5], 10)
    assert np.isinf(accounts.best[:2]).all()
    assert np.isfinite(accounts.best[2:]).all()
    accounts.feed(np.array([-1.0]))
    assert np.isinf(accounts.best[:2]).all()


def test_rounding_alone_refutes_nothing() -> None:
    """Ten tenths add up to a little less or more than 1; a mean of exactly 0.1 stays possible."""
    assert sum([0.1] * 10) != 1
    assert np.isfinite(fed([0.1] * 10, [0.1], 10).best[0])
    assert np.isfinite(fed([0.1 + 1e-12] * 10, [0.1], 10).best[0])
    assert np.isinf(fed([0.1 + 1e-6] * 10, [0.1], 10).best[0])


def test_all_known_decides_exactly() -> None:
    """At the end "at most c" is refuted by more than c, where that is enough by c; or as soon as it is sure."""
    for seen, weak, refuted in (([1, -1], False, False), ([1, -1], True, True), ([1, 0], False, True)):
        assert np.isinf(fed(seen, [0.0], 2, weak=weak).best[0]) == refuted
    assert np.isfinite(fed([1, -1], [0.0], 4, weak=True).best[0])
    assert np.isinf(fed([1, 1], [0.0], 4, weak=True).best[0])
    assert np.isfinite(fed([1, 1], [0.0], 4).best[0])
    assert np.isfinite(fed([0, -1], [0.0], 2, weak=True).best[0])


def test_nothing_is_staked_on_what_cannot_be_won() -> None:
    """After three losses of five, two gains are not enough for a mean above 0: the money is left as it is."""
    accounts = fed([-1.0, -1.0, -1.0], [0.0, -0.05], 5)
    before = accounts.now.copy()
    accounts.feed(np.array([1.0]))
    assert np.array_equal(before, accounts.now)


def test_the_scale_has_a_limit() -> None:
    """Eight gains of ten leave almost no room below, and a stake is not multiplied by more than three."""
    seen = [1.0] * 4 + [-1.0]
    assert fed(seen, [-0.2], 11).now[0] == pytest.approx(by_the_formula(seen, 11, -0.2)[-1])
    lost = [fed([*seen[:4], -1.0], [-0.2], 11, reach=reach).now[0] for reach in (1.0, 3.0)]
    assert lost[0] != pytest.approx(lost[1])


def test_small_shares_are_bet_on_with_larger_stakes() -> None:
    """A twentieth over a limit of a fiftieth: with the reach of a bar the account has enough, else it has not."""
    late = np.random.default_rng(0).random(100) < 1 / 20
    found = [
        fed(2.0 * late - 1, [2 * 0.02 - 1], 5000, reach=reach, shared=False, stakes=BAR_STAKES).best[0]
        for reach in (BAR_REACH, RACE_REACH)
    ]
    assert found[0] > 1000 > 100 > found[1]


def test_an_adapted_stake_follows_what_was_seen() -> None:
    """It is (gain - m) / spread at c = -aim, from the prior and the values before, within its limits."""
    rng = np.random.default_rng(3)
    seen, total, aim = rng.choice([-1.0, 0.0, 1.0], 60, p=[0.1, 0.7, 0.2]), 300, 0.01
    money, known, squares = 1.0, 0.0, 0.0
    for t, value in enumerate(seen):
        left = total - t
        m0 = -known / left
        room = max(1 + m0, 1 / RACE_REACH)
        gain = (known + PRIOR_UNITS * PRIOR_GAIN) / (t + PRIOR_UNITS)
        spread = (squares + PRIOR_UNITS * PRIOR_SPREAD) / (t + PRIOR_UNITS)
        m = (-aim * total - known) / left
        stake = min(max((gain - m) / spread * room, LEAST_STAKE), MOST_STAKE)
        money *= 1 + stake / room * (value - m)
        known, squares = known + value, squares + value * value
    assert fed(seen, [-aim], total, aim=aim).now[0] == pytest.approx(money)


def test_an_adapted_stake_leaves_something() -> None:
    """Sixty small gains of a hundred ask for a stake far above 1; it stays below, and a loss does not take all."""
    accounts = fed([0.2] * 60, [-0.01], 100, aim=0.01)
    before = accounts.now[0]
    accounts.feed(np.array([-1.0]))
    assert accounts.now[0] >= (1 - MOST_STAKE) * before * (1 - 1e-9)


def test_money_beside_counts_and_deposits_work_from_then_on() -> None:
    """What is held elsewhere is added when levels are looked at, and never bet; deposits are bet."""
    alone, helped = Accounts([0.0], None, levels=[1.7]), Accounts([0.0], None, levels=[1.7], start=0.5)
    alone.feed(np.array([1.0, 0.0]))
    helped.feed(np.array([1.0]), beside=np.array([1.0]))
    assert helped.best[0] == pytest.approx(0.5 * (1 + sum(STAKES) / 3) + 1)
    assert (alone.crossed[0, 0], helped.crossed[0, 0]) == (0, 1)
    helped.deposit(0.25)
    before = helped.now[0]
    assert before == pytest.approx(0.5 * (1 + sum(STAKES) / 3) + 0.25)
    helped.feed(np.array([-1.0]))
    assert helped.now[0] < before


def test_an_account_may_grow_without_limit() -> None:
    """A hundred thousand gains are more than a float holds; the account is infinite, and nobody is warned."""
    accounts = fed(np.ones(100_000).tolist(), [0.0], None, levels=[1e300])
    assert np.isinf(accounts.best[0])
    assert 0 < accounts.crossed[0, 0] < 2000
    lost = fed((-np.ones(100_000)).tolist(), [0.0], None)
    assert lost.best[0] == 1
    assert lost.now[0] < 1e-300
