"""What identity promises: the same candidate is the same trial, however long making it took."""

from __future__ import annotations

from pathlib import Path

from touchstone.evaluation.ledger import Ledger
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.identity import identify
from touchstone.workspace.prepare import prepare
from touchstone.workspace.taskfile import load_task


async def test_what_building_took_is_no_part_of_a_trial(tmp_path: Path) -> None:
    """A baseline is trained anew each time and takes other seconds; its cells are found again all the same."""
    rows = [f"{split}{word},{split},it is {word},{word}" for split in ("train", "test") for word in "ab"]
    (tmp_path / "cases.csv").write_text("\n".join(["id,split,input,target", *rows]))
    task_file = ["task: t", "cases: cases.csv", "answer: {kind: label}", "candidates: [baseline/nearest]"]
    (tmp_path / "task.yaml").write_text("\n".join(task_file))
    ledger, options = Ledger(tmp_path / "store.db"), CompareOptions()
    task = load_task(tmp_path / "task.yaml")
    first, again = [await prepare(task, ledger, options) for _ in range(2)]
    assert first.settings[0]["build"]["took_s"] != again.settings[0]["build"]["took_s"]
    one, other = identify(first, options), identify(again, options)
    assert (one.trials, one.run_key) == (other.trials, other.run_key)
    for prepared in (first, again):
        await prepared.close()
    ledger.close()
