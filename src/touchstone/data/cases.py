"""The user's cases, streamed from their files: columns mapped, ids given, every problem named with its row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from touchstone.data.base import SPLITS, Case, CaseSource
from touchstone.data.columns import chosen_columns
from touchstone.data.conversation import looks_like_messages, messages_of, without_answer
from touchstone.data.digests import DigestCounts, digest64
from touchstone.data.drawing import drawn_split
from touchstone.data.readers import reader_for
from touchstone.data.values import options_of, split_of, tags_of, text_of
from touchstone.errors import DataError
from touchstone.models.base import Message

_PEEK_ROWS = 100
"""Rows whose keys are looked at before the first case is made; rows of JSON Lines need not all have the same."""


def read_cases(source: CaseSource, *, limit: int | None = None) -> Iterator[Case]:
    """
    Every case in the order of the files, one at a time.

    A case without an id gets one from what it asks: 16 hexadecimal digits, and `-2`, `-3`, … where the same is asked
    again. Adding or removing other cases does not change it. Columns that are not ours are kept as text in `fields`.

    Where duplicates are allowed, test cases of one id (or, without ids, that ask the same) are a group of that name
    unless their rows name another, so that intervals count them once.

    Args:
        source: Files, column names, encoding, format.
        limit: At most so many cases, for a preview.

    Raises:
        DataError: file, row, what is wrong with it and what to do.
        UnknownName: nobody offers the declared format.
        ExtraMissing: a format needs libraries that are not installed.
    """
    return islice((case for _path, case, _given in located_cases(source)), limit)


def located_cases(source: CaseSource) -> Iterator[tuple[Path, Case, bool]]:
    """Like `read_cases`, each case with the file or folder it came from and whether its id stands there."""
    seen = DigestCounts()
    copies = DigestCounts() if source.allow_duplicates else None
    for key, path in source.files.items():
        split = _split_of_file(key, path)
        for case, given in _file_cases(source, Path(path), split, seen):
            drawn = case.model_copy(update={"split": drawn_split(case, source.shares)}) if source.shares else case
            yield path, drawn if copies is None else _as_draw(drawn, given, copies), given


def _as_draw(case: Case, given: bool, copies: DigestCounts) -> Case:
    """
    The case as one of the draws of its id: numbered, and in the group of that id unless its row names another.

    Cases of our own ids ask the same where only `-2`, `-3`, … tells them apart. Only what is measured is grouped: ids
    may start again in every split, and a group across splits would be a warning.
    """
    same = case.id if given else case.id.partition("-")[0]
    number = copies.count(digest64(case.split, same)) - 1
    group = same if case.group is None and case.split == "test" else case.group
    return case.model_copy(update={"copy_number": number if given else 0, "group": group})


def case_counts(source: CaseSource, *, limit: int | None = None) -> dict[str, int]:
    """Cases per split, of the first `limit` or of all; every split is named."""
    found: Counter[str] = Counter(case.split for case in read_cases(source, limit=limit))
    return {split: found[split] for split in SPLITS}


def _split_of_file(key: str, path: Path) -> str:
    if not key:
        return ""
    split = split_of(key)
    if split is None:
        raise DataError("{name!r} is no split; use train, dev or test", path=path, name=key)
    return split


def _file_cases(source: CaseSource, path: Path, split: str, seen: DigestCounts) -> Iterator[tuple[Case, bool]]:
    reader = reader_for(path, source.format)
    if split and (inner := getattr(reader, "splits", lambda _path: ())(path)):
        raise DataError(
            "the folder holds the splits {splits} itself; name the folder alone, or the folder of one split",
            path=path,
            splits=", ".join(inner),
        )
    rows = iter(reader.rows(path, encoding=source.encoding))
    head = list(islice(rows, _PEEK_ROWS))
    if not head:
        raise DataError("the file holds no cases", path=path)
    names = dict.fromkeys(name for _number, row in head for name in row)
    columns = chosen_columns(path, names, source.columns, split)
    if source.shares and (split or columns.get("split") in names):
        raise DataError("the cases say themselves what split they are in; take `split` out of the task file", path=path)
    maker = _CaseMaker(path, columns, split, seen)
    for number, row in chain(head, rows):
        yield maker.case(number, row)


class _CaseMaker:
    """Makes cases of the rows of one file."""

    def __init__(self, path: Path, columns: Mapping[str, str], split: str, seen: DigestCounts) -> None:
        self.path = path
        self.columns = columns
        self.split = split
        self.seen = seen
        self.used = frozenset(columns.values())

    def case(self, number: int, row: Mapping[str, Any]) -> tuple[Case, bool]:
        """The case in a row and whether the row gives its id. Raises `DataError`."""
        get = {ours: row.get(theirs) for ours, theirs in self.columns.items()}
        target = text_of(get.get("target"))
        text, messages = self._asked(number, get.get("input"), get.get("messages"))
        if messages is not None and not target:
            messages, target = without_answer(messages)
        try:
            options = options_of(get.get("options"))
        except ValueError as error:
            raise DataError(
                "options cannot be read: {reason}; mend the row", path=self.path, row=number, reason=error
            ) from error
        image, audio = text_of(get.get("image")) or None, text_of(get.get("audio")) or None
        if text == "" and (image or audio):
            text = None
        fields = {
            name: kept for name, value in row.items() if name not in self.used and (kept := text_of(value)) is not None
        }
        given = text_of(get.get("id"))
        case = Case(
            id=given or self._own_id(text, messages, image, audio, options),
            input=text,
            messages=messages,
            image=image,
            audio=audio,
            target=target or None,
            options=options,
            split=self._split_name(number, get.get("split")),
            group=text_of(get.get("group")) or None,
            tags=tags_of(get.get("tags")),
            fields=fields,
            row=number,
        )
        return case, bool(given)

    def _asked(self, number: int, text: Any, messages: Any) -> tuple[str | None, tuple[Message, ...] | None]:
        """(input, messages) of which one is None."""
        if looks_like_messages(text):
            # OpenAI's evals write the conversation under `input`.
            text, messages = None, text
        written = text_of(text)
        if messages is None or messages in ("", []):
            return written, None
        if written:
            raise DataError(
                "the row has both input and messages; empty one of them, or map only one under `columns`",
                path=self.path,
                row=number,
            )
        try:
            return None, messages_of(messages)
        except ValueError as error:
            raise DataError(
                "messages cannot be read: {reason}; mend the row", path=self.path, row=number, reason=error
            ) from error

    def _split_name(self, number: int, value: Any) -> str:
        if self.split:
            return self.split
        split = split_of(value)
        if split is None:
            raise DataError(
                "split is {value!r}; use train, dev or test, or rename the column if it is about something else",
                path=self.path,
                row=number,
                value=value,
            )
        return split

    def _own_id(
        self,
        text: str | None,
        messages: tuple[Message, ...] | None,
        image: str | None,
        audio: str | None,
        options: tuple[str, ...],
    ) -> str:
        turns = [part for message in messages or () for part in (message.role, message.model_dump_json())]
        digest = digest64(text, image, audio, *options, *turns)
        draw = self.seen.count(digest)
        return f"{digest:016x}" if draw == 1 else f"{digest:016x}-{draw}"
