"""F31: a judge that cannot be understood, declines, or is one of the contestants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.faults.bill import requests, sales, spent_usd
from tests.faults.conftest import Measure, Write
from tests.faults.provider import in_thread
from tests.faults.store import Store

PLEA = b"That is not the JSON object"
JUDGE = """\
scorers:
  - judge: {{model: {{model: openai-compatible, base_url: '{url}', served_name: {name},
                    price: {{input_usd: 1, output_usd: 2}}}}, rubric: 'Is it right?'}}
"""

GOOD = 'say:fine verdict:say:{"score":5,"reason":"right"}'
"""The candidate says fine; the judge, who is shown the question too, gives the best score."""


def _judged(
    write_task: Write,
    compare: Measure,
    bill: Path,
    answers: list[str],
    *,
    judge: str = "judge-1",
    contestant: str = "m",
) -> dict[str, Any]:
    with in_thread(bill) as provider:
        path = write_task(provider.base_url, [], task=JUDGE.format(name=judge, url=provider.base_url))
        path.write_text(path.read_text().replace("served_name: m,", f"served_name: {contestant},"))
        rows = "".join(json.dumps({"id": f"q{at}", "input": text}) + "\n" for at, text in enumerate(answers))
        (path.parent / "cases.jsonl").write_text(rows)
        path.write_text(path.read_text().replace("cases.csv", "cases.jsonl").replace("kind: text", "kind: free"))
        return compare()


def test_f31_a_verdict_that_cannot_be_read_is_asked_for_once_more_and_then_missing(
    bill: Path, write_task: Write, compare: Measure, tmp_path: Path
) -> None:
    """`judge_unparsed`: no score, nobody's wrong answer; two calls, both paid and both in the books."""
    found = _judged(write_task, compare, bill, [GOOD, "say:fine verdict:say:rather_good"])
    cells = Store.of(tmp_path).cells()
    assert [(cell["kind"], cell["score"]) for cell in cells] == [("scored", 1.0), ("judge_unparsed", None)]
    outcomes = found["candidates"][0]["outcomes"]
    assert (outcomes["scored"], outcomes["judge_unparsed"]) == (1, 1)
    assert found["candidates"][0]["estimate"]["n"] == 1
    asked = [
        attempt["request"] for attempt in Store.of(tmp_path).attempts("rather_good") if attempt["purpose"] == "judge"
    ]
    once, again = ([request for request in asked if (PLEA in request) is more] for more in (False, True))
    # Of the answer and of each of the three control rows.
    assert len(once) == len(again) == 4
    assert len(set(asked)) == 8
    assert found["spent_usd"] == pytest.approx(spent_usd(bill))
    assert requests(bill) == len(sales(bill)) == len(Store.of(tmp_path).attempts())


def test_f31_a_judge_that_declines_gives_no_verdict(
    bill: Path, write_task: Write, compare: Measure, tmp_path: Path
) -> None:
    """Its refusal is missing evidence, not a bad mark."""
    _judged(write_task, compare, bill, [GOOD, "say:fine verdict:fault:refusal"])
    assert [(cell["kind"], cell["score"]) for cell in Store.of(tmp_path).cells()] == [
        ("scored", 1.0),
        ("judge_unparsed", None),
    ]


@pytest.mark.parametrize(("judge", "warned"), [("gpt-4o-2024-08-06", True), ("claude-sonnet-4", False)])
def test_f31_a_judge_of_the_contestants_family_is_told(
    judge: str, warned: bool, bill: Path, write_task: Write, compare: Measure
) -> None:
    """A visible warning, whatever the seller calls it; none for a judge of another maker."""
    found = _judged(write_task, compare, bill, [GOOD], judge=judge, contestant="gpt-4o-mini")
    assert any("same family" in warning for warning in found["warnings"]) is warned
