"""Parquet files and folders of shards, streamed; needs the extra `parquet`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from touchstone.data.arrow import BATCH_ROWS, check_names, features_of, plain_rows, pyarrow
from touchstone.errors import DataError
from touchstone.language import _

_FEATURE = "reading Parquet files"


class ParquetReader:
    """
    One Parquet file, or a folder whose `.parquet` files, in the order of their names, are one table.

    Values keep their types; times become ISO 8601 text, bytes `data:` URLs, class numbers of the `datasets` library
    names; NaN is a missing value. Memory: the pages of one row group that are being read, and 256 rows.
    """

    name = "parquet"
    suffixes: tuple[str, ...] = (".parquet", ".pq")

    def rows(self, path: Path, *, encoding: str | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
        """
        Every row in order, counted from 1 over all shards.

        Raises:
            DataError: a file is missing, damaged, or has other columns than the first shard.
            ExtraMissing: pyarrow is not installed.
        """
        path = Path(path)
        number = 0
        expected: list[str] | None = None
        for shard in parquet_files(path):
            names = columns_of(shard)
            expected = expected or names
            if set(names) != set(expected):
                raise DataError(
                    "this shard has the columns {names} and the first one {expected}; name the files one by one",
                    path=shard,
                    names=", ".join(names),
                    expected=", ".join(expected),
                )
            for row in file_rows(shard, number):
                number += 1
                yield number, row

    def describe(self, path: Path, *, encoding: str | None = None) -> str:
        """Files, rows and columns in one line; read from the files' footers alone."""
        path = Path(path)
        files = parquet_files(path)
        names = columns_of(files[0])
        return _("Parquet, {files} files, {rows} rows, {count} columns: {names}").format(
            files=len(files), rows=sum(row_count(file) for file in files), count=len(names), names=", ".join(names)
        )


def parquet_files(path: Path) -> list[Path]:
    """The files that make up a table. Raises `DataError` where there is none."""
    if not path.exists():
        raise DataError("there is no such file; mend the path", path=path)
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise DataError("the folder holds no .parquet files; mend the path", path=path)
    return files


def columns_of(path: Path) -> list[str]:
    """Column names of a Parquet file. Raises `DataError` where one stands twice."""
    with _open(path) as file:
        names = [str(name) for name in file.schema_arrow.names]
    check_names(path, names)
    return names


def row_count(path: Path) -> int:
    """Rows of a Parquet file, from its footer."""
    with _open(path) as file:
        return int(file.metadata.num_rows)


def file_rows(path: Path, done: int = 0) -> Iterator[dict[str, Any]]:
    """
    Rows of one file.

    Args:
        path: A Parquet file.
        done: Rows of other files that came before, so that an error names the right row (the first of its batch).
    """
    library = pyarrow(_FEATURE)
    with _open(path) as file:
        batches = file.iter_batches(batch_size=BATCH_ROWS)
        try:
            for row in plain_rows(library, batches, features_of(file.schema_arrow.metadata)):
                done += 1
                yield row
        except (library.ArrowException, OSError) as error:
            raise _damaged(path, error, done + 1) from error


def _open(path: Path) -> Any:
    library = pyarrow(_FEATURE)
    try:
        # Pages are fetched as they are needed rather than a row group at once.
        return library.parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
    except FileNotFoundError as error:
        raise DataError("there is no such file; mend the path", path=path) from error
    except (library.ArrowException, OSError) as error:
        raise _damaged(path, error, None) from error


def _damaged(path: Path, error: Exception, row: int | None) -> DataError:
    return DataError(
        "this is no whole Parquet file: {reason}; write it again",
        path=path,
        row=row,
        reason=" ".join(str(error).split())[:200],
    )
