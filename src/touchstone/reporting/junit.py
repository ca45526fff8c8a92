"""
JUnit XML for CI systems: one test case per check of the gate, and one per candidate.

Only a check of the gate can fail. A candidate that was ruled out is `skipped` with its reason: not being chosen is no
failure of a build. The document is well formed whatever stands in names and sentences.
"""

from __future__ import annotations

from contextvars import copy_context

from touchstone.language import _, set_language
from touchstone.reporting import numbers, sentences
from touchstone.reporting.base import CandidateResult, GateCheck, ReportData
from touchstone.reporting.text import xml


def render_junit(data: ReportData, language: str = "en") -> str:
    """The document; sentences in `language` (`en` or `zh`), the caller's own language stays as it is."""
    return copy_context().run(_render, data, language)


def _render(data: ReportData, language: str) -> str:
    set_language(language)
    comparison = data.comparison
    checks = comparison.gate.checks if comparison.gate else ()
    reasons = {
        rejected.candidate: " ".join(sentences.full(note) for note in (rejected.reason, *rejected.further))
        for rejected in comparison.decision.rejected
    }
    failures = sum(not check.passed for check in checks)
    skipped = sum(candidate.name in reasons for candidate in comparison.candidates)
    candidates = len(comparison.candidates)
    tests = len(checks) + candidates
    task = xml(comparison.task.name)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="{task}" tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}">',
        f'  <testsuite name="{task}: gate" tests="{len(checks)}" failures="{failures}" errors="0" skipped="0">',
        "    <properties>",
        f'      <property name="verdict" value="{xml(comparison.decision.verdict)}"/>',
        f'      <property name="comparison" value="{xml(comparison.comparison_id)}"/>',
        "    </properties>",
        *(_check(check, task) for check in checks),
        "  </testsuite>",
        f'  <testsuite name="{task}: candidates" tests="{candidates}" failures="0" errors="0" skipped="{skipped}">',
        *(_candidate(candidate, task, reasons.get(candidate.name)) for candidate in comparison.candidates),
        "  </testsuite>",
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def _check(check: GateCheck, task: str) -> str:
    name = check.name if check.candidate is None else f"{check.name}: {check.candidate}"
    text = xml(sentences.full(check.text))
    opening = f'    <testcase classname="{task}.gate" name="{xml(name)}"'
    if check.passed:
        return f"{opening}><system-out>{text}</system-out></testcase>"
    return f'{opening}><failure type="{xml(check.name)}" message="{text}">{text}</failure></testcase>'


def _candidate(candidate: CandidateResult, task: str, reason: str | None) -> str:
    score = xml(_("score {estimate}").format(estimate=numbers.estimate(candidate.estimate)))
    skipped = f'<skipped message="{xml(reason)}"/>' if reason is not None else ""
    return (
        f'    <testcase classname="{task}.candidates" name="{xml(candidate.name)}">{skipped}'
        f"<system-out>{score}</system-out></testcase>"
    )
