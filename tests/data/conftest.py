"""Tables as people have them, files as they write them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from touchstone.data.base import CaseSource, CaseSummary, Problem
from touchstone.data.check import check_cases

Write = Callable[[str, str | bytes], Path]

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
"""Text that UTF-8 can hold, control characters and all."""

NAMES = st.text("abcdefghijklmnopqrstuvwxyz_编号意图", min_size=1, max_size=8)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """(names, rows of cells) of a table with at least two columns and one row."""
    names = draw(st.lists(NAMES, min_size=2, max_size=6, unique=True))
    rows = draw(st.lists(st.lists(ANY_TEXT, min_size=len(names), max_size=len(names)), min_size=1, max_size=12))
    return names, rows


def csv_text(names: list[str], rows: list[list[str]], separator: str, line_end: str, *, all_quoted: bool) -> str:
    """A table as Python's own writer writes it."""
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=line_end).writerow(names)
    quoting = csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=separator, lineterminator=line_end, quoting=quoting).writerows(rows)
    return text.getvalue()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file and returns its path; text is written as UTF-8 with its line ends as they are."""

    def written(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def lines_of(rows: list[Mapping[str, Any]]) -> str:
    """Rows as JSON Lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def source(*paths: Path, **columns: str) -> CaseSource:
    """The source of one file, or of files called after their splits."""
    files = {"": paths[0]} if len(paths) == 1 else {path.stem: path for path in paths}
    return CaseSource(files=files, columns=columns)


def summarise(rows: list[Mapping[str, Any]], folder: Path, *, filled: int = 0, **options: Any) -> CaseSummary:
    """Check rows written as JSON Lines; `filled` adds so many good test cases, so that there are enough."""
    good = [{"id": f"good-{n}", "input": f"filled question {n}", "target": "yes"} for n in range(filled)]
    path = folder / "cases.jsonl"
    path.write_text(lines_of([*rows, *good]), encoding="utf-8")
    return check_cases(source(path), **options)


def problem(summary: CaseSummary, kind: str) -> Problem:
    """The one problem of a kind."""
    (found,) = [problem for problem in summary.problems if problem.kind == kind]
    return found
