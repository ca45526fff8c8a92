"""What the tests of the models share."""

from __future__ import annotations

import pytest

from touchstone.models.base import ChatRequest, Message


@pytest.fixture(autouse=True)
def no_keys_and_no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test never sees the keys, addresses or proxies of whoever runs it."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_HOST", "OLLAMA_API_KEY", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def ask() -> ChatRequest:
    """A short request."""
    return ChatRequest(messages=(Message(role="user", content="What is the capital of France?"),))
