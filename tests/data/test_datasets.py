"""Folders are written here with pyarrow in the shape that `datasets` 5.2 was seen to write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from touchstone.data.datasets import DatasetsReader
from touchstone.data.readers import reader_for
from touchstone.errors import DataError
from touchstone.testing.exams import ReaderExam

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

FEATURES = {
    "text": {"dtype": "string", "_type": "Value"},
    "label": {"names": ["no", "yes"], "_type": "ClassLabel"},
    "many": {"feature": {"names": ["a", "b"], "_type": "ClassLabel"}, "_type": "List"},
}
SCHEMA = pa.schema(
    [("text", pa.string()), ("label", pa.int64()), ("many", pa.list_(pa.int64()))],
    metadata={"huggingface": json.dumps({"info": {"features": FEATURES}})},
)
ROWS = [
    {"text": "first", "label": 1, "many": [0, 1]},
    {"text": "second", "label": 0, "many": []},
    {"text": "third", "label": None, "many": None},
    {"text": "fourth", "label": -1, "many": [1]},
]
AS_READ = [
    {"text": "first", "label": "yes", "many": ["a", "b"]},
    {"text": "second", "label": "no", "many": []},
    {"text": "third", "label": None, "many": None},
    {"text": "fourth", "label": None, "many": ["b"]},
]


def save_dataset(folder: Path, shards: Sequence[Sequence[Mapping[str, Any]]]) -> Path:
    """What `Dataset.save_to_disk` writes."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"data-{n:05d}-of-{len(shards):05d}.arrow" for n in range(len(shards))]
    for name, rows in zip(names, shards, strict=True):
        table = pa.Table.from_pylist(list(rows), schema=SCHEMA)
        with pa.OSFile(str(folder / name), "wb") as sink, pa.ipc.new_stream(sink, SCHEMA) as stream:
            stream.write_table(table, max_chunksize=1)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))
    return folder


def save_dataset_dict(folder: Path, splits: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    """What `DatasetDict.save_to_disk` writes."""
    for split, rows in splits.items():
        save_dataset(folder / split, [rows])
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    return folder


def read(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in DatasetsReader().rows(path)]


class TestDatasetsExam(ReaderExam):
    @pytest.fixture
    def reader(self) -> DatasetsReader:
        return DatasetsReader()

    @pytest.fixture
    def sample(self, tmp_path: Path) -> tuple[Path, list[dict[str, object]]]:
        return save_dataset(tmp_path / "set", [ROWS[:3], ROWS[3:]]), AS_READ

    def test_missing_file_is_a_data_error(self, reader: DatasetsReader, tmp_path: Path) -> None:
        """A folder that is not there is a DataError that names it."""
        with pytest.raises(DataError, match="absent"):
            list(reader.rows(tmp_path / "absent"))


def test_splits_follow_one_another(tmp_path: Path) -> None:
    """The rows of a DatasetDict say their split and are counted through."""
    folder = save_dataset_dict(tmp_path / "set", {"train": ROWS[:2], "validation": ROWS[2:3], "test": ROWS[3:]})
    assert isinstance(reader_for(folder), DatasetsReader)
    found = list(DatasetsReader().rows(folder))
    assert [(number, row["split"], row["text"]) for number, row in found] == [
        (1, "train", "first"),
        (2, "train", "second"),
        (3, "validation", "third"),
        (4, "test", "fourth"),
    ]
    assert DatasetsReader().splits(folder) == ("train", "validation", "test")
    assert DatasetsReader().describe(folder) == (
        "datasets folder, train (rows 1 to 2), validation (rows 3 to 3), test (rows 4 to 4), "
        "3 columns: text, label, many"
    )


@pytest.mark.parametrize("place", ["data", ""])
def test_snapshot_from_the_hub(place: str, tmp_path: Path) -> None:
    """Parquet files called SPLIT-00000-of-00001 are splits, train first and test last; classes become names."""
    folder = tmp_path / place
    folder.mkdir(exist_ok=True)
    for split, rows in {"test": ROWS[3:], "train": ROWS[:2], "validation": ROWS[2:3]}.items():
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / f"{split}-00000-of-00001.parquet")
    assert isinstance(reader_for(tmp_path), DatasetsReader)
    assert read(tmp_path) == [
        {**row, "split": split} for row, split in zip(AS_READ, ["train", "train", "validation", "test"], strict=True)
    ]


def test_arrow_file_format_is_read_too(tmp_path: Path) -> None:
    """A shard in the Arrow file format is read like one in the stream format."""
    folder = save_dataset(tmp_path / "set", [ROWS])
    shard = folder / "data-00000-of-00001.arrow"
    with pa.OSFile(str(shard), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as file:
        file.write_table(pa.Table.from_pylist(ROWS, schema=SCHEMA))
    assert read(folder) == AS_READ


def test_images_within_the_file_become_data_urls(tmp_path: Path) -> None:
    """An image that the library stored in the table is a data URL, one beside it a path."""
    folder = save_dataset(tmp_path / "set", [[]])
    table = pa.table({"image": [{"bytes": b"\xff\xd8\xff\xe0", "path": "a.jpg"}, {"bytes": None, "path": "b.jpg"}]})
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as out,
    ):
        out.write_table(table)
    assert [row["image"] for row in read(folder)] == ["data:image/jpeg;base64,/9j/4A==", "b.jpg"]


def test_shard_that_is_missing_or_damaged(tmp_path: Path) -> None:
    """A folder that is not whole is refused with the file and the row."""
    folder = save_dataset(tmp_path / "set", [ROWS[:3], ROWS[3:]])
    second = folder / "data-00001-of-00002.arrow"
    second.write_bytes(second.read_bytes()[:-60])
    with pytest.raises(DataError) as caught:
        read(folder)
    assert (caught.value.path, caught.value.row) == (str(second), 4)
    second.unlink()
    with pytest.raises(DataError, match="file is missing"):
        read(folder)


@pytest.mark.parametrize("state", ["{}", "no json", '{"_data_files": [{"filename": "../../secret.arrow"}]}', "[]"])
def test_state_that_makes_no_sense(state: str, tmp_path: Path) -> None:
    """A state file that is broken, or points out of its folder, is refused."""
    folder = save_dataset(tmp_path / "set", [ROWS])
    (folder / "state.json").write_text(state)
    with pytest.raises(DataError, match=r"state\.json"):
        read(folder)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    """A folder of something else is refused with what was looked for."""
    with pytest.raises(DataError, match=r"dataset_dict\.json"):
        read(tmp_path)
    (tmp_path / "cases.csv").write_text("a,b\n")
    with pytest.raises(DataError, match=r"cases\.csv"):
        reader_for(tmp_path)
