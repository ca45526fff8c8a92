"""What names of served models tell: who made the model, and when an echo contradicts what was asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.models.served_name import family, same_family


@pytest.mark.parametrize(
    ("requested", "echoed"),
    [
        # dated snapshots and aliases
        ("gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("chatgpt-4o-latest", "gpt-4o-2024-11-20"),
        ("o3-mini", "o3-mini-2025-01-31"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
        ("gemini-flash-latest", "gemini-2.5-flash-preview-09-2025"),
        ("deepseek-chat", "deepseek-v3.1"),
        ("deepseek-reasoner", "DeepSeek-R1-0528"),
        ("mistral-large-latest", "mistral-large-2411"),
        ("open-mixtral-8x22b", "mixtral-8x22b-instruct"),
        ("codestral-latest", "mistral/codestral-2501"),
        ("kimi-k2-0711-preview", "moonshot-v1-auto"),
        ("qwen-max", "qwen2.5-max-2025-01-25"),
        ("glm-4-plus", "chatglm_pro"),
        ("grok-3", "grok-3-beta"),
        ("doubao-seed-1-6", "doubao-seed-1-6-250615"),
        ("command-r-plus", "command-r-plus-08-2024"),
        # sellers before the name
        ("openai/gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
        ("openrouter/anthropic/claude-sonnet-4", "anthropic/claude-4-sonnet-20250522"),
        ("accounts/fireworks/models/llama-v3p1-8b-instruct", "accounts/fireworks/models/llama-v3p1-8b-instruct"),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "meta-llama/llama-3.3-70b"),
        ("@cf/meta/llama-3.1-8b-instruct", "llama-3.1-8b-instruct"),
        ("us.anthropic.claude-3-5-sonnet-20240620-v1:0", "claude-3-5-sonnet-20240620"),
        ("meta.llama3-1-70b-instruct-v1:0", "Meta-Llama-3.1-70B-Instruct"),
        ("models/gemini-2.0-flash", "gemini-2.0-flash-001"),
        ("Pro/deepseek-ai/DeepSeek-V3", "deepseek-ai/DeepSeek-V3"),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc123", "ft:gpt-4o-mini-2024-07-18:acme::abc123"),
        # tags, quantisation, files
        ("deepseek/deepseek-r1:free", "deepseek/deepseek-r1"),
        ("gpt-4o:extended", "gpt-4o"),
        ("llama:latest", "llama3.2:3b-instruct-q4_K_M"),
        ("qwen3:8b", "/models/qwen3-8b-q4.gguf"),
        ("qwen3", "C:\\models\\Qwen3-8B-Q4_K_M.gguf"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "/data/hf/Qwen2.5-7B-Instruct-AWQ/"),
        ("mistral", "/models/Mistral-7B-Instruct-v0.3.Q5_K_M.gguf"),
        # made of two
        ("deepseek-r1-distill-llama-70b", "llama-deepseek-r1-70b"),
        ("deepseek-r1-distill-qwen-32b", "qwen-r1-32b"),
        ("llama-3.1-nemotron-70b", "nvidia/llama-3.1-nemotron-70b-instruct-hf"),
        # names that nobody knows
        ("my-deployment", "gpt-4o-2024-08-06"),
        ("gpt4-in-west-europe", "acme-internal-7"),
        ("ep-20240912-x7k2", "doubao-pro-32k"),
        ("openrouter/auto", "anthropic/claude-3.5-haiku"),
        ("default", "/models/qwen3-8b-q4.gguf"),
        ("m", "parrot"),
        (
            "gpt-4o",
            "/root/.cache/huggingface/hub/models--Qwen--Qwen2.5/snapshots/bb46c15ee4bb56c5b63245ef50fd7637234d6f75",
        ),
        ("gpt-4o", "phidata-router"),
        ("gpt-4o", "commander-1"),
        # no echo at all
        ("gpt-4o", ""),
        ("gpt-4o", None),
        ("gpt-4o", "  /  "),
        ("", "gpt-4o"),
    ],
)
def test_an_echo_that_may_be_the_same_model_is_none_to_complain_about(requested: str, echoed: str | None) -> None:
    """Aliases, dates, sellers, paths, quantisation, merged models, unknown and missing echoes pass (F18)."""
    assert same_family(requested, echoed)


@pytest.mark.parametrize(
    ("requested", "echoed"),
    [
        ("gpt-4o", "llama-3-8b"),
        ("openai/gpt-4o-mini", "anthropic/claude-3-haiku"),
        ("claude-sonnet-4", "us.amazon/gemini-1.5-flash"),
        ("deepseek-chat", "qwen-turbo"),
        ("deepseek/deepseek-r1:free", "mistralai/mistral-7b-instruct"),
        ("qwen3:8b", "llama3.2:3b"),
        ("llama3", "/models/qwen3-8b-q4.gguf"),
        ("gemini-2.5-pro", "gpt-4o-2024-08-06"),
        ("us.anthropic.claude-3-5-sonnet-20240620-v1:0", "meta.llama3-1-8b-instruct-v1:0"),
        ("ft:gpt-4o-mini:acme::1", "mixtral-8x7b"),
        ("kimi-k2", "glm-4.5"),
        ("grok-4", "phi-3-mini"),
    ],
)
def test_another_makers_model_is_a_contradiction(requested: str, echoed: str) -> None:
    """Two makers that are both known and differ, in either direction (F18)."""
    assert not same_family(requested, echoed)
    assert not same_family(echoed, requested)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_names_can_be_compared(one: str, other: str) -> None:
    """Whatever a server echoes, comparing is symmetric and a name is of its own family."""
    assert same_family(one, one)
    assert same_family(one, other) == same_family(other, one)


def test_an_unknown_maker_is_the_stem_of_its_name() -> None:
    """Nobody is put into a family by chance."""
    assert family("acme/zephyr-7b") == "zephyr"
    assert family("1234") == "1234"
    assert family("commander-1") == "commander"
