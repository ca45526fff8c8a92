"""How a limit's check is written down: met, unknown, or missed by how much."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from touchstone.catalog.cards import Card
from touchstone.decision.base import Reason
from touchstone.decision.shortlist_base import Check, LimitName


class Limit(NamedTuple):
    """One hard limit on the model itself."""

    name: LimitName
    asked: Reason
    """What is asked, in words."""
    check: Callable[[Card], Check]


def joined(items: Collection[str]) -> str:
    """Ids as one text; `split` on the same separator gives them back."""
    return ", ".join(items)


def met(limit: LimitName, reason: Reason, actual: str | float | None, required: str | float | None = None) -> Check:
    """A limit that holds."""
    return Check(limit=limit, verdict="met", reason=reason, actual=actual, required=required)


def unknown(limit: LimitName, template: str, required: str | float | None) -> Check:
    """A limit on a fact that nobody states; `template` says which."""
    return Check(limit=limit, verdict="unknown", reason=Reason(template=template), required=required)


def missed(
    limit: LimitName, reason: Reason, missing: Sequence[str], had: Sequence[str], wanted: Sequence[str]
) -> Check:
    """Of a limit on several things at once; it is met once the missing ones are asked for no more."""
    return Check(
        limit=limit,
        verdict="not-met",
        reason=reason,
        actual=joined(had),
        required=joined(wanted),
        gap=len(missing),
        nearest=joined(missing),
    )
