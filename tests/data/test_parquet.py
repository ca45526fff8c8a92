from __future__ import annotations

import datetime
import sys
import tracemalloc
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from touchstone.data.arrow import BATCH_ROWS
from touchstone.data.parquet import ParquetReader
from touchstone.errors import DataError, ExtraMissing
from touchstone.testing.exams import ReaderExam

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def read(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in ParquetReader().rows(path)]


def written(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


class TestParquetExam(ReaderExam):
    @pytest.fixture
    def reader(self) -> ParquetReader:
        return ParquetReader()

    @pytest.fixture
    def sample(self, tmp_path: Path) -> tuple[Path, list[dict[str, object]]]:
        rows: list[dict[str, object]] = [{"id": 1, "text": "a"}, {"id": 2, "text": None}]
        path = tmp_path / "t.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path, rows


def test_values_become_plain(tmp_path: Path) -> None:
    """Numbers, lists and structures stay what they are; times become ISO 8601, NaN becomes missing."""
    moment = datetime.datetime.fromisoformat("2024-01-02T03:04:05")
    path = written(
        tmp_path / "t.parquet",
        {
            "whole": pa.array([7, None], pa.int32()),
            "single": pa.array([0.1, float("nan")], pa.float32()),
            "double": pa.array([0.1, float("inf")]),
            "exact": pa.array([Decimal("12.50"), None], pa.decimal128(10, 2)),
            "flag": [True, None],
            "list": [["a", "b"], []],
            "nested": [{"x": [1.5, float("nan")], "y": "z"}, None],
            "category": pa.array(["a", "a"]).dictionary_encode(),
            "nanoseconds": pa.array([moment, None], pa.timestamp("ns")),
            "zoned": pa.array([moment, None], pa.timestamp("ms", tz="UTC")),
            "day": [datetime.date(2024, 1, 2), None],
            "bytes": [b"\x89PNG\r\n", None],
        },
    )
    first, second = read(path)
    assert first == {
        "whole": 7,
        "single": 0.1,
        "double": 0.1,
        "exact": "12.50",
        "flag": True,
        "list": ["a", "b"],
        "nested": {"x": [1.5, None], "y": "z"},
        "category": "a",
        "nanoseconds": "2024-01-02T03:04:05",
        "zoned": "2024-01-02T03:04:05+00:00",
        "day": "2024-01-02",
        "bytes": "data:image/png;base64,iVBORw0K",
    }
    assert second == {**dict.fromkeys(first), "list": [], "category": "a"}


def test_folder_of_shards_is_one_table(tmp_path: Path) -> None:
    """Shards are read in the order of their names, and rows are counted over all of them."""
    written(tmp_path / "b.parquet", {"n": [3]})
    written(tmp_path / "a.parquet", {"n": [1, 2]})
    assert list(ParquetReader().rows(tmp_path)) == [(1, {"n": 1}), (2, {"n": 2}), (3, {"n": 3})]
    assert ParquetReader().describe(tmp_path) == "Parquet, 2 files, 3 rows, 1 columns: n"


def test_shards_with_other_columns_are_refused(tmp_path: Path) -> None:
    """A shard that does not fit the first is named."""
    written(tmp_path / "a.parquet", {"n": [1]})
    odd = written(tmp_path / "b.parquet", {"m": [1]})
    with pytest.raises(DataError, match="columns m and the first one n") as caught:
        read(tmp_path)
    assert caught.value.path == str(odd)


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    """Bytes that are no Parquet, and a file that was cut off, are refused."""
    path = tmp_path / "t.parquet"
    path.write_bytes(b"id,text\n1,a\n")
    with pytest.raises(DataError, match="no whole Parquet file"):
        read(path)
    written(path, {"n": list(range(1000))})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="no whole Parquet file"):
        read(path)


def test_damaged_page_names_the_row(tmp_path: Path) -> None:
    """A page that cannot be unpacked is refused with the first row of the batch that could not be read."""
    path = written(tmp_path / "t.parquet", {"t": [f"text {n}" for n in range(2000)]}, row_group_size=1000)
    data = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).dictionary_page_offset
    data[start : start + 400] = b"\xff" * 400
    path.write_bytes(bytes(data))
    with pytest.raises(DataError) as caught:
        read(path)
    assert caught.value.row is not None
    assert 1001 - BATCH_ROWS <= caught.value.row <= 1001


def test_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """Two columns of one name cannot both be kept."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["n", "n"]), path)
    with pytest.raises(DataError, match="'n' twice"):
        read(path)


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pyarrow is not installed, the error says what to install."""
    path = written(tmp_path / "t.parquet", {"n": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExtraMissing, match=r"touchstone\[parquet\]"):
        read(path)


def test_python_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """50,000 rows (11 MB) pass through 2 MB of Python objects."""
    path = written(tmp_path / "t.parquet", {"text": [f"{n} " + "many words " * 20 for n in range(50_000)]})
    rows = ParquetReader().rows(path)
    next(rows)
    tracemalloc.start()
    assert sum(1 for _ in rows) == 49_999
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
