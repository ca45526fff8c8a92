"""Many tests at once: p values that stay true although all of them are looked at."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p: Sequence[float]) -> list[float]:
    """
    The p values adjusted for all of them being looked at, in the order given.

    Each keeps the whole family's error below alpha when it is compared with alpha. Source: Holm (1979), Scandinavian
    Journal of Statistics 6:65-70.
    """
    adjusted = [1.0] * len(p)
    running = 0.0
    for rank, at in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        running = max(running, min(1.0, (len(p) - rank) * p[at]))
        adjusted[at] = running
    return adjusted
