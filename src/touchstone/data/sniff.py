"""What a file of cases probably is: a proposal for a task file, for people to look over."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from touchstone.data.base import Case, CaseSource, Problem
from touchstone.data.cases import read_cases
from touchstone.data.check import check_cases
from touchstone.data.columns import suggestion
from touchstone.data.conversation import looks_like_messages
from touchstone.data.readers import reader_for
from touchstone.data.targets import is_number
from touchstone.data.values import LETTERS, SPLIT_NAMES, options_of, text_of
from touchstone.errors import DataError
from touchstone.noun import Noun

_SAMPLE_ROWS = 1000
_MOST_LABELS = 200
_LONGEST_LABEL_CHARS = 80
_CASES_PER_LABEL = 3
_MEDIA_SUFFIXES = {
    "image": (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp"),
    "audio": (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".opus"),
}

Rows = Sequence[Mapping[str, Any]]


class Proposal(Noun):
    """How a file could be used as the cases of a task. Nothing in it was decided for good."""

    source: CaseSource
    """Files, reader, encoding, and the columns by their meaning (those that are named as ours included)."""
    described: str
    """Dialect, encoding and columns in one line."""
    kind: str
    """Kind of answer: label, choice, number, json, text, or free where there is no target."""
    labels: tuple[str, ...] = ()
    """Of a label task, the most frequent first."""
    counts: Mapping[str, int]
    """Cases per split."""
    examples: tuple[Case, ...]
    """The first cases, three at most."""
    problems: tuple[Problem, ...] = ()

    @property
    def has_train(self) -> bool:
        """Whether there are cases to learn from, so that baselines make sense."""
        return self.counts.get("train", 0) > 0


def propose(
    path: Path, *, columns: Mapping[str, str] | None = None, kind: str | None = None, limit: int | None = None
) -> Proposal:
    """
    Look at a file or folder and propose how to use it; reads all of it once.

    Columns are proposed by name, then by what stands in them. A file called after a split brings the files beside it
    that are called after the others. A file that is not UTF-8 is proposed with the likely encoding and a warning.

    Args:
        path: The file or folder.
        columns: Our column to the file's column, where somebody has said so; nothing is proposed for the others.
        kind: Kind of answer, where somebody has said so.
        limit: At most so many cases are looked at.

    Raises:
        DataError: a row that cannot be read, or nothing in the file that could be asked.
    """
    path = Path(path)
    files = _files(path)
    try:
        return _proposal(files, None, columns, kind, limit)
    except DataError as error:
        guess = error.values.get("guess")
        if guess is None:
            raise
        proposal = _proposal(files, str(guess), columns, kind, limit)
        warning = Problem(
            severity="warning",
            kind="encoding_guessed",
            path=error.path,
            rows=() if error.row is None else (error.row,),
            count=1,
            template="the file is not UTF-8 and was read as {guess}; "
            "look at the examples and mend `encoding` if they are wrong",
            values={"guess": guess},
        )
        return proposal.model_copy(update={"problems": (warning, *proposal.problems)})


def propose_columns(rows: Rows) -> dict[str, str]:
    """Our column to the file's column, from the names and contents of some rows."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = {name: [row.get(name) for row in rows] for name in names}
    found = {ours: theirs for ours, theirs in suggestion(names).items() if _FITS.get(ours, _anything)(cells[theirs])}
    for ours in _SHOWS:
        free = [name for name in names if name not in found.values()]
        theirs = None if ours in found else next((name for name in free if _SHOWS[ours](cells[name])), None)
        if theirs is not None:
            found[ours] = theirs
    free = [name for name in names if name not in found.values()]
    if not {"input", "messages", "image", "audio"} & set(found):
        longest = max(free, key=lambda name: _mean_length(cells[name]), default=None)
        if longest is not None:
            found["input"] = longest
            free.remove(longest)
    if "messages" in found:
        found.pop("input", None)
    if "target" not in found and "messages" not in found:
        few = [name for name in free if _few_values([text_of(cell) or "" for cell in cells[name]])]
        if len(few) == 1:
            found["target"] = few[0]
    return {ours: found[ours] for ours in sorted(found, key=list(_ORDER).index)}


def propose_kind(targets: Sequence[str], options: Sequence[tuple[str, ...]]) -> str:
    """
    The kind of answer that the targets of some cases show.

    Args:
        targets: Those that are there.
        options: Of the same cases; empty tuples where there are none.
    """
    if not targets:
        return "free"
    if all(len(found) > 1 for found in options):
        fits = sum(
            target in LETTERS[: len(found)] or target in found or target.isdecimal()
            for target, found in zip(targets, options, strict=True)
        )
        if fits * 10 >= len(targets) * 9:
            return "choice"
    if all(_is_json_object(target) for target in targets):
        return "json"
    few = _few_values(targets)
    if all(is_number(target) for target in targets):
        marks = few and len(set(targets)) <= 10 and all(target.isdecimal() for target in targets)
        return "label" if marks else "number"
    return "label" if few else "text"


