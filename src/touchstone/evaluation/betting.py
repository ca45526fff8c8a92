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

STAKES = (0.08, 0.25, 0.6)
"""Played side by side; an account is the average of the three."""

RACE_REACH = 3.0
"""Largest multiple of a stake when differences of two candidates are bet on."""

BAR_REACH = 10.0
"""The same for one candidate against a level: a share of 0.05 leaves twenty times less room than a share of 1."""

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

    *No bet gains under the statement.* Scale is known before the unit, and the expected value given the past is the
    average of the unseen, at most m.

    *Money stays positive.* value >= -1 and scale x (1 + m) <= 1, so each factor is at least 1 - s. (Where m < -1 not
    even values of -1 keep the statement: it is refuted by arithmetic and its account counts as infinite.)

    *All c at once.* For c <= 0, m <= m0, so all stakes are the same; for c > 0 a factor with scale 1 / (1 + m) is
    1 - s + s x (1 + value) / (1 + m). Either way a factor falls as c grows, so the account of a larger c is never
    above that of a smaller one, and when c holds, all false refutations are in the event that the account of the true
    mean reached K.

    `shared=False` leaves m0 out of the scale, for a set of statements which are not compared with each other.

    Args:
        means: The c.
        total: Units of the finite set; None for all future ones.
        levels: K's whose first crossing is remembered.
        reach: Caps the scale.
        shared: Whether the scale looks at m0.
        weak: Whether "at least c" is enough when all units are known; else "more than c".
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
    ) -> None:
        self._means = np.asarray(means, dtype=np.float64)
        self._total = total
        self._levels = tuple(levels)
        self._least_room = 1 / reach
        self._shared = shared
        self._weak = weak
        self._stakes = np.array(STAKES)
        self._money = np.ones((len(self._means), len(STAKES)))
        self._sum = 0.0
        self.units = 0
        """How many units have been seen."""
        self.best = np.ones(len(self._means))
        """Largest value each account ever had; infinite once arithmetic refutes its statement."""
        self.crossed = np.zeros((len(self._means), len(self._levels)), dtype=np.int64)
        """After how many units each account first reached each level; 0 is not yet."""

    @property
    def sum(self) -> float:
        """Sum of the values seen."""
        return self._sum

    def feed(self, values: Floats) -> None:
        """
        Bet on the next units; the same accounts result however the values are cut into blocks, to the last bit.

        Args:
            values: Shape (units,), each in [-1, 1], in the order of the units.
        """
        size = max(1, CHUNK // max(1, self._money.size))
        for start in range(0, len(values), size):
            self._feed(values[start : start + size])

    def _feed(self, values: Floats) -> None:
        count = len(values)
        # Adding and multiplying one after the other, with what was there in front, makes blocks leave no trace.
        sums = np.add.accumulate(np.concatenate(([self._sum], values)))
        allowed, scale = self._terms(sums[:-1])
        gains = scale * (values[:, None] - allowed)
        factors = 1 + gains[:, :, None] * self._stakes
        factors[0] *= self._money
        with np.errstate(over="ignore", under="ignore"):
            money = np.multiply.accumulate(factors, axis=0)
            accounts = np.add.reduce(money, axis=2) / len(self._stakes)
        if self._total is not None:
            accounts[self._impossible(sums[1:])] = np.inf
        for at, level in enumerate(self._levels):
            reached = accounts >= level
            new = reached.any(axis=0) & (self.crossed[:, at] == 0)
            self.crossed[new, at] = self.units + 1 + reached.argmax(axis=0)[new]
        self.best = np.maximum(self.best, accounts.max(axis=0))
        self._money = money[-1]
        self._sum = float(sums[-1])
        self.units += count

    def _terms(self, before: Floats) -> tuple[Floats, Floats]:
        """What each statement allows the unseen, (units, means), and the scale of the stakes, which broadcasts to it."""
        if self._total is None:
            allowed = np.broadcast_to(self._means, (len(before), len(self._means)))
            zero = np.zeros((len(before), 1))
        else:
            left = (self._total - self.units - np.arange(len(before), dtype=np.float64))[:, None]
            zero = -before[:, None] / left
            allowed = self._total * self._means / left + zero
        room = np.full_like(zero, self._least_room)
        if self._shared:
            room = np.maximum(room, 1 + zero)
        if not self._shared or (self._means > 0).any():
            room = np.maximum(room, 1 + allowed)
        scale = 1 / room
        return allowed, np.where(zero >= 1, 0.0, scale) if self._shared else scale

    def _impossible(self, after: Floats) -> npt.NDArray[np.bool_]:
        """Where even the least the unseen values can add leaves the mean above c, shape (units, means)."""
        total = float(self._total or 0)
        left = total - self.units - 1 - np.arange(len(after))
        least = (after - left)[:, None]
        tolerance = ROUNDING * total
        refuted: npt.NDArray[np.bool_] = least > total * self._means + tolerance
        if self._weak and left[-1] == 0:
            refuted[-1] |= least[-1] >= total * self._means - tolerance
        return refuted
