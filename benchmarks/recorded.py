"""
18,000 recorded outputs of 12 models on MMLU-Pro: read, scored, compared in pairs, decided, reported, on one core.

The data is no part of the repository: `TOUCHSTONE_SHARED_DATA` names the folder that holds `outputs-mmlu-pro`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.asking import ask_bare, prepare, workplace
from benchmarks.measure import ROOT, Figure, megabytes, run, seconds
from benchmarks.table import command


def figures(*, quick: bool) -> Iterator[Figure]:
    """Seconds of the whole process, bound to one core; nothing where the data is absent."""
    data = Path(os.environ.get("TOUCHSTONE_SHARED_DATA", ROOT.parent / "shared" / "data")) / "outputs-mmlu-pro"
    if not data.is_dir():
        print("no recorded outputs here: set TOUCHSTONE_SHARED_DATA")
        return
    core = min(os.sched_getaffinity(0))
    task = {
        "task": "mmlu-pro",
        "cases": str(data / "questions.parquet"),
        "columns": {"id": "question_id", "input": "question", "target": "answer"},
        "answer": {"kind": "choice"},
        "candidates": [
            {
                "recorded": str(data / "outputs.parquet"),
                "columns": {"case_id": "question_id", "output": "output_text"},
            }
        ],
    }
    ours, bare = [], []
    with workplace() as (folder, served):
        place = prepare(folder, served, 200 if quick else 2_000)
        (folder / "task.yaml").write_text(json.dumps(task), encoding="utf-8")
        for _ in range(1 if quick else 3):
            bare.append(ask_bare(place, served))
            arguments = ["-m", "touchstone", "compare", "task.yaml", "--full", "--json", "--workspace", "w"]
            ours.append(run(arguments, folder, core=core))
            shutil.rmtree(folder / "w")
    result = ours[0].result
    outputs = sum(one["outcomes"]["planned"] for one in result["candidates"])
    name = f"{outputs:,} recorded outputs to a decision, one core"
    yield from seconds(name, ours, bare, 6.0, f"{len(result['candidates'])} candidates, {len(result['pairs'])} pairs")
    yield megabytes(name, ours, bare)


if __name__ == "__main__":
    command(figures)
