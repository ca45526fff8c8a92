"""
Documents from a folder, a file, or a file of passages.

Nothing outside the folder that the user named is read: symbolic links are refused wherever they stand, and files are
opened beneath a directory handle. What cannot be read is told and left out.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol, Self

from touchstone.errors import DataError, ExtraMissing, UserError
from touchstone.language import N_
from touchstone.retrieval import read_docx, read_html, read_markdown, read_pdf, read_text
from touchstone.retrieval.base import Document, Section, Unread
from touchstone.retrieval.parsed import Parsed, Unreadable
from touchstone.retrieval.reading import ReadingChild
from touchstone.retrieval.rows import ROWS_VERSION, Row, rows

FORMATS: Mapping[str, str] = {
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".jsonl": "rows",
    ".ndjson": "rows",
    ".csv": "rows",
    ".tsv": "rows",
}
"""File suffix to format; `rows` is a file of passages, one a row."""

VERSIONS: Mapping[str, int] = {
    "text": read_text.VERSION,
    "markdown": read_markdown.VERSION,
    "html": read_html.VERSION,
    "pdf": read_pdf.VERSION,
    "docx": read_docx.VERSION,
    "rows": ROWS_VERSION,
}
"""Of the readers; part of the key of an index, because another version may give another text."""

MOST_BYTES = 128 << 20
"""Of one file."""

REASONS: Mapping[str, str] = {
    "not_utf8": N_("the bytes at offset {offset} are not UTF-8; save the file as UTF-8"),
    "too_much_text": N_("it holds more text than a document may have; split it"),
    "too_many_members": N_("it is packed of {count} parts, {most} are allowed; save it anew without its attachments"),
    "unpacks_too_large": N_(
        "it would be {megabytes} MB unpacked; {most} MB are allowed, and no more than 200 times its packed size"
    ),
    "needs_password": N_("it needs a password; save it without one"),
    "too_many_pages": N_("it has {count} pages, {most} are allowed; split it"),
    "no_text": N_("it has no text, perhaps only pictures of pages; recognise its characters first"),
    "too_much_memory": N_("reading it takes more memory than is allowed; split it"),
    "too_much_cpu": N_("reading it takes more computing time than is allowed; split it or save it anew"),
    "too_slow": N_("reading it took longer than {seconds} seconds; split it or save it anew"),
    "reader_died": N_("the reader died over it; the file is damaged, or made to do harm"),
    "broken": N_("it is no file of this kind, or damaged ({kind}); save it anew"),
    "symlink": N_("a symbolic link is not followed; put the file itself into the folder"),
    "no_file": N_("this is no plain file"),
    "odd_name": N_("its name is no UTF-8; rename it"),
    "no_reader": N_("nothing here reads files like this one; known are {known}"),
    "too_large": N_("it has more than {most} MB; split it"),
    "unreadable": N_("it cannot be read: {reason}"),
    "no_row_text": N_("row {row} has no text in `{column}`"),
    "twice": N_("row {row} has an id that a row before it has; give each row an id of its own"),
    "twice_id": N_("another document of the source has this id; rename one of them"),
    "bad_row": N_("row {row} cannot be read: {reason}"),
    "no_object": N_("row {row} is no JSON object; write one object per line"),
    "more_rows": N_("{count} more rows cannot be used; name the columns with the id and the text"),
}
"""Why something is not read: sentences by the names that readers use."""


class Entry:
    """
    One document of a source: its id and digest, and the means to read it.

    Args:
        id: Of the document.
        digest: SHA-256 of its bytes, in hex.
        load: Reads it; raises `Unreadable`.
    """

    def __init__(self, id: str, digest: str, load: Callable[[], Parsed]) -> None:  # noqa: A002 - it is the id
        self.id = id
        self.digest = digest
        self.load = load

    def document(self) -> Document | Unread:
        """
        The document, or why there is none.

        Raises:
            ExtraMissing: the library that reads this format is not installed; all files like it would be missing.
        """
        try:
            parsed = self.load()
        except Unreadable as error:
            return _unread(self.id, error)
        return Document(
            id=self.id,
            title=parsed.title,
            digest=self.digest,
            sections=tuple(
                Section(headings=part.headings, text=part.text, page=part.page, page_starts=part.page_starts)
                for part in parsed.parts
            ),
        )


def _unread(place: str, error: Unreadable) -> Unread:
    if error.reason == "library_missing":
        raise ExtraMissing(feature=PurePosixPath(place).suffix.lstrip(".").upper() or place, extra="rag")
    return Unread(id=place, template=REASONS[error.reason], values=error.values_said)


@dataclass(frozen=True)
class Columns:
    """Names of the columns in a file of passages."""

    id: str | None = None
    """None takes the first of `id`, `passage_id`, `document_id` that is there, else the number of the row."""
    text: str = "text"
    title: str | None = "title"
    """None takes no title; a column that is not there gives none."""


class DocumentSource(Protocol):
    """Where documents come from, as an index sees it."""

    @property
    def place(self) -> Path:
        """What messages call it."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def entries(self) -> Iterator[Entry | Unread]:
        """Every document, always in the same order, and what is no document with the reason why."""
        ...


