"""What the shipped JSON Schema promises to editors."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from touchstone.workspace.schema import schema_text, task_schema

jsonschema = pytest.importorskip("jsonschema")

ROOT = Path(__file__).resolve().parents[2]


def _valid(task: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(task_schema()).is_valid(task))


def test_the_shipped_schema_is_made_of_the_nouns() -> None:
    """The file in the package is what the code says; run `make schema` when it is not."""
    shipped = files("touchstone.workspace").joinpath("task.schema.json").read_text(encoding="utf-8")
    assert shipped == schema_text()
    jsonschema.Draft202012Validator.check_schema(orjson.loads(shipped))


@pytest.mark.parametrize(
    "path", [ROOT / "src/touchstone/workspace/helpdesk/task.yaml", ROOT / "examples/01_compare/task.yaml"]
)
def test_shipped_task_files_are_valid(path: Path) -> None:
    """What we ship as an example is a task file by the schema."""
    assert _valid(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "change",
    [
        {"task": None},
        {"candidates": []},
        {"instuction": "typo"},
        {"constraints": {"min_score": 2}},
        {"goal": "cheapest"},
        {"gate": {"margin": 3}},
        {"candidates": [{"name": "neither model nor recorded"}]},
    ],
)
def test_mistakes_are_not(change: dict[str, Any]) -> None:
    """An editor underlines what the command would refuse."""
    good = {"task": "t", "cases": "c.csv", "candidates": ["ollama/qwen3"], "goal": {"cheapest-within": 0.02}}
    assert _valid(good)
    assert not _valid({**good, **change})


def test_a_strategy_of_a_plug_in_is_valid() -> None:
    """Ours are examples that an editor offers, not a list that is closed."""
    good = {"task": "t", "cases": "c.csv", "candidates": [{"model": "ollama/qwen3", "strategy": "house_style"}]}
    assert _valid(good)
    assert "prompt" in task_schema()["$defs"]["Candidate"]["properties"]["strategy"]["examples"]
