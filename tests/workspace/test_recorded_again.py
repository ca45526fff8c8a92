"""Outputs that were recorded again are scored again."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Run


def test_new_answers_under_the_old_file_name_are_measured(tmp_path: Path, touchstone: Run) -> None:
    """The same command after the file changed is another comparison with other scores; the old one stays."""
    (tmp_path / "cases.csv").write_text("id,input,target\nq1,2+2,4\nq2,3+3,6\n")
    task = {"task": "sums", "cases": "cases.csv", "answer": {"kind": "number"}, "candidates": [{"recorded": "out.csv"}]}
    (tmp_path / "task.yaml").write_text(json.dumps(task))
    found = []
    for second in ("5", "6", "6"):
        (tmp_path / "out.csv").write_text(f"case_id,model,output\nq1,m,4\nq2,m,{second}\n")
        result = touchstone("compare", "task.yaml", "--json")
        assert result.returncode == 0, result.stderr
        found.append(json.loads(result.stdout))

    assert [one["candidates"][0]["estimate"]["mean"] for one in found] == [0.5, 1.0, 1.0]
    assert found[0]["comparison_id"] != found[1]["comparison_id"] == found[2]["comparison_id"]
