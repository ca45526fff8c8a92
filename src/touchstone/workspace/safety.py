"""What commands ask about content safety: the rules on one text, and how good they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from touchstone.deployment.base import SafetyFinding, SafetyPolicy
from touchstone.deployment.safety.evaluate import Evaluation, evaluate
from touchstone.deployment.safety.guard import RuleGuard
from touchstone.noun import Noun


class CheckedText(Noun):
    """What the rules of a policy make of one text."""

    action: Literal["pass", "mask", "block"]
    text: str | None
    """The text as it may pass; None where it is blocked."""
    findings: tuple[SafetyFinding, ...]


def evaluate_safety() -> Evaluation:
    """The rules on the labelled set, as of today."""
    return evaluate(datetime.now(UTC).date())


def check_text(text: str, policy: SafetyPolicy) -> CheckedText:
    """
    One text on its way in, by rules alone: no endpoint is asked.

    Raises:
        UserError: a term or a kind of the policy cannot be used.
    """
    ruling = RuleGuard(policy).by_rules([text], "in")
    passed = None if ruling.action == "block" else ruling.texts[0]
    return CheckedText(action=ruling.action, text=passed, findings=ruling.findings)


def marked_text(text: str, findings: Sequence[SafetyFinding]) -> tuple[tuple[str, str | None], ...]:
    """A text in pieces, each with the rule that points at it; None where none does. Of overlapping places the first."""
    pieces: list[tuple[str, str | None]] = []
    reached = 0
    places = [(one.start, one.end, one.rule) for one in findings if one.start is not None and one.end is not None]
    for start, end, rule in sorted(places):
        if start < reached or end <= start:
            continue
        pieces += [(text[reached:start], None)] if start > reached else []
        pieces.append((text[start:end], rule))
        reached = end
    return (*pieces, (text[reached:], None)) if reached < len(text) else tuple(pieces)
