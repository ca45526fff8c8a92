"""What the exams promise: a plug-in that breaks its contract does not pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from touchstone.data.csv import CsvReader
from touchstone.testing.exams import ReaderExam


class WholeFileReader(CsvReader):
    """Reads everything before it gives the first row."""

    def rows(self, path: Path, *, encoding: str | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
        found: Any = list(super().rows(path, encoding=encoding))
        return found  # type: ignore[no-any-return]


def test_a_reader_that_takes_the_whole_file_fails_its_exam(tmp_path: Path) -> None:
    """Rows are an iterator; a list of all of them would not fit into memory some day."""
    path = tmp_path / "cases.csv"
    path.write_text("input,target\na,x\nb,y\n")
    sample: tuple[Path, list[dict[str, object]]] = (
        path,
        [{"input": "a", "target": "x"}, {"input": "b", "target": "y"}],
    )

    ReaderExam().test_streams(CsvReader(), sample)
    with pytest.raises(AssertionError, match="yield each row"):
        ReaderExam().test_streams(WholeFileReader(), sample)
