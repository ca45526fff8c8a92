"""What the tests of faults share: questions, a model behind the provider of bytes, and a task on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.faults.provider import Provider

from touchstone.catalog.base import Price
from touchstone.config import load_settings
from touchstone.models.base import ChatRequest, Completion, Message, Reply
from touchstone.models.openai_compatible import OpenAICompatible
from touchstone.reporting.result import to_json
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.workspace import Workspace

PRICE = Price(input_usd=1.0, output_usd=2.0)
"""As the provider's own list has it."""


@pytest.fixture(autouse=True)
def no_keys_and_no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test never sees the keys or proxies of whoever runs it."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def bill(tmp_path: Path) -> Path:
    """Where the provider writes what it sold."""
    return tmp_path / "bill.jsonl"


def question(text: str, **fields: Any) -> ChatRequest:
    """One question; what the provider does with it stands in the text."""
    return ChatRequest(messages=(Message(role="user", content=text),), **fields)


class Asking:
    """A model behind a provider; closed with the block."""

    def __init__(self, provider: Provider, served_name: str = "m", **parameters: Any) -> None:
        self.model = OpenAICompatible(served_name, provider.base_url, **{"price": PRICE, **parameters})

    async def __aenter__(self) -> Asking:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.model.close()

    async def send(self, text: str, **fields: Any) -> Reply:
        """The raw reply to a text."""
        return await self.model.send(question(text, **fields))

    async def __call__(self, text: str, **fields: Any) -> Completion:
        """The answer to a text."""
        return self.model.read(await self.send(text, **fields))


Write = Callable[..., Path]


@pytest.fixture
def write_task(tmp_path: Path) -> Write:
    """Writes a task over texts that tell the provider what to do; its target is what a good reply says."""

    def write(base_url: str, texts: list[str], *, target: str = "yes", candidate: str = "", task: str = "") -> Path:
        rows = "".join(f'q{at},"{text}",{target}\n' for at, text in enumerate(texts))
        (tmp_path / "cases.csv").write_text("id,input,target\n" + rows)
        path = tmp_path / "task.yaml"
        path.write_text(
            "task: faults\n"
            "cases: cases.csv\n"
            "answer: {kind: text}\n"
            "candidates:\n"
            f"  - {{model: openai-compatible, name: one, base_url: '{base_url}', served_name: m,\n"
            f"     price: {{input_usd: 1, output_usd: 2}}, max_tokens: 50{candidate}}}\n"
            f"{task}"
        )
        return path

    return write


Measure = Callable[..., dict[str, Any]]


@pytest.fixture
def compare(tmp_path: Path) -> Measure:
    """Runs the comparison of the folder's task in this process; the result as `compare --json` prints it."""

    def run(told: list[str] | None = None, **options: Any) -> dict[str, Any]:
        with Workspace(load_settings(tmp_path / ".touchstone", {})) as place:
            task = place.load_task(tmp_path / "task.yaml")
            data = place.compare(task, CompareOptions(**options), notice=[].append if told is None else told.append)
            found: dict[str, Any] = json.loads(to_json(data.comparison))
            return found

    return run
