"""Several sources as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from touchstone.retrieval.base import Unread
from touchstone.retrieval.documents import DocumentSource, Entry


class SourceList:
    """
    The documents of several sources, whose ids begin with the source's name.

    Args:
        named: Name and source, each name once, in order.
    """

    def __init__(self, named: Sequence[tuple[str, DocumentSource]]) -> None:
        self.named = tuple(named)
        self._opened = ExitStack()

    @property
    def place(self) -> Path:
        """The first of them."""
        return self.named[0][1].place

    def __enter__(self) -> Self:
        for _, source in self.named:
            self._opened.enter_context(source)
        return self

    def __exit__(self, *_error: object) -> None:
        self._opened.close()

    def entries(self) -> Iterator[Entry | Unread]:
        """Of one source after the other."""
        for name, source in self.named:
            for entry in source.entries():
                number = f"{name}/{entry.id}"
                if isinstance(entry, Unread):
                    yield entry.model_copy(update={"id": number})
                else:
                    yield Entry(number, entry.digest, entry.load)
