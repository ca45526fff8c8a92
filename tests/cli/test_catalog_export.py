"""`touchstone catalog export`: what is written is what the formats' own readers read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tests.conftest import Run

from touchstone.catalog.every_eval_check import check_run
from touchstone.catalog.front_matter import FrontMatter


def test_a_hub_card_has_licence_and_results(touchstone: Run, tmp_path: Path) -> None:
    """The README for a repository says what the card says, in the Hub's words."""
    result = touchstone("catalog", "export", "alibaba/qwen3-32b", "--out", "README.md")

    assert result.returncode == 0, result.stderr
    front = FrontMatter.read((tmp_path / "README.md").read_bytes(), place="README.md")
    assert front.data["license"] == "apache-2.0"
    assert front.data["base_model"] == "alibaba/qwen3-32b-base"
    assert front.data["model-index"][0]["results"]


def test_results_for_the_hub_name_data_set_and_source(touchstone: Run) -> None:
    """Only results whose benchmark the Hub has are written; the others are named on stderr."""
    result = touchstone("catalog", "export", "deepseek/deepseek-v3", "--as", "eval-results")

    rows = yaml.safe_load(result.stdout)
    assert {row["dataset"]["task_id"] for row in rows} >= {"gpqa_diamond"}
    assert all(row["source"]["url"].startswith("https://") for row in rows)
    assert "aider-polyglot" in result.stderr


def test_runs_for_every_eval_ever_keep_to_its_shape(touchstone: Run) -> None:
    """One record for each source, measurer and harness, each of which the format's check accepts."""
    result = touchstone("catalog", "export", "deepseek/deepseek-v3", "--as", "every-eval-ever")

    runs = json.loads(result.stdout)
    assert len(runs) > 1
    assert [check_run(run) for run in runs] == [()] * len(runs)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["alibaba/qwen3-32b", "--as", "pdf"], "eval-results, every-eval-ever, hugging-face"),
        (["alibaba/qwen3-33b"], "alibaba/qwen3-32b"),
        (["alibaba/qwen3-32b", "--out", "no/such/folder/x"], "no/such/folder/x"),
    ],
)
def test_what_cannot_be_exported_is_said(touchstone: Run, arguments: list[str], words: str) -> None:
    """An unknown format or model leads to the known ones; a file that cannot be written is named."""
    result = touchstone("catalog", "export", *arguments)

    assert result.returncode == 2
    assert words in result.stderr
    assert result.stdout == ""
