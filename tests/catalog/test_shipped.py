"""The cards that ship: each can be read, says where it read what it states, and hangs together with the others."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from touchstone.catalog.model import Model, earliest
from touchstone.catalog.shipped import card_files, read_card, shipped_model, shipped_models
from touchstone.catalog.taxonomy import TermKind, labs, licences, terms_of
from touchstone.errors import DataError

LATEST = "2026-11-27"
"""No source of these cards was read later."""
_CHINESE = re.compile(r"[\u4e00-\u9fff]")

FAMILIES = {
    "GPT": "openai/gpt-4o", "o-series": "openai/o3", "Whisper": "openai/whisper-large-v3", "DALL-E": "openai/dall-e-3",
    "gpt-image": "openai/gpt-image-1", "text-embedding": "openai/text-embedding-3-small",
    "Claude": "anthropic/claude-opus-4-5", "Gemini": "google/gemini-2.5-flash", "Gemma": "google/gemma-3-27b-it",
    "Bard": "google/bard", "DeepSeek": "deepseek/deepseek-v3", "Qwen": "alibaba/qwen3-32b",
    "Kimi": "moonshotai/kimi-k2-instruct", "GLM": "zhipuai/glm-4.6", "Ernie": "baidu/ernie-4.5-300b-a47b",
    "Doubao": "bytedance/doubao-seed-1.6", "Hunyuan": "tencent/hunyuan-large", "Yi": "01-ai/yi-34b-chat",
    "InternLM": "shanghai-ai-lab/internlm3-8b-instruct", "MiniMax": "minimax/minimax-m2", "Llama 1": "meta/llama-7b",
    "Llama 2": "meta/llama-2-7b-chat", "Llama 3": "meta/llama-3-8b-instruct",
    "Llama 4": "meta/llama-4-scout-17b-16e-instruct", "Alpaca": "stanford/alpaca-7b", "BLOOM": "bigscience/bloom",
    "Mistral": "mistral/mistral-7b-v0.1", "Mixtral": "mistral/mixtral-8x7b-instruct-v0.1", "Phi": "microsoft/phi-4",
    "Command": "cohere/command-r-plus", "Granite": "ibm/granite-3.3-8b-instruct", "Jamba": "ai21/jamba-large-1.7",
    "Falcon": "tii/falcon-40b", "OLMo": "allenai/olmo-2-1124-13b-instruct",
    "Nemotron": "nvidia/nemotron-4-340b-instruct", "Grok": "xai/grok-4", "StarCoder": "bigcode/starcoder",
    "CodeLlama": "meta/codellama-34b-instruct", "CodeParrot": "huggingface/codeparrot",
    "BERT": "google/bert-base-uncased", "RoBERTa": "meta/roberta-base", "T5": "google/t5-base",
    "FLAN-T5": "google/flan-t5-xl", "BART": "meta/bart-large",
    "Stable Diffusion": "stabilityai/stable-diffusion-xl-base-1.0", "FLUX": "black-forest-labs/flux.1-dev",
    "Midjourney": "midjourney/v6", "Imagen": "google/imagen-3", "BGE": "baai/bge-m3",
    "E5": "microsoft/multilingual-e5-large", "GTE": "alibaba/gte-large", "Jina": "jinaai/jina-embeddings-v3",
    "Nomic": "nomic/nomic-embed-text-v1.5", "MiniLM": "sentence-transformers/all-minilm-l6-v2",
    "a reranker": "baai/bge-reranker-v2-m3", "Whisper variant": "huggingface/distil-large-v3",
    "wav2vec2": "meta/wav2vec2-base-960h", "SenseVoice": "alibaba/sensevoice-small",
    "Paraformer": "alibaba/paraformer-zh",
}  # fmt: skip
"""Every family that the first users named, and a card of it."""

BASES_OF_OTHERS = {
    "augmxnt/shisa-gamma-7b-v1": "one of three parents of a merge; nobody chooses it here",
    "hfl/chinese-macbert-base": "pretrained encoder of HFL; people choose the embedder that was made of it",
    "nreimers/minilm-l6-h384-uncased": "pretrained encoder that the author of Sentence Transformers cut to six layers",
    "yl4579/styletts2-ljspeech": "speech research model; people choose what was made of it",
}
"""Base models of makers that have no card here, and why there is none."""


@cache
def cards() -> Mapping[str, Model]:
    return {model.id: model for model in shipped_models()}


def wrong(found: Mapping[str, Any]) -> dict[str, Any]:
    """What is not as it should be, by card, so that one run names all of it."""
    return {card: said for card, said in found.items() if said}


def test_every_card_can_be_read_under_its_name() -> None:
    """`cards/LAB/NAME.toml` holds `LAB/NAME`, and is found by it; 150 are the least that people choose among."""
    files = list(card_files())

    assert len(files) == len(cards()) >= 150
    for file in files:
        place = Path(str(file))
        card = read_card(file.read_text("utf-8"), place=str(file))
        assert card.id == f"{place.parent.name}/{place.stem}"
        assert card.lab == place.parent.name
    assert shipped_model("openai/gpt-4o") == cards()["openai/gpt-4o"]
    assert shipped_model("openai/gpt-of-nobody") is None


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_that_people_ask_for_has_a_card(family: str) -> None:
    """From GPT to Paraformer."""
    assert FAMILIES[family] in cards()


def test_no_fact_is_without_a_source() -> None:
    """Whoever doubts a fact can read where it was read, and when."""
    assert wrong({card.id: card.unsourced for card in cards().values()}) == {}


def test_a_source_supports_only_what_the_card_states() -> None:
    """A fact that was taken out took its source along."""
    assert wrong({
        card.id: [
            (source.name, fact) for source in card.sources for fact in source.facts if getattr(card, fact) in (None, ())
        ]
        for card in cards().values()
    }) == {}  # fmt: skip


def test_every_word_is_one_of_the_taxonomy() -> None:
    """Lab, licence, task, output, architecture, trait: a misspelt one would hide the model from its filter."""
    kinds: list[tuple[TermKind, str]] = [
        ("task", "tasks"), ("output", "output_types"), ("trait", "traits"), ("architecture", "architecture"),
        ("relation", "relation"), ("origin", "origin"),
    ]  # fmt: skip

    def strangers(card: Model) -> list[str]:
        found = [card.lab] * (card.lab not in labs())
        found += [str(card.licence)] * (card.licence is not None and card.licence not in licences())
        for kind, field in kinds:
            said = getattr(card, field) or ()
            found += [word for word in ((said,) if isinstance(said, str) else said) if word not in terms_of(kind)]
        return found + [code for code in card.languages or () if not re.fullmatch(r"[a-z]{2,3}", code)]

    assert wrong({card.id: strangers(card) for card in cards().values()}) == {}


def test_every_text_is_in_both_languages() -> None:
    """Chinese where Chinese is due, and none in the English."""

    def odd(card: Model) -> list[str]:
        texts = [card.summary, card.intended_use, card.limits, card.training_data, *(s.note for s in card.snapshots)]
        return [
            words.en for words in texts if words and (not _CHINESE.search(words.zh) or _CHINESE.search(words.en))
        ]  # fmt: skip

    assert wrong({card.id: odd(card) for card in cards().values()}) == {}
    assert [card.id for card in cards().values() if card.name_zh and not _CHINESE.search(card.name_zh)] == []


def test_no_two_cards_have_the_same_name() -> None:
    """Of one lab; people tell models by it."""
    named = Counter((card.lab, card.name.casefold()) for card in cards().values())

    assert [name for name, count in named.items() if count > 1] == []


def test_no_two_cards_are_of_the_same_weights() -> None:
    """A repository is one model."""
    held = Counter(card.hugging_face for card in cards().values() if card.hugging_face)

    assert [repository for repository, count in held.items() if count > 1] == []


def test_who_is_named_as_next_exists() -> None:
    """A successor, and what a moving name stood for, can be opened."""
    assert wrong({
        card.id: [
            one for one in (card.successor, *(step.model for step in card.points_to)) if one and one not in cards()
        ]
        for card in cards().values()
    }) == {}  # fmt: skip


def test_nobody_succeeds_himself() -> None:
    """Following successors ends."""
    for start in cards():
        seen, at = set(), start
        while at in cards() and (following := cards()[at].successor):
            assert at not in seen, f"{start} leads in a circle through {at}"
            seen.add(at)
            at = following


def test_a_base_model_has_a_card_or_a_reason_to_have_none() -> None:
    """
    Pretrained bases of labs that are here need none: people choose what was made of them.

    But one that has a card under a slightly different name is a slip, and other makers' bases are listed with a reason.
    """

    def plain(name: str) -> str:
        return re.sub(r"[\W_]", "", name.lower())

    known = {plain(card.id): card.id for card in cards().values()}
    absent = {card.base_model for card in cards().values() if card.base_model} - set(cards())

    assert {base: known[plain(base)] for base in absent if plain(base) in known} == {}
    assert {base for base in absent if base.partition("/")[0] not in labs()} == set(BASES_OF_OTHERS)


def test_what_is_derived_is_no_base_of_its_base() -> None:
    """Lineage has a beginning."""
    for start in cards():
        seen, at = {start}, cards()[start].base_model
        while at is not None and at in cards():
            assert at not in seen, f"{start} descends from itself through {at}"
            seen.add(at)
            at = cards()[at].base_model


def test_dates_are_in_order() -> None:
    """Nothing ends before it began, nothing was read in the future, a moving name moves forward."""

    def disordered(card: Model) -> list[str]:
        found = [source.name for source in card.sources if source.as_of > LATEST]
        spans = [(card.released, card.retired), *((one.released, one.retired) for one in card.snapshots)]
        found += [f"{start} to {end}" for start, end in spans if start and end and earliest(start) > earliest(end)]
        steps = [step.since for step in card.points_to]
        found += [f"{one}, {other}" for one, other in pairwise(steps) if earliest(one) > earliest(other)]
        return found + [card.released] * (card.released is not None and card.released > LATEST)  # type: ignore[list-item]

    assert wrong({card.id: disordered(card) for card in cards().values()}) == {}


def test_sizes_are_plausible() -> None:
    """A slip of a thousand, in tokens or in parameters, leaves the range of what was ever built."""

    def odd(card: Model) -> list[str]:
        ranges = {
            "context_tokens": (64, 11_000_000), "max_output_tokens": (64, 1_100_000),
            "parameters": (400_000, 5_000_000_000_000), "active_parameters": (100_000_000, 500_000_000_000),
            "embedding_dimensions": (64, 16_384),
        }  # fmt: skip
        found = [
            f"{field} {value}"
            for field, (low, high) in ranges.items()
            if (value := getattr(card, field)) is not None and not low <= value <= high
        ]
        if card.context_tokens and (card.max_output_tokens or 0) > card.context_tokens:
            found.append("writes more than it holds")
        if card.active_parameters and card.parameters and card.active_parameters > card.parameters:
            found.append("uses more parameters than it has")
        return found

    assert wrong({card.id: odd(card) for card in cards().values()}) == {}


def test_closed_weights_lie_nowhere() -> None:
    """A repository of weights belongs to weights that are given out."""
    assert [card.id for card in cards().values() if card.weights == "closed" and card.hugging_face] == []


def test_an_embedder_writes_vectors() -> None:
    """Its only output is a vector, so that it is priced by its input; and it says how long the vector is, mostly."""
    embedders = [card for card in cards().values() if card.tasks[0] == "embedding"]

    assert embedders
    assert [card.id for card in embedders if "embedding" not in card.output_types] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [("id = ", "TOML"), ("id = 'acme/one'\nnonsense = 1", "name|nonsense"), ("id = 'Acme'", "no model id")],
)  # fmt: skip
def test_a_card_that_cannot_be_read_names_the_file(text: str, said: str) -> None:
    """And the key that is to be changed."""
    with pytest.raises(DataError, match=said) as raised:
        read_card(text, place="cards/acme/one.toml")
    assert raised.value.path == "cards/acme/one.toml"


MODELS_DEV = ("modelsdev_models.jsonl", "model_id")
HELM = ("helm_models.jsonl", "model_id")
MTEB = ("mteb_models.jsonl", "name")
OPENROUTER = ("openrouter_models.jsonl", "id")
XINFERENCE = ("xinference_models.jsonl", "model_name")

CHECKED_BY_HAND = [
    ("openai/gpt-4o", "context_tokens", MODELS_DEV, "openai/gpt-4o", "context_tokens", 128_000),
    ("openai/o3", "knowledge_cutoff", MODELS_DEV, "openai/o3", "knowledge_cutoff", "2024-05"),
    ("openai/gpt-5", "released", MODELS_DEV, "openai/gpt-5", "release_date", "2025-08-07"),
    ("anthropic/claude-opus-4-5", "released", MODELS_DEV, "anthropic/claude-opus-4-5", "release_date", "2025-11-24"),
    ("google/gemini-2.5-flash", "context_tokens", MODELS_DEV, "google/gemini-2.5-flash", "context_tokens", 1_048_576),
    ("google/gemma-4-31b-it", "context_tokens", MODELS_DEV, "google/gemma-4-31b-it", "context_tokens", 262_144),
    ("moonshotai/kimi-k2-thinking", "context_tokens", MODELS_DEV, "moonshotai/kimi-k2-thinking", "context_tokens",
     262_144),
    ("zhipuai/glm-4.6", "context_tokens", MODELS_DEV, "zhipuai/glm-4.6", "context_tokens", 204_800),
    ("tencent/hy3-preview", "released", MODELS_DEV, "tencent/hy3-preview", "release_date", "2026-04-20"),
    ("tii/falcon-40b", "released", HELM, "tiiuae/falcon-40b", "release_date", "2023-05-25"),
    ("stanford/alpaca-7b", "released", HELM, "stanford/alpaca-7b", "release_date", "2023-03-13"),
    ("google/t5-11b", "parameters", HELM, "google/t5-11b", "num_parameters", 11_000_000_000),
    ("meta/llama-2-70b-chat", "parameters", HELM, "meta/llama-2-70b", "num_parameters", 70_000_000_000),
    ("openai/dall-e-2", "parameters", HELM, "openai/dall-e-2", "num_parameters", 3_500_000_000),
    ("databricks/dbrx-instruct", "released", HELM, "databricks/dbrx-instruct", "release_date", "2024-03-27"),
    ("01-ai/yi-34b-chat", "released", HELM, "01-ai/yi-34b-chat", "release_date", "2023-11-23"),
    ("baai/bge-m3", "parameters", MTEB, "BAAI/bge-m3", "n_parameters", 568_000_000),
    ("microsoft/multilingual-e5-large", "embedding_dimensions", MTEB, "intfloat/multilingual-e5-large", "embed_dim",
     1024),
    ("alibaba/qwen3-embedding-8b", "embedding_dimensions", MTEB, "Qwen/Qwen3-Embedding-8B", "embed_dim", 4096),
    ("jinaai/jina-embeddings-v3", "licence", MTEB, "jinaai/jina-embeddings-v3", "license", "cc-by-nc-4.0"),
    ("nomic/nomic-embed-text-v1.5", "context_tokens", MTEB, "nomic-ai/nomic-embed-text-v1.5", "max_tokens", 8192),
    ("sentence-transformers/all-minilm-l6-v2", "parameters", MTEB, "sentence-transformers/all-MiniLM-L6-v2",
     "n_parameters", 22_713_216),
    ("xai/grok-4", "context_tokens", OPENROUTER, "x-ai/grok-4", "context_length", 256_000),
    ("cohere/command-a", "context_tokens", OPENROUTER, "cohere/command-a", "context_length", 256_000),
    ("microsoft/phi-4", "context_tokens", OPENROUTER, "microsoft/phi-4", "context_length", 16_384),
    ("baidu/ernie-4.5-300b-a47b", "hugging_face", OPENROUTER, "baidu/ernie-4.5-300b-a47b", "hugging_face_id",
     "baidu/ERNIE-4.5-300B-A47B-PT"),
    ("openai/gpt2", "context_tokens", XINFERENCE, "gpt-2", "context_length", 1024),
    ("mistral/mixtral-8x22b-instruct-v0.1", "context_tokens", XINFERENCE, "mixtral-8x22B-instruct-v0.1",
     "context_length", 65_536),
    ("alibaba/sensevoice-small", "model_scope", XINFERENCE, "SenseVoiceSmall", "sources", "iic/SenseVoiceSmall"),
    ("black-forest-labs/flux.1-dev", "hugging_face", XINFERENCE, "FLUX.1-dev", "sources",
     "black-forest-labs/FLUX.1-dev"),
]  # fmt: skip
"""Card, its fact; file and key column, row, column there; what both say. Left out is where a card differs on purpose,
such as phi-2, which HELM dates two months before Microsoft published it."""


@pytest.mark.parametrize(
    ("card", "fact", "file", "row", "column", "value"),
    CHECKED_BY_HAND,
    ids=[f"{c} {f}" for c, f, *_ in CHECKED_BY_HAND],
)
def test_thirty_facts_agree_with_sources_that_were_saved(
    shared_data: Path, card: str, fact: str, file: tuple[str, str], row: str, column: str, value: Any
) -> None:
    """The card says what the source's own file says."""
    said = [found[column] for found in rows(shared_data / "catalog" / file[0]) if found[file[1]] == row]

    if column == "sources":  # repositories, as `huggingface:OWNER/NAME`
        said = [place.partition(":")[2] for places in said for place in places]
    assert value in said
    assert getattr(cards()[card], fact) == value


@cache
def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_they_are_thirty() -> None:
    """Of as many models, from five sources."""
    assert len({card for card, *_ in CHECKED_BY_HAND}) == len(CHECKED_BY_HAND) == 30
    assert len({file for _card, _fact, file, *_ in CHECKED_BY_HAND}) == 5
