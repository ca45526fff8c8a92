"""Whether a judge can be believed: control rows before the run, people's verdicts and both orders after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from touchstone.data.readers import reader_for
from touchstone.errors import BudgetStop, DataError, ModelError
from touchstone.evaluation.agreement import cohen_kappa
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.lane_doors import LaneClosed
from touchstone.evaluation.ledger import Ledger
from touchstone.scoring.base import Score, Scorer
from touchstone.scoring.judge import Judge
from touchstone.scoring.judge_controls import agreement, consistency, run_controls, same_family

_CONTROL_CASES = 3
"""Cases whose control rows are judged; three rows each."""

CONTROL_ROWS = 3 * _CONTROL_CASES
"""Verdicts that are paid for before anybody is asked."""

_LABEL_COLUMNS = ("case_id", "candidate", "verdict")


def judge_of(scorers: Sequence[Scorer]) -> Judge | None:
    """The first judge among the scorers."""
    return next((scorer for scorer in scorers if isinstance(scorer, Judge)), None)


def read_human_verdicts(judge: Judge, folder: Path) -> dict[tuple[str, str], str]:
    """
    (case id, candidate) to what a person said, from the judge's `human` file; empty when it names none.

    Raises:
        DataError: the file cannot be read or lacks a column.
    """
    if judge.human is None:
        return {}
    path = folder / judge.human
    found: dict[tuple[str, str], str] = {}
    for number, row in reader_for(path).rows(path):
        missing = [column for column in _LABEL_COLUMNS if row.get(column) in (None, "")]
        if missing:
            raise DataError(
                "people's verdicts need the columns {needed}; {missing} is missing or empty",
                path=path,
                row=number,
                needed=", ".join(_LABEL_COLUMNS),
                missing=missing[0],
            )
        found[str(row["case_id"]), str(row["candidate"])] = str(row["verdict"])
    return found


async def judge_controls(scorers: Sequence[Scorer], ledger: Ledger, dataset: str) -> dict[str, Any] | None:
    """
    What the judge says to answers that deserve nothing; None without a judge.

    A judge that cannot be asked has passed no control row, and is therefore unfit.
    """
    judge = judge_of(scorers)
    if judge is None:
        return None
    place = next(place for place, scorer in enumerate(scorers) if isinstance(scorer, Judge))
    cases = [case for _, case in islice(ledger.datasets.cases(dataset, "test"), _CONTROL_CASES)]
    found: dict[str, Any] = {"model": getattr(judge.model, "name", "judge"), "place": place}
    try:
        report = await run_controls(judge, cases)
    except (ModelError, BudgetStop, LaneClosed) as error:
        rows = 3 * len(cases)
        return {
            **found,
            "controls": rows,
            "controls_passed": 0,
            "controls_unanswered": rows,
            "fit": False,
            "error": str(error),
        }
    return {
        **found,
        "controls": len(report.rows),
        "controls_passed": report.passed,
        "controls_unanswered": len(report.rows) - report.passed - report.failed,
        "fit": report.fit,
        "cost_usd": report.cost_usd,
    }


def judge_facts(
    judge: Judge,
    controls: Mapping[str, Any],
    human: Mapping[tuple[str, str], str],
    ledger: Ledger,
    dataset: str,
    trials: Mapping[str, int],
    models: Mapping[str, str],
) -> dict[str, Any]:
    """
    What is known of a judge after a run, as the fields of the report's `JudgeInfo`.

    People's verdicts are compared with the first draw of each answer; cost and consistency are over all of them.

    Args:
        controls: What `judge_controls` found.
        human: (case id, candidate) to a person's verdict.
        trials: Candidate's name to its trial.
        models: Candidate's name to its model.
    """
    case_ids = ledger.datasets.case_column(dataset, "test", "case_id")
    place = int(controls["place"])
    scores: list[Score] = []
    first: dict[str, Score] = {}
    for name, trial in trials.items():
        columns = Comparisons(ledger).columns(trial, ("ordinal", "scores"))
        for ordinal, body in zip(columns["ordinal"], columns["scores"], strict=True):
            # By its place: another scorer may have its name. The rows come in the order of cases and draws.
            for item in (orjson.loads(body) if body is not None else [])[place : place + 1]:
                scores.append(Score(**item))
                first.setdefault(_key(case_ids[int(ordinal)], name), scores[-1])
    paired = agreement(judge, first, {_key(case, name): verdict for (case, name), verdict in human.items()})
    kappa = cohen_kappa(paired.judge, paired.human) if paired.cases else None
    judge_model = str(controls["model"])
    spent = [score.cost_usd for score in scores if score.cost_usd is not None]
    if controls.get("cost_usd") is not None:
        spent.append(controls["cost_usd"])
    return {
        "model": judge_model,
        "validated": kappa is not None,
        "agreement": kappa.model_dump() if kappa is not None else None,
        "labels": len(paired.cases),
        "consistency": consistency(scores),
        "controls_passed": controls["controls_passed"],
        "controls": controls["controls"],
        "controls_unanswered": controls["controls_unanswered"],
        "fit": controls["fit"],
        "error": controls.get("error"),
        "same_family": [name for name, model in models.items() if same_family(judge_model, model)],
        "cost_usd": sum(spent) if spent else None,
    }


def _key(case: str, candidate: str) -> str:
    return f"{case}\0{candidate}"
