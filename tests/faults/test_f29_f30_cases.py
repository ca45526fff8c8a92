"""F29 and F30: more cases than memory, and rows that are wrong, found before anybody is paid."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.faults.bill import requests
from tests.faults.child import run_measured
from tests.faults.conftest import Measure, Write
from tests.faults.provider import in_thread
from tests.faults.store import Store

from touchstone.data.base import CaseSource
from touchstone.data.cases import read_cases
from touchstone.errors import DataError

LARGE_MB, MORE_MIB = (100, 60) if "TOUCHSTONE_LOAD" in os.environ else (40, 30)
ROW = "many words " * 5000


def _sized(path: Path, megabytes: int) -> int:
    """A table of about so many megabytes, no two rows alike; returns its rows."""
    rows = max(2, megabytes * 1_000_000 // (len(ROW) + 20))
    with path.open("w") as file:
        file.write("id,input,target\n")
        file.writelines(f"q{at},{at} {ROW},yes\n" for at in range(rows))
    return rows


def test_f29_a_large_file_is_streamed_and_its_cost_known_before_the_first_call(
    bill: Path, write_task: Write, tmp_path: Path
) -> None:
    """
    The plan of a file in rows of 55 kB takes hardly more than that of two rows, and under 300 MB: of 100 MB less than
    60 MiB more (`make test-thorough`), of 40 MB less than 30.
    """
    peaks = []
    with in_thread(bill) as provider:
        write_task(provider.base_url, [])
        for megabytes in (0, LARGE_MB):
            rows = _sized(tmp_path / "cases.csv", megabytes)
            plan = run_measured(tmp_path, "compare", "task.yaml", "--dry-run", "--json")
            assert plan.returncode == 0, plan.stderr
            [candidate] = json.loads(plan.stdout)["candidates"]
            assert candidate["calls"] == rows
            assert 0 < candidate["expected_usd"] < candidate["worst_usd"]
            peaks.append(plan.peak_mib)
    assert requests(bill) == 0
    assert peaks[1] - peaks[0] < MORE_MIB
    assert peaks[1] * 1.048576 < 300


def test_f29_a_preview_reads_no_more_than_it_shows(tmp_path: Path) -> None:
    """The first cases of a file are there before the rest is looked at, even where the rest is broken."""
    path = tmp_path / "cases.csv"
    path.write_bytes(b"input,target\n" + b"a question,yes\n" * 20_000 + b"\xff broken,row\n")
    assert len(list(read_cases(CaseSource(files={"": path}), limit=3))) == 3


def test_f30_ids_come_from_what_is_asked(tmp_path: Path) -> None:
    """Without ids a case keeps its own when rows are added, and the same question again is told apart by a number."""
    path = tmp_path / "cases.csv"
    path.write_text("input,target\na,yes\nb,no\na,yes\n")
    first = [case.id for case in read_cases(CaseSource(files={"": path}))]
    path.write_text("input,target\nnew,yes\na,yes\nb,no\na,yes\n")
    assert [case.id for case in read_cases(CaseSource(files={"": path}))][1:] == first
    assert first[2] == f"{first[0]}-2"


def test_f30_duplicate_ids_are_refused_with_their_rows_unless_they_are_meant(
    bill: Path, write_task: Write, compare: Measure, tmp_path: Path
) -> None:
    """Two rows of one id stop the run before the first call; declared, they are draws of one case."""
    with in_thread(bill) as provider:
        path = write_task(provider.base_url, [])
        (tmp_path / "cases.csv").write_text("id,input,target\nq1,say:yes,yes\nq2,say:yes 2,yes\nq1,say:yes 3,yes\n")
        with pytest.raises(DataError, match="q1") as refused:
            compare()
        assert "3" in str(refused.value)
        assert requests(bill) == 0
        path.write_text(path.read_text() + "allow_duplicates: true\n")
        allowed = compare()
    assert allowed["candidates"][0]["outcomes"]["scored"] == requests(bill) == 3


@pytest.mark.parametrize(
    ("cases", "told"),
    [
        ("id,question,target\nq1,say:yes,yes\n", "question"),
        ("id,input,label\nq1,say:yes,yes\n", "label"),
        ("id,input,target\nq1,,yes\n", "row"),
        ("id,input,target\nq1,   ,yes\n", "row"),
        ("id,input,target\nq1,say:yes,\n", "target"),
        ("id,input,target\n", "no cases"),
        ("", "cases.csv"),
    ],
    ids=["no input", "no target", "empty input", "blank input", "empty target", "no rows", "empty file"],
)
def test_f30_what_is_missing_fails_before_any_paid_call(
    cases: str, told: str, bill: Path, write_task: Write, compare: Measure, tmp_path: Path
) -> None:
    """One line that names it, the exit code for what the user must change, no request."""
    with in_thread(bill) as provider:
        write_task(provider.base_url, [])
        (tmp_path / "cases.csv").write_text(cases)
        with pytest.raises(DataError, match=told) as refused:
            compare()
    assert refused.value.exit_code == 2
    assert str(refused.value).isprintable()
    assert requests(bill) == 0


def test_f30_a_number_that_is_none_is_missing(bill: Path, write_task: Write, compare: Measure, tmp_path: Path) -> None:
    """NaN and null in a target are no target, in a further column no value; they never become the text nan or 0."""
    with in_thread(bill) as provider:
        path = write_task(provider.base_url, [])
        path.write_text(path.read_text().replace("cases.csv", "cases.jsonl"))
        rows = [
            '{"id": "q1", "input": "say:yes", "target": NaN}',
            '{"id": "q2", "input": "say:yes 2", "target": null}',
            '{"id": "q3", "input": "say:yes 3", "target": "yes", "weight": NaN}',
        ]
        (tmp_path / "cases.jsonl").write_text("\n".join(rows))
        with pytest.raises(DataError, match="without a target: 2"):
            compare()
        assert requests(bill) == 0
        (tmp_path / "cases.jsonl").write_text(rows[2])
        compare()
    [case] = read_cases(CaseSource(files={"": tmp_path / "cases.jsonl"}))
    assert "weight" not in case.fields
    assert len(Store.of(tmp_path).cells()) == 1
