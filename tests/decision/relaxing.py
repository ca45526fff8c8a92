"""Needs with one limit given up, wholly or as far as it takes: what `Relaxed` talks about, to be tried out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from touchstone.decision.shortlist_base import LimitName, Needs

_DROPPED: Mapping[LimitName, Mapping[str, Any]] = {
    "task": {"tasks": ()},
    "any-task": {"one_task_of": ()},
    "output": {"outputs": ()},
    "input": {"inputs": ()},
    "language": {"languages": ()},
    "ability": {"abilities": ()},
    "context": {"context_tokens": None},
    "retirement": {"serve_until": None},
    "released": {"released_after": None},
    "licence": {"licences": ()},
    "openness": {"openness": None},
    "lab-country": {"lab_countries": (), "not_lab_countries": ()},
    "self-hosting": {"self_hostable": False, "memory_gib": None},
    "benchmark": {"floor": None},
    "ours": {"ours": False},
    "deprecated": {"allow_deprecated": True},
    "provider": {"providers": ()},
    "callable": {"callable": False},
    "seller-country": {"seller_countries": (), "not_seller_countries": ()},
    "region": {"regions": ()},
    "input-usd": {"max_input_usd": None},
    "output-usd": {"max_output_usd": None},
    "usd-per-month": {"max_usd_per_month": None},
}
_ALL_OF: Mapping[LimitName, str] = {
    "task": "tasks",
    "output": "outputs",
    "input": "inputs",
    "language": "languages",
    "ability": "abilities",
}
"""Limits on several things at once: the missing ones are no longer asked for."""
_ONE_OF: Mapping[LimitName, str] = {
    "any-task": "one_task_of",
    "licence": "licences",
    "provider": "providers",
    "region": "regions",
}
"""Limits that one of several values meets: another one is allowed."""
_COUNTRIES: Mapping[LimitName, tuple[str, str]] = {
    "lab-country": ("lab_countries", "not_lab_countries"),
    "seller-country": ("seller_countries", "not_seller_countries"),
}
_NUMBERS: Mapping[LimitName, str] = {
    "self-hosting": "memory_gib",
    "input-usd": "max_input_usd",
    "output-usd": "max_output_usd",
    "usd-per-month": "max_usd_per_month",
}


def relaxed_needs(needs: Needs, limit: LimitName, nearest: str | float | None = None) -> Needs:
    """
    The same needs with one limit relaxed.

    Args:
        nearest: `Relaxed.nearest`; None drops the limit.
    """
    return needs.model_copy(update=_DROPPED[limit] if nearest is None else _to(needs, limit, nearest))


def _to(needs: Needs, limit: LimitName, nearest: str | float) -> Mapping[str, Any]:
    if limit in _ALL_OF:
        field = _ALL_OF[limit]
        missing = str(nearest).split(", ")
        return {field: tuple(one for one in getattr(needs, field) if one not in missing)}
    if limit in _ONE_OF:
        field = _ONE_OF[limit]
        return {field: (*getattr(needs, field), str(nearest))}
    if limit in _COUNTRIES:
        allowed, forbidden = _COUNTRIES[limit]
        return {
            # Nothing allowed by name means everything, and stays so.
            allowed: (*getattr(needs, allowed), str(nearest)) if getattr(needs, allowed) else (),
            forbidden: tuple(code for code in getattr(needs, forbidden) if code != nearest),
        }
    if limit in _NUMBERS:
        return {_NUMBERS[limit]: float(nearest)}
    if limit == "context":
        return {"context_tokens": int(nearest)}
    if limit == "retirement":
        return {"serve_until": date.fromisoformat(str(nearest))}
    if limit == "released":
        return {"released_after": str(nearest)}
    if limit == "openness":
        return {"openness": str(nearest)}
    assert needs.floor is not None
    assert limit == "benchmark"  # the others have no nearest value
    return {"floor": needs.floor.model_copy(update={"value": float(nearest)})}
