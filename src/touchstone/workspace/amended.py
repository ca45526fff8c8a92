"""
A stored comparison with what people changed about its cases: left out for everybody, or scored by another target.

The excluded cases are out of the arrays before any number is made, so every estimate, pair and race is of the common
rest; the rows of the store stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from touchstone.decision.base import CaseChanges
from touchstone.evaluation.amendments import Amendment, Amendments, Standing
from touchstone.evaluation.cells import Cells, Vector, further_value, scorer_names
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.order import CaseOrder
from touchstone.evaluation.packed import KINDS
from touchstone.workspace.rescore import Rescored, Rescorer
from touchstone.workspace.stored import Asked, Stored

_REASONS = 3
_REASON = 80
"""Characters of a reason in a sentence."""


@dataclass(frozen=True)
class Corrections:
    """What other targets make of the cells of a comparison."""

    targets: Mapping[int, Amendment] = field(default_factory=dict)
    """By the case's place in its split."""
    cells: Sequence[Mapping[tuple[int, int], Rescored]] = ()
    """Of each candidate, by place of the case and repeat."""
    kept: int = 0
    """Cases whose deciding score could not be given again."""


def corrections(
    ledger: Ledger,
    spec: Mapping[str, Any],
    dataset: str,
    trials: Sequence[int],
    standing: Standing,
    ids: Sequence[str],
) -> Corrections:
    """
    The cells of the corrected cases, scored by what is right now.

    Args:
        spec: Of the comparison, as it is stored.
        dataset: Its cases.
        trials: In the order of its candidates.
        ids: Of the test cases, in order.
    """
    repeats = int(spec["options"]["repeats"])
    places = [place for place, case in enumerate(ids) if case in standing.corrected]
    if not places:
        return Corrections()
    rescorer, comparisons = Rescorer(spec), Comparisons(ledger)
    cases = {
        place: case.model_copy(update={"target": standing.corrected[ids[place]].target})
        for place, case in zip(places, ledger.datasets.cases_at(dataset, "test", places), strict=True)
    }
    found: list[Mapping[tuple[int, int], Rescored]] = []
    kept: set[int] = set()
    for trial in trials:
        by_case: dict[int, list[Mapping[str, Any]]] = {}
        for cell in comparisons.cells_at(trial, places):
            if cell["repeat"] < repeats:
                by_case.setdefault(cell["ordinal"], []).append(cell)
        own: dict[tuple[int, int], Rescored] = {}
        for place, cells in by_case.items():
            for cell, again in zip(cells, rescorer.score(cases[place], cells), strict=True):
                own[place, cell["repeat"]] = again
                if again.is_kept:
                    kept.add(place)
        found.append(own)
    return Corrections({place: standing.corrected[ids[place]] for place in places}, tuple(found), len(kept))


def amended(ledger: Ledger, stored: Stored) -> Stored:
    """The comparison as it is counted now; the very same where nobody changed a case."""
    words = Amendments(ledger)
    standing = words.standing(stored.dataset)
    if not standing.excluded and not standing.corrected:
        return stored
    ids = ledger.datasets.case_column(stored.dataset, "test", "case_id")
    out = np.array([case in standing.excluded for case in ids], dtype=bool)
    corrected = corrections(ledger, stored.spec, stored.dataset, stored.trials, standing, ids)
    kept = np.flatnonzero(~out)
    place_of = np.full(len(ids), -1, dtype=np.int64)
    place_of[kept] = np.arange(len(kept))
    names = scorer_names([str(scorer["name"]) for scorer in stored.spec["scorers"]])
    told = corrected.cells or ({},) * len(stored.trials)

    def read() -> Asked:
        groups, cells = stored.groups, zip(stored.cells, told, strict=True)
        return Asked(
            cells=tuple(_without(_rescored(one, own), place_of) for one, own in cells),
            texts=stored.texts,
            order=_order(stored.order, kept, place_of),
            groups=None if groups is None else tuple(groups[place] for place in kept),
        )

    return replace(
        stored,
        kept=kept,
        read=cache(read),
        rescored=corrected,
        further=tuple(_further(own, names) for own in told),
        changes=_changes(standing, ids, corrected, words.first_answers(stored.dataset)),
    )


def _rescored(cells: Cells, own: Mapping[tuple[int, int], Rescored]) -> Cells:
    if not own:
        return cells
    kind, score = cells.kind.copy(), cells.score.astype(float)
    flat = cells.ordinal * cells.repeats + cells.repeat  # rising: cells lie in the order of cases and repeats
    for (ordinal, repeat), again in own.items():
        at = int(np.searchsorted(flat, ordinal * cells.repeats + repeat))
        if at < len(flat) and flat[at] == ordinal * cells.repeats + repeat:
            kind[at] = KINDS.index(again.kind)
            score[at] = np.nan if again.score is None else again.score
    return replace(cells, kind=kind, score=score)


def _without(cells: Cells, place_of: Vector) -> Cells:
    keep = place_of[cells.ordinal] >= 0
    columns = {
        name: getattr(cells, name)[keep]
        for name in cells.__dataclass_fields__
        if isinstance(getattr(cells, name), np.ndarray)
    }
    columns["ordinal"] = place_of[columns["ordinal"]]
    return replace(cells, planned_cases=int((place_of >= 0).sum()), **columns)


def _order(order: CaseOrder, kept: Vector, place_of: Vector) -> CaseOrder:
    if not len(kept):
        return CaseOrder(np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64))
    some = order.only(kept)
    return CaseOrder(place_of[some.ordinals], some.starts)


def _further(own: Mapping[tuple[int, int], Rescored], names: Sequence[str]) -> dict[str, dict[int, float]]:
    """Further scorer's name to place of the case to what it says now, NaN where it cannot say."""
    found: dict[str, dict[int, float]] = {}
    for at, name in enumerate(names[1:], start=1):
        values: dict[int, list[float]] = {}
        for (ordinal, _repeat), again in own.items():
            score = again.scores[at].model_dump() if at < len(again.scores) else {"value": None}
            value = further_value(again.kind, again.has_answer, score)
            values.setdefault(ordinal, []).extend([] if value is None else [value])
        found[name] = {place: float(np.mean(said)) if said else np.nan for place, said in values.items()}
    return found


def _changes(standing: Standing, ids: Sequence[str], corrected: Corrections, first_answers: str | None) -> CaseChanges:
    def saw(one: Amendment) -> bool:
        return first_answers is not None and one.made_at > first_answers

    out = [case for case in ids if case in standing.excluded]
    counted = {place: one for place, one in corrected.targets.items() if one.case not in standing.excluded}
    return CaseChanges(
        cases=len(ids),
        excluded=len(out),
        excluded_seen=sum(saw(standing.excluded[case]) for case in out),
        reasons=_reasons([standing.excluded[case].reason for case in out]),
        corrected=len(counted),
        corrected_seen=sum(saw(one) for one in counted.values()),
        kept_verdicts=min(corrected.kept, len(counted)),
    )


def _reasons(said: Sequence[str]) -> tuple[str, ...]:
    lines = Counter(" ".join(reason.split()) for reason in said)
    found = [
        (line if len(line) <= _REASON else line[: _REASON - 1] + "…") + (f" ({count})" if count > 1 else "")
        for line, count in sorted(lines.items(), key=lambda item: (-item[1], item[0]))[:_REASONS]
    ]
    return (*found, "…") if len(lines) > _REASONS else tuple(found)
