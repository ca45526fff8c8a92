"""Cases as lines of a list, made in one go: five hundred marks on a page are too many to be made one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from touchstone.evaluation.answers import Vector
from touchstone.evaluation.packed import KINDS
from touchstone.language import _
from touchstone.reporting import numbers, words
from touchstone.workspace.answer_rows import cases_at
from touchstone.workspace.answers import OpenedAnswers

if TYPE_CHECKING:
    from touchstone.workspace.workspace import Workspace


def case_lines(
    workspace: Workspace, opened: OpenedAnswers, ordinals: Sequence[int], mask: Vector
) -> list[dict[str, Any]]:
    """Cases as lines of a list, each with a mark for every candidate."""
    matrix = opened.matrix
    cases = cases_at(workspace, opened, ordinals)
    shape = (len(ordinals), len(matrix.candidates), matrix.repeats)
    scores = matrix.score[:, ordinals].T.reshape(shape)
    known = ~np.isnan(scores)
    count = known.sum(axis=2)
    means = np.where(count > 0, np.where(known, scores, 0.0).sum(axis=2) / np.maximum(count, 1), np.nan).tolist()
    kinds = matrix.kind[:, ordinals].T.reshape(shape)[:, :, 0].tolist()
    meant: list[list[bool]] = np.asarray(mask[:, ordinals].T.reshape(shape).any(axis=2)).tolist()
    said = {kind: _(words.KINDS["unasked"]) if kind == "planned" else words.kind_name(kind) for kind in KINDS}
    found = []
    for line, ordinal in enumerate(ordinals):
        case = cases[ordinal]
        word = opened.corrected.targets.get(ordinal)
        found.append(
            {
                "case": case,
                "nth": opened.cases_called(case.id).index(ordinal),
                "target": case.target if word is None else word.target,
                "is_corrected": word is not None,
                "is_excluded": bool(matrix.excluded[ordinal]),
                "marks": [
                    _mark(score, KINDS[kind], is_meant, said)
                    for score, kind, is_meant in zip(means[line], kinds[line], meant[line], strict=True)
                ],
            }
        )
    return found


def _mark(score: float, kind: str, is_meant: bool, said: Mapping[str, str]) -> tuple[str, str, str]:
    """(style, text, what became of it) of a candidate on a case; the last is empty where a score says it all."""
    aside = "" if is_meant else " aside-mark"
    if np.isnan(score):
        return f"mark none{aside}", "–", said[kind]
    style = "full" if score >= 1 else "zero" if score <= 0 else "part"
    return f"mark {style}{aside}", numbers.percent(score, 0), "" if kind in ("scored", "planned") else said[kind]
