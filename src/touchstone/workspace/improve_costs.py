"""What making and asking a measured candidate cost, on whose machine, and why its gain may not be claimed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from touchstone.catalog.prices import OWN_MACHINE
from touchstone.decision.base import Reason
from touchstone.decision.ladder_base import Amount, Machine, Making
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.intervals import amount_interval
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.summaries import Ground
from touchstone.reporting.base import CandidateResult, CandidateSettings
from touchstone.strategies.base import CandidateSpec
from touchstone.workspace.gather import load
from touchstone.workspace.shortlist_cases import CasesLook
from touchstone.workspace.taskfile import TaskFile

_OUR_ADAPTERS = ("starter", "local")
"""First word of the endpoint of weights that this process reads."""


def runs_here(strategy: str, settings: CandidateSettings) -> bool:
    """
    Whether the user's own machine answers: a baseline, weights that this process reads, a local server.

    It goes by who was asked in the end, not by how the entry called the model: a network trained from nothing on an
    entry of a service answers here. A local server for which the user names a price costs that price.
    """
    adapter = (settings.endpoint or "").partition("|")[0].partition("/")[0]
    return strategy == "baseline" or adapter in _OUR_ADAPTERS or settings.price_source == OWN_MACHINE


def machines_of(
    results: Sequence[CandidateResult],
    settings: Sequence[CandidateSettings],
    usd_per_hour: float | None,
    ledger: Ledger,
    comparison: str,
) -> dict[str, Machine]:
    """Candidate to the machine it runs on, for those that run on the user's own; nobody where its hour has no price."""
    called = {one.candidate: one for one in settings}
    here = [one.name for one in results if one.name in called and runs_here(one.strategy, called[one.name])]
    if usd_per_hour is None or not here:
        return {}
    seconds = request_seconds(ledger, comparison)
    return {name: Machine(usd_per_hour=usd_per_hour, seconds=seconds.get(name)) for name in here}


def request_seconds(ledger: Ledger, comparison: str) -> dict[str, Amount]:
    """
    Candidate to its mean time of a request in seconds, with the interval; who has no measured time is missing.

    The mean and not the median: many requests take the mean's time, and times are skewed. As of costs, the interval is
    the one for a fixed number of cases, after a race as well.
    """
    row = Comparisons(ledger).find(comparison)
    assert row is not None
    stored = load(ledger, row)
    race = TaskFile.model_validate(stored.spec["file"]).race
    ground = Ground(stored.groups, race.confidence, race.seed, requests_per_month=None, concurrency=None)
    found = {}
    for spec, cells in zip(stored.specs, stored.cells, strict=True):
        measured = ~np.isnan(cells.latency_s)
        if measured.any():
            units = ground.units(cells)
            groups = None if units is None else units[measured].tolist()
            mean, low, high = amount_interval(cells.latency_s[measured], groups, race.confidence, race.seed)
            found[spec.name] = Amount(mean=mean, low=low, high=high)
    return found


_LEARNS = ("few_shot", "prompt_search", "fine_tune", "pretrain", "baseline")
_HOLDS_ANSWERS = ("few_shot", "fine_tune", "pretrain", "baseline")
"""Ways in whose weights or examples old right answers stay when the facts change."""


def making_of(
    result: CandidateResult, spec: CandidateSpec | None, look: CasesLook, usd_per_hour: float | None
) -> Making:
    """
    What making a candidate took, hours of the own machine included.

    Args:
        result: The measured candidate.
        spec: Its entry; None where there is none.
        look: How many cases there are to learn from.
        usd_per_hour: Of the machine it runs on; None where that is not the user's.
    """
    parts = result.strategy.split("+")
    build = result.build
    usd = None if build is None else build.usd
    if usd is not None and usd_per_hour is not None and build is not None:
        usd = None if build.took_s is None else usd + usd_per_hour * build.took_s / 3_600
    # Labelled cases that are looked up are learned from as examples are.
    looked_up = None if spec is None else spec.parameters.get("documents")
    split = looked_up.get("cases") if isinstance(looked_up, Mapping) else None
    learned = look.train if any(part in _LEARNS for part in parts) or split == "train" else 0
    if "prompt_search" in parts or split == "dev":
        learned += look.dev
    swept = None if spec is None else spec.swept.get("train_cases")
    return Making(
        usd=usd,
        seconds=None if build is None else build.took_s,
        labelled_cases=swept if isinstance(swept, int) else learned,
        renewal="again" if split is not None or any(part in _HOLDS_ANSWERS for part in parts) else "by-itself",
    )


def blocked_gains(results: Sequence[CandidateResult]) -> Mapping[str, tuple[Reason, ...]]:
    """Candidate to the findings that forbid to claim what it gains."""
    return {
        result.name: tuple(
            Reason(template=one.text.template, values=one.text.values) for one in result.findings if one.blocks
        )
        for result in results
        if any(one.blocks for one in result.findings)
    }
