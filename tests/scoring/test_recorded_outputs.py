"""Published scores of recorded model outputs come out again; skipped where the recordings are not at hand."""

from __future__ import annotations

import csv
import os
import time
from collections import Counter
from pathlib import Path

import pytest

from touchstone.data.base import Case
from touchstone.models.base import Completion
from touchstone.scoring.base import AnswerSpec, Reading, Scorer
from touchstone.scoring.make import make_scorer
from touchstone.scoring.reading import make_reader

DATA = Path(os.environ.get("TOUCHSTONE_SHARED_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
NOTHING = Completion(parts=())

MMLU_PRO = {
    "Meta-Llama-3-70B": "56.53",
    "Mistral-7B-Instruct-v0.2": "30.13",
    "Mixtral-8x7B-Instruct-v0.1": "43.27",
    "Phi-3-mini-4k-instruct": "42.67",
    "Qwen1.5-72B-Chat": "50.33",
    "Yi-34B": "44.93",
    "c4ai-command-r-v01": "38.80",
    "gemini-1.5-pro-002": "72.00",
    "Meta-Llama-3_1-70B-Instruct": "66.33",
    "Meta-Llama-3_1-8B-Instruct": "45.93",
}


def rows(path: Path) -> list[dict[str, object]]:
    if not path.exists():
        pytest.skip(f"{path.parent.name} is not at hand")
    parquet = pytest.importorskip("pyarrow.parquet")
    return parquet.read_table(path).to_pylist()


async def scored(spec: AnswerSpec, scorer: Scorer, work: list[tuple[Case, str]]) -> list[tuple[Reading, float | None]]:
    """Every output read and scored; about a second of computing when idle, and never much more."""
    reader = make_reader(spec)
    started = time.process_time()
    found = []
    for case, text in work:
        reading = reader.read(text, case)
        score = None if reading.answer is None else (await scorer.score(case, NOTHING, reading)).value
        found.append((reading, score))
    assert time.process_time() - started < 6
    return found


async def test_gsm8k_comes_out_as_published() -> None:
    """All 14 models: accuracy and no-answer rate to two decimals, and every cell as recorded."""
    folder = DATA / "outputs-gsm8k"
    cases = {
        row["question_id"]: Case(id=str(row["question_id"]), target=row["answer"])
        for row in rows(folder / "questions.parquet")
    }
    outputs = rows(folder / "outputs.parquet")
    spec = AnswerSpec(kind="number", source="json", argument="answer")
    found = await scored(
        spec, make_scorer("number"), [(cases[row["question_id"]], row["output_text"] or "") for row in outputs]
    )
    total, right, silent = Counter(), Counter(), Counter()
    for row, (reading, value) in zip(outputs, found, strict=True):
        total[row["model"]] += 1
        right[row["model"]] += value == 1
        silent[row["model"]] += reading.answer is None
        assert (value == 1) == row["correct"]
        assert (reading.answer is None) == (row["parsed_answer"] is None)
    with (folder / "published_scores.csv").open(encoding="utf-8") as file:
        published = {
            row["model"]: (row["published_accuracy"], row["published_no_answer"]) for row in csv.DictReader(file)
        }
    ours = {model: (f"{100 * right[model] / n:.2f}", f"{100 * silent[model] / n:.2f}") for model, n in total.items()}
    assert ours == published


async def test_mmlu_pro_comes_out_as_recorded_wherever_an_answer_is_read() -> None:
    """Ten models to two decimals, no stored guess taken, and no cell scored otherwise than recorded."""
    folder = DATA / "outputs-mmlu-pro"
    cases = {
        row["question_id"]: Case(id=str(row["question_id"]), target=row["answer"], options=tuple(row["options"]))
        for row in rows(folder / "questions.parquet")
    }
    outputs = rows(folder / "outputs.parquet")
    work = [(cases[row["question_id"]], row["output_text"] or "") for row in outputs]
    found = await scored(AnswerSpec(kind="choice"), make_scorer("choice"), work)
    right, unparsed = Counter(), Counter()
    for row, (reading, value) in zip(outputs, found, strict=True):
        right[row["model"]] += value == 1
        unparsed[row["model"]] += reading.answer is None
        assert reading.answer is None or (value == 1) == row["recorded_correct"]
    assert {model: f"{right[model] / 15:.2f}" for model in MMLU_PRO} == MMLU_PRO
    assert unparsed["Meta-Llama-3_1-70B-Instruct"] == 34
    assert unparsed["Meta-Llama-3_1-8B-Instruct"] == 124


async def test_chinese_exam_answers_are_read_as_recorded() -> None:
    """Of the single-letter GAOKAO items at least 95 in 100 read as recorded, and hardly any otherwise."""
    items = rows(DATA / "outputs-gaokao-zh" / "items.parquet")
    reader = make_reader(AnswerSpec(kind="choice"))
    same, other, total = 0, 0, 0
    for item in items:
        if len(item["gold"]) == 1 == len(item["recorded_answer"]) == len(item["gold"][0]):
            answer = reader.read(item["output_text"], Case(id="c", options=("1", "2", "3", "4"))).answer
            total += 1
            same += answer == item["recorded_answer"][0]
            other += answer not in (None, item["recorded_answer"][0])
    assert same >= 0.95 * total
    assert other <= 2