class Source:
    """
    A folder or a file of documents. Use it as a context: readers of untrusted files run in a process that it ends.

    Args:
        place: A folder, which is read with all folders below it; or a file. Names that begin with a dot are left out.
        columns: Of files of passages.
        most_bytes: Of one file.

    Raises:
        DataError: there is nothing at that place.
    """

    def __init__(self, place: Path, *, columns: Columns | None = None, most_bytes: int = MOST_BYTES) -> None:
        self.place = Path(place)
        if not self.place.exists():
            raise DataError("there is no such file or folder; name the documents' place", path=place)
        self.columns = columns or Columns()
        self.most_bytes = most_bytes
        self._reading = ReadingChild()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._reading.close()

    def entries(self) -> Iterator[Entry | Unread]:
        """
        Every document, ordered by path, and what is no document with the reason why.

        Bytes are read one file at a time and let go with the entry. Ids of rows are those of their file where the
        source is that file, and `FILE#ID` where it is a folder.
        """
        if self.place.is_dir():
            for name, data in _beneath(self.place.resolve(), self.most_bytes):
                yield from self._entries(name, data, within=True)
        else:
            yield from self._entries(self.place.name, _file_alone(self.place, self.most_bytes), within=False)

    def documents(self) -> Iterator[Document | Unread]:
        """All of them, read."""
        for entry in self.entries():
            yield entry if isinstance(entry, Unread) else entry.document()

    def _entries(self, name: str, data: bytes | Unreadable, *, within: bool) -> Iterator[Entry | Unread]:
        if isinstance(data, Unreadable):
            yield _unread(name, data)
            return
        form = FORMATS.get(PurePosixPath(name).suffix.lower())
        if form is None:
            yield _unread(name, Unreadable("no_reader", known=", ".join(FORMATS)))
        elif form == "rows":
            for found in rows(name, data, id_column=self.columns.id, text=self.columns.text, title=self.columns.title):
                if isinstance(found, Row):
                    row_id = f"{name}#{found.id}" if within else found.id
                    yield Entry(row_id, found.digest, found.parsed)
                else:
                    yield _unread(name, found)
        else:
            body, kind = data, form
            yield Entry(name, hashlib.sha256(body).hexdigest(), lambda: self._reading.read(kind, body))


def _file_alone(place: Path, most_bytes: int) -> bytes | Unreadable:
    # The user named this very file: a link to it is the user's own.
    return _read(os.fspath(place.resolve()), None, most_bytes)


_HELD = os.open in os.supports_dir_fd and hasattr(os, "fwalk")
"""Whether files can be opened beneath a directory handle here; elsewhere each step is looked at before it is taken."""


def _beneath(root: Path, most_bytes: int) -> Iterator[tuple[str, bytes | Unreadable]]:
    """(path below the root, bytes or why there are none) of every file, in order."""
    walk = (
        os.fwalk(root, follow_symlinks=False)
        if _HELD
        else ((folder, folders, files, None) for folder, folders, files in os.walk(root, followlinks=False))
    )
    for folder, folders, files, handle in walk:
        below = Path(folder).relative_to(root)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names = [name for name in files if not name.startswith(".")]
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted([*names, *links]):
            shown = (below / name).as_posix()
            try:
                shown.encode()
            except UnicodeEncodeError:
                yield shown.encode("utf-8", "backslashreplace").decode(), Unreadable("odd_name")
                continue
            if name in links:
                yield shown, Unreadable("symlink")
            elif handle is None:
                yield shown, _read(str(Path(folder) / name), None, most_bytes)
            else:
                yield shown, _read(name, handle, most_bytes)


def _read(name: str, handle: int | None, most_bytes: int) -> bytes | Unreadable:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        if stat.S_ISLNK(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
            return Unreadable("symlink")
        with os.fdopen(os.open(name, flags, dir_fd=handle), "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                return Unreadable("no_file")
            data = file.read(most_bytes + 1)
    except OSError as error:
        return Unreadable("unreadable", reason=error.strerror or type(error).__name__)
    return data if len(data) <= most_bytes else Unreadable("too_large", most=most_bytes >> 20)


def refuse_nothing(found: int, unread: int, place: Path) -> None:
    """
    Raises:
        UserError: a source without a single document; an index of nothing would find nothing, and look like a result.
    """
    if not found:
        raise UserError(
            "{place} holds no document that can be read ({unread} cannot); name a folder with some of {known}",
            place=str(place),
            unread=unread,
            known=", ".join(FORMATS),
        )