def _files(path: Path) -> dict[str, Path]:
    """The file itself, or the files of all splits where it is called after one and others lie beside it."""
    if path.is_dir():
        named = [file for file in sorted(path.iterdir()) if file.suffix.lower() in (".csv", ".tsv", ".jsonl")]
    elif path.stem.casefold() in SPLIT_NAMES:
        named = sorted(path.parent.glob(f"*{path.suffix}"))
    else:
        named = []
    splits: dict[str, Path] = {}
    for file in named:
        if file.stem.casefold() in SPLIT_NAMES:
            splits.setdefault(SPLIT_NAMES[file.stem.casefold()], file)
    if "test" in splits and len(splits) > 1:
        return {split: splits[split] for split in ("train", "dev", "test") if split in splits}
    return {"": path}


def _proposal(
    files: Mapping[str, Path],
    encoding: str | None,
    said_columns: Mapping[str, str] | None,
    said_kind: str | None,
    limit: int | None,
) -> Proposal:
    last = list(files.values())[-1]
    reader = reader_for(last)
    rows = [row for _number, row in islice(reader.rows(last, encoding=encoding), _SAMPLE_ROWS)]
    if not rows:
        raise DataError("the file holds no cases", path=last)
    columns = propose_columns(rows) if said_columns is None else dict(said_columns)
    if "" not in files:
        columns.pop("split", None)
    source = CaseSource(files=files, columns=columns, encoding=encoding, format=reader.name)
    sample = [case for case in read_cases(source, limit=_SAMPLE_ROWS) if case.target]
    kind = said_kind or propose_kind([case.target or "" for case in sample], [case.options for case in sample])
    summary = check_cases(source, needs_target=kind != "free", kind=kind, limit=limit)
    return Proposal(
        source=source,
        described=summary.described,
        kind=kind,
        labels=tuple(summary.labels) if kind == "label" else (),
        counts=summary.counts,
        examples=tuple(read_cases(source, limit=3)),
        problems=summary.problems,
    )


def _few_values(values: Sequence[str]) -> bool:
    """Whether the values look like labels: short, at least two different ones, most of them several times."""
    different = Counter(value for value in values if value)
    return (
        2 <= len(different) <= _MOST_LABELS
        and len(different) * _CASES_PER_LABEL <= len(values)
        and max(map(len, different)) <= _LONGEST_LABEL_CHARS
    )


def _mean_length(cells: Sequence[Any]) -> float:
    return sum(len(text_of(cell) or "") for cell in cells) / len(cells)


def _anything(_cells: Sequence[Any]) -> bool:
    return True


def _are_unique(cells: Sequence[Any]) -> bool:
    return len({text_of(cell) for cell in cells}) == len(cells)


def _are_splits(cells: Sequence[Any]) -> bool:
    """All name a split, or most do and the others are empty."""
    texts = [(text_of(cell) or "").strip().casefold() for cell in cells]
    return any(texts) and all(text in SPLIT_NAMES for text in texts if text)


def _are_options(cells: Sequence[Any]) -> bool:
    try:
        return all(len(options_of(cell)) > 1 for cell in cells)
    except ValueError:
        return False


def _are_messages(cells: Sequence[Any]) -> bool:
    return all(looks_like_messages(_from_json(cell)) for cell in cells)


def _repeat(cells: Sequence[Any]) -> bool:
    return len({text_of(cell) for cell in cells}) < len(cells)


def _are_files(kind: str, cells: Sequence[Any]) -> bool:
    texts = [text_of(cell) or "" for cell in cells]
    return all(text.lower().endswith(_MEDIA_SUFFIXES[kind]) or text.startswith(f"data:{kind}/") for text in texts)


def _are_images(cells: Sequence[Any]) -> bool:
    return _are_files("image", cells)


def _are_recordings(cells: Sequence[Any]) -> bool:
    return _are_files("audio", cells)


def _from_json(cell: Any) -> Any:
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell


def _is_json_object(text: str) -> bool:
    try:
        return text.lstrip().startswith("{") and isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


_ORDER = ("id", "input", "messages", "image", "audio", "target", "options", "split", "group", "tags")
_FITS = {
    "id": _are_unique,
    "split": _are_splits,
    "options": _are_options,
    "messages": _are_messages,
    "image": _are_images,
    "audio": _are_recordings,
    "group": _repeat,
}
"""What a column that is called like one of ours must hold to be it."""
_SHOWS = {
    "messages": _are_messages,
    "split": _are_splits,
    "image": _are_images,
    "audio": _are_recordings,
}
"""What shows a column to be one of ours whatever it is called."""
