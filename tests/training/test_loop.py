"""The loop: the same curve whether or not it was stopped on the way, and a checkpoint that belongs to one training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.training.tiny import LOOP, SIZES

from touchstone.errors import DataError
from touchstone.training.loop import Interrupted, train
from touchstone.training.networks import make_decoder, make_encoder
from touchstone.training.objectives import LabelOf, Objective
from touchstone.training.rows import Rows, rows_of
from touchstone.training.steps import LoopSettings, Step

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

SETTINGS = LOOP.model_copy(update={"epochs": 2.0, "batch_tokens": 128, "report_steps": 4, "checkpoint_steps": 1_000})


@pytest.fixture(scope="module")
def rows() -> Rows:
    chance = np.random.default_rng(5)
    return rows_of(
        ((chance.integers(4, 200, 20).tolist(), [at >= 10 for at in range(20)]) for _ in range(40)), longest=64
    )


def network() -> Any:
    torch.manual_seed(1)
    torch.set_num_threads(1)
    return make_decoder(SIZES, 200)


def after(steps: int) -> Callable[[], bool]:
    """Says stop after so many steps."""
    counted = iter(range(1, 10_000))
    return lambda: next(counted) >= steps


@pytest.mark.parametrize("steps", [1, 4, 6, 13])
def test_stopped_after_any_step_it_goes_on_to_the_same_curve(rows: Rows, tmp_path: Path, steps: int) -> None:
    """Between two reports too: the losses since the last one are kept."""
    whole = train(network(), rows, SETTINGS, tmp_path / "whole")
    told: list[Step] = []
    with pytest.raises(Interrupted):
        train(network(), rows, SETTINGS, tmp_path / "stopped", stop=after(steps))
    resumed = train(network(), rows, SETTINGS, tmp_path / "stopped", told.append)

    assert [(one.step, one.of) for one in resumed] == [(one.step, one.of) for one in whole]
    assert [one.loss for one in resumed] == pytest.approx([one.loss for one in whole], abs=1e-6)
    assert tuple(told) == resumed
    assert resumed[-1].elapsed_s is not None


def test_chance_goes_on_where_it_was(rows: Rows, tmp_path: Path) -> None:
    """What dropout leaves out after an interruption is what it would have left out."""
    labelled = rows_of((([*range(4, 20), row % 3], [False] * 16 + [True]) for row in range(40)), longest=64)
    objective: Objective = LabelOf()

    def encoder() -> Any:
        torch.manual_seed(1)
        return make_encoder(SIZES, 200, ("a", "b", "c"))

    whole = train(encoder(), labelled, SETTINGS, tmp_path / "whole", objective=objective)
    with pytest.raises(Interrupted):
        train(encoder(), labelled, SETTINGS, tmp_path / "stopped", objective=objective, stop=after(3))
    resumed = train(encoder(), labelled, SETTINGS, tmp_path / "stopped", objective=objective)

    assert [one.loss for one in resumed] == pytest.approx([one.loss for one in whole], abs=1e-6)


def test_a_checkpoint_of_another_training_is_refused(rows: Rows, tmp_path: Path) -> None:
    """Other settings, other rows, another network; how often it is kept does not matter."""
    with pytest.raises(Interrupted):
        train(network(), rows, SETTINGS, tmp_path, stop=after(3))
    for changed in ({"seed": 9}, {"epochs": 3.0}, {"learning_rate": 1e-4}):
        with pytest.raises(DataError, match="other settings"):
            train(network(), rows, SETTINGS.model_copy(update=changed), tmp_path)
    with pytest.raises(DataError, match="another network"):
        train(make_encoder(SIZES, 200, ()), rows, SETTINGS, tmp_path)
    often = SETTINGS.model_copy(update={"report_steps": 1, "checkpoint_steps": 2})

    assert train(network(), rows, often, tmp_path)[-1].step == 14


def test_a_half_written_checkpoint_is_not_used(rows: Rows, tmp_path: Path) -> None:
    """A kill while it was written leaves the one before, or the beginning."""
    whole = train(network(), rows, SETTINGS, tmp_path / "whole")
    folder = tmp_path / "killed"
    with pytest.raises(Interrupted):
        train(network(), rows, SETTINGS, folder, stop=after(3))
    (folder / "checkpoint.new").mkdir()
    (folder / "checkpoint.new" / "state.json").write_text("{", encoding="utf-8")
    (folder / "checkpoint").rename(folder / "checkpoint.old")
    resumed = train(network(), rows, SETTINGS, folder)

    assert [one.loss for one in resumed] == pytest.approx([one.loss for one in whole], abs=1e-6)


def test_a_loss_that_is_no_number_ends_it(rows: Rows, tmp_path: Path) -> None:
    """With what to change."""
    wild = LoopSettings.model_validate({**SETTINGS.model_dump(), "learning_rate": 0.99, "clip": 1e30, "epochs": 50})
    broken = network()
    with torch.no_grad():
        broken.model.embed_tokens.weight.fill_(float("nan"))

    with pytest.raises(DataError, match="lower the learning rate"):
        train(broken, rows, wild, tmp_path)
    with pytest.raises(DataError, match="no rows"):
        train(network(), rows_of([], longest=64), SETTINGS, tmp_path)
