"""A reader of case files: one section per case."""

from collections.abc import Iterator
from configparser import ConfigParser
from configparser import Error as IniError
from pathlib import Path
from typing import Any

from touchstone.errors import DataError


class IniReader:
    """`[id]` sections with `input = …` and `target = …`; for sets that people keep by hand."""

    name = "ini"
    suffixes = (".ini",)

    def rows(self, path: Path, *, encoding: str | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every section in order, its name as `id`."""
        parser = ConfigParser(interpolation=None)
        try:
            parser.read_string(path.read_text(encoding=encoding or "utf-8"))
        except OSError as error:
            raise DataError("the file cannot be read: {reason}", path=path, reason=error.strerror) from error
        except (IniError, UnicodeDecodeError) as error:
            raise DataError("this is no INI file: {reason}", path=path, reason=str(error)) from error
        for number, section in enumerate(parser.sections(), start=1):
            yield number, {"id": section, **parser[section]}

    def describe(self, path: Path, *, encoding: str | None = None) -> str:
        """One line."""
        return f"INI, one section per case, {encoding or 'utf-8'}"
