"""Bad input gets one line that names the file, the row and the remedy, exit code 2, and nobody is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.conftest import Run

from touchstone.models.fake import FakeModel
from touchstone.models.fake_server import FakeServer, serve_in_thread

GOOD_CASES = "id,input,target,split\n" + "".join(f"c{n},question {n},yes,test\n" for n in range(1, 41))

GOOD_TASK = """\
task: bad-input
instruction: Say yes or no.
cases: cases.csv
answer: {kind: label, labels: [yes, no]}
candidates:
  - {model: openai-compatible, base_url: "BASE_URL", served_name: parrot}
"""


class Bad(NamedTuple):
    """One mistake that people make, and what the message must name."""

    task: str
    files: dict[str, str | bytes]
    names: tuple[str, ...]


def _task(old: str = "", new: str = "") -> str:
    assert old in GOOD_TASK
    return GOOD_TASK.replace(old, new) if old else GOOD_TASK


MISTAKES: dict[str, Bad] = {
    "the cases do not exist": Bad(_task("cases.csv", "case.csv"), {}, ("task.yaml", "line 3", "case.csv")),
    "an unknown key": Bad(
        _task("instruction:", "instuction:"), {}, ("task.yaml", "line 2", "instuction", "instruction")
    ),
    "a missing key": Bad(_task("cases: cases.csv\n"), {}, ("task.yaml", "cases", "missing")),
    "no YAML at all": Bad(_task("Say yes or no.", "{Say: [yes"), {}, ("task.yaml", "line", "YAML")),
    "a key that stands twice": Bad(
        _task("cases: cases.csv", "cases: a.csv\ncases: cases.csv"), {}, ("line 4", "twice")
    ),
    "an unknown provider": Bad(
        _task('openai-compatible, base_url: "BASE_URL", served_name: parrot', "opnai/gpt-4o-mini"),
        {},
        ("task.yaml", "line 6", "opnai", "openai"),
    ),
    "an unknown parameter": Bad(
        _task("served_name: parrot", "served_name: parrot, tempature: 0.5"), {}, ("line 6", "tempature", "temperature")
    ),
    "an unknown scorer": Bad(_task() + "scorers: [exakt]\n", {}, ("line 7", "exakt", "exact")),
    "a regex nobody can compile": Bad(
        _task() + 'scorers: [{regex: {pattern: "(unclosed"}}]\n', {}, ("line 7", "(unclosed")
    ),
    "an answer rule nobody knows": Bad(
        _task("labels: [yes, no]", "labels: [yes, no], from: lst"), {}, ("line 4", "lst", "last")
    ),
    "a constraint that is no number": Bad(
        _task() + "constraints: {min_score: high}\n", {}, ("line 7", "min_score", "high")
    ),
    "two candidates of one name": Bad(
        _task() + '  - {model: openai-compatible, base_url: "BASE_URL", served_name: parrot}\n',
        {},
        ("line 7", "parrot", "name"),
    ),
    "a prompt with a hole": Bad(
        _task("served_name: parrot", 'served_name: parrot, prompt: "Answer: {question}"'),
        {},
        ("line 6", "question", "input"),
    ),
    "a missing column": Bad(
        _task(), {"cases.csv": GOOD_CASES.replace("id,input,", "id,question,")}, ("cases.csv", "input", "question")
    ),
    "an empty target": Bad(
        _task(), {"cases.csv": GOOD_CASES.replace("question 7,yes", "question 7,")}, ("cases.csv", "row 7", "target")
    ),
    "the same id twice": Bad(
        _task(), {"cases.csv": GOOD_CASES.replace("c9,", "c3,")}, ("cases.csv", "c3", "row 3", "9")
    ),
    "a label outside the list": Bad(
        _task(), {"cases.csv": GOOD_CASES.replace("question 5,yes", "question 5,yess")}, ("cases.csv", "row 5", "yess")
    ),
    "bytes that are not UTF-8": Bad(
        _task(),
        {"cases.csv": GOOD_CASES.replace("question 8", "caf\u00e9 8").encode("latin-1")},
        ("cases.csv", "row 8", "UTF-8"),
    ),
    "a row with too many cells": Bad(
        _task(), {"cases.csv": GOOD_CASES.replace("question 6,yes", "question 6,yes,no")}, ("cases.csv", "row 6")
    ),
    "a split nobody knows": Bad(
        _task(),
        {"cases.csv": GOOD_CASES.replace("question 4,yes,test", "question 4,yes,tset")},
        ("row 4", "tset", "test"),
    ),
    "a file without a row": Bad(_task(), {"cases.csv": "id,input,target\n"}, ("cases.csv",)),
    "a line that is no JSON": Bad(
        _task("cases.csv", "cases.jsonl"),
        {"cases.jsonl": '{"input": "a", "target": "yes"}\n{"input": "b", target}\n'},
        ("cases.jsonl", "row 2", "JSON"),
    ),
    "recorded outputs without a column": Bad(
        _task() + "  - {recorded: outputs.jsonl}\n",
        {"outputs.jsonl": '{"id": "c1", "model": "m", "output": "yes"}\n'},
        ("outputs.jsonl", "case_id"),
    ),
    "a baseline with nothing to learn from": Bad(_task() + "  - baseline/majority\n", {}, ("line 7", "train")),
    "a cost per month without a volume": Bad(
        _task() + "constraints: {max_usd_per_month: 5}\n", {}, ("line 7", "max_usd_per_month", "requests_per_month")
    ),
    "a cap that caps nothing": Bad(_task() + "limits: {max_usd: .inf}\n", {}, ("line 7", "max_usd")),
    "a cap without a price": Bad(_task() + "limits: {max_usd: 1}\n", {}, ("price", "parrot")),
    "a key that is not set": Bad(
        _task("served_name: parrot", "served_name: parrot, key_env: NO_SUCH_KEY"), {}, ("line 6", "NO_SUCH_KEY")
    ),
}


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    """A provider that would answer, and keeps its bill."""
    with serve_in_thread(FakeServer(FakeModel("parrot", reply="yes"))) as running:
        yield running


def test_there_are_at_least_twenty() -> None:
    """The list is as long as promised."""
    assert len(MISTAKES) >= 20


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_named_and_nobody_is_asked(
    mistake: str, server: FakeServer, tmp_path: Path, touchstone: Run
) -> None:
    """One line on stderr names place and remedy; exit code 2; nothing on stdout; the provider's bill is empty."""
    bad = MISTAKES[mistake]
    (tmp_path / "cases.csv").write_text(GOOD_CASES, encoding="utf-8")
    for name, content in bad.files.items():
        body = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(body)
    (tmp_path / "task.yaml").write_text(bad.task.replace("BASE_URL", server.base_url), encoding="utf-8")

    result = touchstone("compare", "task.yaml", "--json")

    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    for name in bad.names:
        assert name in lines[0], lines[0]
    assert "Traceback" not in result.stderr
    assert server.requests == 0


def test_the_same_task_without_a_mistake_runs(server: FakeServer, tmp_path: Path, touchstone: Run) -> None:
    """What the mistakes were planted in is good: the same task runs and asks each case once."""
    (tmp_path / "cases.csv").write_text(GOOD_CASES, encoding="utf-8")
    (tmp_path / "task.yaml").write_text(GOOD_TASK.replace("BASE_URL", server.base_url), encoding="utf-8")

    result = touchstone("compare", "task.yaml", "--json")

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["candidates"][0]["estimate"]["mean"] == 1.0
    assert server.requests == 40
    server.requests = 0
