"""Quality against cost: one dot per candidate, numbered by rank, and the front of what nothing cheaper beats."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from touchstone.reporting.numbers import known
from touchstone.reporting.scales import Scale
from touchstone.reporting.text import cut, visible

HEIGHT = 420
_TOP, _BOTTOM = 24.0, 384.0
_NOMINAL_WIDTH = 720.0
"""Width, in pixels, for which labels are placed so that they do not overlap; narrower pages show numbers only."""


@dataclass(frozen=True)
class Point:
    """A candidate's place. `number` is its rank; a point with unknown coordinates is left out of the picture."""

    number: int
    name: str
    cost_usd: float | None
    mean: float | None
    low: float | None = None
    high: float | None = None
    chosen: bool = False


def placed(point: Point) -> bool:
    """Whether both coordinates are known."""
    return known(point.cost_usd) and known(point.mean)


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no other point beats in quality at the same or a lower cost, cheapest first."""
    best: list[Point] = []
    drawn = (p for p in points if placed(p))
    for point in sorted(drawn, key=lambda p: (p.cost_usd or 0.0, -(p.mean or 0.0), p.number)):
        if not best or (point.mean or 0.0) > (best[-1].mean or 0.0):
            best.append(point)
    return best


def scatter(
    points: Sequence[Point],
    costs: Scale,
    scores: Scale,
    *,
    write_cost: Callable[[float], str],
    write_score: Callable[[float], str],
    label: str,
) -> Markup:
    """
    The picture; `label` is its text alternative.

    Axis labels of the scores stand on their grid lines inside the picture, so nothing has to be reserved at its side.
    """
    drawn = [p for p in points if placed(p)]
    frontier = front(drawn)
    inside = "".join(_score_line(value, scores, write_score) for value in scores.ticks)
    inside += "".join(_cost_tick(value, position, write_cost) for value, position in _spaced(costs))
    inside += _steps(frontier, costs, scores)
    for point in drawn:
        if known(point.low) and known(point.high) and point.high > scores.low:
            x, low, high = _x(point, costs), _y(point.low, scores), _y(point.high, scores)
            inside += f'<line class="whisker" x1="{x:.2f}%" x2="{x:.2f}%" y1="{low:.1f}" y2="{high:.1f}"/>'
    numbers = {point.number for point in frontier}
    taken = _along(frontier, costs, scores)
    taken += [_box(_x(p, costs) / 100 * _NOMINAL_WIDTH - 7, _y(p.mean or 0.0, scores) - 7, 14, 14) for p in drawn]
    for point in sorted(drawn, key=lambda p: (not p.chosen, p.number not in numbers, p.number)):
        inside += _dot(point, costs, scores, on_front=point.number in numbers, taken=taken)
    return Markup(  # noqa: S704 - built here from numbers and escaped text
        f'<svg class="scatter" role="img" height="{HEIGHT}" aria-label="{escape(label)}">{inside}</svg>'
    )


def _x(point: Point, costs: Scale) -> float:
    return 9 + 0.86 * costs.position(point.cost_usd or 0.0)


def _y(value: float, scores: Scale) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * scores.position(value) / 100


def _score_line(value: float, scores: Scale, write: Callable[[float], str]) -> str:
    y = _y(value, scores)
    return (
        f'<line class="grid" x1="0%" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="axis" x="0%" y="{y - 5:.1f}">{escape(write(value))}</text>'
    )


def _spaced(costs: Scale) -> list[tuple[float, float]]:
    kept: list[tuple[float, float]] = []
    for value in costs.ticks:
        position = 9 + 0.86 * costs.position(value)
        if not kept or position - kept[-1][1] >= 12:
            kept.append((value, position))
    return kept


def _cost_tick(value: float, position: float, write: Callable[[float], str]) -> str:
    x = f"{position:.2f}%"
    return (
        f'<line class="grid" x1="{x}" x2="{x}" y1="{_BOTTOM:.1f}" y2="{_BOTTOM + 6:.1f}"/>'
        f'<text class="axis" x="{x}" y="{_BOTTOM + 24:.1f}" text-anchor="middle">{escape(write(value))}</text>'
    )


def _steps(frontier: Sequence[Point], costs: Scale, scores: Scale) -> str:
    """A staircase: from each point on, its score is the best that its money buys."""
    lines = ""
    for index, point in enumerate(frontier):
        x, y = _x(point, costs), _y(point.mean or 0.0, scores)
        following = frontier[index + 1] if index + 1 < len(frontier) else None
        end = _x(following, costs) if following else 100.0
        lines += f'<line class="front" x1="{x:.2f}%" x2="{end:.2f}%" y1="{y:.1f}" y2="{y:.1f}"/>'
        if following:
            top = _y(following.mean or 0.0, scores)
            lines += f'<line class="front" x1="{end:.2f}%" x2="{end:.2f}%" y1="{y:.1f}" y2="{top:.1f}"/>'
    return lines


def _along(frontier: Sequence[Point], costs: Scale, scores: Scale) -> list[tuple[float, float, float, float]]:
    """Boxes along the staircase, which no label may cross."""
    boxes = []
    for index, point in enumerate(frontier):
        x, y = _x(point, costs) / 100 * _NOMINAL_WIDTH, _y(point.mean or 0.0, scores)
        following = frontier[index + 1] if index + 1 < len(frontier) else None
        end = _x(following, costs) / 100 * _NOMINAL_WIDTH if following else _NOMINAL_WIDTH
        boxes.append(_box(x, y - 2, end - x, 4))
        if following:
            top = _y(following.mean or 0.0, scores)
            boxes.append(_box(end - 2, top, 4, y - top))
    return boxes


def _dot(
    point: Point, costs: Scale, scores: Scale, *, on_front: bool, taken: list[tuple[float, float, float, float]]
) -> str:
    x, y = _x(point, costs), _y(point.mean or 0.0, scores)
    names = "dot" + (" on-front" if on_front else "") + (" chosen" if point.chosen else "")
    name = visible(cut(point.name, 30)) if on_front or point.chosen else ""
    width = 8 * len(str(point.number)) + (_width(name) + 6 if name else 0)
    anchor, dx, dy = _free_place(x / 100 * _NOMINAL_WIDTH, y, width, taken)
    tail = f' <tspan class="name">{escape(name)}</tspan>' if name else ""
    mark = f'<circle class="{names}" cx="{x:.2f}%" cy="{y:.1f}" r="{7 if point.chosen else 5}"/>'
    if (point.mean or 0.0) < scores.low:
        mark = f'<text class="beyond" x="{x:.2f}%" y="{y:.1f}" text-anchor="middle">▾</text>'
    return (
        f"{mark}"
        f'<text class="label" x="{x:.2f}%" y="{y:.1f}" dx="{dx}" dy="{dy}" text-anchor="{anchor}">'
        f'<tspan class="number">{point.number}</tspan>{tail}</text>'
    )


def _free_place(
    x: float, y: float, width: float, taken: list[tuple[float, float, float, float]]
) -> tuple[str, int, int]:
    """The first place around a dot where its label meets no other dot or label and stays within the picture."""
    places = (
        ("start", 11, 4), ("end", -11, 4), ("start", 9, -9), ("end", -9, -9), ("start", 9, 18), ("end", -9, 18),
        ("start", 11, -22), ("end", -11, -22), ("start", 11, 31), ("end", -11, 31),
    )  # fmt: skip
    for anchor, dx, dy in places:
        left = x + dx if anchor == "start" else x + dx - width
        box = _box(left, y + dy - 11, width, 14)
        inside = box[0] >= 0 and box[2] <= _NOMINAL_WIDTH and box[1] >= 0
        if inside and not any(_overlap(box, other) for other in taken):
            taken.append(box)
            return anchor, dx, dy
    return ("start", 11, 4) if x < _NOMINAL_WIDTH / 2 else ("end", -11, 4)


def _box(x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    return x, y, x + width, y + height


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _width(text: str) -> float:
    """Rough width in pixels at 13 px: CJK characters are twice as wide."""
    return sum(13.0 if unicodedata.east_asian_width(c) in "WF" else 7.2 for c in text)
