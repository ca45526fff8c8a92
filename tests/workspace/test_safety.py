"""The front door to the content rules."""

from __future__ import annotations

from touchstone.deployment.base import SafetyPolicy
from touchstone.workspace.safety import check_text, evaluate_safety


def test_a_text_is_checked_by_rules_alone() -> None:
    """A policy with a moderation endpoint can be tried without it; nobody is asked."""
    policy = SafetyPolicy(pii="mask", moderation="judge")
    found = check_text("mail jane@example.com", policy)
    assert (found.action, found.text) == ("mask", "mail [EMAIL]")
    assert [one.rule for one in found.findings] == ["pii.email"]
    assert check_text("jane@example.com", SafetyPolicy(pii="block")).text is None


def test_the_rules_are_measured_as_of_today() -> None:
    """The same texts give the same numbers."""
    found = evaluate_safety()
    assert found.measures == evaluate_safety().measures
    assert sum(found.halves.values()) >= 300
