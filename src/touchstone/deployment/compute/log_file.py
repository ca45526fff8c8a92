"""What a process printed, in files that do not grow for ever."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_SHOWN_CHARACTERS = 2_000
"""Of a line; a program that prints without line ends fills no terminal."""


class LogFile:
    """
    A file that moves to `.1`, `.2`, … when it is full; the oldest is dropped.

    Args:
        path: The newest file; its folder is made.
        most_bytes: From this size on a file is full.
        files: How many are kept, the newest included.
    """

    def __init__(self, path: Path, *, most_bytes: int, files: int) -> None:
        self.path = path
        self.most_bytes = most_bytes
        self.files = files
        path.parent.mkdir(parents=True, exist_ok=True)
        self._opened: BinaryIO | None = None

    def write(self, printed: bytes) -> None:
        """Add what was printed. A full disk costs the log and nothing else."""
        try:
            if self._opened is None:
                self._opened = self.path.open("ab", buffering=0)
            if self._opened.tell() + len(printed) > self.most_bytes and self._opened.tell():
                self._turn()
            self._opened.write(printed)
        except OSError:
            self.close()

    def _turn(self) -> None:
        assert self._opened is not None
        self._opened.close()
        for number in range(self.files - 1, 0, -1):
            older = self._numbered(number)
            newer = self.path if number == 1 else self._numbered(number - 1)
            if newer.exists():
                newer.replace(older)
        self._opened = self.path.open("wb", buffering=0)

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def tail(self, lines: int) -> tuple[str, ...]:
        """The last lines, oldest first; see the function `tail`."""
        return tail(self.path, lines)

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()


def tail(path: Path, lines: int) -> tuple[str, ...]:
    """
    The last lines of a log and the older files beside it, oldest first.

    Bytes that are no text and control characters are replaced.
    """
    found: list[str] = []
    number = 0
    place = path
    while len(found) < lines and place.exists():
        read = place.read_bytes().decode("utf-8", errors="replace").splitlines()
        found = [*read[-(lines - len(found)) :], *found]
        number += 1
        place = path.with_name(f"{path.name}.{number}")
    return tuple(_plain(line) for line in found[-lines:]) if lines > 0 else ()


def _plain(line: str) -> str:
    shown = "".join(sign if sign.isprintable() or sign == "\t" else "\ufffd" for sign in line[:_SHOWN_CHARACTERS])
    return shown if len(line) <= _SHOWN_CHARACTERS else f"{shown} …"
