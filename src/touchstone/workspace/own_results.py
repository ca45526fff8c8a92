"""What this workspace measured of a model, as results that stand beside the published ones, marked as ours."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from touchstone import __version__
from touchstone.catalog.claims import Claim
from touchstone.catalog.crosswalk import model_behind
from touchstone.catalog.model import ModelId
from touchstone.config import Settings
from touchstone.evaluation.glance import models_compared
from touchstone.language import _

if TYPE_CHECKING:
    from touchstone.workspace.workspace import Workspace

_NEWEST = 5
"""So many comparisons of the model are looked at; each is computed from its stored cells."""


def may_have_measured(settings: Settings, model: ModelId) -> bool:
    """Whether opening the store can find anything about a model; a glance that takes next to no time."""
    if settings.store_url is not None:
        return True
    store = settings.workspace / "touchstone.sqlite"
    if not store.exists():
        return False
    asked = models_compared(store)
    return asked is None or any(_model_of(reference) == model for reference in asked)


def own_results(workspace: Workspace, model: ModelId) -> tuple[Claim, ...]:
    """
    The scores of a model in the newest comparisons, newest first; none where nothing was measured.

    A comparison counts when one of its candidates names the model itself, or a provider's name for it that the
    crosswalk lists.
    """
    measured = (
        stored.id
        for stored in workspace.comparisons()
        if model in {_model_of(reference) for reference in stored.models}
    )
    return tuple(claim for comparison in islice(measured, _NEWEST) for claim in _claims(workspace, comparison, model))


def _model_of(reference: str) -> ModelId:
    return model_behind(reference) or reference


def _claims(workspace: Workspace, comparison_id: str, model: ModelId) -> Iterator[Claim]:
    from touchstone.workspace.base import Demands

    comparison = workspace.decide(comparison_id, Demands()).comparison
    for candidate in comparison.candidates:
        estimate = candidate.estimate
        if estimate is None or _model_of(candidate.model) != model:
            continue
        yield Claim(
            model=model,
            benchmark=comparison.task.name,
            value=100 * estimate.mean,
            low=100 * estimate.low,
            high=100 * estimate.high,
            questions=estimate.n,
            mode=candidate.name if candidate.name != candidate.model else None,
            setting=candidate.strategy,
            harness=f"touchstone {__version__}",
            measured_by="ours",
            date=comparison.created[:10],
            source=_("comparison {id}").format(id=comparison.comparison_id),
            as_of=comparison.created[:10],
            ours=True,
        )
