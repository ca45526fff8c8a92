"""What a task file calls a model becomes a model, or an error that says what to write."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from touchstone.catalog.providers import providers
from touchstone.errors import SettingsError, UnknownName, UserError
from touchstone.models.base import ChatModel, ChatRequest, Message
from touchstone.models.fake import FakeModel
from touchstone.models.openai_compatible import OpenAICompatible
from touchstone.models.resolve import make_model, model_parameters


def endpoint(reference: str, **parameters: Any) -> OpenAICompatible:
    model = make_model(reference, parameters=parameters)
    assert isinstance(model, OpenAICompatible)
    return model


@pytest.mark.parametrize("provider", providers(), ids=lambda provider: provider.id)
def test_every_preset_makes_a_model_without_key_or_network(provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference is enough; the key is asked for when something is sent."""
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://me.openai.azure.com")
    model = endpoint(f"{provider.id}/some-model")
    assert isinstance(model, ChatModel)
    assert (model.name, model.served_name) == (f"{provider.id}/some-model", "some-model")
    assert model.max_tokens_field == provider.max_tokens_field
    assert model.stream_usage == provider.stream_usage
    assert model.paid  # journalled, also at home: answers cost time


def test_a_served_name_may_have_slashes_and_an_alias_may_be_used() -> None:
    """OpenRouter's and Together's names have a slash of their own."""
    assert endpoint("openrouter/openai/gpt-4o-mini").served_name == "openai/gpt-4o-mini"
    assert endpoint("kimi/kimi-k2.6").base_url == "https://api.moonshot.ai/v1"


def test_an_endpoint_of_ones_own() -> None:
    """Address, served name and price are the user's; the key's variable too."""
    model = endpoint(
        "openai-compatible",
        base_url="http://127.0.0.1:8000/v1",
        served_name="mine",
        price={"input_usd": 0.1, "output_usd": 0.4},
        stream=True,
        idle_s=5,
    )
    assert (model.name, model.served_name, model.stream, model.idle_s) == ("mine", "mine", True, 5)
    assert model.price is not None
    assert (model.price.input_usd, model.price.source) == (0.1, "task file")
    assert make_model("fake/parrot", name="my bird").name == "my bird"


def test_a_price_of_the_task_file_goes_before_the_snapshot() -> None:
    """Who has a contract knows better; without one the snapshot's price and source stand."""
    listed = endpoint("openai/gpt-4o-mini").price
    assert listed is not None
    assert "genai-prices" in listed.source
    assert endpoint("openai/gpt-4o-mini", price={"input_usd": 9, "output_usd": 9}).price.input_usd == 9  # type: ignore[union-attr]
    assert endpoint("openai/no-such-model").price is None


def test_another_address_gets_neither_the_presets_key_nor_its_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task file that sends `openai/…` to another host does not take OPENAI_API_KEY there (R12)."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-secret")
    model = endpoint("openai/gpt-4o-mini", base_url="https://elsewhere.example/v1")
    assert model._key.read() is None
    assert model.price is None
    assert endpoint("openai/gpt-4o-mini")._key.read() == "sk-secret-secret"
    assert endpoint("openai/gpt-4o-mini", base_url="https://eu.api.openai.com/v1")._key.read() == "sk-secret-secret"
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        endpoint(
            "openai-compatible", base_url="https://elsewhere.example/v1", served_name="m", key_env="OPENAI_API_KEY"
        )
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere.example/v1")
    assert endpoint("openai/gpt-4o-mini")._key.read() == "sk-secret-secret"


def test_a_local_preset_says_what_to_start() -> None:
    """The hint comes from the catalog."""
    assert endpoint("ollama/qwen3").start_hint == "ollama serve"


def test_a_plugin_gets_its_parameters_and_paths_relative_to_the_task_file(tmp_path: Path) -> None:
    """The fake comes through the same door as a guest's model."""
    (tmp_path / "script.jsonl").write_text('{"input": "a", "reply": "b"}\n')
    model = make_model("fake/bird", parameters={"script": "script.jsonl", "wait": False}, folder=tmp_path)
    assert isinstance(model, FakeModel)
    reply = asyncio.run(model.send(ChatRequest(messages=(Message(role="user", content="a"),))))
    assert model.read(reply).text == "b"


@pytest.mark.parametrize(
    ("reference", "parameters", "says"),
    [
        ("opnai/gpt-4o", {}, "openai"),
        ("gpt-4o", {}, "model provider"),
        ("openai/", {}, "served_name"),
        ("openai", {}, "openai/NAME"),
        ("openai/m", {"straem": True}, "'stream'"),
        ("openai/m", {"zzz": True}, "it takes"),
        ("openai/m", {"stream": "yes"}, "true or false"),
        ("openai/m", {"idle_s": "long"}, "number"),
        ("openai/m", {"idle_s": 0}, "above 0"),
        ("openai/m", {"base_url": "host/v1"}, "https://host/v1"),
        ("openai/m", {"price": {"input": 1}}, "input_usd"),
        ("openai/m", {"price": 3}, "price"),
        ("openai/m", {"price": {"input_usd": -1, "output_usd": 1}}, "at least 0"),
        ("openai/m", {"key_header": "api-key"}, "key_header"),
        ("openai-compatible", {"served_name": "m"}, "base_url"),
        ("openai-compatible", {"base_url": "http://127.0.0.1/v1"}, "served_name"),
        ("openai-compatible", {"base_url": 8000, "served_name": "m"}, "write a text"),
        ("azure/m", {}, "AZURE_OPENAI_ENDPOINT"),
        ("fake/m", {"rule": {}}, "'rules'"),
        ("fake/m", {"accuracy": 2}, "0 to 1"),
        ("fake/m", {"rules": "a"}, "a mapping"),
    ],
)
def test_what_cannot_work_is_said_with_the_next_step(reference: str, parameters: dict[str, Any], says: str) -> None:
    """One line that names the value and what to write instead; nothing is built."""
    with pytest.raises(UserError) as caught:
        make_model(reference, parameters=parameters)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parameters_can_be_told_from_those_of_the_request() -> None:
    """A caller splits a candidate's keys: what the model takes, and what goes into each request."""
    assert {"base_url", "served_name", "key_env", "price", "stream", "idle_s"} <= model_parameters("openai/m")
    assert not {"temperature", "max_tokens", "name", "self"} & model_parameters("openai/m")
    assert {"rules", "accuracy", "served_name"} <= model_parameters("fake/m")
    with pytest.raises(UnknownName):
        model_parameters("nobody/m")
