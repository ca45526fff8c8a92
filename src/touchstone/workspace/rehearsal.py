"""
Every candidate is prepared as for a plan before any is prepared in earnest.

Preparing one may buy replies or train for hours. What stands in the way of a later one, such as documents that are not
there, is then found when nothing was paid yet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from touchstone.evaluation.base import Candidate
from touchstone.evaluation.purse import Purse
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.workspace.bench import JournalMaker, RunBench
from touchstone.workspace.racing import FREE
from touchstone.workspace.taskfile import Task

Prepare = Callable[[CandidateSpec, Workshop], Awaitable[Candidate]]

_QUICK = frozenset({"prompt", "few_shot"})
"""Ingredients that build nothing: to prepare them twice would find nothing that once does not."""


class Benches:
    """
    Opens benches for the candidates of one run.

    Args:
        task: Whose reader and first scorer measure.
        dataset: Digest of the cases.
        purse: Of the run.
        make_journal: Makes a journalled model; takes `offline`.
        offline: Whether stored replies alone answer.
    """

    def __init__(self, task: Task, dataset: str, purse: Purse, make_journal: JournalMaker, *, offline: bool) -> None:
        self._task = task
        self._dataset = dataset
        self._purse = purse
        self._make_journal = make_journal
        self._offline = offline

    def __call__(self, what: str, most_usd: float | None) -> RunBench:
        """A bench for one candidate; see `RunBench`."""
        make = partial(self._make_journal, offline=self._offline)
        return RunBench(self._task, self._dataset, what, most_usd, self._purse, make)

    def buying_nothing(self) -> Benches:
        """The same, where only what is stored answers."""
        return Benches(self._task, self._dataset, self._purse, self._make_journal, offline=True)


async def rehearse(specs: Sequence[CandidateSpec], workshop: Workshop, prepare: Prepare) -> None:
    """
    Prepare everybody once as for a plan, where somebody takes money or time to prepare.

    Baselines and recorded answers are left out; whoever prepares takes those first, since they cost nothing.

    Args:
        specs: All candidates.
        workshop: Where they will be prepared in earnest.
        prepare: Makes one.

    Raises:
        UserError: one of them cannot be prepared; nothing was paid.
    """
    if workshop.planning or len(specs) < 2 or all(_is_quick(spec) for spec in specs):
        return
    benches = workshop.open_bench
    nothing_bought = benches.buying_nothing() if isinstance(benches, Benches) else None
    plan = replace(workshop, planning=True, notice=lambda _line: None, open_bench=nothing_bought)
    for spec in specs:
        if spec.strategy not in FREE:
            await (await prepare(spec, plan)).close()


def _is_quick(spec: CandidateSpec) -> bool:
    return spec.strategy in FREE or _QUICK.issuperset(spec.strategy.split("+"))
