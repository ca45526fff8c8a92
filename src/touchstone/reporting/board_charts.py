"""A ranking as charts: score against price and against the day a model came out; of many rows the best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from markupsafe import Markup

from touchstone.catalog.claims import Benchmark, Claim
from touchstone.catalog.model import earliest
from touchstone.catalog.query import Hit
from touchstone.evaluation.leaderboard import over_time, trade_off
from touchstone.evaluation.leaderboard_nouns import Board
from touchstone.language import _
from touchstone.reporting import catalog_words as words
from touchstone.reporting.board_page import blended_usd
from touchstone.reporting.card_results import score
from touchstone.reporting.pages import Block, Picture
from touchstone.reporting.scales import Scale, cost_scale, linear_scale
from touchstone.reporting.scatter import Point, scatter

_FEWEST_POINTS = 4
"""Fewer are read from the table."""
_MOST_POINTS = 60
"""So many of the best are drawn; more would hide each other."""


def board_charts(benchmark: Benchmark, board: Board, models: Mapping[str, Hit], today: date) -> list[Block]:
    """Score against price and against date; numbers are the rows of the table, and of many rows the best are drawn."""
    hits = {place.claim.model: models.get(place.claim.model) for place in board.places}
    prices = {model: blended_usd(hit, today) for model, hit in hits.items()}
    released = {model: hit.released if hit else None for model, hit in hits.items()}
    priced = [(point.claim, point.usd) for point in trade_off(benchmark, board, prices).points]
    dated = [
        (point.claim, float(earliest(point.released).toordinal()))
        for point in over_time(benchmark, board, released).points
    ]
    said = _("Numbers are the rows of the table.")
    blocks: list[Block] = []
    if _worth_drawing(priced):
        points = _points(benchmark, board, priced)
        caption = _(
            "Further left is cheaper: USD per million tokens today, three in to one out, at the cheapest seller. The "
            "line is the front of published values; neighbours may be within each other's error."
        )
        drawn = _drawn(benchmark, points, cost_scale(point.cost_usd for point in points), words.usd)
        blocks.append(Picture(_("Score against price"), f"{caption} {said}", drawn(_("Score against price"))))
    if _worth_drawing(dated):
        points = _points(benchmark, board, dated)
        caption = _("By the day the model came out. The line is the best published value so far.")
        drawn = _drawn(benchmark, points, _date_scale([point.cost_usd or 0.0 for point in points]), _month)
        blocks.append(Picture(_("Score against date"), f"{caption} {said}", drawn(_("Score against date"))))
    return blocks


def _worth_drawing(found: Sequence[tuple[Claim, float]]) -> bool:
    return len(found) >= _FEWEST_POINTS and len({place for _claim, place in found}) > 1


def _drawn(
    benchmark: Benchmark, points: Sequence[Point], across: Scale, write: Callable[[float], str]
) -> Callable[[str], Markup]:
    """The picture, to be given its text alternative."""
    return lambda label: scatter(
        points,
        across,
        linear_scale([point.mean for point in points]),
        write_cost=write,
        # What is better where it is lower was turned round; the axis writes the values as they are.
        write_score=score if benchmark.higher_is_better else lambda value: score(abs(value)),
        label=label,
    )


def _month(day: float) -> str:
    return date.fromordinal(round(day)).isoformat()[:7]


def _points(benchmark: Benchmark, board: Board, found: Sequence[tuple[Claim, float]]) -> list[Point]:
    """The best, numbered by row; what is better where it is lower is turned round, so that up is always better."""
    sign = 1.0 if benchmark.higher_is_better else -1.0
    row = {place.claim: number for number, place in enumerate(board.places, 1)}
    best_first = sorted(found, key=lambda one: row[one[0]])[:_MOST_POINTS]
    several = Counter(claim.model for claim, _place in best_first)
    return [
        Point(row[claim], _name(claim, several[claim.model] > 1), place, sign * claim.value)
        for claim, place in best_first
    ]


def _name(claim: Claim, with_mode: bool) -> str:
    name = claim.model.partition("/")[2]
    how = claim.mode or claim.snapshot
    return f"{name}, {how}" if with_mode and how else name


def _date_scale(days: Sequence[float]) -> Scale:
    """A year's first day is a tick, and every third month where the span is short."""
    first, last = date.fromordinal(round(min(days))), date.fromordinal(round(max(days)))
    months = (1,) if (last - first).days > 900 else (1, 7) if (last - first).days > 400 else (1, 4, 7, 10)
    ticks = [
        date(year, month, 1).toordinal()
        for year in range(first.year, last.year + 2)
        for month in months
        if first.toordinal() - 31 <= date(year, month, 1).toordinal() <= last.toordinal() + 31
    ]
    low, high = min(first.toordinal(), *ticks), max(last.toordinal(), *ticks)
    return Scale(float(low), float(high + (high == low)), tuple(map(float, ticks)))
