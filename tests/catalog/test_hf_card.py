"""A Hugging Face card becomes a model and claims with the card as source; a card we write is read back the same."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.catalog.benchmarks import benchmarks
from touchstone.catalog.card_text import first_paragraph, paragraph_under, title_of
from touchstone.catalog.claims import Claim
from touchstone.catalog.foreign import DATASETS, HUB_TASKS, in_unit, same_metric
from touchstone.catalog.front_matter import FrontMatter
from touchstone.catalog.hf_card import Understood, understand
from touchstone.catalog.hf_write import to_hf_card
from touchstone.catalog.hub_terms import (
    LIBRARY_ARCHITECTURES,
    LICENCES,
    PIPELINE_OF,
    PIPELINES,
    RELATION_OF,
    RELATIONS,
    TASK_TAGS,
    TRAIT_TAGS,
)
from touchstone.catalog.model import Model
from touchstone.catalog.shipped import shipped_models
from touchstone.catalog.taxonomy import terms_of
from touchstone.errors import DataError, UnknownName

CARD = """---
language: [en, zh, no, code]
license: other
license_name: acme-1.0
license_link: https://acme.example/licence
library_name: peft
pipeline_tag: text-generation
tags: [conversational, code, moe, arxiv:2412.19437, finance]
datasets: [acme/tickets, acme/chats]
base_model: Acme_AI/Base-7B
base_model_relation: adapter
new_version: Acme-AI/Base-8B
extra_gated_prompt: Accept.
widget:
- text: Hello
model-index:
- name: Support 7B
  results:
  - task: {type: text-generation}
    dataset: {name: GSM8K, type: openai/gsm8k, config: main, split: test, args: {num_few_shot: 5}}
    metrics:
    - {type: acc, value: 64.5, name: accuracy}
    - {type: f1, value: 60}
    source: {name: Open LLM Leaderboard, url: https://leaderboard.example}
  - task: {type: text-generation}
    dataset: {name: MMLU, type: cais/mmlu, config: abstract_algebra}
    metrics: [{type: accuracy, value: 0.512}]
  - task: {type: text-generation}
    dataset: {name: GSM8K, type: openai/gsm8k}
    metrics: [{type: accuracy, value: 0.7}]
  - task: {type: text-generation}
    dataset: {name: Tickets, type: acme/tickets}
    metrics: [{type: accuracy, value: 91}]
  - broken
---
<!-- a comment -->
# Model Card for Support 7B

![badge](https://x.example/b.svg)

A model of **Acme** that answers [tickets](https://acme.example).

## Uses

### Direct Use

Answering customers.

## Bias, Risks, and Limitations

[More Information Needed]

## Limitations

Knows nothing after 2024.
"""


def read(text: str, **options: Any) -> Understood:
    options.setdefault("as_of", "2026-01-02")
    return understand(FrontMatter.of_text(text, place="README.md"), **options)


def test_the_facts_of_a_card_have_the_card_as_their_source() -> None:
    """Licence, base, languages, tasks, data sets and texts are restated; nothing is stated without a source."""
    model = read(CARD, model_id="acme/support-7b", repository="acme/Support-7B").model
    assert model.unsourced == ()
    assert (model.name, model.lab, model.licence, model.weights) == ("Support 7B", "acme", "acme-1.0", "gated")
    assert model.tasks == ("chat", "text-generation", "code-generation")
    assert (model.input_modalities, model.output_types) == (("text",), ("text", "code"))
    assert model.languages == ("en", "zh", "no")
    assert (model.origin, model.base_model, model.relation) == ("derived", "acme-ai/base-7b", "adapter")
    assert (model.traits, model.successor) == (("mixture-of-experts",), "acme-ai/base-8b")
    assert model.links == ("https://arxiv.org/abs/2412.19437", "https://acme.example/licence")
    assert model.summary.en == "A model of Acme that answers tickets."
    assert model.intended_use is not None
    assert model.intended_use.en == "Answering customers."
    assert model.limits is not None
    assert model.limits.en == "Knows nothing after 2024."
    assert model.training_data is not None
    assert "acme/tickets, acme/chats" in model.training_data.en
    assert model.hugging_face == "acme/Support-7B"
    assert not model.ours
    (source,) = model.sources
    assert (source.name, source.as_of) == ("Model card acme/Support-7B, Hugging Face", "2026-01-02")
    assert source.url == "https://huggingface.co/acme/Support-7B"


def test_what_is_not_known_is_kept_and_shown_with_the_reason() -> None:
    """Keys, tags, languages and results without a place are named, each with why."""
    found = read(CARD, model_id="acme/support-7b")
    shown = {(kept.key, kept.value): kept.why for kept in found.kept}
    assert shown["language", "code"] == "the catalog has no word for it"
    assert shown["tags", "finance"] == "the catalog has no word for it"
    assert shown["library_name", "peft"] == "the catalog has no field for it"
    assert shown["widget", "[{'text': 'Hello'}]"] == "the catalog has no field for it"
    assert shown["model-index.0.results.0", "openai/gsm8k: f1 60"] == "the benchmark is ranked by another metric"
    assert shown["model-index.0.results.2", "openai/gsm8k: accuracy 0.7"].startswith("percent or a share of one?")
    assert shown["model-index.0.results.3", "acme/tickets: accuracy 91"] == "no benchmark of the catalog is called so"
    assert shown["model-index.0.results.4", "broken"].startswith("it does not have the form")
    assert len(shown) == 8


def test_the_results_of_a_card_are_claims_in_the_benchmarks_unit() -> None:
    """A share of one becomes percent where guessing alone scores more; who measured is the source or the lab."""
    first, second = read(CARD, model_id="acme/support-7b").claims
    assert (first.benchmark, first.value, first.setting) == ("gsm8k", 64.5, "num_few_shot: 5")
    assert (first.measured_by, first.source) == ("Open LLM Leaderboard", "Open LLM Leaderboard")
    assert (first.subset, first.url) == (None, "https://leaderboard.example")
    assert (second.benchmark, second.subset, second.value) == ("mmlu", "abstract_algebra", 51.2)
    assert (second.measured_by, second.source, second.as_of) == ("acme", "Model card README.md", "2026-01-02")
    assert not first.ours


@pytest.mark.parametrize(
    ("benchmark", "value", "inside"),
    [
        ("mmlu", 0.512, 51.2),
        ("mmlu", 51.2, 51.2),
        ("mmlu", 0, 0),
        ("mmlu", 101, None),
        ("mmlu", -1, None),
        ("mmlu", float("nan"), None),
        ("gsm8k", 0.9, None),
        ("gsm8k", 1.5, 1.5),
        ("librispeech-clean", 0.03, None),
        ("librispeech-clean", 3.1, 3.1),
        ("librispeech-clean", 120, 120),
        ("geneval", 0.61, 0.61),
        ("geneval", 61, 0.61),
        ("chatbot-arena", 1290, 1290),
        ("coco-fid", 0.9, 0.9),
    ],
)
def test_a_value_whose_unit_is_in_doubt_is_not_taken(benchmark: str, value: float, inside: float | None) -> None:
    """0.9 may be percent or a share where even the best or the worst models score so."""
    assert in_unit(value, benchmarks()[benchmark]) == inside


def test_a_metric_is_the_benchmarks_own_or_none() -> None:
    """Spellings are one metric; another normalisation is another."""
    assert same_metric("acc", benchmarks()["mmlu"])
    assert same_metric("pass_at_1", benchmarks()["humaneval"])
    assert not same_metric("acc_norm", benchmarks()["hellaswag"])
    assert not same_metric("pass@10", benchmarks()["humaneval"])


def test_every_word_of_the_tables_is_one_of_the_taxonomy() -> None:
    """The tables lead to known tasks, outputs, traits, relations, architectures and benchmarks."""
    tasks = {task for row in PIPELINES.values() for task in row.tasks} | set(TASK_TAGS.values())
    assert tasks <= terms_of("task").keys()
    assert PIPELINE_OF.keys() == terms_of("task").keys()
    assert set(PIPELINE_OF.values()) <= PIPELINES.keys()
    assert {kind for row in PIPELINES.values() for kind in row.gives} <= terms_of("output").keys()
    assert set(TRAIT_TAGS.values()) <= terms_of("trait").keys()
    assert set(RELATIONS.values()) <= terms_of("relation").keys() == RELATION_OF.keys()
    assert set(RELATION_OF.values()) <= RELATIONS.keys()
    assert set(LIBRARY_ARCHITECTURES.values()) <= terms_of("architecture").keys()
    assert set(DATASETS.values()) | HUB_TASKS.keys() <= benchmarks().keys()
    assert "llama3.1" in LICENCES
    assert len(LICENCES) > 75


@pytest.mark.parametrize(
    ("front", "said"),
    [
        ("pipeline_tag: object-detection", "set pipeline_tag to one of"),
        ("license: mit", "set pipeline_tag to one of"),
    ],
)
def test_a_card_without_a_task_we_know_is_refused_with_what_to_write(front: str, said: str) -> None:
    """A model that no search would find is no entry."""
    with pytest.raises(DataError, match=said):
        read(f"---\n{front}\n---\n# X\n")


def test_a_card_without_front_matter_is_refused_with_what_to_write() -> None:
    """The text alone names no facts."""
    with pytest.raises(DataError, match="begin it with a line of ---"):
        read("# X\n\ntext\n")


def test_a_card_without_a_name_of_use_needs_an_id() -> None:
    """A name in another script makes no id; nothing is transliterated."""
    text = "---\npipeline_tag: text-generation\n---\n# 客服\n"
    with pytest.raises(DataError, match="give one such as own/support"):
        read(text)
    assert read(text, model_id="own/support").model.name == "客服"
    assert read(text.replace("客服", "Support Bot 2!")).model.id == "own/support-bot-2"


def test_of_several_base_models_the_card_is_a_merge() -> None:
    """One field holds one base; the list is shown."""
    front = "---\npipeline_tag: text-generation\nbase_model: [a/x, b/y]\n---\n# X\n"
    found = read(front)
    assert (found.model.origin, found.model.base_model, found.model.relation) == ("derived", None, "merge")
    assert [kept.key for kept in found.kept] == ["base_model"]


def test_a_base_model_is_our_card_where_the_repository_is_known() -> None:
    """The crosswalk is the caller's; an old name without an owner leads nowhere without it."""
    front = "---\npipeline_tag: fill-mask\nbase_model: bert-base-uncased\n---\n# X\n"
    known = {"bert-base-uncased": "google/bert-base-uncased"}
    assert read(front, repositories=known).model.base_model == "google/bert-base-uncased"
    assert read(front).model.base_model is None
    assert [kept.key for kept in read(front).kept] == ["base_model"]


FULL = Model.model_validate(
    {
        "id": "own/support",
        "name": "Support *7B* | <b>",
        "lab": "own",
        "summary": {"en": "Answers tickets: fast.\n---\nnot a fence", "zh": "回答工单。"},
        "tasks": ["chat", "moderation"],
        "output_types": ["text"],
        "origin": "derived",
        "base_model": "alibaba/qwen3-8b",
        "relation": "instruction-tuned",
        "licence": "deepseek-model-licence",
        "parameters": 8_190_735_360,
        "languages": ["zh", "no"],
        "tools": False,
        "released": "2026-01",
        "network": {"layers": 36, "hidden_size": 4096},
        "snapshots": [{"name": "v1", "released": "2026", "note": {"en": "first", "zh": "首版"}}],
        "ours": True,
        "sources": [
            {
                "name": "own team",
                "as_of": "2026-01-02",
                "facts": ["parameters", "released", "network", "snapshots", "base_model", "origin"],
            }
        ],
    }
)
CLAIMS = (
    Claim(
        model="own/support",
        benchmark="gsm8k",
        subset="all",
        value=0.5,
        low=0.1,
        high=2.5,
        questions=200,
        setting="5 shots | <i>",
        harness="touchstone",
        harness_version="0.1",
        measured_by="ours",
        date="2026-01-02",
        source="comparison 7",
        as_of="2026-01-02",
        usd=0.0,
        ours=True,
    ),
    Claim(model="own/support", benchmark="mmlu", value=61, measured_by="own", source="x", url="u", as_of="2026"),
)


def test_a_card_that_we_write_is_read_back_with_the_same_facts_and_results() -> None:
    """What the Hub's keys cannot say travels beside them, whoever reads it and when."""
    text = to_hf_card(FULL, CLAIMS, benchmarks=benchmarks(), repository_of={"alibaba/qwen3-8b": "Qwen/Qwen3-8B"})
    card = FrontMatter.of_text(text, place="support.md")
    assert card.data["base_model"] == "Qwen/Qwen3-8B"
    assert (card.data["license"], card.data["license_name"]) == ("other", "deepseek-model-licence")
    found = read(text, ours=True, repositories={"qwen/qwen3-8b": "alibaba/qwen3-8b"}, as_of="2027")
    assert found.model == FULL
    assert found.claims == CLAIMS
    assert found.kept == ()


def test_a_shipped_card_of_every_kind_can_be_written_and_read_back() -> None:
    """For each main task, no fact is lost or changed on the way through a Hugging Face card."""
    for model in {model.tasks[0]: model for model in shipped_models()}.values():
        ours = model.model_copy(update={"ours": True})
        assert read(to_hf_card(ours, benchmarks={}), ours=True).model == ours


def test_a_written_card_shows_what_is_known_and_nothing_that_markdown_would_act_on() -> None:
    """Names and settings are text: no tag, no emphasis, no table cell comes of them."""
    body = FrontMatter.of_text(to_hf_card(FULL, CLAIMS, benchmarks=benchmarks()), place="x").body
    assert body.splitlines()[1] == r"# Model Card for Support \*7B\* \| \<b\>"
    assert "## Uses" not in body
    assert r"| GSM8K / all | accuracy | 0.5 % | 0.1 to 2.5 | 200 | 5 shots \| \<i\>, touchstone, 0.1 | ours |" in body
    assert "- **Parameters:** 8,190,735,360" in body
    assert "回答工单。" in body


def test_a_strangers_card_does_not_speak_for_us() -> None:
    """Sources, ownership and results under our key count only where our own team vouches for the card."""
    text = to_hf_card(FULL, CLAIMS, benchmarks=benchmarks())
    found = read(text, model_id="evil/copy", repository="evil/copy")
    assert not found.model.ours
    assert [source.name for source in found.model.sources] == ["Model card evil/copy, Hugging Face"]
    assert found.model.parameters is None
    assert [(claim.ours, claim.measured_by) for claim in found.claims] == [(False, "evil"), (False, "x")]
    assert "touchstone" in {kept.key for kept in found.kept}


def test_a_result_of_an_unknown_benchmark_is_not_written() -> None:
    """The caller is told which; nothing is left out silently."""
    with pytest.raises(UnknownName, match="gsm8k"):
        to_hf_card(FULL, CLAIMS, benchmarks={})


def test_changing_the_licence_of_a_real_card_changes_one_line() -> None:
    """The rest of the card is byte for byte what it was."""
    card = FrontMatter.of_text(CARD, place="x")
    changed = card.with_key("license", "mit")
    assert changed.text == CARD.replace("license: other\n", "license: mit\n")
    assert read(changed.text).model.licence == "mit"


@given(st.text(max_size=300))
def test_prose_is_found_in_any_text(body: str) -> None:
    """Whatever a body holds, reading it ends with plain text or nothing."""
    for found in (first_paragraph(body), title_of(body), paragraph_under(body, ("uses",))):
        assert found is None or found.strip()


@pytest.mark.parametrize("unit", ["[", "<", "![", "[a](", "#", "# ", "<!--", "*", "```\n", " ", "|"])
def test_a_megabyte_of_marks_takes_no_long_time(unit: str) -> None:
    """No pattern looks back and forth over a hostile body."""
    body = "# x" + unit * (1_000_000 // len(unit)) + "\n\n" + unit * 1000
    started = time.monotonic()
    first_paragraph(body)
    title_of(body)
    assert time.monotonic() - started < 10


def test_code_tables_lists_and_pictures_are_no_prose() -> None:
    """The summary is the first sentence that speaks."""
    other = ("```\n# not a heading\ncode\n```", "| a |", "- item", "> quote", "[![b](i)](u)")
    body = "\n\n".join(("# T", *other, "**Bold** words\nof it.\n"))
    assert first_paragraph(body) == "Bold words of it."
    assert title_of(body) == "T"
