"""The presets are data: each complete, each reachable under its names."""

from __future__ import annotations

import pytest

from touchstone.catalog.addresses import check_base_url, is_loopback
from touchstone.catalog.base import Provider
from touchstone.catalog.providers import base_url_of, find_provider, key_may_travel, provider_names, providers
from touchstone.errors import SettingsError, UnknownName

NAMED_IN_THE_ISSUE = [
    *("openai", "azure", "anthropic", "gemini", "deepseek", "qwen", "dashscope", "kimi", "moonshot", "zhipu", "glm"),
    *("mistral", "groq", "together", "openrouter", "ollama", "vllm", "lmstudio", "llamacpp"),
]


@pytest.mark.parametrize("name", NAMED_IN_THE_ISSUE)
def test_every_provider_of_the_issue_is_a_preset(name: str) -> None:
    """`deepseek/deepseek-chat` is enough because every promised provider is known by name."""
    assert name in {find_provider(name).id, *find_provider(name).aliases}


@pytest.mark.parametrize("provider", providers(), ids=lambda provider: provider.id)
def test_a_preset_is_complete(provider: Provider) -> None:
    """Each has a usable address or names the variable that holds it, its key's variable, and where this was read."""
    if provider.base_url is None:
        assert provider.base_url_env
    else:
        assert check_base_url(provider.base_url) == provider.base_url
        assert is_loopback(provider.base_url) == provider.local
        assert provider.local or provider.base_url.startswith("https://")
    assert provider.key_env
    assert provider.key_required is not provider.local
    assert bool(provider.start_hint) == provider.local
    assert provider.source.startswith("https://")
    assert len(provider.as_of) == 10


def test_no_two_presets_share_a_name() -> None:
    """An id or alias means one preset."""
    assert len(provider_names()) == sum(1 + len(provider.aliases) for provider in providers())


def test_an_unknown_provider_is_answered_with_the_closest() -> None:
    """A typo is met with the name that was meant."""
    with pytest.raises(UnknownName, match="deepseek"):
        find_provider("depseek")


def test_an_address_of_the_environment_goes_before_the_presets_own() -> None:
    """Who sets OPENAI_BASE_URL means it."""
    openai = find_provider("openai")
    assert base_url_of(openai, {}) == "https://api.openai.com/v1"
    assert base_url_of(openai, {"OPENAI_BASE_URL": "http://gateway:4000"}) == "http://gateway:4000/v1"
    assert base_url_of(openai, {"OPENAI_BASE_URL": "http://gateway:4000/llm/v1/"}) == "http://gateway:4000/llm/v1"


def test_azure_needs_the_customers_own_address() -> None:
    """Without AZURE_OPENAI_ENDPOINT the error names it; with it the v1 path is appended."""
    azure = find_provider("azure")
    with pytest.raises(SettingsError, match="AZURE_OPENAI_ENDPOINT"):
        base_url_of(azure, {})
    for written in ("https://me.openai.azure.com/", "https://me.openai.azure.com/openai/v1"):
        assert base_url_of(azure, {"AZURE_OPENAI_ENDPOINT": written}) == "https://me.openai.azure.com/openai/v1"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("box", "http://box:11434/v1"),
        ("10.0.0.2:1234", "http://10.0.0.2:1234/v1"),
        ("http://box:1234", "http://box:1234/v1"),
        ("https://ollama.example.com", "https://ollama.example.com/v1"),
        ("https://example.com/ollama/v1", "https://example.com/ollama/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:1234", "http://127.0.0.1:1234/v1"),
        (":1234", "http://127.0.0.1:1234/v1"),
        ("[::1]", "http://[::1]:11434/v1"),
        ("[::]:1234", "http://127.0.0.1:1234/v1"),
        ('"box"', "http://box:11434/v1"),
    ],
)
def test_ollama_host_is_read_as_ollama_reads_it(said: str, meant: str) -> None:
    """Scheme and port may be missing, and the address a server listens on is where its client finds it."""
    assert base_url_of(find_provider("ollama"), {"OLLAMA_HOST": said}) == meant


@pytest.mark.parametrize(
    ("key_env", "base_url", "may"),
    [
        ("OPENAI_API_KEY", "https://api.openai.com/v1", True),
        ("OPENAI_API_KEY", "https://eu.api.openai.com/v1", True),
        ("OPENAI_API_KEY", "http://eu.api.openai.com/v1", False),
        ("OPENAI_API_KEY", "http://api.openai.com/v1", False),
        ("OPENAI_API_KEY", "https://api.openai.com.evil.example/v1", False),
        ("OPENAI_API_KEY", "https://evil.example/v1", False),
        ("DASHSCOPE_API_KEY", "https://dashscope.aliyuncs.com/compatible-mode/v1", True),
        ("DASHSCOPE_API_KEY", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", True),
        ("AZURE_OPENAI_API_KEY", "https://me.openai.azure.com/openai/v1", True),
        ("AZURE_OPENAI_API_KEY", "https://evil.example/openai/v1", False),
        ("TOGETHER_API_KEY", "https://notapi.together.xyz/v1", False),
        ("MY_OWN_KEY", "https://anywhere.example/v1", True),
        ("VLLM_API_KEY", "http://gpu:8000/v1", True),
    ],
)
def test_a_hosted_providers_key_belongs_to_its_hosts(key_env: str, base_url: str, may: bool) -> None:
    """A task file written by somebody else cannot send OPENAI_API_KEY to a host of its choice (R12)."""
    assert key_may_travel(key_env, base_url, {}) is may


def test_the_users_environment_may_name_another_home_for_a_key() -> None:
    """Who sets OPENAI_BASE_URL to a gateway sends the key there."""
    environment = {"OPENAI_BASE_URL": "https://gateway.example/v1"}
    assert key_may_travel("OPENAI_API_KEY", "https://gateway.example/v1", environment)
    assert not key_may_travel("OPENAI_API_KEY", "https://gateway.example/v1", {})
