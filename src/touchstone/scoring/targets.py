"""One target text as the list of answers that would all be right."""

from __future__ import annotations

import json


def accepted(target: str) -> tuple[str, ...]:
    """
    The answers that a target accepts: the members of a JSON list of texts or numbers, else the target itself.

    `["NYC", "New York"]` accepts two; `[see note]` is no JSON and accepts itself.
    """
    if target.lstrip()[:1] != "[":
        return (target,)
    try:
        value = json.loads(target)
    except (ValueError, RecursionError):
        return (target,)
    if value and all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in value):
        return tuple(str(one) for one in value)
    return (target,)
