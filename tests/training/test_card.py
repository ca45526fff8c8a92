"""The card of what was trained: in the catalog as ours, and as a page with the whole loss curve."""

from __future__ import annotations

from pathlib import Path

from tests.training.tiny import LABELS, job

from touchstone.catalog.own import own_models
from touchstone.catalog.trained import OwnScore
from touchstone.models.starter.folder import SHIPPED
from touchstone.training.base import LoraSettings, Trained
from touchstone.training.card import base_card, card_of, page, put_into_catalog
from touchstone.training.steps import Step

STEPS = tuple(
    Step(step=at, of=9, loss=3.0 / at, learning_rate=1e-3, tokens_per_s=1_000.0, seconds_left=0.0, elapsed_s=float(at))
    for at in (3, 6, 9)
)
TRAINED = Trained(
    digest="d" * 64,
    folder=Path("model"),
    steps=STEPS,
    held_back_loss=0.25,
    held_back_loss_before=2.5,
    parameters=1_000,
    trained_parameters=100,
    rows=42,
    tokens=900,
    seconds=9.0,
    device="cpu",
)
DAY = "2026-11-27"


def test_a_network_from_nothing_says_what_it_is(tmp_path: Path) -> None:
    """Family, size and rows; no base model; read again it is equal, and a later training replaces it."""
    wanted = job(family="encoder-only", labels=LABELS)
    model = card_of("own/mail", "mail", TRAINED, wanted, data_digest="a" * 64, ended=DAY)
    path = put_into_catalog(tmp_path, model)
    put_into_catalog(tmp_path, model)
    (card,) = own_models(tmp_path).cards

    assert path.name == "mail.toml"
    assert card.model == model
    assert (model.ours, model.origin, model.base_model) == (True, "foundation", None)
    assert (model.architecture, model.parameters, model.tasks[0]) == ("encoder-only", 1_000, "classification")
    assert model.training_data is not None
    assert "42 cases" in model.training_data.en
    assert "0.25" in model.training_data.en
    assert not model.unsourced


def test_a_fine_tune_names_its_base_and_how_it_learned(tmp_path: Path) -> None:
    """Also where the base is not in the catalog: its config says what it is, and no path stands on the card."""
    wanted = job(way="lora", base=tmp_path, lora=LoraSettings(rank=4, alpha=8))
    base = base_card("touchstone/starter-s", "starter/s", SHIPPED / "s", parameters=420_000, job=wanted, as_of=DAY)
    model = card_of("own/mail", "mail", TRAINED, wanted, data_digest="a" * 64, ended=DAY, base=base)
    text = page(model, TRAINED, wanted)

    assert (model.origin, model.base_model, model.relation) == ("derived", "touchstone/starter-s", "fine-tune")
    assert model.context_tokens == 768
    assert "rank=4" in str(model.training_data)
    assert str(tmp_path) not in text + model.model_dump_json()
    assert "| base model | touchstone/starter-s |" in text


def test_the_page_has_the_whole_curve_and_says_what_was_not_measured() -> None:
    """Every report of the loop; an unknown number is no zero; scores with their intervals where there are some."""
    wanted = job()
    model = card_of("own/mail", "mail", TRAINED, wanted, data_digest="a" * 64, ended=DAY)
    unmeasured = TRAINED.model_copy(update={"held_back_loss": None, "held_back_loss_before": None})
    score = OwnScore(benchmark="mail", value=81.5, low=78.0, high=84.9, questions=500, source="comparison 1", date=DAY)
    text = page(model, TRAINED, wanted, scores=[score])

    assert [f"| {step.step} | {step.loss:.4f} |" in text for step in STEPS] == [True] * 3
    assert "| mail | 81.5 | 78 to 84.9 | 500 | comparison 1 |" in text
    assert page(model, unmeasured, wanted).count("not measured") == 2
