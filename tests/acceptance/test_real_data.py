"""The main job on recorded answers of real models; skipped where that data is absent, for it is not ours to ship."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Run

CAREFUL = {
    "Meta-Llama-3_1-70B-Instruct": (66.33, 34),
    "Meta-Llama-3_1-8B-Instruct": (45.93, 124),
}
"""Two runs stored a random letter where nothing could be read: accuracy and unparsed outputs without those guesses."""

slow = pytest.mark.skipif(
    not os.environ.get("TOUCHSTONE_REAL_DATA"), reason="minutes on real data; `make test-thorough` runs it"
)

LOOSER = ("gemini-1.5-flash-002", "jamba-1.5-large")
"""Runs for which the source also took the last stand-alone letter of a text; we call those outputs unparsed."""


def _compare(touchstone: Run, folder: Path, task: dict[str, Any]) -> dict[str, Any]:
    (folder / "task.yaml").write_text(json.dumps(task))
    result = touchstone("compare", "task.yaml", "--json")
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@slow
def test_gsm8k_gives_the_published_figures(shared_data: Path, tmp_path: Path, touchstone: Run) -> None:
    """All 14 models: accuracy and no-answer rate to two decimals, with one general rule."""
    place = shared_data / "outputs-gsm8k"
    found = _compare(
        touchstone,
        tmp_path,
        {
            "task": "gsm8k",
            "cases": str(place / "questions.parquet"),
            "columns": {"id": "question_id", "input": "question", "target": "answer"},
            "answer": {"kind": "number", "from": "json.answer"},
            "candidates": [
                {
                    "recorded": str(place / "outputs.parquet"),
                    "columns": {"case_id": "question_id", "output": "output_text"},
                }
            ],
        },
    )
    with (place / "published_scores.csv").open() as stream:
        published = {row["model"]: row for row in csv.DictReader(stream)}
    assert len(found["candidates"]) == 14
    for candidate in found["candidates"]:
        row = published[candidate["name"]]
        assert f"{100 * candidate['estimate']['mean']:.2f}" == row["published_accuracy"], candidate["name"]
        share = candidate["outcomes"]["unparsed"] / candidate["outcomes"]["planned"]
        assert f"{100 * share:.2f}" == row["published_no_answer"], candidate["name"]


@slow
def test_mmlu_pro_takes_no_guess_for_an_answer(shared_data: Path, tmp_path: Path, touchstone: Run) -> None:
    """Twelve models, 18,000 outputs: the recomputed accuracies where a letter was stated, stored guesses unparsed."""
    pq = pytest.importorskip("pyarrow.parquet")
    place = shared_data / "outputs-mmlu-pro"
    found = _compare(
        touchstone,
        tmp_path,
        {
            "task": "mmlu-pro",
            "cases": str(place / "questions.parquet"),
            "columns": {"id": "question_id", "input": "question", "target": "answer"},
            "answer": {"kind": "choice"},
            "candidates": [
                {
                    "recorded": str(place / "outputs.parquet"),
                    "columns": {"case_id": "question_id", "output": "output_text"},
                }
            ],
        },
    )
    right: dict[str, int] = {}
    for row in pq.read_table(place / "outputs.parquet", columns=["model", "recorded_correct"]).to_pylist():
        right[row["model"]] = right.get(row["model"], 0) + row["recorded_correct"]
    assert len(found["candidates"]) == 12
    for candidate in found["candidates"]:
        name, ours = candidate["name"], round(100 * candidate["estimate"]["mean"], 2)
        unparsed = candidate["outcomes"]["unparsed"]
        if name in CAREFUL:
            assert (ours, unparsed) == CAREFUL[name]
        elif name in LOOSER:
            assert ours <= round(right[name] / 15, 2) <= ours + unparsed / 15
        else:
            assert ours == round(right[name] / 15, 2), name


@slow
def test_banking77_baselines(shared_data: Path, tmp_path: Path, touchstone: Run) -> None:
    """Logistic regression reaches 0.88 on 77 labels; the six test texts that stand in train are reported by row."""
    pytest.importorskip("sklearn")
    place = shared_data / "classify-banking77"
    (tmp_path / "task.yaml").write_text(
        json.dumps(
            {
                "task": "banking77",
                "cases": {"train": str(place / "train.jsonl"), "test": str(place / "test.jsonl")},
                "columns": {"input": "text", "target": "label"},
                "answer": {"kind": "label", "labels": str(place / "labels.json")},
                "candidates": ["baseline/majority", "baseline/nearest", "baseline/logistic"],
            }
        )
    )
    result = touchstone("compare", "task.yaml", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    scores = {candidate["name"]: candidate["estimate"]["mean"] for candidate in found["candidates"]}
    assert scores["baseline/logistic"] >= 0.88
    assert scores["baseline/majority"] == pytest.approx(1 / 77)
    assert len(found["pairs"]) == 3
    twins = [line for line in found["warnings"] if "also stand in train" in line]
    assert len(twins) == 1
    assert ": 6 " in twins[0]
