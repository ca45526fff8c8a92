"""What stored trials of the same cases measured: tokens of a call, and how long each model took."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import Field

from touchstone.catalog.crosswalk import find_model
from touchstone.catalog.model import ModelId
from touchstone.config import Settings
from touchstone.errors import StoreError
from touchstone.evaluation.glance import models_compared
from touchstone.noun import Noun

if TYPE_CHECKING:
    from touchstone.evaluation.comparisons import Comparisons


class Measured(Noun):
    """Means over the trials of one comparison."""

    input_tokens: float
    output_tokens: float
    """Of a call, the mean over candidates of each one's mean, so that nobody counts more for being asked more."""
    candidates: int
    comparison: str
    seconds: Mapping[ModelId, float] = Field(default_factory=dict)
    """Median of an answer, by model of the catalog; of its own weights, not of what somebody trained from them."""


_UNPROMPTED = ("baseline", "recorded")
"""Strategies whose candidates use no tokens of ours."""


def _is_trained(strategy: str, settings: Mapping[str, Any]) -> bool:
    """Whether other weights answered than those of the model that the entry names, perhaps on another machine."""
    from touchstone.strategies.known_weights import WEIGHTS_LEARNED

    return WEIGHTS_LEARNED in settings or not {"fine_tune", "pretrain"}.isdisjoint(strategy.split("+"))


def may_have_measured(settings: Settings, digest: str | None = None) -> bool:
    """
    Whether a store can tell anything about tokens; a glance that takes next to no time.

    Args:
        digest: Of the cases it must be about; None takes any.
    """
    if settings.store_url is not None:
        return True
    store = settings.workspace / "touchstone.sqlite"
    return store.is_file() and models_compared(store, without=_UNPROMPTED, dataset=digest) != frozenset()


def measured_before(settings: Settings, digest: str) -> Measured | None:
    """
    What the newest comparison over these cases measured of prompted models; None where there is none.

    The store is only looked into; one that is absent, busy or of another version measures nothing.
    """
    if not may_have_measured(settings, digest):
        return None
    try:
        return _newest(settings.store_url or settings.workspace / "touchstone.sqlite", digest, settings)
    except StoreError:
        return None


def _newest(place: str | Path, digest: str, settings: Settings) -> Measured | None:
    # Only now: the store's libraries take longer to load than a shortlist takes to make.
    from touchstone.evaluation.comparisons import Comparisons
    from touchstone.evaluation.ledger import Ledger

    ledger = Ledger(place, read_only=True, allow_network=settings.allow_network_store)
    try:
        comparisons = Comparisons(ledger)
        for row in comparisons.all():
            found = _of(comparisons, row["id"]) if row["dataset"] == digest else None
            if found is not None:
                return found
    finally:
        ledger.close()
    return None


def _of(comparisons: Comparisons, identity: str) -> Measured | None:
    import numpy as np

    means: list[tuple[float, float]] = []
    seconds: dict[ModelId, float] = {}
    for entry in comparisons.entries(identity):
        recipe = orjson.loads(entry["recipe"])
        if recipe["strategy"] in _UNPROMPTED:
            continue
        cells = comparisons.numbers(entry["trial"])
        known = (
            ~np.isnan(cells["input_tokens"])
            & ~np.isnan(cells["output_tokens"])
            & ~(np.nan_to_num(cells["estimated"]) > 0)
        )
        if known.any():
            means.append((float(cells["input_tokens"][known].mean()), float(cells["output_tokens"][known].mean())))
        took = cells["latency_s"][~np.isnan(cells["latency_s"])]
        seller, _, served_name = str(recipe["model"]).partition("/")
        trained = _is_trained(recipe["strategy"], orjson.loads(entry["settings"]))
        model = None if trained else find_model(seller, served_name)
        if model is not None and took.size:
            seconds[model.model] = float(np.median(took))
    if not means:
        return None
    return Measured(
        input_tokens=sum(mean for mean, _ in means) / len(means),
        output_tokens=sum(mean for _, mean in means) / len(means),
        candidates=len(means),
        comparison=identity,
        seconds=seconds,
    )
