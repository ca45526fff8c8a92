"""Cases worth reading: those that most got wrong, and those on which the better half differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from touchstone.data.base import Case
from touchstone.evaluation.base import STRICT_ZEROS
from touchstone.evaluation.cells import Vector
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.repeats import stability
from touchstone.reporting.base import Example, ExampleAnswer
from touchstone.workspace.stored import Stored

EXAMPLES = 20
"""Cases shown in each of the two lists."""

_CUT = 2_000
"""Characters of an input or output that a report shows."""


def worst_cases(stored: Stored, order: Sequence[int]) -> list[int]:
    """Cases that the most candidates got wrong, hardest first; easy ones are left out."""
    strict = stored.strict[list(order)]
    mean = _mean_over_candidates(strict)
    ranked = np.argsort(np.nan_to_num(mean, nan=2.0), kind="stable")
    return [int(place) for place in ranked[:EXAMPLES] if mean[place] < 1.0]


def disagreeing_cases(stored: Stored, order: Sequence[int]) -> list[int]:
    """Cases on which the better half of the candidates differ most: what a choice between them turns on."""
    best = list(order)[: max(2, (len(order) + 1) // 2)]
    strict = stored.strict[best]
    known = (~np.isnan(strict)).sum(axis=0)
    spread = np.where(known > 1, np.nanvar(np.where(known > 1, strict, 0.0), axis=0), 0.0)
    ranked = np.argsort(-np.nan_to_num(spread), kind="stable")
    return [int(place) for place in ranked[:EXAMPLES] if spread[place] > 0]


def _mean_over_candidates(strict: Vector) -> Vector:
    known = (~np.isnan(strict)).sum(axis=0)
    total = np.nansum(strict, axis=0)
    return np.where(known > 0, total / np.maximum(known, 1), np.nan)


def examples(ledger: Ledger, stored: Stored, ordinals: Sequence[int]) -> tuple[Example, ...]:
    """Cases with everybody's answers."""
    comparisons, places = Comparisons(ledger), stored.places(ordinals)
    cells = [
        _by_case(as_counted(comparisons.cells_at(trial, places), stored, candidate), stored.repeats)
        for candidate, trial in enumerate(stored.trials)
    ]
    return tuple(
        _example(_as_corrected(case, stored, place), stored, [found.get(place, []) for found in cells])
        for place, case in zip(places, ledger.datasets.cases_at(stored.dataset, "test", places), strict=True)
    )


def as_counted(cells: Sequence[Mapping[str, Any]], stored: Stored, candidate: int) -> list[Mapping[str, Any]]:
    """Rows of the `outcome` table with the scores that hold since targets were corrected."""
    own = stored.rescored.cells[candidate] if stored.rescored is not None and stored.rescored.cells else {}
    found = []
    for cell in cells:
        again = own.get((cell["ordinal"], cell["repeat"]))
        if again is not None:
            scores = orjson.dumps([score.model_dump() for score in again.scores]) if again.scores else None
            cell = {**cell, "kind": again.kind, "score": again.score, "scores": scores}
        found.append(cell)
    return found


def _as_corrected(case: Case, stored: Stored, place: int) -> Case:
    word = stored.rescored.targets.get(place) if stored.rescored is not None else None
    return case if word is None else case.model_copy(update={"target": word.target})


def _by_case(cells: Sequence[Mapping[str, Any]], repeats: int) -> dict[int, list[Mapping[str, Any]]]:
    found: dict[int, list[Mapping[str, Any]]] = {}
    for cell in cells:
        if cell["repeat"] < repeats:
            found.setdefault(cell["ordinal"], []).append(cell)
    return found


def _example(case: Case, stored: Stored, cells: Sequence[Sequence[Mapping[str, Any]]]) -> Example:
    answers = []
    for name, own, column in zip(stored.names, cells, stored.cells, strict=True):
        if not own:
            answers.append(ExampleAnswer(candidate=name, kind=column.rest))
            continue
        cell = own[0]
        text = cell["text"] or ""
        scores = orjson.loads(cell["scores"]) if cell["scores"] else []
        right, of = stability([[_strict(one) for one in own]])[0] if stored.repeats > 1 else (None, None)
        answers.append(
            ExampleAnswer(
                candidate=name,
                kind=cell["kind"],
                output=text[:_CUT],
                cut_characters=max(0, len(text) - _CUT),
                answer=_cut(cell["answer"]),
                how=cell["how"] or "",
                score=cell["score"],
                reason=cell["error"] or (scores[0]["reason"] if scores else ""),
                latency_s=cell["latency_s"],
                cost_usd=cell["cost_usd"],
                right=right,
                of=of,
            )
        )
    text = case.text
    return Example(
        case=case.id,
        row=case.row,
        input=text[:_CUT],
        cut_characters=max(0, len(text) - _CUT),
        target=_cut(case.target),
        options=case.options,
        tags=case.tags,
        answers=tuple(answers),
    )


def _strict(cell: Mapping[str, Any]) -> float:
    if cell["kind"] in STRICT_ZEROS:
        return 0.0
    return math.nan if cell["score"] is None or cell["kind"] != "scored" else float(cell["score"])


def _cut(text: str | None) -> str | None:
    """A text that is shown beside the output, at most as long as the output itself."""
    return text if text is None or len(text) <= _CUT else text[:_CUT] + "…"
