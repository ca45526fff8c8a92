"""How quick this machine is, said before a step is timed: from trainings that are kept, else from a matrix product."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.strategies.stored import store_a_training

from touchstone.training.forecast import Shape, forecast
from touchstone.training.speed import machine_here

SHAPE = Shape(parameters=1_000, trained_parameters=1_000, layers=1, width=8, inner=8, heads=1, vocabulary=300)


def test_trainings_of_this_workspace_say_how_quick_it_is(tmp_path: Path) -> None:
    """6 operations a token and parameter that learned, 4 for another; the median, without accelerators."""
    for number, speed, device in ((1, 100.0, "cpu"), (2, 200.0, "cpu"), (3, 9_000.0, "cpu"), (4, 1e6, "NVIDIA")):
        folder = store_a_training(tmp_path / str(number), str(number) * 64)
        said = json.loads((folder / "result.json").read_text())
        said["steps"][0]["tokens_per_s"], said["device"] = speed, device
        (folder / "result.json").write_text(json.dumps(said))
    found = machine_here(tmp_path, SHAPE, usd_per_hour=3.6)

    assert found.flops == pytest.approx((6 * 5 + 4 * 5) * 200.0)
    told = forecast(SHAPE, tokens=500, epochs=2, batch_tokens=64, row_tokens=16, device=found)
    assert told.seconds == pytest.approx(6 * 1_000 * 1_000 / 10_000)
    assert told.usd == pytest.approx(0.6)
    assert told.from_what == "stated"


def test_where_none_was_kept_a_product_is_timed(tmp_path: Path) -> None:
    """It takes a moment, and is more than a pocket calculator and less than a thousand accelerators."""
    found = machine_here(tmp_path / "none", SHAPE)

    assert found.flops is not None
    assert 1e8 < found.flops < 1e18
    assert found.usd_per_hour is None
