"""A command that trains tells whoever watches it from another process, in the file that `TOUCHSTONE_PROGRESS` names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from touchstone.config import load_settings
from touchstone.errors import SettingsError
from touchstone.training.run import can_train
from touchstone.training.steps import Step, TrainingLog, TrainingProgress
from touchstone.workspace.train import ReadyToTrain, ready_to_train, train, train_options
from touchstone.workspace.workspace import Workspace


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workspace]:
    lines = ["id,split,input,target"]
    lines += [f"{n},{'train' if n < 24 else 'test'},message number {n},{'ab'[n % 2]}" for n in range(30)]
    (tmp_path / "cases.csv").write_text("\n".join(lines))
    task = {"task": "mail", "instruction": "Say a or b.", "cases": "cases.csv", "candidates": ["starter/s"]}
    answer = {"kind": "label", "labels": ["a", "b"]}
    (tmp_path / "task.yaml").write_text(json.dumps({**task, "answer": answer}))
    with Workspace(load_settings(tmp_path / "workspace")) as opened:
        yield opened


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a page reads."""
    file = tmp_path / "progress.json"
    monkeypatch.setenv("TOUCHSTONE_PROGRESS", str(file))
    return file


async def ready(place: Workspace, **given: Any) -> ReadyToTrain:
    task = place.load_task(place.settings.workspace.parent / "task.yaml")
    options = train_options("full", "starter/s", "mail", {"epochs": 1.0, "batch_tokens": 256, **given})
    return await ready_to_train(
        task, place.ledger, options, workspace=place.settings.workspace, notice=lambda _line: None
    )


async def test_reports_of_a_training_reach_the_file_and_the_last_at_once(place: Workspace, told: Path) -> None:
    """However quickly it follows the one before, so that a page never stands still before the end."""
    workshop = (await ready(place)).workshop
    log = TrainingLog("mail")
    for number in (1, 2, 3):
        step = Step(step=number, of=3, loss=4 - number, learning_rate=0.1, tokens_per_s=10, seconds_left=0)
        workshop.watch(log.add(step))
    found = json.loads(told.read_text())
    assert found["kind"] == "training"
    assert [step.loss for step in TrainingProgress.model_validate(found["said"]).steps] == [3, 2, 1]


async def test_nothing_is_written_where_nobody_watches(
    place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command on a terminal leaves no file."""
    monkeypatch.delenv("TOUCHSTONE_PROGRESS", raising=False)
    before = {one.name for one in tmp_path.iterdir()}
    step = Step(step=1, of=1, loss=1, learning_rate=0.1, tokens_per_s=10, seconds_left=0)
    (await ready(place)).workshop.watch(TrainingLog("mail").add(step))
    assert {one.name for one in tmp_path.iterdir()} - before <= {"workspace"}


@pytest.mark.usefixtures("every_training")
@pytest.mark.skipif(not can_train(), reason="the extra `train` is not installed")
async def test_a_training_is_told_while_it_goes_on(place: Workspace, told: Path) -> None:
    """From its loop to the file."""
    await train(await ready(place), workspace=place.settings.workspace)
    found = TrainingProgress.model_validate(json.loads(told.read_text())["said"])
    assert found.name == "mail"
    assert found.last.step == found.last.of
    assert found.last.loss > 0


@pytest.mark.parametrize(
    ("way", "base", "given", "said"),
    [
        ("pretrain", "starter/s", {}, "begins with nothing"),
        (None, None, {}, "needs what it begins with"),
        ("full", "starter/s", {"rank": 4}, "--rank is of adapters"),
        ("lora", "starter/s", {"family": "encoder-only"}, "--family is of a network from nothing"),
        ("quickly", "starter/s", {}, "use lora, full or pretrain"),
    ],
)
def test_what_does_not_go_together_is_refused_for_commands_and_forms_alike(
    way: str | None, base: str | None, given: dict[str, Any], said: str
) -> None:
    """Before anything is read."""
    with pytest.raises(SettingsError, match=said):
        train_options(way, base, "mail", given)


def test_a_name_that_cannot_be_an_id_is_refused() -> None:
    """What is left of it names the card."""
    assert train_options("full", "starter/s", "My Mail!", {}).name == "my-mail"
    with pytest.raises(SettingsError, match="cannot be used"):
        train_options("full", "starter/s", "!!!", {})
