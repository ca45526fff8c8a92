"""Pictures of a race: how far everybody was asked, and how far the leader could still be below the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from touchstone.language import _, ngettext
from touchstone.reporting import charts, numbers, race, words
from touchstone.reporting.base import RaceInfo, RaceLane, RaceStep, ReportData
from touchstone.reporting.figures import Chart, Row
from touchstone.reporting.scales import Scale, cost_scale, linear_scale

_DECIDED = frozenset({"proven", "quick", "full"})
"""Finishes after which nothing more was to be asked of the leader; a fixed number of calls only ran out."""
_HEIGHT, _TOP, _BOTTOM = 210, 26.0, 176.0
_MOST_DRAWN, _MOST_LISTED = 240, 24


@dataclass(frozen=True)
class Lane:
    """A candidate in the race, with the rank that tables give it and the rank of who settled it."""

    row: Row
    lane: RaceLane
    settler: int | None
    ending: str
    """How it ended, in a few words."""


def lanes(data: ReportData, rows: Sequence[Row]) -> tuple[Lane, ...]:
    """Who was in the race, the leader first, then who was asked longest."""
    by_name = {row.candidate.name: row for row in rows}
    found = []
    for lane in data.comparison.race.lanes:
        settler = by_name.get(lane.against or "")
        if lane.candidate in by_name:
            number = settler.number if settler else None
            found.append(Lane(by_name[lane.candidate], lane, number, _ending(lane, number)))
    return tuple(sorted(found, key=lambda one: (one.lane.state != "leader", -one.lane.cases, one.row.number)))


def ended(lane: RaceLane) -> str:
    """How a candidate left the race, in a word or two."""
    left_out = lane.state == "settled" and lane.against is None
    return _("left out") if left_out else words.lane_name(lane.state)


def _ending(lane: RaceLane, settler: int | None) -> str:
    if lane.state == "settled" and settler is not None and lane.round is not None:
        return _("settled by no. {number}, round {round}").format(
            number=numbers.count(settler), round=numbers.count(lane.round)
        )
    if lane.round is not None and lane.state in {"settled", "infeasible"}:
        return _("{what}, round {round}").format(what=ended(lane), round=numbers.count(lane.round))
    return ended(lane)


def lane_chart(data: ReportData, shown: Sequence[Lane]) -> Chart:
    """One bar per candidate over the cases: asked, where it was settled, and what was not needed."""
    info = data.comparison.race
    scale = case_scale(max((max(one.lane.planned, one.lane.cases) for one in shown), default=0))
    strips = {one.row.candidate.name: lane_strip(scale, one.lane, info) for one in shown}
    return Chart(charts.axis(scale, lambda v: numbers.count(round(v))), strips, _legend(shown, info))


def _legend(shown: Sequence[Lane], info: RaceInfo) -> tuple[tuple[Markup, str], ...]:
    found = [(charts.key("leading"), _("asked, the leader"))] if any(o.lane.state == "leader" for o in shown) else []
    found.append((charts.key("asked"), _("asked")))
    if any(one.lane.settled_at is not None for one in shown):
        mark = '<line class="settled" x1="7" x2="7" y1="0" y2="14"/><circle class="settled" cx="7" cy="3" r="3"/>'
        found.append((charts.drawn(mark, "swatch"), _("left here") if race.is_halving(info) else _("settled here")))
    rests = {_rest(one.lane, info) for one in shown if one.lane.cases < one.lane.planned}
    found += [(charts.key(kind), name) for kind, name in _rests() if kind in rests]
    return tuple(found)


def _rests() -> tuple[tuple[str, str], ...]:
    return ("spared", _("not needed")), ("unasked", _("not asked"))


def _rest(lane: RaceLane, info: RaceInfo) -> str:
    settled = lane.state == "infeasible" or (lane.state == "settled" and lane.against is not None)
    return "spared" if settled or (lane.state == "leader" and info.finish in _DECIDED) else "unasked"


def case_scale(cases: int) -> Scale:
    """An axis from 0 to `cases`, at least 1, with ticks at whole numbers."""
    scale = linear_scale([0.0, float(max(cases, 1))], zero=True, ceiling=float(max(cases, 1)))
    return Scale(scale.low, scale.high, tuple(tick for tick in scale.ticks if abs(tick - round(tick)) < 1e-9))


def lane_strip(scale: Scale, lane: RaceLane, info: RaceInfo) -> Markup:
    """How far one candidate was asked; its numbers stand beside it as text."""
    asked, planned = scale.position(lane.cases), scale.position(max(lane.planned, lane.cases))
    inside = _block("leading" if lane.state == "leader" else "asked", 0.0, asked)
    inside += _block(_rest(lane, info), asked, planned)
    if lane.settled_at is not None:
        x = f"{scale.position(lane.settled_at):.2f}%"
        inside += (
            f'<line class="settled" x1="{x}" x2="{x}" y1="1" y2="27"/><circle class="settled" cx="{x}" cy="3" r="3"/>'
        )
    return charts.drawn(inside, "strip stack")


def _block(kind: str, start: float, end: float) -> str:
    if end - start <= 0:
        return ""
    return f'<rect class="kind {kind}" x="{start:.3f}%" y="6" width="{end - start:.3f}%" height="16"/>'


def known_steps(info: RaceInfo) -> tuple[RaceStep, ...]:
    """Rounds after which a certificate was known, thinned evenly where they are many."""
    return thinned([step for step in info.steps if numbers.known(step.certificate)], _MOST_DRAWN)


def listed_steps(info: RaceInfo) -> tuple[RaceStep, ...]:
    """Rounds for a table, thinned evenly where they are many; the first and the last are always there."""
    return thinned(info.steps, _MOST_LISTED)


def thinned(steps: Sequence[RaceStep], most: int) -> tuple[RaceStep, ...]:
    """At most `most` (at least 2) of the steps, evenly spaced, the first and the last among them."""
    if len(steps) <= most:
        return tuple(steps)
    return tuple(steps[round(place * (len(steps) - 1) / (most - 1))] for place in range(most))


def certificate_chart(info: RaceInfo, tolerance: float | None = None) -> Markup | None:
    """The certificate against the calls made, with a line to reach; None before there are two rounds to draw."""
    steps = known_steps(info)
    if len(steps) < 2 or steps[-1].calls <= 0:
        return None
    bounds = [step.certificate or 0.0 for step in steps]
    calls = case_scale(steps[-1].calls)
    points = cost_scale([*bounds, *([tolerance] if tolerance else [])])
    inside = "".join(_level(value, points) for value in points.ticks)
    inside += "".join(_upright(value, calls) for value in _spaced(calls))
    if tolerance:
        y = _y(tolerance, points)
        inside += f'<line class="reference" x1="0%" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>'
    if info.quick_at_calls is not None:
        x = _x(info.quick_at_calls, calls)
        inside += f'<line class="quick" x1="{x:.2f}%" x2="{x:.2f}%" y1="{_TOP:.1f}" y2="{_BOTTOM:.1f}"/>'
    inside += _staircase(
        [(_x(step.calls, calls), _y(bound, points)) for step, bound in zip(steps, bounds, strict=True)]
    )
    label = ngettext(
        "After {first} calls the leader was at most {from_points} points below the best, after {last} at most "
        "{to_points}; {n} round.",
        "After {first} calls the leader was at most {from_points} points below the best, after {last} at most "
        "{to_points}; {n} rounds.",
        len(info.steps),
    ).format(
        first=numbers.count(steps[0].calls),
        from_points=numbers.at_most(bounds[0]),
        last=numbers.count(steps[-1].calls),
        to_points=numbers.at_most(bounds[-1]),
        n=numbers.count(len(info.steps)),
    )
    return Markup(  # noqa: S704 - built here from numbers and escaped text
        f'<svg class="certificate" role="img" height="{_HEIGHT}" aria-label="{escape(label)}">{inside}</svg>'
    )


def _staircase(places: Sequence[tuple[float, float]]) -> str:
    """From each place on, its height holds until the next place."""
    inside = ""
    for (x, y), (after, below) in pairwise(places):
        inside += f'<line class="front" x1="{x:.2f}%" x2="{after:.2f}%" y1="{y:.1f}" y2="{y:.1f}"/>'
        inside += f'<line class="front" x1="{after:.2f}%" x2="{after:.2f}%" y1="{y:.1f}" y2="{below:.1f}"/>'
    x, y = places[-1]
    return inside + f'<circle class="dot" cx="{x:.2f}%" cy="{y:.1f}" r="6"/>'


def _x(calls: float, scale: Scale) -> float:
    return 9 + 0.88 * scale.position(calls)


def _y(bound: float, scale: Scale) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * scale.position(bound) / 100


def _level(value: float, scale: Scale) -> str:
    y = _y(value, scale)
    return (
        f'<line class="grid" x1="0%" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="axis" x="0%" y="{y - 4:.1f}">{escape(f"{round(100 * value, 6):g}")}</text>'
    )


def _upright(value: float, scale: Scale) -> str:
    place, calls = _x(value, scale), numbers.count(round(value))
    # The last label would be cut at the edge of a phone.
    anchor = "end" if place > 92 else "middle"
    return (
        f'<line class="grid" x1="{place:.2f}%" x2="{place:.2f}%" y1="{_BOTTOM:.1f}" y2="{_BOTTOM + 6:.1f}"/>'
        f'<text class="axis" x="{place + (2 if anchor == "end" else 0):.2f}%" y="{_BOTTOM + 24:.1f}" '
        f'text-anchor="{anchor}">{calls}</text>'
    )


def _spaced(scale: Scale) -> list[float]:
    kept: list[float] = []
    for value in scale.ticks:
        if not kept or _x(value, scale) - _x(kept[-1], scale) >= 14:
            kept.append(value)
    return kept


__all__ = [
    "Lane",
    "case_scale",
    "certificate_chart",
    "ended",
    "known_steps",
    "lane_chart",
    "lane_strip",
    "lanes",
    "listed_steps",
    "thinned",
]
