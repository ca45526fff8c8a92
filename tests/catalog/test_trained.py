"""The card of a model trained here says what went in and inherits only what training leaves as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from touchstone.catalog.benchmarks import benchmarks
from touchstone.catalog.front_matter import FrontMatter
from touchstone.catalog.hf_card import understand
from touchstone.catalog.hf_write import to_hf_card
from touchstone.catalog.model import Model
from touchstone.catalog.own import add_card, own_claims, own_models
from touchstone.catalog.trained import OwnScore, Training, card_of_trained, claims_of_scores
from touchstone.errors import InvalidValue

TRAINING = Training(
    data_digest="sha256:ab12",
    cases=1200,
    seed=7,
    hyperparameters={"rank": 16, "learning_rate": 0.0002},
    loss=0.41,
    ended="2026-01-02",
)
BASE = Model.model_validate(
    {
        "id": "alibaba/qwen3-8b",
        "name": "Qwen3-8B",
        "lab": "alibaba",
        "family": "Qwen",
        "summary": {"en": "x", "zh": "x"},
        "tasks": ["chat"],
        "output_types": ["text"],
        "architecture": "decoder-only",
        "licence": "apache-2.0",
        "parameters": 8_190_735_360,
        "languages": ["en", "zh"],
        "knowledge_cutoff": "2024",
        "sources": [
            {
                "name": "s",
                "as_of": "2025",
                "facts": ["architecture", "licence", "parameters", "languages", "knowledge_cutoff"],
            }
        ],
    }
)


def card(**options: Any) -> Model:
    return card_of_trained("own/support", "Support", TRAINING, **{"base": BASE, **options})


def test_the_card_says_what_went_in_and_where_it_came_from() -> None:
    """Data, seed, hyperparameters and loss are in its training data; each fact has a source; it is ours."""
    model = card()
    assert (model.ours, model.origin, model.base_model, model.relation) == (True, "derived", BASE.id, "fine-tune")
    assert model.training_data is not None
    assert model.training_data.en == (
        "1,200 cases of the team's own, digest sha256:ab12; seed 7; hyperparameters learning_rate=0.0002, rank=16; "
        "loss at the end 0.41."
    )
    assert model.summary.en == "Fine-tuned from Qwen3-8B by the team, on 1,200 cases of its own."
    assert model.unsourced == ()
    assert (model.tasks, model.released) == (("chat",), "2026-01-02")


def test_only_what_training_leaves_as_it_was_is_inherited() -> None:
    """Layers stay under fine-tuning, not under distillation; licence, languages and cutoff are not taken over."""
    tuned, distilled = card(), card(relation="distilled")
    assert (tuned.parameters, tuned.architecture) == (BASE.parameters, "decoder-only")
    assert (distilled.parameters, distilled.architecture) == (None, None)
    for model in (tuned, distilled):
        assert (model.licence, model.languages, model.knowledge_cutoff) == (None, None, None)
        assert model.unsourced == ()


def test_a_model_trained_from_scratch_says_its_tasks_itself() -> None:
    """There is nobody to inherit them from, and they are not guessed."""
    with pytest.raises(InvalidValue, match="say its tasks"):
        card(base=None)
    model = card(base=None, tasks=("classification",), output_types=("scores",))
    assert (model.origin, model.base_model, model.relation) == ("foundation", None, None)


def test_its_scores_are_claims_marked_as_ours() -> None:
    """Each has its number of questions and the comparison that measured it."""
    score = OwnScore(
        benchmark="gsm8k", value=64.5, low=60, high=69, questions=200, source="comparison 7", date="2026-01-03"
    )
    (claim,) = claims_of_scores("own/support", (score,))
    assert (claim.ours, claim.measured_by, claim.questions, claim.low) == (True, "ours", 200, 60)


def test_it_enters_the_catalog_through_its_hugging_face_card(tmp_path: Path) -> None:
    """What issues from a training is written, read, added and found again with the same facts."""
    score = OwnScore(benchmark="gsm8k", value=0.5, questions=200, source="comparison 7", date="2026-01-03", usd=0)
    model, claims = card(), claims_of_scores("own/support", (score,))
    text = to_hf_card(model, claims, benchmarks=benchmarks())
    found = understand(FrontMatter.of_text(text, place="x"), as_of="2027", ours=True)
    assert (found.model, found.claims) == (model, claims)
    file = tmp_path / "README.md"
    file.write_text(text, "utf-8")
    add_card(tmp_path / "catalog", file, today="2026-02-02")
    assert [one.model for one in own_models(tmp_path / "catalog").cards] == [model]
    assert own_claims(tmp_path / "catalog").claims == claims
