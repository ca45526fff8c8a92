"""Rows of the answers of a comparison, as lists, pages and files show them: read from the store when they are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from touchstone.data.base import Case
from touchstone.deployment.govern.csv_text import csv_text
from touchstone.evaluation.amendments import Amendment
from touchstone.evaluation.answers import Vector
from touchstone.evaluation.base import STRICT_ZEROS, OutcomeKind
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.packed import KINDS
from touchstone.scoring.base import Score
from touchstone.workspace.answers import OpenedAnswers
from touchstone.workspace.rescore import scores_of

if TYPE_CHECKING:
    from touchstone.workspace.workspace import Workspace

_EXCERPT = 400
"""Characters of an output that a list reads."""
_BLOCK = 500
"""Rows that are read at once for a file."""

COLUMNS = (
    "case", "candidate", "repeat", "kind", "score", "answer", "output", "input", "options", "target", "tags", "group",
    "reasons", "error", "cost_usd", "latency_s", "first_token_s", "input_tokens", "output_tokens", "excluded",
    "corrected",
)  # fmt: skip
"""Of a file of answers."""


@dataclass(frozen=True)
class AnswerRow:
    """One cell with its words."""

    place: int
    """The case's place in its split."""
    case: Case
    """With the target that holds now."""
    candidate: str
    repeat: int
    kind: OutcomeKind
    score: float | None
    """Strict: 0 where nothing usable was answered; None where nobody knows."""
    scores: tuple[Score, ...]
    """Of every scorer, the deciding one first; empty where nothing was scored."""
    cell: Mapping[str, Any] | None
    """The row of the store; None where nobody was asked."""
    excluded: Amendment | None
    corrected: Amendment | None
    asked_target: str | None
    """The target the case had when it was measured."""

    @property
    def output(self) -> str:
        """What was answered, as far as it was read; empty where nothing came."""
        return str(self.cell["text"] or "") if self.cell is not None else ""

    @property
    def number(self) -> Mapping[str, Any]:
        """The columns of the cell, none where nobody was asked."""
        return self.cell or {}


def rows_at(
    workspace: Workspace, opened: OpenedAnswers, places: Sequence[int], longest: int | None = _EXCERPT
) -> list[AnswerRow]:
    """
    The cells at these places, in the order asked for.

    Args:
        longest: Characters of an output that are read; None reads all.
    """
    cells = [opened.matrix.cell(place) for place in places]
    stored = Comparisons(workspace.reader)
    found: dict[tuple[int, int, int], Mapping[str, Any]] = {}
    for candidate, trial in enumerate(opened.trials):
        own = sorted({case for case, who, _repeat in cells if who == candidate})
        for row in stored.cells_at(trial, own, longest) if own else ():
            found[row["ordinal"], candidate, row["repeat"]] = row
    cases = cases_at(workspace, opened, sorted({case for case, _who, _repeat in cells}))
    return [_row(opened, cases[cell[0]], cell, found.get(cell)) for cell in cells]


def cases_at(workspace: Workspace, opened: OpenedAnswers, ordinals: Sequence[int]) -> dict[int, Case]:
    """Cases by their place, as they were measured."""
    cases = workspace.reader.datasets.cases_at(opened.dataset, "test", ordinals)
    return dict(zip(ordinals, cases, strict=True))


def case_rows(workspace: Workspace, opened: OpenedAnswers, ordinal: int) -> list[list[AnswerRow]]:
    """All answers to one case, whole: a list for each candidate, its draws in order."""
    matrix = opened.matrix
    start = ordinal * matrix.columns
    rows = rows_at(workspace, opened, range(start, start + matrix.columns), None)
    return [rows[at : at + matrix.repeats] for at in range(0, len(rows), matrix.repeats)]


def _row(opened: OpenedAnswers, case: Case, cell: tuple[int, int, int], stored: Mapping[str, Any] | None) -> AnswerRow:
    ordinal, candidate, repeat = cell
    matrix, corrected = opened.matrix, opened.corrected
    column = candidate * matrix.repeats + repeat
    score = float(matrix.score[column, ordinal])
    again = corrected.cells[candidate].get((ordinal, repeat)) if corrected.cells else None
    word = corrected.targets.get(ordinal)
    kind: Any = KINDS[int(matrix.kind[column, ordinal])]
    if stored is not None and again is None and stored["score"] is not None and kind not in STRICT_ZEROS:
        score = float(stored["score"])  # to the last digit, where the arrays have 32 bits
    scores = again.scores if again is not None else scores_of(stored) if stored is not None else ()
    return AnswerRow(
        place=ordinal,
        case=case if word is None else case.model_copy(update={"target": word.target}),
        candidate=matrix.candidates[candidate],
        repeat=repeat,
        kind=kind,
        score=None if score != score else score,
        scores=tuple(
            one if one.scorer else one.model_copy(update={"scorer": opened.scorers[at]})
            for at, one in enumerate(scores[: len(opened.scorers)])
        ),
        cell=stored,
        excluded=opened.standing.excluded.get(case.id),
        corrected=word,
        asked_target=case.target,
    )


# Files ----------------------------------------------------------------------------------------------------------------


def exported(workspace: Workspace, opened: OpenedAnswers, mask: Vector, most: int | None = None) -> Iterator[AnswerRow]:
    """The cells that are meant, whole, in the order of the cases; read in blocks, so that memory does not grow."""
    left = most
    start = 0
    while left is None or left > 0:
        size = _BLOCK if left is None else min(_BLOCK, left)
        places, _there = opened.matrix.page(mask, "case", start, start + size)
        if not places:
            return
        yield from rows_at(workspace, opened, places, None)
        start += len(places)
        left = None if left is None else left - len(places)


def as_json_line(row: AnswerRow) -> bytes:
    """A row exactly as it is, as one line of JSON."""
    plain = dict(zip(COLUMNS, _values(row), strict=True))
    try:
        return orjson.dumps(plain) + b"\n"
    except TypeError:  # a lone surrogate, which only escapes can write down
        return json.dumps(plain).encode() + b"\n"


def csv_head() -> bytes:
    """The first line of a CSV file of answers, behind the mark by which spreadsheets know UTF-8."""
    return b"\xef\xbb\xbf" + csv_text([COLUMNS]).encode()


def as_csv_line(row: AnswerRow) -> bytes:
    """A row for a spreadsheet; what it would run is text (R20)."""
    flat = [
        "\n".join(map(str, value)) if isinstance(value, list) else int(value) if isinstance(value, bool) else value
        for value in _values(row)
    ]
    return csv_text([flat]).encode("utf-8", "replace")


def _values(row: AnswerRow) -> list[Any]:
    number = row.number
    return [
        row.case.id, row.candidate, row.repeat, row.kind, row.score, number.get("answer"), number.get("text"),
        row.case.text, list(row.case.options), row.case.target, list(row.case.tags), row.case.group,
        [f"{score.scorer}: {score.reason}" for score in row.scores if score.reason], number.get("error"),
        number.get("cost_usd"), number.get("latency_s"), number.get("first_token_s"), number.get("input_tokens"),
        number.get("output_tokens"), row.excluded is not None, row.corrected is not None,
    ]  # fmt: skip
