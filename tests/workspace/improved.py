"""A small measured task of a workspace: prompts in files, examples, passages with citations, asked of a fake server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from touchstone.config import Settings
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_server import FakeServer, serve_in_thread
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.workspace import Workspace

PRICES = {"lamp": "12", "chair": "45", "table": "99", "carpet": "70"}
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
DOCUMENTS = {
    thing: f"# The {thing}\n\nThe {thing} costs {usd} euros and is made by hand. {HOSTILE}\n\n"
    f"# Care of the {thing}\n\n" + "Keep it dry and dust it once a week with a soft cloth. " * 40
    for thing, usd in PRICES.items()
}


def answer(request: ChatRequest) -> FakeReply:
    """What the passages say, cited; else a wrong price."""
    question = str(request.messages[-1].content)
    asked = question.rpartition("Question: ")[2]
    for line in question.splitlines():
        number, _bracket, text = line.partition("] ")
        for thing, usd in PRICES.items():
            if thing in asked and f"The {thing} costs" in text:
                return FakeReply(text=f"{usd} {number}]")
    return FakeReply(text="77")


@contextmanager
def improved(workspace: Path) -> Iterator[Path]:
    """A workspace in which the task `shop` was measured, with its provider for as long as it is open."""
    folder = workspace / "tasks" / "shop"
    (folder / "prompts").mkdir(parents=True)
    (folder / "documents").mkdir()
    quoted = HOSTILE.replace('"', '""')
    rows = []
    for split, count in (("train", 2), ("dev", 2), ("test", 10)):
        asked = [(number, thing) for number in range(count) for thing in PRICES]
        for row, (number, thing) in enumerate(asked):
            end = quoted if row == 3 else ""
            # Nobody learns from what test cases ask.
            asks = "what does number {} of the {} cost" if split == "test" else "sample {}, {} price please"
            question = f"{asks.format(number, thing)} {end}"
            rows.append(f'{split}-{row},{split},"{question}",{PRICES[thing]},The {thing}')
    (folder / "cases.csv").write_text("id,split,input,target,where\n" + "\n".join(rows) + "\n")
    for thing, text in DOCUMENTS.items():
        (folder / "documents" / f"{thing}.md").write_text(text)
    (folder / "prompts" / "v1.txt").write_text("Say the price.\n")
    (folder / "prompts" / "v2.txt").write_text(f"Say the price in euros. {HOSTILE}\n")
    (folder / "prompts" / "v10.txt").write_text("Nobody was asked with this.\n")
    model = FakeModel("shop", reply=answer)
    with serve_in_thread(FakeServer({"shop": model})) as server:
        base: dict[str, Any] = {
            "model": "openai-compatible",
            "base_url": server.base_url,
            "served_name": "shop",
            "price": {"input_usd": 1, "output_usd": 2},
            "max_tokens": 20,
        }
        rag = {"strategy": "rag", "documents": "documents", "passages": 2, "gold": {"heading": "where"}}
        entries = [
            {**base, "name": "plain", "system": {"file": "prompts/v1.txt"}},
            {**base, "name": "kind", "system": {"file": "prompts/v2.txt"}},
            {**base, "name": "shots", "strategy": "few_shot", "k": 2, "system": {"file": "prompts/v1.txt"}},
            {**base, "name": "reads", **rag, "retriever": "hybrid", "cite": True},
        ]
        task = {
            "task": "shop",
            "instruction": "Say the price.",
            "cases": "cases.csv",
            "answer": {"kind": "text", "citations": True},
            "scorers": ["exact", "citations"],
            "candidates": entries,
            "volume": {"requests_per_month": 1000},
            "improve": {"facts_change_days": 60, "machine_usd_per_hour": 0.1},
        }
        (folder / "task.yaml").write_text(yaml.safe_dump(task, sort_keys=False))
        with Workspace(Settings(workspace=workspace, workspace_from="test")) as place:
            data = place.compare(place.load_task(folder / "task.yaml"), CompareOptions(full=True))
            assert data.ending is None
        yield workspace
