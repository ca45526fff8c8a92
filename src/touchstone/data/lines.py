"""Text files as lines: decoded strictly, never whole in memory, told exactly where they are broken."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from touchstone.errors import DataError

CHUNK_BYTES = 1 << 16
MAX_LINE_CHARS = 1 << 26
"""A line longer than this (64 Mi characters) is no row of a case file."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Undecodable(ValueError):
    """Bytes that are no text in the encoding. `offset` counts from 0 at the start of the file."""

    def __init__(self, offset: int, byte: int, encoding: str, guess: str) -> None:
        super().__init__(f"byte {byte:#04x} at offset {offset} is not {encoding}")
        self.offset = offset
        self.byte = byte
        self.encoding = encoding
        self.guess = guess

    def at(self, path: Path, row: int) -> DataError:
        """The error a reader raises for it."""
        return DataError(
            "byte {byte} at offset {offset} of the file is not {encoding}; save the file as UTF-8 "
            "or declare what it is, for example `encoding: {guess}`",
            path=path,
            row=row,
            byte=f"0x{self.byte:02x}",
            offset=self.offset,
            encoding=self.encoding,
            guess=self.guess,
        )


class LineTooLong(ValueError):
    """A line of more than `MAX_LINE_CHARS` characters."""


def open_bytes(path: Path) -> BinaryIO:
    """
    The file, opened for reading bytes.

    Raises:
        DataError: there is no such file, it is a folder, or it may not be read.
    """
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise DataError("there is no such file; mend the path", path=path) from error
    except IsADirectoryError as error:
        raise DataError("this is a folder; name a file in it", path=path) from error
    except OSError as error:
        raise DataError("the file cannot be read: {reason}", path=path, reason=error.strerror) from error


def byte_order_mark(path: Path) -> str | None:
    """Encoding that the first bytes of the file announce (`utf-8-sig`, `utf-16`, `utf-32`), or None."""
    with open_bytes(path) as file:
        head = file.read(4)
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    """
    The lines of a text file with their line ends as they are (LF, CRLF or CR); a byte order mark is dropped.

    Memory: one chunk and the longest line. All lines before a broken byte are yielded first, so that the caller's count
    of rows is right when `Undecodable` comes.

    Args:
        path: An ordinary file.
        encoding: Declared encoding; None means UTF-8.

    Raises:
        DataError: the file cannot be opened, or nobody knows the encoding.
        Undecodable: a byte that is no text in the encoding.
        LineTooLong: see `MAX_LINE_CHARS`.
    """
    decoder = _decoder(path, encoding)
    with open_bytes(path) as file:
        pieces: list[str] = []
        started = False
        for text, error in _decoded(file, decoder, encoding or "utf-8"):
            if text and not started:
                started = True
                text = text.removeprefix("\ufeff")
            pieces.append(text)
            if "\n" in text or "\r" in text or (text and any(piece.endswith("\r") for piece in pieces)):
                *complete, last = io.StringIO("".join(pieces), newline="")
                yield from complete
                # A CR at the end of a chunk may be half of a CRLF: it waits for what follows.
                if last.endswith("\n"):
                    yield last
                    last = ""
                pieces = [last] if last else []
            elif sum(map(len, pieces)) > MAX_LINE_CHARS:
                raise LineTooLong
            if error is not None:
                yield from (piece for piece in pieces if piece.endswith("\r"))
                raise error
        yield from io.StringIO("".join(pieces), newline="")


def _decoder(path: Path, encoding: str | None) -> codecs.IncrementalDecoder:
    try:
        info = codecs.lookup(encoding or "utf-8")
        decoder = codecs.getincrementaldecoder(info.name)("strict")
        if not isinstance(decoder.decode(b""), str):
            raise LookupError
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            "nobody knows the text encoding {encoding!r}; use for example utf-8, gb18030, utf-16, cp1252 or latin-1",
            path=path,
            encoding=encoding,
        ) from error
    return decoder


def _decoded(
    file: BinaryIO, decoder: codecs.IncrementalDecoder, encoding: str
) -> Iterator[tuple[str, Undecodable | None]]:
    """(text, None) chunk by chunk; the last may be (text before the broken byte, what is broken)."""
    done = 0
    while True:
        chunk = file.read(CHUNK_BYTES)
        state = decoder.getstate()
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            # What the decoder held back from the chunk before comes first in the error's bytes.
            held = len(error.object) - len(chunk)
            offset = done - held + error.start
            decoder.setstate(state)
            text = decoder.decode(chunk[: max(error.start - held, 0)])
            guess = _guess(error.object[max(error.start - 64, 0) :][:256])
            yield text, Undecodable(offset, error.object[error.start], encoding, guess)
            return
        done += len(chunk)
        if text:
            yield text, None
        if not chunk:
            return


def _guess(sample: bytes) -> str:
    """A likely encoding of bytes that are not UTF-8: Chinese text in pairs of high bytes, or a western code page."""
    if sample[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    try:
        text = codecs.getincrementaldecoder("gb18030")().decode(sample)
    except UnicodeDecodeError:
        return "cp1252"
    high = [character for character in text if ord(character) > 127]
    chinese = sum("\u3000" <= character <= "\u9fff" or "\uff00" <= character <= "\uffef" for character in high)
    # One accented letter and its neighbour also make a pair now and then; Chinese comes in runs.
    runs = any("\u4e00" <= a <= "\u9fff" and "\u4e00" <= b <= "\u9fff" for a, b in pairwise(text))
    return "gb18030" if high and chinese * 2 > len(high) and runs else "cp1252"
