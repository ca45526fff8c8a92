"""Which reader reads a file: by name, by suffix, or by what is in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from touchstone import plugins
from touchstone.data.base import Reader
from touchstone.errors import DataError

_COMPRESSED = {".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".tar"}


def reader_for(path: Path, format: str | None = None) -> Reader:  # noqa: A002 - the task file's word
    """
    The reader of a file or folder.

    Args:
        path: What is to be read.
        format: Name of a reader plug-in; None means by suffix, and by content for a folder.

    Raises:
        UnknownName: nobody offers the format.
        DataError: there is no such file, or no reader for its kind.
    """
    if format is not None:
        return cast("Reader", plugins.load("reader", format)())
    if path.is_dir():
        return _reader_of_folder(path)
    suffix = path.suffix.lower()
    for reader in _readers():
        if suffix in reader.suffixes:
            return reader
    if not path.exists():
        raise DataError("there is no such file; mend the path", path=path)
    if suffix in _COMPRESSED:
        raise DataError("compressed files are not read; unpack it first", path=path)
    if suffix in (".xlsx", ".xls", ".ods"):
        raise DataError("spreadsheets are not read; save the sheet as CSV UTF-8", path=path)
    raise DataError(
        "no reader knows the suffix {suffix!r}; rename the file or name one of the readers with `format`: {known}",
        path=path,
        suffix=path.suffix,
        known=", ".join(plugins.names("reader")),
    )


def _readers() -> Iterator[Reader]:
    """
    Ours first: what reads a .csv may not depend on what else is installed; a guest is asked for by its name.

    Those that read nearly all cases are not looked up among the plug-ins, for which the metadata of every installed
    package is read.
    """
    from touchstone.data.csv import CsvReader
    from touchstone.data.jsonl import JsonlReader

    usual: tuple[type[Reader], ...] = (CsvReader, JsonlReader)
    yield from (make() for make in usual)
    ours = plugins.shipped("reader")
    for name in (*ours, *(name for name in plugins.names("reader") if name not in ours)):
        if name not in {make.name for make in usual}:
            yield cast("Reader", plugins.load("reader", name)())


def is_ours(reader: Reader) -> bool:
    """Whether a reader came with this package, so that the version of this package tells how it reads."""
    return type(reader).__module__.startswith("touchstone.data.")


def _reader_of_folder(path: Path) -> Reader:
    from touchstone.data.datasets import DatasetsReader, is_datasets_folder
    from touchstone.data.parquet import ParquetReader

    if is_datasets_folder(path):
        return DatasetsReader()
    if any(path.glob("*.parquet")):
        return ParquetReader()
    raise DataError(
        "this folder is no `datasets` folder and holds no .parquet files; name a file instead, such as {example}",
        path=path,
        example=next((str(file) for file in sorted(path.iterdir()) if file.is_file()), str(path / "cases.csv")),
    )
