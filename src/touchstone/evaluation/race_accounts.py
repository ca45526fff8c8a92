"""The accounts of one race, kept for every pair and every constraint that has been looked at."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from touchstone.evaluation.betting import BAR_REACH, BAR_STAKES, ROUNDING, Accounts
from touchstone.evaluation.race_board import Board

TOLERANCES = (*(x / 1000 for x in range(30)), *(x / 200 for x in range(6, 20)), *(x / 20 for x in range(2, 20)))
"""Where certificates are looked for: tenths of a point up to 3 points, then coarser; a certificate rounds up."""


class Duels:
    """
    Accounts against one statement, "the mean difference is at most c", for ordered pairs of candidates.

    Fed when asked, and no further than needed, from the board alone.
    """

    def __init__(self, board: Board, mean: float, thresholds: Sequence[float], *, weak: bool) -> None:
        """
        Args:
            board: Where the answers are.
            mean: c, a mean over cases.
            thresholds: The K of each finishing line.
            weak: Whether exactly c is enough where arithmetic decides.
        """
        self._board = board
        self._mean = board.scaled(mean)
        self._thresholds = tuple(thresholds)
        self._weak = weak
        self._accounts: dict[tuple[int, int], Accounts] = {}

    def won_at(self, one: int, other: int, level: int, line: int) -> int | None:
        """The edge where the account of `one - other` had crossed a line, if not after `level`, which both reached."""
        units = self._board.edges[level]
        accounts = self._accounts.get((one, other))
        if accounts is None:
            aim = -self._mean if self._mean <= 0 else None
            accounts = Accounts((self._mean,), self._board.units, levels=self._thresholds, weak=self._weak, aim=aim)
            self._accounts[one, other] = accounts
        crossed = int(accounts.crossed[0, line])
        if not crossed and accounts.units < units:
            accounts.feed(self._board.differences(one, other, accounts.units, units))
            crossed = int(accounts.crossed[0, line])
        return bisect_left(self._board.edges, crossed) if 0 < crossed <= units else None


class BarAccounts:
    """One account for each candidate and constraint, against "the candidate meets it"."""

    def __init__(self, board: Board, level: float) -> None:
        self._board = board
        self._level = level
        self._accounts: dict[tuple[int, int], Accounts] = {}

    def missed_at(self, candidate: int, bar: int, level: int) -> int | None:
        """
        The edge at which it was shown that the candidate misses the bar, if that is not after `level`.

        The account bets on the share (or cost) alone, with stakes 1 / (1 + m) up to ten times as large: in terms of
        the variable x in [0, 1] and its allowed mean, a factor is 1 - s + s x / allowed. No other statement shares its
        stakes, none is needed: each candidate has one bar, and m is known before the unit is.
        """
        units = self._board.edges[level]
        accounts = self._accounts.get((candidate, bar))
        if accounts is None:
            mean = self._board.bar_mean(bar)
            levels = (self._level,)
            accounts = Accounts(
                (mean,), self._board.units, levels=levels, reach=BAR_REACH, shared=False, stakes=BAR_STAKES
            )
            self._accounts[candidate, bar] = accounts
        crossed = int(accounts.crossed[0, 0])
        if not crossed and accounts.units < units:
            accounts.feed(self._board.unmet(candidate, bar, accounts.units, units))
            crossed = int(accounts.crossed[0, 0])
        return bisect_left(self._board.edges, crossed) if 0 < crossed <= units else None


class Evidence:
    """What can be said of one candidate beside another: certificates and ties."""

    def __init__(self, board: Board, tolerances: Sequence[float], aim: float) -> None:
        """
        Args:
            board: Where the answers are.
            tolerances: Ascending from 0.
            aim: The tolerance duels are about: with the same stakes, who won its duel has this certificate.
        """
        self._board = board
        self._tolerances = tuple(tolerances)
        self._aim = board.scaled(aim)
        self._here: dict[tuple[int, int], Accounts] = {}
        self._future: dict[tuple[int, int], Accounts] = {}

    def certificate(self, one: int, other: int, level: int, threshold: float) -> float | None:
        """Smallest tolerance x on the grid such that "one - other is at most -x" is refuted at `threshold`."""
        here = self._accounts(one, other, level)[0]
        reached = (here.best >= threshold).nonzero()[0]
        return self._tolerances[int(reached[0])] if len(reached) else None

    def tied_here(self, one: int, other: int, level: int, threshold: float) -> bool:
        """Whether it is not shown that `one` is better on these cases."""
        here = self._accounts(one, other, level)[0]
        if here.units == self._board.units:
            return here.sum <= ROUNDING * here.units
        return bool(here.best[0] < threshold)

    def tied_in_future(self, one: int, other: int, level: int, threshold: float) -> bool:
        """Whether it is not shown that `one` is better on cases like these."""
        return bool(self._accounts(one, other, level)[1].best[0] < threshold)

    def _accounts(self, one: int, other: int, level: int) -> tuple[Accounts, Accounts]:
        pair = one, other
        if pair not in self._here:
            means = [-self._board.scaled(tolerance) for tolerance in self._tolerances]
            self._here[pair] = Accounts(means, self._board.units, weak=True, aim=self._aim)
            self._future[pair] = Accounts((0.0,), None)
        here, future = self._here[pair], self._future[pair]
        units = self._board.edges[level]
        if here.units < units:
            new = self._board.differences(one, other, here.units, units)
            here.feed(new)
            future.feed(new)
        return here, future
