"""
Folders of the Hugging Face `datasets` library, read without that library; needs the extra `parquet`.

Layouts, as written by `datasets` 5.2 (checked with folders it wrote):

    FOLDER/state.json                   a Dataset: `_data_files` names the shards in order,
    FOLDER/data-00000-of-00002.arrow    each an Arrow IPC stream
    FOLDER/dataset_info.json            `features` describes the columns
    FOLDER/dataset_dict.json            a DatasetDict: `splits` names the folders, each a Dataset
    FOLDER/data/train-00000-of-00001.parquet     a snapshot from the hub, or the same without `data/`
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from touchstone.data.arrow import check_names, features_of, plain_rows, pyarrow
from touchstone.errors import DataError
from touchstone.language import _

_FEATURE = "reading `datasets` folders"
_SHARD = re.compile(r"(?P<split>[\w.]+?)-\d{5}-of-\d{5}(-[0-9a-f]+)?\.parquet")


def is_datasets_folder(path: Path) -> bool:
    """Whether a folder has one of the layouts named above."""
    return (path / "state.json").is_file() or (path / "dataset_dict.json").is_file() or bool(_hub_shards(path))


class DatasetsReader:
    """
    A folder of the `datasets` library: one table, or several splits one after the other.

    Where the folder has splits, each row says its own in the column `split`. Class numbers are read as their names.
    Files are memory-mapped and streamed.
    """

    name = "datasets"
    suffixes: tuple[str, ...] = ()

    def splits(self, path: Path) -> tuple[str, ...]:
        """Names of the folder's splits in order; empty for a single table."""
        return tuple(name for name in _parts(Path(path)) if name)

    def rows(self, path: Path, *, encoding: str | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
        """
        Every row in order, counted from 1 over all splits and shards.

        Raises:
            DataError: this is no such folder, or a file in it is missing or damaged.
            ExtraMissing: pyarrow is not installed.
        """
        number = 0
        for split, files in _parts(Path(path)).items():
            for file, features in files:
                for row in _file_rows(file, features, number):
                    number += 1
                    yield number, ({**row, "split": split} if split else row)

    def describe(self, path: Path, *, encoding: str | None = None) -> str:
        """Splits with their row numbers, and columns, in one line."""
        names: list[str] = []
        spans: list[str] = []
        first = 1
        for split, files in _parts(Path(path)).items():
            count = 0
            for file, _features in files:
                found, rows = _names_and_rows(file)
                names = names or found
                count += rows
            spans.append(
                _("{split} (rows {first} to {last})").format(split=split, first=first, last=first + count - 1)
                if split
                else _("{count} rows").format(count=count)
            )
            first += count
        return _("datasets folder, {spans}, {count} columns: {names}").format(
            spans=", ".join(spans), count=len(names), names=", ".join(names)
        )


def _parts(path: Path) -> dict[str, list[tuple[Path, Mapping[str, Any]]]]:
    """Split name (empty for a single table) to its files, each with the features that describe it."""
    if not path.exists():
        raise DataError("there is no such folder; mend the path", path=path)
    if (path / "dataset_dict.json").is_file():
        names = _json(path / "dataset_dict.json").get("splits")
        if not isinstance(names, list) or not all(isinstance(name, str) and "/" not in name for name in names):
            raise DataError(
                "`splits` must be a list of folder names; save the dataset again", path=path / "dataset_dict.json"
            )
        return {name: _arrow_files(path / name) for name in names}
    if (path / "state.json").is_file():
        return {"": _arrow_files(path)}
    parts: dict[str, list[tuple[Path, Mapping[str, Any]]]] = {}
    for split, file in _hub_shards(path):
        parts.setdefault(split, []).append((file, {}))
    if not parts:
        raise DataError(
            "this is no `datasets` folder: it has neither dataset_dict.json nor state.json "
            "nor data/SPLIT-00000-of-00001.parquet; mend the path",
            path=path,
        )
    # The library lists train first; names alone would put test before it.
    return dict(sorted(parts.items(), key=lambda part: (part[0] != "train", part[0] == "test", part[0])))


def _hub_shards(path: Path) -> list[tuple[str, Path]]:
    for folder in (path / "data", path):
        shards = [(_SHARD.fullmatch(file.name), file) for file in sorted(folder.glob("*.parquet"))]
        found = [(match["split"], file) for match, file in shards if match]
        if found:
            return found
    return []


def _arrow_files(folder: Path) -> list[tuple[Path, Mapping[str, Any]]]:
    entries = _json(folder / "state.json").get("_data_files")
    if not isinstance(entries, list):
        raise DataError("`_data_files` must list the shards; save the dataset again", path=folder / "state.json")
    info = folder / "dataset_info.json"
    features = _json(info).get("features") if info.is_file() else None
    files: list[tuple[Path, Mapping[str, Any]]] = []
    for entry in entries:
        name = entry.get("filename") if isinstance(entry, dict) else None
        # A shard lies in its folder: a state.json that points elsewhere would read somebody's other files.
        if not isinstance(name, str) or Path(name).name != name:
            raise DataError(
                "`_data_files` names {name!r}, which is no file name; save the dataset again",
                path=folder / "state.json",
                name=name,
            )
        files.append((folder / name, features if isinstance(features, dict) else {}))
    return files


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError("the file is missing; save the dataset again", path=path) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError("the file cannot be read: {reason}; save the dataset again", path=path, reason=error) from error
    if not isinstance(found, dict):
        raise DataError("the file holds no JSON object; save the dataset again", path=path)
    return found


def _file_rows(path: Path, features: Mapping[str, Any], done: int) -> Iterator[dict[str, Any]]:
    library = pyarrow(_FEATURE)
    try:
        for schema, batches in _opened(library, path):
            check_names(path, list(schema.names))
            for row in plain_rows(library, batches, features or features_of(schema.metadata)):
                done += 1
                yield row
    except (library.ArrowException, OSError) as error:
        raise _damaged(path, error, done + 1) from error


def _names_and_rows(path: Path) -> tuple[list[str], int]:
    library = pyarrow(_FEATURE)
    try:
        for schema, batches in _opened(library, path):
            return list(schema.names), sum(batch.num_rows for batch in batches)
    except (library.ArrowException, OSError) as error:
        raise _damaged(path, error, None) from error
    raise AssertionError("a file opens or raises")


def _opened(library: Any, path: Path) -> Iterator[tuple[Any, Iterator[Any]]]:
    """(schema, batches) of a file while it is open: an Arrow stream, an Arrow file, or Parquet."""
    if not path.is_file():
        raise DataError("the file is missing; save the dataset again", path=path)
    if path.suffix == ".parquet":
        with library.parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
            yield file.schema_arrow, file.iter_batches(batch_size=256)
        return
    with library.memory_map(str(path)) as source:
        if source.read(6) == b"ARROW1":
            source.seek(0)
            reader = library.ipc.open_file(source)
            yield reader.schema, (reader.get_batch(place) for place in range(reader.num_record_batches))
        else:
            source.seek(0)
            reader = library.ipc.open_stream(source)
            yield reader.schema, iter(reader)


def _damaged(path: Path, error: Exception, row: int | None) -> DataError:
    return DataError(
        "the file is damaged: {reason}; save the dataset again",
        path=path,
        row=row,
        reason=" ".join(str(error).split())[:200],
    )
