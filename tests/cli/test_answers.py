"""What `touchstone answers` promises: what is said of a case is counted, listed and written down."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Run


def test_from_a_look_to_a_changed_decision(tmp_path: Path, touchstone: Run) -> None:
    """List, leave out, decide, look at the changes, take back, export."""
    cases = [{"id": f"q{n}", "input": f"question {n}", "target": f"answer {n}"} for n in range(40)]
    recorded = [
        {"case_id": f"q{n}", "model": model, "output": f"answer {n}" if n % every else "=no"}
        for model, every in (("good", 10), ("poor", 2))
        for n in range(40)
    ]
    (tmp_path / "cases.jsonl").write_text("".join(json.dumps(one) + "\n" for one in cases))
    (tmp_path / "out.jsonl").write_text("".join(json.dumps(one) + "\n" for one in recorded))
    task = {
        "task": "t",
        "cases": "cases.jsonl",
        "answer": {"kind": "text"},
        "candidates": [{"recorded": "out.jsonl", "model": name, "name": name} for name in ("good", "poor")],
    }
    (tmp_path / "task.yaml").write_text(json.dumps(task))
    assert touchstone("compare", "task.yaml", "--full").returncode == 0
    found = json.loads(touchstone("answers", "list", "--words", "=no", "--candidate", "good", "--json").stdout)
    assert found["all"] == 4
    assert {one["output"] for one in found["answers"]} == {"=no"}
    refused = touchstone("answers", "list", "--kind", "nonsense")
    assert refused.returncode == 2
    assert "nonsense" in refused.stderr
    told = touchstone("answers", "exclude", "latest", "q3", "--reason", "unclear", "--by", "ann")
    assert told.returncode == 0, told.stderr
    changes = json.loads(touchstone("decide", "--json").stdout)["decision"]["changes"]
    assert (changes["excluded"], changes["excluded_seen"], changes["reasons"]) == (1, 1, ["unclear"])
    [word] = json.loads(touchstone("answers", "changes", "--json").stdout)
    assert (word["case"], word["who"]) == ("q3", "ann")
    assert touchstone("answers", "export", "--out", "a.csv", "--low", "0", "--high", "0").returncode == 0
    assert (tmp_path / "a.csv").read_text(encoding="utf-8-sig").count("'=no") > 0
    assert touchstone("answers", "take-back", "latest", str(word["id"]), "--reason", "clear").returncode == 0
    assert json.loads(touchstone("decide", "--json").stdout)["decision"]["changes"] is None
