"""What the demo ships: tasks that run, a fine-tune that belongs to weights and cases, facts that changed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tests.conftest import Run

from touchstone.config import load_settings
from touchstone.workspace import improve
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.demo import write_handbook, write_intents
from touchstone.workspace.prepare import prepare
from touchstone.workspace.workspace import Workspace


def read(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as opened:
        return {row["id"]: row for row in csv.DictReader(opened)}


def test_what_the_user_changed_stays(tmp_path: Path) -> None:
    """The demo may be run again over its own folder."""
    task = write_handbook(tmp_path / "ladder")
    task.write_text("task: mine\n", encoding="utf-8")
    assert write_handbook(tmp_path / "ladder").read_text(encoding="utf-8") == "task: mine\n"
    assert write_intents(tmp_path).name == "task.yaml"


def test_changed_facts_stand_in_both_files_of_spring(tmp_path: Path) -> None:
    """Only test rows have new answers, each of which the new handbook states; everything else is as it was."""
    folder = write_handbook(tmp_path).parent
    before, after = read(folder / "cases.csv"), read(folder / "cases-spring.csv")
    old, new = ((folder / name).read_text(encoding="utf-8") for name in ("handbook.md", "handbook-spring.md"))
    assert list(before) == list(after)
    changed = [row for row in after.values() if row != before[row["id"]]]
    assert {row["split"] for row in changed} == {"test"}
    assert len({row["group"] for row in changed}) == 44
    for row in before.values():
        assert row["target"] in old or row["group"] == "sale.month"
    for row in after.values():
        assert row["split"] != "test" or row["target"] in new


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(load_settings(tmp_path / "workspace"))


@pytest.mark.parametrize("way", ["fine_tune", "fine_tune+rag"])
async def test_the_stored_fine_tunes_belong_to_the_task(tmp_path: Path, place: Workspace, way: str) -> None:
    """
    Trained on these rows from these weights, with the passages that are asked with, so nothing is said against them;
    they know what they were taught.
    """
    task = place.load_task(write_handbook(tmp_path / "ladder"))
    planned = improve.plan(task, place.ledger, CompareOptions())
    entries = [one for one in planned.task.file.candidates if isinstance(one, dict) and one.get("strategy") == way]
    only = planned.task.model_copy(update={"file": planned.task.file.model_copy(update={"candidates": tuple(entries)})})
    prepared = await prepare(only, place.ledger, CompareOptions(), workspace=tmp_path / "workspace")
    try:
        [candidate], [settings] = prepared.candidates, prepared.settings
        assert settings.get("findings", []) in ([], ())
        assert settings["ready"]
        taught = [case for _, case in place.ledger.datasets.cases(prepared.summary.digest, "train")][:5]
        said = [(await candidate.answer(case)).text for case in taught]
        # Whoever reads passages was taught to name the one that holds the answer.
        assert [text.partition(" [")[0] for text in said] == [case.target for case in taught]
        assert all(("[" in text) is (way == "fine_tune+rag") for text in said)
    finally:
        await prepared.close()
        place.close()


def test_the_example_climbs_its_ladder(tmp_path: Path, touchstone: Run) -> None:
    """The shipped models read the facts that they cannot know: passages help beyond chance, and are not trained in."""
    example = Path(__file__).resolve().parents[2] / "examples" / "02_improve"
    done = touchstone("improve", str(example), "--full", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rungs = {one["candidate"]: one for one in found["ladder"]["rungs"]}
    assert rungs["starter/l"]["score"]["mean"] < 0.2
    assert rungs["starter/l rag"]["gain"]["shown"] or rungs["starter/l few_shot+rag"]["gain"]["shown"]
    assert found["ladder"]["pays"] != "starter/s"
    assert {"rag", "few_shot+rag"} <= {rung["way"] for rung in rungs.values()}
