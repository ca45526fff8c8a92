"""
Accounts that bet against statements about a mean, one unit at a time (Ville's inequality).

An account starts with 1 and is multiplied, unit by unit, by 1 + stake x (what was seen - what the statement still
allows). The stake is fixed before the unit is seen. If the statement is true, no bet gains on average and the account
never goes below zero, so the chance that it *ever* reaches K is at most 1 / K, whenever and however often one looks
(Ville 1939; for means without replacement: Waudby-Smith and Ramdas 2020, "Confidence sequences for sampling without
replacement", NeurIPS 33).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STAKES = (0.15, 0.35, 0.7)
"""Played side by side; an account is the average of the three."""

BAR_STAKES = (0.04, 0.12, 0.4)
"""Against a level: the best stake is (share - level) / (1 - level), and shares that matter are near the level."""

RACE_REACH = 3.0
"""Largest multiple of a stake when differences of two candidates are bet on."""

BAR_REACH = 10.0
"""The same for one candidate against a level: a share of 0.05 leaves twenty times less room than a share of 1."""

PRIOR_UNITS, PRIOR_GAIN, PRIOR_SPREAD = 50.0, 0.08, 0.2
"""What an adapted stake expects of a difference before there is experience, and how much experience that is worth."""

LEAST_STAKE, MOST_STAKE = 0.02, 0.9

ROUNDING = 1e-9
"""Sums of up to 100,000 differences are exact to much less; what is closer to an edge has not crossed it."""

CHUNK = 1 << 16
"""Numbers held at once while feeding, so that a long block does not need memory of its own size."""


class Accounts:
    """
    Accounts against "the mean is at most c", one for each c, all fed with the same values in [-1, 1].

    With `total`, the mean is that of a finite set of so many units in random order. Before unit t, with S the sum of
    the t - 1 values seen and r = total - t + 1, the statement allows the unseen values an average of at most
    m = (total x c - S) / r, and with m0 = -S / r

        money[s] *= 1 + s x scale x (value - m),    scale = 1 / max(1 + m0, 1 + m, 1 / reach),    0 when m0 >= 1.

    Without it the mean is that of all units there might ever be: m = c and m0 = 0.

    *No bet gains under the statement.* Stake and scale are known before the unit, and the expected value given the
    past is the average of the unseen, at most m.

    *Money stays positive.* value >= -1 and scale x (1 + m) <= 1, so each factor is at least 1 - s. (Where m < -1 not
    even values of -1 keep the statement: it is refuted by arithmetic and its account counts as infinite.)

    *All c at once.* For c <= 0, m <= m0, so all stakes are the same; for c > 0 a factor with scale 1 / (1 + m) is
    1 - s + s x (1 + value) / (1 + m). Either way a factor falls as c grows, so the account of a larger c is never
    above that of a smaller one, and when c holds, all false refutations are in the event that the account of the true
    mean reached K.

    The stakes are given, or with `aim` a single one that follows what was seen: before each unit
    s x scale = (gain - m) / spread at c = -aim, where gain and spread are the mean value and the mean square so far,
    drawn towards the prior; it maximises the expected logarithm to second order (Waudby-Smith and Ramdas 2024, JRSS-B
    86, "approximate GRAPA"). It is the same for all c, as the argument above needs.

    Args:
        means: The c; at most 0 when there is an aim.
        total: Units of the finite set; None for all future ones.
        levels: K's whose first crossing is remembered.
        reach: Caps the scale.
        shared: Whether the scale looks at m0; False only for a single c, which is compared with no other.
        weak: Whether a mean of exactly c refutes the statement where arithmetic decides.
        stakes: Played side by side when there is no aim.
        start: What the account starts with.
        aim: See above; needs `total`.
    """

    def __init__(
        self,
        means: Sequence[float],
        total: int | None,
        *,
        levels: Sequence[float] = (),
        reach: float = RACE_REACH,
        shared: bool = True,
        weak: bool = False,
        stakes: Sequence[float] = STAKES,
        start: float = 1.0,
        aim: float | None = None,
    ) -> None:
        self._means = np.asarray(means, dtype=np.float64)
        self._total = total
        self._levels = tuple(levels)
        self._least_room = 1 / reach
        self._shared = shared
        self._weak = weak
        self._aim = aim
        self._stakes = np.array(stakes if aim is None else [0.0])
        self._money = np.full((len(self._means), len(self._stakes)), start / len(self._stakes))
        self._sum = self._squares = 0.0
        self.units = 0
        """How many units have been seen."""
        self.best = np.full(len(self._means), start)
        """Largest value each account ever had; infinite once arithmetic refutes its statement."""
        self.crossed = np.zeros((len(self._means), len(self._levels)), dtype=np.int64)
        """After how many units each account first reached each level; 0 is not yet."""

    @property
    def sum(self) -> float:
        """Sum of the values seen."""
        return self._sum

    @property
    def now(self) -> Floats:
        """What is in each account after the units seen, money held beside it not counted."""
        return np.asarray(self._money.sum(axis=1))

    def deposit(self, money: float) -> None:
        """Put so much more into each account, before the next unit is seen."""
        self._money += money / self._money.shape[1]

    def feed(self, values: Floats, beside: Floats | None = None) -> None:
        """
        Bet on the next units; the same accounts result however the values are cut into blocks, to the last bit.

        Args:
            values: Shape (units,), each in [-1, 1], in the order of the units.
            beside: Money held elsewhere after each of these units, which counts towards `best` and `crossed`.
        """
        size = max(1, CHUNK // self._money.size)
        for start in range(0, len(values), size):
            block = slice(start, start + size)
            self._feed(values[block], None if beside is None else beside[block])

    def _feed(self, values: Floats, beside: Floats | None) -> None:
        # Adding and multiplying one after the other, with what was there in front, makes blocks leave no trace.
        sums = np.add.accumulate(np.concatenate(([self._sum], values)))
        squares = np.add.accumulate(np.concatenate(([self._squares], values * values)))
        allowed, scale, stakes = self._terms(sums[:-1], squares[:-1])
        gains = scale * (values[:, None] - allowed)
        factors = 1 + gains[:, :, None] * stakes
        with np.errstate(over="ignore", under="ignore"):
            factors[0] *= self._money
            money = np.multiply.accumulate(factors, axis=0)
            accounts = np.add.reduce(money, axis=2)
        if beside is not None:
            accounts += beside[:, None]
        if self._total is not None:
            accounts[self._impossible(sums[1:])] = np.inf
        for at, level in enumerate(self._levels):
            reached = accounts >= level
            new = reached.any(axis=0) & (self.crossed[:, at] == 0)
            self.crossed[new, at] = self.units + 1 + reached.argmax(axis=0)[new]
        self.best = np.maximum(self.best, accounts.max(axis=0))
        self._money = money[-1]
        self._sum, self._squares = float(sums[-1]), float(squares[-1])
        self.units += len(values)

    def _terms(self, before: Floats, squares: Floats) -> tuple[Floats, Floats, Floats]:
        """What each statement allows the unseen, (units, means); scale and stakes, which broadcast to it."""
        if self._total is None:
            left = np.full((len(before), 1), np.inf)
            zero = np.zeros((len(before), 1))
            allowed = np.broadcast_to(self._means, (len(before), len(self._means)))
        else:
            left = (self._total - self.units - np.arange(len(before), dtype=np.float64))[:, None]
            zero = -before[:, None] / left
            allowed = self._total * self._means / left + zero
        room = np.full_like(zero, self._least_room)
        if self._shared:
            room = np.maximum(room, 1 + zero)
        if not self._shared or (self._means > 0).any():
            room = np.maximum(room, 1 + allowed)
        scale = np.where(zero >= 1, 0.0, 1 / room) if self._shared else 1 / room
        if self._aim is None or self._total is None:
            return allowed, scale, self._stakes
        seen = PRIOR_UNITS + self.units + np.arange(len(before), dtype=np.float64)
        gain = ((before + PRIOR_UNITS * PRIOR_GAIN) / seen)[:, None]
        spread = ((squares + PRIOR_UNITS * PRIOR_SPREAD) / seen)[:, None]
        wanted = (gain - zero + self._aim * self._total / left) * room / spread
        return allowed, scale, np.clip(wanted, LEAST_STAKE, MOST_STAKE)[:, :, None]

    def _impossible(self, after: Floats) -> npt.NDArray[np.bool_]:
        """Where the least the unseen values can add leaves the mean above c (weak: at c), shape (units, means)."""
        total = float(self._total or 0)
        left = total - self.units - 1 - np.arange(len(after))
        least = (after - left)[:, None]
        tolerance = ROUNDING * total
        if self._weak:
            return np.asarray(least >= total * self._means - tolerance)
        return np.asarray(least > total * self._means + tolerance)
