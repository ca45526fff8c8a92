"""The same questions before and after the facts changed: paired by id, and told about once."""

from __future__ import annotations

from pathlib import Path

import pytest

from touchstone.config import load_settings
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.improve_facts import SaidOnce, paired_changes
from touchstone.workspace.workspace import Workspace

TRAIN = [f"a{n},train,word{n} word{n},{'xy'[n % 2]}" for n in range(10)]


def write(folder: Path, name: str, *tests: str) -> Path:
    """A task of a baseline that knows its ten train rows by heart."""
    (folder / f"{name}.csv").write_text("\n".join(["id,split,input,target", *TRAIN, *tests]) + "\n")
    (folder / f"{name}.yaml").write_text(
        f"task: {name}\ncases: {name}.csv\nanswer: {{kind: label, labels: [x, y]}}\ncandidates: [baseline/nearest]\n"
    )
    return folder / f"{name}.yaml"


def test_a_change_is_that_of_the_same_questions(tmp_path: Path) -> None:
    """By id, in whatever order they stand; a question that only one of them has is left out."""
    right = [f"t{n},test,word{n} please,{'xy'[n % 2]}" for n in range(8)]
    turned = [row[:-1] + ("y" if row.endswith("x") else "x") for row in right[:4]]
    old = write(tmp_path, "old", *right, "only,test,word9 word9,x")
    new = write(tmp_path, "new", *reversed([*turned, *right[4:]]))
    with Workspace(load_settings(tmp_path / "store")) as place:
        ids = [place.compare(place.load_task(task), CompareOptions()).comparison.comparison_id for task in (old, new)]
        [(name, pair)] = paired_changes(place.ledger, *ids).items()
    assert name == "baseline/nearest"
    assert pair.n == 8
    assert pair.difference == pytest.approx(-0.5)


def test_a_second_measurement_says_what_is_new(tmp_path: Path) -> None:
    """What it says of its own file in the words of the first is left out."""
    heard: list[str] = []
    said = SaidOnce(heard.append)
    tell = said.second("june.csv", "may.csv")
    for line in ("may.csv: row 3 is empty", "243 cases"):
        said.first(line)
    for line in ("june.csv: row 3 is empty", "243 cases", "june.csv: row 4 is empty"):
        tell(line)
    assert heard == ["may.csv: row 3 is empty", "243 cases", "june.csv: row 4 is empty"]
