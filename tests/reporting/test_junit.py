"""JUnit XML: what a CI system reads of a gate."""

from __future__ import annotations

from xml.etree import ElementTree

from touchstone.reporting.base import Note, ReportData
from touchstone.reporting.junit import render_junit

from .conftest import HOSTILE, ROWS

TWO = """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="support-intents" tests="2" failures="0" errors="0" skipped="0">
  <testsuite name="support-intents: gate" tests="0" failures="0" errors="0" skipped="0">
    <properties>
      <property name="verdict" value="winner"/>
      <property name="comparison" value="20261123-support-intents-4f1c"/>
    </properties>
  </testsuite>
  <testsuite name="support-intents: candidates" tests="2" failures="0" errors="0" skipped="0">
    <testcase classname="support-intents.candidates" name="claude-haiku-4.5">\
<system-out>score 90.7% (87.5–93.1%, n = 420)</system-out></testcase>
    <testcase classname="support-intents.candidates" name="baseline/logistic">\
<system-out>score 82.9% (79.0–86.2%, n = 420)</system-out></testcase>
  </testsuite>
</testsuites>
"""


def test_without_a_gate_nothing_can_fail(two: ReportData) -> None:
    """The whole document of two candidates and no gate."""
    assert render_junit(two, "en") == TWO


def test_a_check_that_is_not_met_is_a_failure(twelve: ReportData) -> None:
    """Each check is a test case; a failed one says what was asked and measured; who was ruled out is skipped."""
    root = ElementTree.fromstring(render_junit(twelve, "en").encode())
    gate, candidates = root.findall("testsuite")

    assert root.attrib == {"name": "support-intents", "tests": "14", "failures": "1", "errors": "0", "skipped": "5"}
    assert [case.get("name") for case in gate.findall("testcase")] == [
        "min_score: deepseek/deepseek-chat",
        "non_inferior: deepseek/deepseek-chat",
    ]
    failure = gate.find("testcase/failure")
    assert failure is not None
    assert failure.text == (
        "deepseek/deepseek-chat against baseline/logistic: the lower end of the difference is -0.012, "
        "the gate allows -0.010."
    )
    assert {case.get("name") for case in candidates.findall("testcase")} == {row[0] for row in ROWS}
    assert len(candidates.findall("testcase/skipped")) == 5


def test_any_text_makes_valid_xml(twelve: ReportData) -> None:
    """Control characters, markup and lone surrogates in names and sentences do not break the document."""
    comparison = twelve.comparison
    assert comparison.gate is not None
    checks = tuple(
        check.model_copy(update={"text": Note(template=HOSTILE), "candidate": HOSTILE})
        for check in comparison.gate.checks
    )
    hostile = comparison.model_copy(
        update={
            "gate": comparison.gate.model_copy(update={"checks": checks}),
            "candidates": tuple(c.model_copy(update={"name": HOSTILE}) for c in comparison.candidates),
        }
    )
    root = ElementTree.fromstring(render_junit(twelve.model_copy(update={"comparison": hostile}), "zh").encode())

    assert len(root.findall("testsuite/testcase")) == 14
