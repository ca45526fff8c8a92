"""Where a strategy measures variants before its candidate is finished: a purse of its own under the cap of the run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from touchstone.errors import SettingsError
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.evaluation.recovery import balance_of
from touchstone.scoring.base import Scorer
from touchstone.scoring.make import default_scorers, make_scorer
from touchstone.scoring.reading import make_reader
from touchstone.workspace.taskfile import Task

JournalMaker = Callable[..., Journal]
"""(reference, parameters, purse, further arguments of `Journal`) to a journalled model."""


class RunBench:
    """
    A bench for one candidate of a run.

    What it spends is booked under a name of its own, made of the task without its limits: the same command goes on
    with it, and the same search for another question of the task finds its replies and spends nothing. The most it may
    spend is what is left of the run's cap, and what it spent is taken off that cap: both together keep to it.

    Args:
        task: Whose reader and first scorer measure.
        dataset: Digest of the cases.
        what: For which candidate.
        most_usd: The search's own cap; None has only the run's.
        run: The purse of the run.
        make_journal: Makes a journalled model.
    """

    def __init__(
        self, task: Task, dataset: str, what: str, most_usd: float | None, run: Purse, make_journal: JournalMaker
    ) -> None:
        self._run = run
        self._make_journal = make_journal
        file = task.file.model_dump(mode="json", exclude={"limits"})
        named = orjson.dumps([file, dataset, what], option=orjson.OPT_SORT_KEYS, default=str)
        caps = [cap for cap in (most_usd, run.cap_usd) if cap is not None]
        self.purse = Purse(
            run.ledger, "b" + hashlib.sha256(named).hexdigest()[:11], cap_usd=min(caps) if caps else None
        )
        self.reader = make_reader(task.answer)
        self._judges: list[Journal] = []
        self.scorers: Sequence[Scorer] = (self._first_scorer(task),)
        self.concurrency = task.file.limits.concurrency

    def _first_scorer(self, task: Task) -> Scorer:
        wanted = task.file.scorers or default_scorers(task.answer.kind)
        if not wanted:
            raise SettingsError(
                "answers of kind {kind} have no scorer of their own, so variants cannot be measured; name one under "
                "`scorers`",
                kind=task.answer.kind,
            )

        def judge_model(reference: str, parameters: Mapping[str, Any]) -> Journal:
            self._judges.append(self._make_journal(reference, parameters, self.purse, purpose="judge"))
            return self._judges[-1]

        return make_scorer(wanted[0], models=judge_model)

    def make_caller(self, reference: str, parameters: Mapping[str, Any]) -> Journal:
        """A model whose calls are journalled and paid from this bench's purse."""
        return self._make_journal(reference, parameters, self.purse)

    async def close(self) -> None:
        """Release the scorer's model, and take what was spent off the cap of the run."""
        for judge in self._judges:
            await judge.close()
        ledger: Ledger = self._run.ledger
        await ledger.drain()
        books = balance_of(ledger, self.purse.run)
        if self._run.cap_usd is not None and books is not None:
            left_usd = max(0.0, self._run.cap_usd - books.spent_usd)
            self._run.balance = self._run.balance._replace(cap_usd=left_usd)
