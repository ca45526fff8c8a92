"""Nouns of published rankings: a place, a board of like with like, and its points against price and date."""

from __future__ import annotations

from typing import Literal

from touchstone.catalog.claims import Benchmark, Claim, Scenario
from touchstone.catalog.model import PartialDate
from touchstone.noun import Noun

Feature = Literal["date", "harness_version", "mode", "questions", "source"]
"""What rows of one board may differ in although they share the condition."""


class Place(Noun):
    """One row of a ranking."""

    claim: Claim
    rank: int
    """By the value alone, 1 is first; equal values share a rank."""
    best_rank: int | None = None
    worst_rank: int | None = None
    """Ranks that the error leaves possible, all rows of the board together at 95 %; None where this row's error is
    unknown, and then `rank` claims nothing but the order of the published values."""
    low: float | None = None
    high: float | None = None
    """Ends of the value's own 95 % interval."""
    error: Literal["published", "wilson", "unknown"]
    """Where the interval is from: the source, or Wilson's from the value and the number of questions."""


class Apart(Noun):
    """A result that shares the condition and still stands in no ranking."""

    claim: Claim
    reason: Literal["partial", "few", "superseded"]
    """Measured on a part of the questions; on fewer than 30; or again later, as the same model, snapshot and mode."""


class Difference(Noun):
    """In what rows of one board differ although they share the condition."""

    of: Feature
    values: tuple[str, ...] = ()
    """Of dates, versions and numbers of questions the first and the last, of others all, in order."""
    unknown: int = 0
    """Rows that do not say."""


class Board(Noun):
    """One ranking: results on one benchmark that share subset, setting, harness and measurer."""

    benchmark: str
    """Id of the benchmark."""
    subset: str | None = None
    setting: str | None = None
    harness: str | None = None
    measured_by: str
    ours: bool = False
    """Whether the user's own team measured it."""
    places: tuple[Place, ...]
    """Best first."""
    apart: tuple[Apart, ...] = ()
    differences: tuple[Difference, ...] = ()
    """Empty when every row was measured on the same day, with the same version, on as many questions."""
    method: str | None = None
    """How the rank intervals were made; None where no row has one."""


class Leaderboard(Noun):
    """All rankings of one benchmark, side by side: values of two boards are not comparable."""

    benchmark: Benchmark
    boards: tuple[Board, ...]
    """
    Of those with a result that is not two years older than the benchmark's newest the longest first, ours before those
    of equal length; then the rest likewise.
    """


class ScenarioBoards(Noun):
    """The leaderboards that speak for one scenario. There is no total: their scales are unlike."""

    scenario: Scenario
    leaderboards: tuple[Leaderboard, ...]
    """In the scenario's order, those without a result too."""


class PricePoint(Noun):
    """A result and what it costs."""

    claim: Claim
    usd: float
    on_front: bool
    """Whether no other point of the board is at least as good and at least as cheap, and better in one of both."""


class TradeOff(Noun):
    """Score against price on one board."""

    usd_is: Literal["price", "measurement"]
    """Prices that were passed in, or what the measurement itself cost."""
    points: tuple[PricePoint, ...]
    """Cheapest first."""
    unpriced: tuple[Claim, ...]
    """Rows whose price nobody knows; they are on no axis and dominate nobody."""


class DatePoint(Noun):
    """A result and the day its model came out."""

    claim: Claim
    released: PartialDate
    """Partial dates stand at their first possible day."""
    best_so_far: bool
    """Whether it beats every model that came out earlier and none of the same day beats it."""


class OverTime(Noun):
    """Score against release date on one board."""

    points: tuple[DatePoint, ...]
    """Earliest first."""
    undated: tuple[Claim, ...]
    """Rows whose model's release date is unknown."""
