"""Whether a judge can be believed: control rows before the run, people's verdicts and both orders after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import orjson

from touchstone.data.readers import reader_for
from touchstone.errors import BudgetStop, DataError, ModelError
from touchstone.evaluation.agreement import cohen_kappa
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.lane_doors import LaneClosed
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.measure import FINISH_IN_FLIGHT_S, READ_LAST_S, StopSignal
from touchstone.evaluation.purse import NotStored, Purse, Stopped
from touchstone.scoring.base import Score, Scorer
from touchstone.scoring.judge import Judge
from touchstone.scoring.judge_controls import agreement, consistency, run_controls, same_family

T = TypeVar("T")

_CONTROL_CASES = 3
"""Cases whose control rows are judged; three rows each."""

CONTROL_ROWS = 3 * _CONTROL_CASES
"""Verdicts that are paid for before anybody is asked."""

_LOOK_AGAIN_S = 0.02

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

    A judge that cannot be asked has passed no control row, and is therefore unfit; `refused` says that asking on would
    not help. Offline, rows whose verdict was never bought have none.

    Raises:
        BudgetStop: the cap does not cover them, and the judge decides.
        Stopped: the run was told to stop.
    """
    judge = judge_of(scorers)
    if judge is None:
        return None
    place = next(place for place, scorer in enumerate(scorers) if isinstance(scorer, Judge))
    cases = [case for _, case in islice(ledger.datasets.cases(dataset, "test"), _CONTROL_CASES)]
    found: dict[str, Any] = {"model": getattr(judge.model, "name", "judge"), "place": place}
    try:
        report = await run_controls(judge, cases, unasked=(NotStored,))
    except (ModelError, BudgetStop, LaneClosed) as error:
        if isinstance(error, BudgetStop) and place == 0:
            raise
        rows = 3 * len(cases)
        return {
            **found,
            "controls": rows,
            "controls_passed": 0,
            "controls_unanswered": rows,
            "fit": False,
            "error": str(error),
            "refused": True,
        }
    return {
        **found,
        "controls": len(report.rows),
        "controls_passed": report.passed,
        "controls_unanswered": len(report.rows) - report.passed - report.failed,
        "fit": report.fit,
        "cost_usd": report.cost_usd,
        "error": report.missing,
    }


async def until_stopped(work: Coroutine[Any, Any, T], purse: Purse, stop: StopSignal) -> T:
    """
    What comes of work that sends paid calls, unless the run is told to stop (promises.md, F22).

    The first time nothing further is sent, and what is in flight has its time; the second time it ends at once. What
    was answered is on disk afterwards.

    Raises:
        Stopped: it was told to stop before the work was done.
    """
    task = asyncio.ensure_future(work)
    halt = asyncio.Event()

    def heard() -> None:
        purse.stop()
        halt.set()

    stop.on_ask(heard)
    if stop.asked:
        heard()
    waiter = asyncio.ensure_future(halt.wait())
    try:
        await asyncio.wait((task, waiter), return_when=asyncio.FIRST_COMPLETED)
        for seconds, in_flight in ((FINISH_IN_FLIGHT_S, True), (READ_LAST_S, False)):
            deadline = time.monotonic() + seconds
            while not task.done() and stop.asked == 1 and time.monotonic() < deadline:
                if in_flight and not purse.in_flight:
                    break
                await asyncio.wait((task,), timeout=_LOOK_AGAIN_S)
        if not task.done():
            raise Stopped
        return task.result()
    finally:
        waiter.cancel()
        task.cancel()
        await asyncio.gather(task, waiter, return_exceptions=True)
        await purse.ledger.drain()


def judge_facts(
    judge: Judge,
    controls: Mapping[str, Any],
    human: Mapping[tuple[str, str], str],
    ledger: Ledger,
    dataset: str,
    trials: Mapping[str, int],
    models: Mapping[str, str],
    repeats: int | None = None,
) -> dict[str, Any]:
    """
    What is known of a judge after a run, as the fields of the report's `JudgeInfo`.

    People's verdicts are compared with the first draw of each answer; cost and consistency are over all that the run is
    about.

    Args:
        controls: What `judge_controls` found.
        human: (case id, candidate) to a person's verdict.
        trials: Candidate's name to its trial.
        models: Candidate's name to its model.
        repeats: How many answers a case the run is about; None takes all that are stored.
    """
    case_ids = ledger.datasets.case_column(dataset, "test", "case_id")
    place = int(controls["place"])
    scores: list[Score] = []
    first: dict[str, Score] = {}
    for name, trial in trials.items():
        columns = Comparisons(ledger).columns(trial, ("ordinal", "scores"), repeats)
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
