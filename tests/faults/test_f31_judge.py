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

JUDGE = """\
scorers:
  - judge: {{model: {{model: openai-compatible, base_url: '{url}', served_name: {name},
                    price: {{input_usd: 1, output_usd: 2}}}}, rubric: 'Is it right?'}}
"""

# What the judge is asked ends with the answer, so the answer says what the judge replies; a control row says nothing.
GOOD = 'say:say:{"score":5,"reason":"right"}'


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
    found = _judged(write_task, compare, bill, [GOOD, "say:say:rather_good,_I_think"])
    cells = Store.of(tmp_path).cells()
    assert [(cell["kind"], cell["score"]) for cell in cells] == [("scored", 1.0), ("judge_unparsed", None)]
    outcomes = found["candidates"][0]["outcomes"]
    assert (outcomes["scored"], outcomes["judge_unparsed"]) == (1, 1)
    assert found["candidates"][0]["estimate"]["n"] == 1
    asked = Store.of(tmp_path).attempts("rather good, I think")
    assert [attempt["purpose"] for attempt in asked] == ["judge", "judge"]
    assert found["spent_usd"] == pytest.approx(spent_usd(bill))
    assert requests(bill) == len(sales(bill)) == len(Store.of(tmp_path).attempts())


def test_f31_a_judge_that_declines_gives_no_verdict(
    bill: Path, write_task: Write, compare: Measure, tmp_path: Path
) -> None:
    """Its refusal is missing evidence, not a bad mark."""
    _judged(write_task, compare, bill, [GOOD, "say:fault:refusal"])
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
