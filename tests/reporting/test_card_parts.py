"""Parts of a card's page: memory for a case of one's own, a training, what differs between cards, links to pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.catalog.memory import GIB, memory_need
from touchstone.catalog.shipped import shipped_model
from touchstone.reporting.block_html import cell, linked
from touchstone.reporting.card_memory import memory_answer
from touchstone.reporting.card_training import training_section
from touchstone.reporting.cards_compared import sameness
from touchstone.reporting.pages import Facts, Paragraph, Picture
from touchstone.training.base import Trained
from touchstone.training.steps import Step

QWEN = shipped_model("alibaba/qwen3-32b")
assert QWEN is not None


def facts(**asked: object) -> dict[str, str]:
    assert QWEN is not None
    block = memory_answer(QWEN, **asked)[0]  # type: ignore[arg-type]
    assert isinstance(block, Facts)
    return {row.name: row.value for row in block.rows}


@pytest.mark.parametrize(("sequences", "context"), [(1, 8_192), (16, 32_768)])
def test_memory_is_that_of_the_formula(sequences: int, context: int) -> None:
    """Weights, cache and both, as `memory_need` has them."""
    assert QWEN is not None
    need = memory_need(
        QWEN.parameters or 0, QWEN.network, precision="4bit", context_tokens=context, sequences=sequences
    )
    said = facts(precision="4bit", context_tokens=context, sequences=sequences)
    assert need.total_bytes is not None
    assert float(said["Together"].split()[0].replace(",", "")) == pytest.approx(need.total_bytes / GIB, abs=0.6)


def test_a_device_holds_it_or_not_or_nobody_knows() -> None:
    """Without sizes of layers the weights alone decide what they can."""
    assert QWEN is not None
    assert facts(memory_gib=24.0, precision="4bit")["In 24 GiB"] == "yes"
    assert facts(memory_gib=24.0)["In 24 GiB"] == "no"
    unknown = memory_answer(QWEN.model_copy(update={"network": None}), memory_gib=640.0)
    assert isinstance(unknown[0], Facts)
    assert unknown[0].rows[-1].value == "unknown: the cache decides it"


def test_more_context_than_the_model_reads_is_said() -> None:
    """A number that can be typed is not one that can be served."""
    assert QWEN is not None
    warning = memory_answer(QWEN, context_tokens=10_000_000)[-1]
    assert isinstance(warning, Paragraph)
    assert "10,000,000 is more than that" in warning.text


def test_a_training_says_what_went_in_and_how_its_loss_fell() -> None:
    """The curve needs two reports; the losses before and after stand there where they are known."""
    steps = tuple(
        Step(step=n, of=9, loss=3.0 / n, learning_rate=1e-3, tokens_per_s=100.0, seconds_left=0.0) for n in (1, 3, 9)
    )
    trained = Trained(
        digest="a" * 64, folder=Path("model"), steps=steps, held_back_loss=0.4, held_back_loss_before=None,
        parameters=10, trained_parameters=5, rows=36, tokens=900, cut_rows=2, seconds=12.5, device="cpu",
    )  # fmt: skip
    blocks = training_section(trained).blocks
    assert isinstance(blocks[0], Facts)
    said = {row.name: row.value for row in blocks[0].rows}
    assert said["Loss on rows held back, after"] == "0.4"
    assert "Loss on rows held back, before" not in said
    assert "2 were too long" in said["Rows"]
    assert isinstance(blocks[1], Picture)
    assert len(training_section(trained.model_copy(update={"steps": steps[:1]})).blocks) == 1


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (("a", "b"), "differ"),
        (("a", "a"), "alike"),
        (("a", "–"), "partly"),
        (("a", "–", "b"), "differ"),
        (("a",), "alike"),
    ],
)
def test_cells_differ_are_alike_or_are_not_all_stated(cells: tuple[str, ...], found: str) -> None:
    """What is unknown differs from nothing."""
    assert sameness(cells) == found


def test_names_of_pages_become_links_within_sentences_and_cells() -> None:
    """Only whole names that are known; addresses of others stay as they were."""
    places = {"openai/gpt-4o": "/catalog/openai/gpt-4o", "MMLU <b>": "/benchmarks/mmlu"}
    text = linked("Made from openai/gpt-4o. See https://example.org/openai/gpt-4o and openai/gpt-4o-mini.", places)
    assert text.count('href="/catalog/openai/gpt-4o"') == 1
    assert 'href="https://example.org/openai/gpt-4o"' in text
    assert cell("MMLU <b>", places) == '<a href="/benchmarks/mmlu">MMLU &lt;b&gt;</a>'


@given(st.text(max_size=200))
def test_whatever_a_text_holds_it_stays_text(text: str) -> None:
    """With links or without, nothing of it becomes markup."""
    found = linked(text, {"own/evil": "/catalog/own/evil"})
    bare = found.replace('<span class="unseen">', "").replace("</span>", "")
    for tag in ('<a href="http', '<a href="/catalog/own/evil"', "</a>", "<wbr>"):
        bare = bare.replace(tag, "")
    assert "<" not in bare.replace("rel=", "")
