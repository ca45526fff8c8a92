"""What stored trials measured of a model of the catalog, and of no other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from touchstone.workspace.shortlist_measured import _of


class Kept:
    """A comparison of two candidates that name the same model; the second took a hundred times as long."""

    def __init__(self, strategy: str, settings: Mapping[str, Any]) -> None:
        self._second = strategy, settings

    def entries(self, _identity: str) -> list[dict[str, Any]]:
        found = []
        for trial, (strategy, settings) in enumerate([("prompt", {}), self._second]):
            recipe = {"model": "openai/gpt-4o-mini", "strategy": strategy}
            found.append({"trial": trial, "recipe": json.dumps(recipe), "settings": json.dumps(settings)})
        return found

    def numbers(self, trial: int) -> dict[str, Any]:
        took = np.array([1.0, 1.0]) * (100 if trial else 1)
        return {"input_tokens": took * 10, "output_tokens": took, "estimated": took * 0, "latency_s": took}


@pytest.mark.parametrize(
    ("strategy", "settings", "seconds"),
    [
        ("few_shot", {}, 100.0),
        ("fine_tune+rag", {}, 1.0),
        ("pretrain", {}, 1.0),
        ("rag", {"weights_learned": {"way": "fine_tune"}}, 1.0),
    ],
)
def test_weights_of_ones_own_are_not_the_model_they_began_with(
    strategy: str, settings: Mapping[str, Any], seconds: float
) -> None:
    """How long a fine-tune takes, perhaps on another machine, is no time of its base; its tokens count."""
    found = _of(Kept(strategy, settings), "c")  # type: ignore[arg-type]
    assert found is not None
    assert list(found.seconds.values()) == [seconds]
    assert (found.candidates, found.input_tokens) == (2, 505.0)
