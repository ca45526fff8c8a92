"""What commands ask about content safety: the rules on one text, and how good they are."""

from __future__ import annotations

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
