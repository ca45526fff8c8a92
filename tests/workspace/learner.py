"""A provider whose model knows nothing but what it is shown, a task that asks it, and the command line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import Run

from touchstone.evaluation.crash_points import KILL_AT
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_server import FakeServer, serve_in_thread

TOPICS = {"lamp": "ZK-1", "chair": "ZK-2", "table": "ZK-3", "carpet": "ZK-4"}
"""What the shop calls its departments: nobody can know it without an example."""

Reply = Callable[[ChatRequest], str]


def imitate(request: ChatRequest) -> str:
    """The answer of an example about the same thing; without one the model says so."""
    question = str(request.messages[-1].content)
    for asked, answered in zip(request.messages, request.messages[1:], strict=False):
        if answered.role == "assistant" and set(str(asked.content).split()) & set(question.split()) & TOPICS.keys():
            return str(answered.content)
    return "I do not know"


class Learner:
    """A folder with cases in three splits, a model that learns from what it is shown, and its bill."""

    def __init__(self, folder: Path, run: Run, server: FakeServer, model: FakeModel) -> None:
        self.folder, self.run, self.server, self.model = folder, run, server, model
        rows = [
            f"{split}{number},{split},{verb} my {thing} {number},{label}"
            for split, first, count in (("train", 0, 3), ("dev", 10, 8), ("test", 20, 10))
            for number in range(first, first + count)
            for verb, (thing, label) in zip(("mend", "return", "find", "send"), TOPICS.items(), strict=True)
        ]
        body = "id,split,input,target\n" + "\n".join(f"{place}-{row}" for place, row in enumerate(rows)) + "\n"
        (folder / "cases.csv").write_text(body)

    def entry(self, **more: Any) -> dict[str, Any]:
        price = {"input_usd": 1, "output_usd": 2}
        place = {"model": "openai-compatible", "base_url": self.server.base_url, "served_name": "learner"}
        return {**place, "name": "learner", "max_tokens": 10, "price": price, **more}

    def task(self, *entries: dict[str, Any], **more: Any) -> None:
        """Write the task file; YAML takes JSON."""
        answer = {"kind": "label", "labels": list(TOPICS.values())}
        body: dict[str, Any] = {
            "task": "departments",
            "instruction": "Name the department.",
            "cases": "cases.csv",
            "answer": answer,
        }
        body |= {"candidates": list(entries), "limits": {"concurrency": 4}, **more}
        (self.folder / "task.yaml").write_text(json.dumps(body))

    def updated(self, old: str, new: str) -> None:
        """Write `updated.csv`: the cases with other words in their test rows alone."""
        rows = (self.folder / "cases.csv").read_text().splitlines()
        changed = [row.replace(old, new) if ",test," in row else row for row in rows]
        (self.folder / "updated.csv").write_text("\n".join(changed) + "\n")

    def compare(self, *flags: str, code: int = 0) -> dict[str, Any]:
        done = self.run("compare", "task.yaml", "--json", *flags)
        assert done.returncode == code, done.stderr
        found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        return found

    def killed(self, point: str) -> int:
        """Run the comparison until it kills itself at a point; its exit code."""
        return self.run("compare", "task.yaml", "--json", environment={KILL_AT: point}).returncode

    @property
    def sold(self) -> int:
        return len(self.server.bill)

    def sold_twice(self) -> list[str]:
        """Requests that were answered more than once."""
        seen = Counter(request.model_dump_json() for request in self.model.calls)
        return [body for body, times in seen.items() if times > 1]


@contextmanager
def learner(folder: Path, run: Run, reply: Reply = imitate) -> Iterator[Learner]:
    model = FakeModel("learner", reply=lambda request: FakeReply(text=reply(request)))
    with serve_in_thread(FakeServer({"learner": model})) as server:
        yield Learner(folder, run, server, model)
