"""A ranking as a picture: each published value as a dot on its interval, best first."""

from __future__ import annotations

from collections import Counter

from markupsafe import Markup

from touchstone.catalog.claims import Benchmark
from touchstone.evaluation.leaderboard_nouns import Board, Place
from touchstone.language import _, ngettext
from touchstone.reporting import numbers
from touchstone.reporting.card_results import interval, score
from touchstone.reporting.charts import axis, interval_strip
from touchstone.reporting.pages import Picture
from touchstone.reporting.scales import linear_scale
from touchstone.reporting.text import name

MOST_ROWS = 30
"""So many rows are drawn; the table has all of them."""
_FEWEST = 2


def ranking_picture(benchmark: Benchmark, board: Board) -> Picture | None:
    """The best rows of a ranking with their intervals; None where there is nothing to set side by side."""
    places = board.places[:MOST_ROWS]
    if len(places) < _FEWEST:
        return None
    ends = [end for place in places for end in (place.low, place.high, place.claim.value)]
    scale = linear_scale(ends)
    several = Counter(place.claim.model for place in places)
    rows = Markup("").join(
        Markup(
            '<li><div class="name"><span class="rank">{}</span> {}</div><div class="picture">{}</div>'
            '<div class="value"><b>{}</b> {}</div></li>'
        ).format(
            _rank(place),
            name(_called(place, with_how=several[place.claim.model] > 1)),
            interval_strip(scale, place.claim.value, place.low, place.high, marked=place.claim.ours),
            score(place.claim.value),
            interval((place.low, place.high)) if place.low is not None and place.high is not None else "",
        )
        for place in places
    )
    ticks = Markup('<li class="axis-row" aria-hidden="true"><div class="name"></div><div class="picture">{}</div>'
                   '<div class="value"></div></li>').format(axis(scale, score))  # fmt: skip
    title = _("Ranking")
    drawn = Markup('<ol class="rows" aria-label="{}">{}{}</ol>').format(title, rows, ticks)
    return Picture(title, _caption(benchmark, board), drawn)


def _rank(place: Place) -> str:
    if place.best_rank is None or place.worst_rank is None:
        return f"({place.rank})"
    return numbers.places((place.best_rank, place.worst_rank))


def _called(place: Place, *, with_how: bool) -> str:
    claim = place.claim
    how = _(", ").join(part for part in (claim.snapshot, claim.mode) if part)
    return f"{claim.model}, {how}" if with_how and how else claim.model


def _caption(benchmark: Benchmark, board: Board) -> str:
    said = [
        _("Further right is better.") if benchmark.higher_is_better else _("Further left is better."),
        _("A line is the 95 % interval where the error is known; rows whose lines meet may stand in another order."),
    ]
    left = len(board.places) - MOST_ROWS
    if left > 0:
        said.append(
            ngettext(
                "The best {n} are drawn; {left} more is in the table.",
                "The best {n} are drawn; {left} more are in the table.",
                left,
            ).format(n=MOST_ROWS, left=left)
        )
    return " ".join(said)
