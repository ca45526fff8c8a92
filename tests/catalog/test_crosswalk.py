"""Names to models: what is listed matches, what only looks alike does not."""

from __future__ import annotations

import re
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.catalog.crosswalk import Known, crosswalk, find_model
from touchstone.catalog.model import Model
from touchstone.catalog.offers import shipped_offers
from touchstone.catalog.sellers import sellers
from touchstone.catalog.shipped import shipped_models

SAME = [
    ("openai", "gpt-4o", "openai/gpt-4o", None),
    ("openai", "gpt-4o-mini", "openai/gpt-4o-mini", None),
    ("openai", "gpt-4o-2024-05-13", "openai/gpt-4o", "gpt-4o-2024-05-13"),
    ("openai", "gpt-4o-2024-08-06", "openai/gpt-4o", "gpt-4o-2024-08-06"),
    ("openai", "gpt-3.5-turbo-1106", "openai/gpt-3.5-turbo", "gpt-3.5-turbo-1106"),
    ("openai", "gpt-4.1-nano", "openai/gpt-4.1-nano", None),
    ("openai", "o3-mini", "openai/o3-mini", None),
    ("openai", "GPT-4o", "openai/gpt-4o", None),
    ("azure", "o3-2025-04-16", "openai/o3", "o3-2025-04-16"),
    ("azure", "gpt-4.1-mini", "openai/gpt-4.1-mini", None),
    ("openrouter", "openai/gpt-4o-mini", "openai/gpt-4o-mini", None),
    ("openrouter", "openai/gpt-5.3-chat", "openai/gpt-5.3-chat-latest", None),
    ("openrouter", "deepseek/deepseek-chat", "deepseek/deepseek-v3", None),
    ("openrouter", "deepseek/deepseek-chat-v3-0324", "deepseek/deepseek-v3", "DeepSeek-V3-0324"),
    ("openrouter", "qwen/qwen3-235b-a22b-2507", "alibaba/qwen3-235b-a22b-instruct-2507", None),
    ("openrouter", "qwen/qwen3-coder", "alibaba/qwen3-coder-480b-a35b-instruct", None),
    ("openrouter", "meta-llama/llama-4-scout", "meta/llama-4-scout-17b-16e-instruct", None),
    ("openrouter", "google/gemini-pro-1.5", "google/gemini-1.5-pro", None),
    ("openrouter", "anthropic/claude-sonnet-4.5", "anthropic/claude-sonnet-4-5", None),
    ("anthropic", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5", None),
    ("anthropic", "claude-3-5-sonnet-20241022", "anthropic/claude-3-5-sonnet", "claude-3-5-sonnet-20241022"),
    ("anthropic", "claude-opus-4-0", "anthropic/claude-opus-4", None),
    (
        "aws",
        "regional.anthropic.claude-3-5-sonnet-20240620-v1:0",
        "anthropic/claude-3-5-sonnet",
        "claude-3-5-sonnet-20240620",
    ),
    (
        "amazon-bedrock",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "anthropic/claude-haiku-4-5",
        "claude-haiku-4-5-20251001",
    ),
    ("aws", "meta.llama3-2-90b-instruct-v1:0", "meta/llama-3.2-90b-vision-instruct", None),
    ("google", "gemini-2.5-flash", "google/gemini-2.5-flash", None),
    ("gemini", "models/gemini-2.5-flash", "google/gemini-2.5-flash", None),
    ("google", "gemini-2.0-flash-001", "google/gemini-2.0-flash", "gemini-2.0-flash-001"),
    ("deepseek", "deepseek-chat", "deepseek/deepseek-chat", None),
    ("deepseek", "deepseek-reasoner", "deepseek/deepseek-reasoner", None),
    ("mistral", "mistral-small-latest", "mistral/mistral-small-latest", None),
    ("mistral", "open-mistral-nemo", "mistral/mistral-nemo-instruct-2407", None),
    ("groq", "llama-3.1-8b-instant", "meta/llama-3.1-8b-instruct", None),
    ("groq", "qwen/qwen3-32b", "alibaba/qwen3-32b", None),
    ("cerebras", "llama3.1-8b", "meta/llama-3.1-8b-instruct", None),
    ("together", "meta-llama/Llama-3-8b-chat-hf", "meta/llama-3-8b-instruct", None),
    ("togetherai", "Qwen/Qwen3.5-9B", "alibaba/qwen3.5-9b", None),
    ("huggingface_novita", "deepseek-ai/DeepSeek-V3-0324", "deepseek/deepseek-v3", "DeepSeek-V3-0324"),
    ("huggingface_nebius", "Qwen/Qwen3-30B-A3B-Thinking-2507", "alibaba/qwen3-30b-a3b-thinking-2507", None),
    ("fireworks", "accounts/fireworks/models/deepseek-v3p2", "deepseek/deepseek-v3.2", None),
    ("fireworks-ai", "qwen2p5-vl-72b-instruct", "alibaba/qwen2.5-vl-72b-instruct", None),
    ("cloudflare", "@cf/baai/bge-m3", "baai/bge-m3", None),
    ("cloudflare", "@cf/meta/llama-3.1-8b-instruct", "meta/llama-3.1-8b-instruct", None),
    ("ovhcloud", "Meta-Llama-3_3-70B-Instruct", "meta/llama-3.3-70b-instruct", None),
    ("databricks", "databricks-meta-llama-3-3-70b-instruct", "meta/llama-3.3-70b-instruct", None),
    ("alibaba", "qwen-max", "alibaba/qwen-max", None),
    ("qwen", "qwen2-5-72b-instruct", "alibaba/qwen2.5-72b-instruct", None),
    ("dashscope", "qwen3-32b", "alibaba/qwen3-32b", None),
    ("vllm", "Qwen/Qwen3-32B", "alibaba/qwen3-32b", None),
]

NOT_THE_SAME = [
    ("openai", "gpt-4o-mini-2"),
    ("openai", "gpt-4o:extended"),
    ("openai", "gpt-4o-2099-01-01"),
    ("openai", "ft:gpt-4o"),
    ("openai", "gpt-4-vision-preview"),
    ("openai", "gpt-4o-search-preview"),
    ("openai", "gpt-5.5-cyber"),
    ("openai", "openai/gpt-4o"),
    ("openai", "gpt-4o-latest"),
    ("openrouter", "openai/gpt-4o:batch"),
    ("openrouter", "openai/gpt-4o-mini:batch"),
    ("openrouter", "~openai/gpt-latest"),
    ("openrouter", "openai/gpt-oss-120b:free"),
    ("openrouter", "deepseek/deepseek-chat:free"),
    ("openrouter", "deepseek/deepseek-r1:free"),
    ("openrouter", "deepseek/deepseek-r1-zero:free"),
    ("openrouter", "meta-llama/llama-3.1-405b"),
    ("openrouter", "meta-llama/llama-3.3-70b-instruct:free"),
    ("openrouter", "qwen/qwen-plus-2025-07-28:thinking"),
    ("openrouter", "qwen/qwen3-coder:free"),
    ("openrouter", "google/gemini-2.5-flash-preview:thinking"),
    ("openrouter", "google/gemini-2.5-flash:batch"),
    ("openrouter", "anthropic/claude-opus-4.6-fast"),
    ("openrouter", "~anthropic/claude-sonnet-latest"),
    ("openrouter", "nvidia/llama-3.1-nemotron-70b-instruct:free"),
    ("openrouter", "cognitivecomputations/dolphin-mixtral-8x7b"),
    ("openrouter", "qwen/qwq-32b-preview"),
    ("openrouter", "phi-4-reasoning-plus"),
    ("openrouter", "gpt-4o-mini"),
    ("anthropic", "claude-3-5-sonnet-20991231"),
    ("anthropic", "claude-opus-5-5"),
    ("github-copilot", "claude-opus-4.8-fast"),
    ("google", "gemini-2.5-flash-preview"),
    ("google", "gemini-2.5-flash-lite-preview-tts"),
    ("google", "gemma-3"),
    ("azure", "phi-4-reasoning:free"),
    ("deepseek", "deepseek-flash"),
    ("deepseek", "deepseek-chat-v3"),
    ("novita", "deepseek/deepseek-r1-turbo"),
    ("novita", "meta-llama/llama-3.1-8b-instruct-bf16"),
    ("novita", "deepseek/deepseek-v4-flash-0731-p"),
    ("together", "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo"),
    ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    ("together", "meta-llama/Meta-Llama-3-8B-Instruct-Lite"),
    ("together", "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8"),
    ("cloudflare", "@cf/meta/llama-3.1-8b-instruct-awq"),
    ("cloudflare", "@cf/meta/llama-3.1-8b-instruct-fp8-fast"),
    ("cloudflare", "@cf/qwen/qwen3-30b-a3b-fp8"),
    ("doubleword", "Qwen/Qwen3-14B-FP8"),
    ("huggingface_nebius", "Qwen/Qwen2.5-Coder-7B"),
    ("huggingface_together", "Qwen/Qwen3-Coder-Next-FP8"),
    ("groq", "llama-3.3-70b-specdec"),
    ("groq", "llama3-groq-8b-8192-tool-use-preview"),
    ("moonshotai", "kimi-k2-turbo-preview"),
    ("minimax", "MiniMax-M2.5-highspeed"),
    ("mistral", "mistral-nemo:free"),
    ("quicksilverpro", "qwen3.8-27b-decentered"),
    ("modal", "nvidia/GLM-5.3-Flash-NVFP4"),
    ("alibaba", "qwen3-vl-235b-a22b"),
    ("nebius", "deepseek-ai/DeepSeek-V3.2-fast"),
    ("ollama", "qwen3"),
    ("nobody", "gpt-4o"),
]


@cache
def models() -> dict[str, Model]:
    return {model.id: model for model in shipped_models()}


@pytest.mark.parametrize(("seller", "name", "model", "snapshot"), SAME)
def test_a_listed_name_is_its_model(seller: str, name: str, model: str, snapshot: str | None) -> None:
    """By the seller's id here, in models.dev or as a preset; capitals and the seller's own prefix do not count."""
    assert find_model(seller, name) == Known(model=model, snapshot=snapshot)


@pytest.mark.parametrize(("seller", "name"), NOT_THE_SAME)
def test_a_name_that_only_looks_alike_is_unknown(seller: str, name: str) -> None:
    """Free, batch, faster, quantised, dated otherwise, base, fine-tuned, moving, somebody else's: not the model."""
    assert find_model(seller, name) is None


def test_there_are_enough_of_both_kinds() -> None:
    """The table is a promise of the catalog."""
    assert len(SAME) + len(NOT_THE_SAME) >= 80
    assert len(NOT_THE_SAME) >= 40


def test_every_listed_model_has_a_card_and_every_listed_snapshot_is_on_it() -> None:
    """A name that led to no card would show an offer of nothing."""
    for seller, names in crosswalk().items():
        for name, known in names.items():
            assert known.model in models(), (seller, name, known)
            if known.snapshot is not None:
                assert known.snapshot in {of.name for of in models()[known.model].snapshots}, (seller, name, known)


def test_every_list_belongs_to_a_seller() -> None:
    """A misspelt seller would hide its names."""
    assert set(crosswalk()) - {"hugging-face"} <= set(sellers())


def test_a_repository_leads_to_the_card_that_names_it() -> None:
    """The list of repositories agrees with the cards' own."""
    listed = crosswalk()["hugging-face"]
    for model in models().values():
        repository = (model.hugging_face or "").lower()
        if repository in listed:
            assert listed[repository].model == model.id


# Whether a name and a model's id agree

_WORDS = (
    "mini nano micro lite flash flashx pro max plus turbo highspeed fast free batch extended thinking "
    "reasoning coder code codex vl vision audio omni embed embedding rerank reranker guard safeguard "
    "distill preview search realtime transcribe tts live image base opus sonnet haiku luna sol terra "
    "astra deep math terminus speciale prover ocr air small medium large xl fp8 fp4 nvfp4 awq gptq gguf "
    "int8 next exp latest"
)
WORDS = frozenset(_WORDS.split())
"""What may not differ between a seller's name and the model it stands for."""

STATES = frozenset({"preview", "reasoning", "terminus", "latest"})
"""What the name of a dated version may say beyond the model's id: its state, its mode, or the maker's name for it."""

TOLD_APART_BY_HAND = {
    "gpt-4-1106-preview": "the first preview of GPT-4 Turbo",
    "gpt-4-0125-preview": "the second preview of GPT-4 Turbo",
    "openai/gpt-4-1106-preview": "the first preview of GPT-4 Turbo",
    "openai/gpt-4-0125-preview": "the second preview of GPT-4 Turbo",
    "claude-3-5-haiku-latest": "the alias never left Claude 3.5 Haiku",
    "claude-3-5-sonnet-latest": "the alias never left Claude 3.5 Sonnet",
    "claude-3-7-sonnet-latest": "the alias never left Claude 3.7 Sonnet",
    "claude-3-opus-latest": "the alias never left Claude 3 Opus",
    "meta.llama3-2-11b-instruct-v1:0": "Llama 3.2 has 11B only with vision",
    "meta.llama3-2-90b-instruct-v1:0": "Llama 3.2 has 90B only with vision",
    "llama-3.2-11b-vision-preview": "Groq's preview of Llama 3.2 11B Vision Instruct; the service was in preview",
    "llama-3.2-90b-vision-preview": "as above, 90B",
    "llama-3.2-1b-preview": "as above, 1B",
    "llama-3.2-3b-preview": "as above, 3B",
    "kimi-k2-0711-preview": "Moonshot's name for Kimi-K2-Instruct of 11 July 2025",
    "kimi-k2-0905-preview": "Moonshot's name for Kimi-K2-Instruct-0905",
    "openai/gpt-5-chat": "OpenRouter's name for gpt-5-chat-latest",
    "openai/gpt-5.1-chat": "OpenRouter's name for gpt-5.1-chat-latest",
    "openai/gpt-5.2-chat": "OpenRouter's name for gpt-5.2-chat-latest",
    "openai/gpt-5.3-chat": "OpenRouter's name for gpt-5.3-chat-latest",
    "codex-mini": "the price list's name for codex-mini-latest",
    "openai/codex-mini": "OpenRouter's name for codex-mini-latest",
    "funaudiollm/sensevoicesmall": "written in one word",
    "meta-llama/llamaguard-7b": "written in one word",
    "deepseek-r1-distill-qwen-1-5b": "a hyphen for the point of 1.5",
    "databricks-qwen3-embedding-0-6b": "a hyphen for the point of 0.6",
    "deepseek/deepseek-chat": "OpenRouter names the repository deepseek-ai/DeepSeek-V3",
}
"""Names that say more or less than the model's id, each looked up in the seller's list."""


def _marks(name: str) -> set[str]:
    return set(re.findall(r"[a-z]+\d?|int8", name.lower().rsplit("/", 1)[-1])) & WORDS


def _sizes(name: str) -> set[str]:
    return set(re.findall(r"(?<![a-z\d.])(?:8x)?\d+(?:\.\d+)?b(?![a-z\d])", name.lower()))


def _active(name: str) -> set[str]:
    return set(re.findall(r"(?<![a-z])a\d+b", name.lower()))


def _dates(name: str) -> set[str]:
    return set(re.findall(r"(?<!\d)(?:2[3-9](?:0[1-9]|1[0-2])|0[1-9][0-3]\d|1[0-2][0-3]\d)(?!\d)", name))


def _disagree(name: str, known: Known) -> str | None:
    target = known.snapshot or known.model
    apart = (_marks(name) ^ _marks(known.model)) - (STATES if known.snapshot else set())
    if apart:
        return f"{sorted(apart)}"
    for look in (_sizes, _active, _dates):
        here, there = look(name), look(target)
        if here and there and here != there:
            return f"{sorted(here)} and {sorted(there)}"
    return None


def test_what_tells_models_apart_agrees_in_every_listed_name() -> None:
    """Size, active size, date and words such as mini, coder, vl, thinking or turbo are those of the model."""
    wrong = {
        (seller, name, known.model): why
        for seller, names in crosswalk().items()
        for name, known in names.items()
        if name not in TOLD_APART_BY_HAND and (why := _disagree(name, known))
    }
    assert wrong == {}


def test_what_tells_models_apart_agrees_in_every_offer_of_the_price_list() -> None:
    """The same for the names of `genai-prices`, as they are matched."""
    matched = [offer for offer in shipped_offers() if offer.model is not None]
    for offer in matched:
        assert offer.model is not None
        name = offer.served_name.lower()
        known = Known(model=offer.model, snapshot=offer.snapshot)
        assert name in TOLD_APART_BY_HAND or _disagree(name, known) is None, (offer.provider, name, known)
        assert offer.precision is None or offer.precision in offer.model, (offer.provider, name, known)
    assert len(matched) > 700


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("gpt-4o-mini", "openai/gpt-4o"),
        ("llama-3.1-70b-instruct", "meta/llama-3.1-8b-instruct"),
        ("qwen3-30b-a3b", "alibaba/qwen3-30b-a10b"),
        ("qwen3-235b-a22b-thinking-2507", "alibaba/qwen3-235b-a22b-instruct-2507"),
        ("devstral-small-2505", "mistral/devstral-small-2507"),
        ("qwen2.5-coder-7b-instruct", "alibaba/qwen2.5-7b-instruct"),
        ("claude-3-5-haiku", "anthropic/claude-3-5-sonnet"),
        ("deepseek-r1-distill-llama-70b", "deepseek/deepseek-r1"),
        ("kimi-k2-turbo", "moonshotai/kimi-k2"),
    ],
)
def test_the_check_itself_sees_a_false_match(name: str, model: str) -> None:
    """A guard that lets everything through guards nothing."""
    assert _disagree(name, Known(model=model)) is not None


def test_a_moving_name_keeps_its_own_card_which_says_what_it_meant() -> None:
    """`deepseek-chat` was V3 at first and others later; an offer of it is an offer of the moving name."""
    known = find_model("deepseek", "deepseek-chat")
    assert known is not None
    moving = models()[known.model]
    assert moving.moves
    assert moving.points_to[0].model != moving.points_to[-1].model


@given(st.text(max_size=40))
def test_no_text_raises_and_none_is_guessed(name: str) -> None:
    """A name is in the table or unknown, whatever it is."""
    for seller in ("openai", "fireworks", "huggingface_novita", "nobody"):
        known = find_model(seller, name)
        tables = (crosswalk().get(seller, {}), crosswalk()["hugging-face"])
        assert known is None or any(name.strip().lower() in table for table in tables)
