"""One candidate on a few cases: journalled, capped, and over in time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from touchstone.config import Settings
from touchstone.errors import SettingsError, StoreBusy, UnknownName
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_server import FakeServer, serve_in_thread
from touchstone.storage.lock import EngineLock
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.taskfile import Task, load_task
from touchstone.workspace.tryout import may_cost, try_out
from touchstone.workspace.workspace import Workspace

TASK = """\
task: capitals
instruction: Name the capital.
cases: cases.csv
answer: {{kind: text}}
scorers: [exact]
candidates:
  - baseline/majority
  - {{model: openai-compatible, name: paid, base_url: "{url}", served_name: m, max_tokens: 10,
     price: {{input_usd: 1, output_usd: 2}}}}
  - {{model: starter/s, strategy: fine_tune, name: tuned}}
gate: {{min_score: 0.5, candidate: paid}}
"""


class Pace:
    pause_s = 0.0


@pytest.fixture
def pace() -> Pace:
    return Pace()


@pytest.fixture
def server(pace: Pace) -> Iterator[FakeServer]:
    def reply(request: ChatRequest) -> FakeReply:
        number = str(request.messages[-1].content).split()[-1]
        return FakeReply(text=f"city {number}", input_tokens=30, output_tokens=5, latency_s=pace.pause_s)

    with serve_in_thread(FakeServer(FakeModel("m", reply=reply))) as found:
        yield found


@pytest.fixture
def task(tmp_path: Path, server: FakeServer) -> Task:
    rows = "".join(f"q{n},capital of country {n},city {n},{'train' if n < 8 else 'test'}\n" for n in range(40))
    (tmp_path / "cases.csv").write_text("id,input,target,split\n" + rows)
    (tmp_path / "task.yaml").write_text(TASK.format(url=server.base_url))
    return load_task(tmp_path / "task.yaml")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(Settings(workspace=tmp_path / "workspace", workspace_from="test")) as found:
        yield found


def test_what_is_sent_said_read_and_scored(workspace: Workspace, task: Task, server: FakeServer) -> None:
    """Three cases of the race's own order; asked once, however often one looks."""
    found = try_out(workspace, task, "paid", cap_usd=0.05)
    assert [(one.kind, one.score) for one in found.tried] == [("scored", 1.0)] * 3
    first = found.tried[0]
    assert [part.role for part in first.sent] == ["system", "user"]
    assert "Name the capital." in first.sent[0].text
    assert (first.output, first.answer) == (first.target, first.target)
    assert found.spent_usd == pytest.approx(3 * (30 + 10) / 1e6)
    again = try_out(workspace, task, "paid", cap_usd=0.0)
    assert [one.score for one in again.tried] == [1.0] * 3
    assert all(one.from_store for one in again.tried)
    assert again.spent_usd == 0
    assert len(server.bill) == 3
    free = try_out(workspace, task, "baseline/majority", cap_usd=0.0)
    assert all(one.sent == () and one.kind == "scored" for one in free.tried)


def test_the_cap_and_the_deadline_hold(workspace: Workspace, task: Task, server: FakeServer, pace: Pace) -> None:
    """Nobody is asked beyond the cap; what has not come in time is left open, and charged at its worst."""
    broke = try_out(workspace, task, "paid", cap_usd=0.000001)
    assert [one.kind for one in broke.tried] == [None] * 3
    assert all("cap" in one.reason for one in broke.tried)
    assert server.requests == 0
    pace.pause_s = 30.0
    late = try_out(workspace, task, "paid", cap_usd=0.05, deadline_s=0.5)
    assert [one.kind for one in late.tried] == [None] * 3
    assert late.spent_usd is not None


def test_who_cannot_be_tried_is_told_why(workspace: Workspace, task: Task) -> None:
    """An unknown name, who is made by long work, and a store in which a run measures."""
    with pytest.raises(UnknownName):
        try_out(workspace, task, "nobody", cap_usd=0.0)
    with pytest.raises(SettingsError, match="long work"):
        try_out(workspace, task, "tuned", cap_usd=0.0)
    with EngineLock(workspace.ledger.engine), pytest.raises(StoreBusy):
        try_out(workspace, task, "baseline/majority", cap_usd=0.0)


def test_whether_anybody_takes_money_is_known_beforehand(workspace: Workspace, task: Task) -> None:
    """A price, or a judge with one; baselines alone are free."""
    file = task.file
    free = task.model_copy(update={"file": file.model_copy(update={"candidates": file.candidates[:1], "gate": None})})
    paid = task.model_copy(update={"file": file.model_copy(update={"candidates": file.candidates[:2]})})
    assert not may_cost(workspace, free, CompareOptions())
    assert may_cost(workspace, paid, CompareOptions())
