"""Answers recorded earlier: the `recorded` strategy, scored exactly as live ones are."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import chain, islice
from pathlib import Path
from typing import Any

import orjson

from touchstone.data.base import Case
from touchstone.data.readers import reader_for
from touchstone.errors import DataError, ModelError, SettingsError, UnknownName
from touchstone.evaluation.base import Candidate, Recipe
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.recordings import Recording, Recordings
from touchstone.models.base import Completion, TextPart, Usage
from touchstone.strategies.base import CandidateSpec, Workshop

COLUMNS = ("case_id", "model", "output", "input_tokens", "output_tokens", "latency_s", "cost_usd", "error")
"""Column names of a file of recorded outputs; a task file maps others onto them."""

_REQUIRED = ("case_id", "output")
_PEEK_ROWS = 100
"""Rows whose keys are looked at before the first is kept."""


def open_recordings(
    ledger: Ledger, path: Path, columns: Mapping[str, str], *, encoding: str | None = None
) -> Recordings:
    """
    The recordings of a file, read into the ledger unless this very file is there already.

    Raises:
        DataError: the file cannot be read or lacks a column.
    """
    unknown = sorted(set(columns) - set(COLUMNS))
    if unknown:
        raise UnknownName(kind="column of recorded outputs", name=unknown[0], known=COLUMNS)
    recordings = Recordings(ledger, _digest(path, columns, encoding))
    if recordings.models() is None:
        recordings.add(_rows(path, columns, encoding))
    return recordings


def _digest(path: Path, columns: Mapping[str, str], encoding: str | None) -> str:
    # How it is understood counts as well: the same bytes read by another encoding are other answers.
    digest = hashlib.sha256(orjson.dumps([dict(columns), encoding], option=orjson.OPT_SORT_KEYS))
    try:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                with file.open("rb") as stream:
                    while block := stream.read(1 << 20):
                        digest.update(block)
    except OSError as error:
        raise DataError(
            "the recorded outputs cannot be read: {reason}; mend the path in the task file",
            path=path,
            reason=error.strerror,
        ) from error
    return digest.hexdigest()


def _rows(path: Path, columns: Mapping[str, str], encoding: str | None) -> Iterator[tuple[str, str, Recording]]:
    names = {name: columns.get(name, name) for name in COLUMNS}
    rows = iter(reader_for(path).rows(path, encoding=encoding))
    head = list(islice(rows, _PEEK_ROWS))
    if head:
        # Rows of JSON Lines need not all have the same keys: a failed call has an error and no output.
        _check_columns(path, names, columns, dict.fromkeys(name for _, row in head for name in row))
    for number, row in chain(head, rows):
        case_id = _id_text(row.get(names["case_id"]))
        if case_id is None:
            raise DataError("the case id is empty; every recorded output needs one", path=path, row=number)
        output = row.get(names["output"])
        error = row.get(names["error"])
        yield (
            _id_text(row.get(names["model"])) or "",
            case_id,
            Recording(
                output=None if output is None else output if isinstance(output, str) else orjson.dumps(output).decode(),
                input_tokens=_whole(row, names["input_tokens"], path, number),
                output_tokens=_whole(row, names["output_tokens"], path, number),
                latency_s=_number(row, names["latency_s"], path, number),
                cost_usd=_number(row, names["cost_usd"], path, number),
                error=None if error in (None, "", False) else str(error),
            ),
        )


def _check_columns(path: Path, names: Mapping[str, str], mapped: Mapping[str, str], found: Iterable[str]) -> None:
    found = list(found)
    for name in (*_REQUIRED, *mapped):
        if names[name] not in found:
            close = get_close_matches(names[name], found, n=1, cutoff=0.4)
            raise DataError(
                "there is no column {column!r}; the file has {found}; name yours with columns: {{{name}: {close}}}",
                path=path,
                column=names[name],
                found=", ".join(found),
                name=name,
                close=close[0] if close else "…",
            )


def _id_text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _number(row: Mapping[str, Any], column: str, path: Path, number: int) -> float | None:
    value = row.get(column)
    if value is None or value == "":
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = -1.0
    if math.isnan(found):
        return None  # how typed formats write a missing number
    if not math.isfinite(found) or found < 0:
        raise DataError(
            "{column} is {value!r}; write a number of at least 0, or leave it empty when it is unknown",
            path=path,
            row=number,
            column=column,
            value=value,
        )
    return found


def _whole(row: Mapping[str, Any], column: str, path: Path, number: int) -> int | None:
    found = _number(row, column, path, number)
    return None if found is None else round(found)


class RecordedCandidate:
    """Answers with what one model answered earlier."""

    def __init__(self, name: str, recipe: Recipe, model: str, recordings: Recordings, source: Path) -> None:
        self.name = name
        self.recipe = recipe
        self.model = model
        self.recordings = recordings
        self.source = source

    async def answer(self, case: Case, *, draw: int = 0) -> Completion:
        """The recorded output. Raises `ModelError` where the recording is a failure or there is none."""
        # The outputs of one id answer its copies in turn; where there are fewer, a copy is answered like the first.
        found = self.recordings.find(self.model, case.id, draw + case.copy_number)
        if found is None and case.copy_number:
            found = self.recordings.find(self.model, case.id, draw)
        if found is None:
            raise ModelError(
                "{source} has no output of {model} for case {case}",
                source=self.source.name,
                model=self.model or self.name,
                case=case.id,
            )
        if found.error is not None or found.output is None:
            raise ModelError("recorded failure: {reason}", reason=found.error or "the output is missing")
        return Completion(
            parts=(TextPart(text=found.output),),
            usage=Usage(input_tokens=found.input_tokens, output_tokens=found.output_tokens),
            cost_usd=found.cost_usd,
            latency_s=found.latency_s,
        )

    async def close(self) -> None:
        """Nothing is held open."""


class Recorded:
    """Strategy `recorded`: parameters `file`, `of` (the model's name in the file) and `columns`."""

    name = "recorded"

    async def prepare(self, spec: CandidateSpec, workshop: Workshop) -> Candidate:
        """A `RecordedCandidate`; fails when the file has no output of the model."""
        path = workshop.folder / str(spec.parameters["file"])
        recordings = open_recordings(
            workshop.ledger, path, spec.parameters.get("columns", {}), encoding=spec.parameters.get("encoding")
        )
        models = recordings.models() or {}
        model = str(spec.parameters.get("of") or "")
        if model not in models and list(models) == [""]:
            model = ""
        if model not in models:
            raise SettingsError(
                "{name}: {path} has no outputs of {model!r}; it has {known}",
                name=spec.name,
                path=str(path),
                model=model,
                known=", ".join(sorted(models)) or "none",
            )
        # The answers themselves are the recipe: another recording under the same file name is another candidate.
        parameters = {**spec.parameters, "digest": recordings.digest}
        recipe = Recipe(model=spec.model, strategy=self.name, parameters=parameters)
        return RecordedCandidate(spec.name, recipe, model, recordings, path)

    def settings(self, spec: CandidateSpec, candidate: Candidate) -> Mapping[str, Any]:
        """Which file the answers come from; how they were asked for is not known."""
        assert isinstance(candidate, RecordedCandidate)
        return {"model": spec.model, "strategy": self.name, "endpoint": f"recorded in {candidate.source.name}"}
