"""What a workspace tells of its trainings and of the documents of its tasks."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest

from touchstone.errors import SettingsError, UnknownName
from touchstone.training.steps import Step
from touchstone.workspace.task_documents import documents_of, keep_document
from touchstone.workspace.trainings import find_training, trainings

SHIPPED = Path(__file__).parents[2] / "src" / "touchstone" / "workspace" / "handbook" / "fine-tuned"
DIGEST = "ab" * 32


def interrupted(workspace: Path, *, checkpoint: bool = True, digest: str = DIGEST) -> Path:
    """A training that has not ended, as its folder looks."""
    folder = workspace / "trained" / digest
    (folder / "checkpoint").mkdir(parents=True)
    job = {"way": "lora", "base": "/somewhere/starter-m", "loop": {"epochs": 2.0, "seed": 7}, "lora": {"rank": 8}}
    (folder / "job.json").write_text(json.dumps({"digest": digest, "job": job}))
    step = Step(step=5, of=20, loss=2.5, learning_rate=0.1, tokens_per_s=100, seconds_left=3)
    (folder / "progress.jsonl").write_text(step.model_dump_json() + "\n{half a li")
    if checkpoint:
        (folder / "checkpoint" / "state.json").write_text(json.dumps({"step": 4}))
    return folder


def test_an_interrupted_training_tells_its_checkpoint_and_its_curve(tmp_path: Path) -> None:
    """A line that is being written is passed over."""
    interrupted(tmp_path)
    [found] = trainings(tmp_path)
    assert (found.state, found.checkpoint_step, found.way, found.base) == ("kept", 4, "lora", "starter-m")
    assert [step.loss for step in found.steps] == [2.5]
    assert found.settings == {"epochs": 2.0, "seed": 7, "rank": 8}
    assert found.card is None
    interrupted(tmp_path, checkpoint=False, digest="cd" * 32)
    assert find_training(tmp_path, "cd" * 32).state == "begun"


def test_a_finished_training_tells_what_it_left(tmp_path: Path) -> None:
    """As the shipped one does, with the id of its card."""
    shutil.copytree(SHIPPED, tmp_path / "trained" / DIGEST)
    found = find_training(tmp_path, DIGEST)
    assert found.state == "finished"
    assert found.rows is not None
    assert len(found.steps) > 1
    assert found.size > 100_000
    assert found.card is not None
    assert found.card.startswith("own/")


@pytest.mark.parametrize("name", ["..", "../../etc", "bases", "", "ab" * 32 + "/..", "AB" * 32])
def test_names_from_strangers_find_nothing(tmp_path: Path, name: str) -> None:
    """Only digests are folders of trainings, and no link is followed."""
    interrupted(tmp_path)
    with pytest.raises(UnknownName):
        find_training(tmp_path, name)
    (tmp_path / "trained" / ("ef" * 32)).symlink_to(tmp_path / "trained" / DIGEST)
    assert [one.digest for one in trainings(tmp_path)] == [DIGEST]
    with pytest.raises(UnknownName):
        find_training(tmp_path, "ef" * 32)


def test_documents_are_kept_under_names_of_ours(tmp_path: Path) -> None:
    """Without a path or a sign that a shell or a page takes for something; a second of a name has a number."""
    for name in ("../../etc/pass wd;rm -rf.md", "C:\\docs\\Prices.PDF", "<b>.txt", "Prices.pdf"):
        keep_document(tmp_path, io.BytesIO(b"text"), name)
    names = [one.name for one in documents_of(tmp_path)]
    assert names == ["Prices-2.pdf", "Prices.pdf", "b.txt", "pass-wd-rm--rf.md"]
    assert [one.size for one in documents_of(tmp_path)] == [4] * 4


def test_a_document_that_nobody_can_read_is_refused(tmp_path: Path) -> None:
    """By its end; and a folder that leads elsewhere is written to by nobody."""
    with pytest.raises(SettingsError, match="no document that is read"):
        keep_document(tmp_path, io.BytesIO(b""), "program.exe")
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "documents").symlink_to(tmp_path)
    with pytest.raises(SettingsError, match="leads elsewhere"):
        keep_document(tmp_path / "task", io.BytesIO(b"x"), "a.md")
    assert documents_of(tmp_path / "task") == ()
    assert not (tmp_path / "a.md").exists()
