"""The loss of a training, step by step: a line that should fall."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from touchstone.reporting.line_parts import BOTTOM, height_of, levels, line_picture
from touchstone.reporting.pages import Picture
from touchstone.reporting.scales import linear_scale
from touchstone.training.steps import Step

_LEFT, _WIDTH = 9.0, 86.0
"""Percent of the picture: losses stand on their levels at its left."""


def loss_chart(
    steps: Sequence[Step], *, name: str, write: Callable[[float], str], title: str, caption: str
) -> Picture | None:
    """
    The loss over the steps, from none to the last that is planned, so that one sees how far it is.

    Args:
        steps: Reports in order.
        name: Of the line.
        write: How a loss is written on the axis, in nats per token.
        title: Of the picture, which is its text alternative too.
        caption: What it shows.

    Returns:
        None where fewer than two reports came.
    """
    if len(steps) < 2:
        return None
    scale = linear_scale([step.loss for step in steps])
    whole = max(steps[-1].of, steps[-1].step)
    inside = levels(scale, write, _LEFT + _WIDTH)
    inside += "".join(
        f'<text class="axis" x="{_LEFT + _WIDTH * place / whole:.2f}%" y="{BOTTOM + 24:.1f}" text-anchor="{anchor}">'
        f"{place:,}</text>"
        for place, anchor in ((0, "start"), (whole // 2, "middle"), (whole, "end"))
    )
    places = [(_LEFT + _WIDTH * step.step / whole, height_of(step.loss, scale)) for step in steps]
    inside += "".join(
        f'<line x1="{x1:.2f}%" x2="{x2:.2f}%" y1="{y1:.1f}" y2="{y2:.1f}"/>' for (x1, y1), (x2, y2) in pairwise(places)
    ).join(('<g class="line n0">', "</g>"))
    return Picture(title, caption, line_picture([name], inside, title))
