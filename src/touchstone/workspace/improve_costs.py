"""What making and asking a measured candidate cost, on whose machine, and why its gain may not be claimed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from touchstone.decision.base import Reason
from touchstone.decision.ladder_base import Making
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.ledger import Ledger
from touchstone.reporting.base import CandidateResult
from touchstone.strategies.base import CandidateSpec
from touchstone.strategies.known_weights import WEIGHTS_LEARNED
from touchstone.workspace.shortlist_cases import CasesLook


@dataclass(frozen=True)
class Taught:
    """A training that left the weights a candidate asks, whether its strategy or its entry's `folder` names them."""

    way: str
    """`fine_tune` or `pretrain`."""
    rows: int


def taught(ledger: Ledger, comparison: str) -> dict[str, Taught]:
    """Candidate to the training whose weights its entry names beside the model; who names none is missing."""
    stored = Comparisons(ledger)
    row = stored.find(comparison)
    assert row is not None
    found = {}
    for entry in stored.entries(row["id"]):
        learned = orjson.loads(entry["settings"]).get(WEIGHTS_LEARNED)
        if learned is not None:
            found[entry["name"]] = Taught(way=learned["way"], rows=learned["rows"])
    return found


def showing(ledger: Ledger, comparison: str) -> frozenset[str]:
    """Candidates that show examples, those among them that a prompt search chose to."""
    stored = Comparisons(ledger)
    row = stored.find(comparison)
    assert row is not None
    return frozenset(one["name"] for one in stored.entries(row["id"]) if "pool_digest" in orjson.loads(one["settings"]))


def way_of(strategy: str, learned: Taught | None) -> str:
    """A candidate's way of improving: its strategy, with the training of weights that its entry names by `folder`."""
    if learned is None or learned.way in strategy.split("+"):
        return strategy
    parts = [part for part in strategy.split("+") if part != "prompt"]
    if any(part in ("fine_tune", "pretrain") for part in parts):
        return strategy  # trained further here, which is what the candidate is now
    # Whom to ask stands first, as in `strategies.draft.in_order`.
    return "+".join([learned.way, *parts])


_LEARNS = ("few_shot", "prompt_search", "fine_tune", "pretrain", "baseline")
_HOLDS_ANSWERS = ("few_shot", "fine_tune", "pretrain", "baseline")
"""Ways in whose weights or examples old right answers stay when the facts change."""


def making_of(
    result: CandidateResult,
    spec: CandidateSpec | None,
    look: CasesLook,
    learned: Taught | None = None,
    *,
    shows: bool = False,
) -> Making:
    """
    What making a candidate took, hours of the own machine included; those are unknown where their price is.

    Args:
        result: The measured candidate.
        spec: Its entry; None where there is none.
        look: How many cases there are to learn from.
        learned: The training whose weights the entry names.
        shows: Whether it shows examples, whoever chose them.
    """
    parts = way_of(result.strategy, learned).split("+")
    build, machine = result.build, result.cost.machine
    usd = None if build is None else build.usd
    if usd is not None and machine is not None and build is not None and build.took_s != 0:
        hourly = machine.usd_per_hour
        usd = None if build.took_s is None or hourly is None else usd + hourly * build.took_s / 3_600
    # Labelled cases that are looked up are learned from as examples are.
    looked_up = None if spec is None else spec.parameters.get("documents")
    split = looked_up.get("cases") if isinstance(looked_up, Mapping) else None
    cases = look.train if any(part in _LEARNS for part in result.strategy.split("+")) or split == "train" else 0
    if "prompt_search" in parts or split == "dev":
        cases += look.dev
    if learned is not None:
        cases = max(cases, learned.rows)
    swept = None if spec is None else spec.swept.get("train_cases")
    return Making(
        usd=usd,
        seconds=None if build is None else build.took_s,
        labelled_cases=swept if isinstance(swept, int) else cases,
        renewal="again" if shows or split is not None or any(part in _HOLDS_ANSWERS for part in parts) else "by-itself",
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
