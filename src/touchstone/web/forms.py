"""What somebody typed: read by name, each value with its limits, never trusted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Protocol

from touchstone.errors import SettingsError

LONGEST = 20_000
"""Characters of one field, where a page says nothing else."""


class Upload(Protocol):
    """A file that came with a form; it lies in memory or in a temporary file that dies with the request."""

    filename: str | None
    size: int | None
    file: IO[bytes]


class Form:
    """
    Fields by name, each with one value or several, and files.

    Every reader raises `SettingsError` for a value that cannot be used, which names the field.
    """

    def __init__(self, fields: Iterable[tuple[str, str]] = (), files: Iterable[tuple[str, Upload]] = ()) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in fields:
            self._fields.setdefault(name, []).append(value)
        self._files: dict[str, list[Upload]] = {}
        for name, file in files:
            self._files.setdefault(name, []).append(file)

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __bool__(self) -> bool:
        return bool(self._fields or self._files)

    def items(self) -> Iterator[tuple[str, str]]:
        """Every field with each of its values."""
        return ((name, value) for name, values in self._fields.items() for value in values)

    def text(self, name: str, default: str = "", *, longest: int = LONGEST) -> str:
        """The field's text without white space around it; `default` where it is absent or empty."""
        value = self.raw(name, longest=longest).strip()
        return value or default

    def raw(self, name: str, default: str = "", *, longest: int = LONGEST) -> str:
        """The field's text as it is, with line ends of one kind."""
        values = self._fields.get(name)
        value = values[-1] if values else default
        if len(value) > longest:
            raise SettingsError(
                "{field} has {count:,} characters; it takes {most:,}", field=name, count=len(value), most=longest
            )
        return value.replace("\r\n", "\n").replace("\r", "\n")

    def all(self, name: str, *, most: int = 1_000, longest: int = LONGEST) -> tuple[str, ...]:
        """Every value of the field that is not empty."""
        values = [value.strip() for value in self._fields.get(name, ()) if value.strip()]
        if len(values) > most or any(len(value) > longest for value in values):
            raise SettingsError(
                "{field} has too many values or too long ones; it takes {most:,}", field=name, most=most
            )
        return tuple(values)

    def choice(self, name: str, known: Sequence[str] | Mapping[str, object], default: str) -> str:
        """One of `known`; the default where it is absent or empty."""
        value = self.text(name, default)
        if value not in known and value != default:
            raise SettingsError(
                "{field} is {value!r}; there are {known}", field=name, value=value, known=", ".join(known)
            )
        return value

    def flag(self, name: str) -> bool:
        """Whether a box is ticked."""
        return self.text(name) not in ("", "0", "false", "no", "off")

    def number(
        self, name: str, default: float | None = None, *, low: float = -math.inf, high: float = math.inf
    ) -> float | None:
        """A number between two ends; the default where nothing was written."""
        said = self.text(name)
        if not said:
            return default
        try:
            value = float(said.replace(",", "").replace("_", ""))
        except ValueError:
            value = math.nan
        if not low <= value <= high or math.isinf(value):
            raise SettingsError(
                "{field} is {value!r}; write a number{between}",
                field=name,
                value=said,
                between="" if math.isinf(low) and math.isinf(high) else f" ({low:g} … {high:g})",
            )
        return value

    def whole(self, name: str, default: int | None = None, *, low: int = 0, high: int = 1 << 53) -> int | None:
        """A whole number between two ends."""
        value = self.number(name, None, low=low, high=high)
        if value is None:
            return default
        if value != int(value):
            raise SettingsError("{field} is {value!r}; write a whole number", field=name, value=self.text(name))
        return int(value)

    def close(self) -> None:
        """Release the files; also those of fields where none was chosen, which browsers send all the same."""
        for files in self._files.values():
            for file in files:
                file.file.close()

    def file(self, name: str) -> Upload | None:
        """The file of a field; None where none was chosen."""
        files = [file for file in self._files.get(name, ()) if file.filename]
        return files[-1] if files else None

    def files(self, name: str, *, most: int = 50) -> tuple[Upload, ...]:
        """Every file of a field."""
        files = tuple(file for file in self._files.get(name, ()) if file.filename)
        if len(files) > most:
            raise SettingsError("{field} has {count} files; it takes {most}", field=name, count=len(files), most=most)
        return files
