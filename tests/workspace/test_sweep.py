"""What a sweep promises: one entry, a candidate for every combination, each with a name of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from touchstone.errors import TaskError
from touchstone.evaluation.ledger import Ledger
from touchstone.strategies.base import CandidateSpec
from touchstone.workspace.candidates import read_specs
from touchstone.workspace.taskfile import load_task


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store.db")
    yield ledger
    ledger.close()


def specs(ledger: Ledger, folder: Path, *entries: dict[str, Any]) -> tuple[CandidateSpec, ...]:
    """Of a task file whose first candidate begins on line 4; every key has a line, and so has every key of a sweep."""
    (folder / "cases.csv").write_text("id,input,target\n1,a,x\n")
    lines = ["task: t", "cases: cases.csv", "candidates:"]
    for entry in entries:
        for place, (key, value) in enumerate(entry.items()):
            sweeps = key == "sweep" and isinstance(value, dict) and value
            lines.append(f"  {'-' if place == 0 else ' '} {key}:" + ("" if sweeps else f" {json.dumps(value)}"))
            lines += [f"      {name}: {json.dumps(values)}" for name, values in value.items()] if sweeps else []
    (folder / "task.yaml").write_text("\n".join(lines), encoding="utf-8")
    return read_specs(load_task(folder / "task.yaml"), ledger)


def test_an_entry_stands_for_every_combination(ledger: Ledger, tmp_path: Path) -> None:
    """In the order in which they are written; the values are parameters like others, and remembered as swept."""
    found = specs(
        ledger,
        tmp_path,
        {
            "model": "fake/a",
            "name": "few",
            "strategy": "few_shot",
            "sweep": {"k": [0, 4], "choose": ["random", "diverse"]},
        },
    )
    assert [spec.name for spec in found] == [
        "few, k=0, choose=random",
        "few, k=0, choose=diverse",
        "few, k=4, choose=random",
        "few, k=4, choose=diverse",
    ]
    assert found[1].parameters == {"k": 0, "choose": "diverse"}
    assert found[1].swept == {"k": 0, "choose": "diverse"}
    assert {spec.line for spec in found} == {4}


def test_models_and_prompts_are_swept_alike(ledger: Ledger, tmp_path: Path) -> None:
    """A model's name says it already; long texts are shortened and told apart; a file goes by its name."""
    found = specs(
        ledger,
        tmp_path,
        {"temperature": 0.5, "sweep": {"model": ["fake/a", "fake/b"], "system": ["Short.", {"file": "p/v2.txt"}]}},
        {
            "model": "fake/c",
            "name": "long",
            "sweep": {"prompt": ["x" * 60 + "a{input}", "x" * 60 + "b{input}", "y\n{input}"]},
        },
    )
    assert [spec.name for spec in found] == [
        "fake/a, system=Short.",
        "fake/a, system=p/v2.txt",
        "fake/b, system=Short.",
        "fake/b, system=p/v2.txt",
        f"long, prompt={'x' * 39}… (1)",
        f"long, prompt={'x' * 39}… (2)",
        "long, prompt=y {input}",
    ]
    assert found[1].parameters["system"] == {"file": "p/v2.txt"}


def test_a_strategy_is_in_the_name_where_none_is_given(ledger: Ledger, tmp_path: Path) -> None:
    """So that a model asked as it is and with examples stand side by side; joined names are canonical."""
    found = specs(
        ledger,
        tmp_path,
        {"model": "fake/a"},
        {"model": "fake/a", "strategy": "few_shot"},
        {"model": "fake/b", "strategy": "prompt+few_shot"},
        {"model": "baseline/logistic", "sweep": {"c": [1, 10.0]}},
    )
    assert [spec.name for spec in found] == [
        "fake/a",
        "fake/a few_shot",
        "fake/b few_shot",
        "baseline/logistic, c=1",
        "baseline/logistic, c=10.0",
    ]
    assert [spec.strategy for spec in found] == ["prompt", "few_shot", "few_shot", "baseline", "baseline"]


@pytest.mark.parametrize(
    ("sweep", "line", "words"),
    [
        (5, 6, "sweep is 5; write parameters with lists of values"),
        ({}, 6, "sweep is {}"),
        ({"k": 4}, 7, "sweep.k is 4; write a list"),
        ({"k": []}, 7, r"sweep.k is \[\]; write a list"),
        ({"k": [1, 2], "name": ["a"]}, 8, "sweep cannot vary 'name'"),
        ({"licence": ["open"]}, 7, "sweep cannot vary 'licence'"),
        ({"temperature": [0, 1]}, 7, "temperature stands under sweep and beside it"),
        ({"k": [1, 2, 1]}, 7, "sweep.k names 1 twice"),
        ({"system": [{"a": 1, "b": 2}, {"b": 2, "a": 1}]}, 7, "sweep.system names .* twice"),
        (
            {"k": list(range(13)), "seed": list(range(5))},
            6,
            "the sweep makes 65 candidates of one entry, and at most 64",
        ),
        ({"system": ["x" * 39 + str(n) for n in range(3)], "prompt": ["y" * 200]}, None, None),
        ({"strategy": ["prompt", "promt"]}, 4, "there is no strategy 'promt'"),
    ],
)
def test_a_sweep_that_cannot_be_read_names_its_line(
    ledger: Ledger, tmp_path: Path, sweep: Any, line: int | None, words: str | None
) -> None:
    """And what to write instead."""
    entry = {"model": "fake/a", "temperature": 0.5, "sweep": sweep}
    if words is None:
        assert len(specs(ledger, tmp_path, entry)) == 3
        return
    with pytest.raises(TaskError, match=words) as caught:
        specs(ledger, tmp_path, entry)
    assert caught.value.line == line


def test_recorded_answers_cannot_be_swept(ledger: Ledger, tmp_path: Path) -> None:
    """They were made elsewhere, and nothing of them can vary."""
    with pytest.raises(TaskError, match="recorded outputs have no key 'sweep'"):
        specs(ledger, tmp_path, {"recorded": "out.jsonl", "sweep": {"k": [1]}})


def test_two_sweeps_may_not_make_the_same_name(ledger: Ledger, tmp_path: Path) -> None:
    """As for any two candidates."""
    entry = {"model": "fake/a", "sweep": {"temperature": [0, 1]}}
    with pytest.raises(TaskError, match="two candidates are called 'fake/a, temperature=0'"):
        specs(ledger, tmp_path, entry, entry)
