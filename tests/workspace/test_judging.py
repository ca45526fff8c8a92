"""What a run with a judge promises: control rows first, people's verdicts compared, a cost of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from touchstone.config import load_settings
from touchstone.errors import TaskError, UserError
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_server import FakeServer, serve_in_thread
from touchstone.reporting.base import ReportData
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.workspace import Workspace


def _careful(request: ChatRequest) -> FakeReply:
    """5 for answers that say hello, 1 for everything else; not moved by what is judged."""
    text = str(request.messages[-1].content)
    answer = text.rpartition("answer")[0] if "hello" not in text else text
    return FakeReply(text=json.dumps({"score": 5 if "hello friend" in answer else 1, "reason": "as asked"}))


def _gullible(_request: ChatRequest) -> FakeReply:
    return FakeReply(text='{"score": 5, "reason": "wonderful"}')


def _mumbling(_request: ChatRequest) -> FakeReply:
    return FakeReply(text="I would say it is rather good.")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [f"g{n}" for n in range(40)]
    (tmp_path / "cases.csv").write_text("id,input\n" + "".join(f"{case},greet number {case}\n" for case in rows))
    outputs = [
        {"case_id": case, "model": model, "output": text}
        for case in rows
        for model, text in (("warm", f"hello friend {case}"), ("cold", f"state your business {case}"))
    ]
    (tmp_path / "outputs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in outputs))
    verdicts = "".join(f"{case},warm,5\n{case},cold,{1 if place else 5}\n" for place, case in enumerate(rows[:30]))
    (tmp_path / "verdicts.csv").write_text("case_id,candidate,verdict\n" + verdicts)
    return tmp_path


@pytest.fixture
def judged(folder: Path) -> Iterator[Callable[..., ReportData]]:
    with Workspace(load_settings(folder / "store")) as workspace:

        def run(reply: Callable[[ChatRequest], FakeReply], **judge: Any) -> ReportData:
            with serve_in_thread(FakeServer(FakeModel("judge-1", reply=reply))) as server:
                model = {
                    "model": "openai-compatible",
                    "base_url": server.base_url,
                    "served_name": "judge-1",
                    "price": {"input_usd": 1, "output_usd": 1},
                }
                task = {
                    "task": "greet",
                    "cases": "cases.csv",
                    "answer": {"kind": "free"},
                    "scorers": [{"judge": {"model": model, "rubric": "Is it friendly?", **judge}}],
                    "candidates": [{"recorded": "outputs.jsonl"}],
                }
                (folder / "task.yaml").write_text(json.dumps(task))
                return workspace.compare(workspace.load_task(folder / "task.yaml"), CompareOptions())

        yield run


def test_a_judge_that_people_agree_with(judged: Callable[..., ReportData]) -> None:
    """Scores, kappa with its interval and n, control rows passed, cost beside the candidate's own."""
    data = judged(_careful, human="verdicts.csv")
    judge = data.judge
    assert judge is not None
    assert judge.fit
    assert judge.controls_passed == judge.controls == 9
    assert judge.validated
    assert judge.labels == 60
    assert judge.agreement is not None
    assert judge.agreement.low < judge.agreement.mean < 1
    warm, cold = data.comparison.candidates
    assert warm.estimate is not None
    assert cold.estimate is not None
    assert (warm.estimate.mean, cold.estimate.mean) == (1.0, 0.0)
    assert warm.cost.judge_usd is not None
    assert warm.cost.judge_usd > 0
    assert warm.cost.run_usd is None
    assert data.comparison.decision.chosen == "warm"


def test_a_judge_that_an_empty_answer_pleases_ranks_nobody(judged: Callable[..., ReportData]) -> None:
    """Control rows that score well make the judge unfit, and the ranking is withheld."""
    data = judged(_gullible)
    assert data.judge is not None
    assert not data.judge.fit
    assert not data.judge.validated
    assert data.comparison.decision.verdict == "insufficient"
    assert data.comparison.decision.chosen is None


def test_a_judge_that_gives_no_verdict_is_nobodys_mistake(judged: Callable[..., ReportData]) -> None:
    """After one request to keep to the form the cell is judge_unparsed: no score, no zero."""
    data = judged(_mumbling)
    for candidate in data.comparison.candidates:
        assert candidate.outcomes.judge_unparsed == 40
        assert candidate.estimate is None
    assert data.comparison.decision.verdict == "insufficient"


def test_a_judge_that_cannot_be_asked_costs_nothing(folder: Path) -> None:
    """Without its key, or without an answer to its control rows, no candidate is asked."""
    live = {"model": "fake/one", "reply": "hello", "price": {"input_usd": 1, "output_usd": 1}}
    with (
        serve_in_thread(FakeServer(FakeModel("judge-1", reply=_careful), key="right")) as server,
        Workspace(load_settings(folder / "store")) as workspace,
    ):
        judge = {"model": "openai-compatible", "base_url": server.base_url, "served_name": "judge-1"}
        for parameters, words in (
            ({"key_env": "TOUCHSTONE_TEST_NO_SUCH_KEY"}, "TOUCHSTONE_TEST_NO_SUCH_KEY"),
            ({}, "cannot be asked"),
        ):
            task = {
                "task": "greet",
                "cases": "cases.csv",
                "answer": {"kind": "free"},
                "scorers": [{"judge": {"model": {**judge, **parameters}, "rubric": "Is it friendly?"}}],
                "candidates": [live],
            }
            path = folder / "task.yaml"
            path.write_text(json.dumps(task))
            with pytest.raises(UserError, match=words):
                workspace.compare(workspace.load_task(path), CompareOptions())
        for stored in workspace.comparisons():
            [trial] = workspace.ledger.trials(stored.id)
            assert workspace.ledger.cell(trial["id"], 0) is None


def test_one_judge_a_task(folder: Path) -> None:
    """A second judge is refused rather than mixed up with the first."""
    judge = {"judge": {"model": "fake/judge", "rubric": "Is it friendly?"}}
    task = {
        "task": "greet",
        "cases": "cases.csv",
        "answer": {"kind": "free"},
        "scorers": [judge, judge],
        "candidates": ["fake/one"],
    }
    (folder / "task.yaml").write_text(json.dumps(task))
    with (
        Workspace(load_settings(folder / "store")) as workspace,
        pytest.raises(TaskError, match="second one"),
    ):
        workspace.compare(workspace.load_task(folder / "task.yaml"), CompareOptions())
