"""A shortlist for machines: everything, every sentence with its template and the numbers behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from touchstone.decision.advice_base import Advice
from touchstone.decision.base import Reason
from touchstone.decision.shortlist_base import Check, Evidence, Needs, Published, Qualified, Shortlist
from touchstone.decision.shortlist_costs import is_lower_end
from touchstone.reporting.shortlist_words import said

SCHEMA = "touchstone.shortlist/1"


def as_json(
    found: Shortlist, advice: Sequence[Advice], *, task: str | None, assumed: Sequence[Reason]
) -> dict[str, Any]:
    """What `--json` prints: everything, every sentence with its template and the numbers behind it."""
    return {
        "schema": SCHEMA,
        "task": task,
        "day": found.day.isoformat(),
        "priorities": list(found.priorities),
        "needs": found.needs.model_dump(mode="json", exclude_defaults=True),
        "asked": {name: _sentence(reason, name) for name, reason in found.asked.items()},
        "assumptions": [_sentence(reason) for reason in assumed],
        "yardstick": found.yardstick.id if found.yardstick else None,
        "condition": list(found.condition) if found.condition else None,
        "published": found.published._asdict() if found.published else None,
        "qualified": [_entry(one, at, found.needs) for at, one in enumerate(found.qualified, 1)],
        "excluded": [
            {"model": one.model, "name": one.name, "further": one.further, **check_json(one.check)}
            for one in found.excluded
        ],
        "relaxed": [{**one._asdict(), "nearest": _value(one.nearest)} for one in found.relaxed],
        "advice": [{"rule": one.rule, "source": one.source, **_sentence(one.reason)} for one in advice],
    }


def check_json(check: Check) -> dict[str, Any]:
    """A check, with its sentence."""
    return {
        "limit": check.limit,
        "verdict": check.verdict,
        "actual": _value(check.actual),
        "required": _value(check.required),
        "gap": _value(check.gap),
        "nearest": _value(check.nearest),
        **_sentence(check.reason, check.limit),
        "among": None if check.among is None else said(check.among),
    }


def _value(one: str | float | None) -> str | float | None:
    """Of a limit: a number is a float whatever it counts, so that a field is of one type in all rows."""
    return float(one) if isinstance(one, int) else one


def _sentence(reason: Reason, limit: str = "") -> dict[str, Any]:
    return {"text": said(reason, limit), "template": reason.template, "values": dict(reason.values)}


def _entry(one: Qualified, place: int, needs: Needs) -> dict[str, Any]:
    supply, standing = one.supply, one.standing
    return {
        "place": place,
        "model": one.model,
        "name": one.name,
        "openness": one.openness,
        "licence": one.licence,
        "offers": len(one.supplies),
        "seller": supply.offer.provider if supply else None,
        "served_name": supply.offer.served_name if supply else None,
        "usd_per_month": supply.usd_per_month if supply else None,
        "usd_per_call": supply.usd_per_call if supply else None,
        "input_usd": supply.input_usd if supply else None,
        "output_usd": supply.output_usd if supply else None,
        "cost_is_lower_end": is_lower_end(one, needs),
        "leaves_region": list(supply.leaves) if supply else [],
        "price_source": supply.offer.source if supply else None,
        "price_as_of": supply.offer.as_of if supply else None,
        "memory_bytes": one.memory.total_bytes if one.memory else None,
        "weight_bytes": one.memory.weight_bytes if one.memory else None,
        "seconds": one.seconds,
        "own": None
        if standing is None
        else {
            "benchmark": standing.claim.benchmark,
            "value": standing.claim.value,
            "rank": standing.rank,
            "best_rank": standing.best_rank,
            "worst_rank": standing.worst_rank,
            "of": standing.of,
            "mode": standing.claim.mode,
            "source": standing.claim.source,
            "as_of": standing.claim.as_of,
        },
        "published": None if one.published is None else _published(one.published),
        **_sentence(one.reason),
    }


def _published(one: Published) -> dict[str, Any]:
    return {**one._asdict(), "evidence": [_evidence(test) for test in one.evidence]}


def _evidence(test: Evidence) -> dict[str, Any]:
    claims = {name: getattr(test, name).model_dump(mode="json", exclude_none=True) for name in ("claim", "rival")}
    return {**test._asdict(), **claims}
