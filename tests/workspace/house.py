"""A folder with cases, a provider that keeps its own count, and the command line."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import Run

from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_server import FakeServer

CASES = 160
PRICES = {"large": 10.0, "small": 1.0, "poor": 0.5, "late": 2.0}
"""USD per million output tokens."""
SKILL = {"large": 0.95, "small": 0.9, "poor": 0.5, "late": 0.94}


def answering(name: str) -> FakeModel:
    """A model that is right on a share of the cases, the same ones every time."""

    def reply(request: ChatRequest) -> FakeReply:
        question = str(request.messages[-1].content)
        drawn = hashlib.sha256(f"{name}{question}".encode()).digest()[0] / 256
        text = f"city {question.split()[-1]}" if drawn < SKILL[name] else "no idea"
        return FakeReply(text=text, input_tokens=30, output_tokens=5)

    return FakeModel(name, reply=reply)


class House:
    """A folder with cases, a provider that keeps count, and the command line."""

    def __init__(self, folder: Path, server: FakeServer, models: dict[str, FakeModel], run: Run) -> None:
        self.folder, self.server, self.models, self.run = folder, server, models, run
        rows = "".join(f"q{n},capital of country {n},city {n}\n" for n in range(CASES))
        (folder / "cases.csv").write_text("id,input,target\n" + rows)

    def task(self, *names: str, facts: Mapping[str, Mapping[str, Any]] | None = None, **more: Any) -> None:
        """Write the task file; `facts` are further fields of a candidate's entry."""
        candidates = [
            {
                "model": "openai-compatible",
                "name": name,
                "base_url": self.server.base_url,
                "served_name": name,
                "max_tokens": 10,
                "price": {"input_usd": 0, "output_usd": PRICES[name]},
                **(facts or {}).get(name, {}),
            }
            for name in names
        ]
        body = {"task": "capitals", "cases": "cases.csv", "answer": {"kind": "text"}, "candidates": candidates, **more}
        (self.folder / "task.yaml").write_text(json.dumps({**body, "limits": {"concurrency": 8}}))

    def compare(self, *flags: str, code: int = 0) -> dict[str, Any]:
        result = self.run("compare", "task.yaml", "--json", *flags)
        assert result.returncode == code, result.stderr
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    @property
    def sold(self) -> int:
        return len(self.server.bill)

    def sold_by_model(self) -> Counter[str]:
        return Counter(sale.model for sale in self.server.bill)

    def usd(self) -> float:
        return sum(PRICES[sale.model] * sale.output_tokens / 1e6 for sale in self.server.bill)

    def nothing_was_sold_twice(self) -> None:
        for name, model in self.models.items():
            asked = Counter(str(request.messages[-1].content) for request in model.calls)
            assert all(number == 1 for number in asked.values()), name
