"""What `touchstone report` promises: a stored comparison is shown as it was, and written down again."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Run


def test_it_shows_what_the_comparison_showed_and_where_it_wrote_it(tmp_path: Path, touchstone: Run) -> None:
    """The table and the decision, then each file; as JSON the result alone."""
    rows = [f"{split}{n},{split},{word} {n},{word}" for split in ("train", "test") for n in range(6) for word in "ab"]
    named = [row.replace(",", f"{place},", 1) for place, row in enumerate(rows)]
    (tmp_path / "cases.csv").write_text("\n".join(["id,split,input,target", *named]))
    lines = [
        "task: t",
        "cases: cases.csv",
        "answer: {kind: label}",
        "candidates: [baseline/nearest, baseline/majority]",
    ]
    (tmp_path / "task.yaml").write_text("\n".join(lines))
    compared = touchstone("compare", "task.yaml")
    assert compared.returncode == 0, compared.stderr
    told = touchstone("report", "latest", "--out", "again.html", "--markdown", "again.md")
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-2:] == ["Report: again.html", "Markdown: again.md"]
    table = compared.stdout.partition("\nReport: ")[0]
    assert "baseline/nearest" in table
    assert told.stdout.startswith(table)
    found = json.loads(touchstone("report", "latest", "--json").stdout)
    assert {one["name"] for one in found["candidates"]} == {"baseline/nearest", "baseline/majority"}
