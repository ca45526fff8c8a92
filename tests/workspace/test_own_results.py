"""What this workspace measured stands beside the published results, marked as ours; what it did not is not claimed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.strategies.stored import store_a_training
from tests.training.tiny import job
from tests.workspace.house import CASES, House

from touchstone.catalog.own import own_models
from touchstone.config import load_settings
from touchstone.training.base import Trained
from touchstone.training.card import card_of, put_into_catalog, training_on_card
from touchstone.training.run import stored_training
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.own_results import may_have_measured, own_results
from touchstone.workspace.workspace import Workspace

MODEL = "openai/gpt-4o-mini"


class Shelf:
    """A folder with cases and recorded answers, compared as often as one likes without asking anybody."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = load_settings(folder / ".touchstone")
        self.workspace = Workspace(self.settings)
        rows = [f"q{n},capital of country {n},city {n}\n" for n in range(60)]
        (folder / "cases.csv").write_text("id,input,target\n" + "".join(rows))

    def record(self, name: str, right: int = 45) -> str:
        """Recorded answers of which this many are right."""
        rows = [f"q{n},{f'city {n}' if n < right else 'no idea'}\n" for n in range(60)]
        (self.folder / name).write_text("case_id,output\n" + "".join(rows))
        return name

    def compare(self, *candidates: dict[str, Any], task: str = "capitals") -> None:
        body = {"task": task, "cases": "cases.csv", "answer": {"kind": "text"}, "candidates": candidates}
        path = self.folder / f"{task}.yaml"
        path.write_text(json.dumps(body))
        self.workspace.compare(self.workspace.load_task(path), CompareOptions(full=True))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    found = Shelf(tmp_path)
    with found.workspace:
        yield found


def test_what_was_measured_at_a_provider_is_a_result_of_ours(house: House) -> None:
    """Score, interval and number of cases are those of the comparison; ours is said, and where to look it up."""
    house.task("small", facts={"small": {"model": MODEL}})
    (compared,) = house.compare("--full")["candidates"]
    estimate = compared["estimate"]

    with Workspace(load_settings(house.folder / ".touchstone")) as workspace:
        (claim,) = own_results(workspace, MODEL)
        (stored,) = workspace.comparisons()

    assert (claim.ours, claim.measured_by, claim.model, claim.benchmark) == (True, "ours", MODEL, "capitals")
    assert claim.value == pytest.approx(100 * estimate["mean"])
    assert (claim.low, claim.high) == pytest.approx((100 * estimate["low"], 100 * estimate["high"]))
    assert claim.questions == estimate["n"] == CASES
    assert claim.mode == "small"
    assert claim.setting == "prompt"
    assert claim.harness is not None
    assert claim.harness.startswith("touchstone ")
    assert stored.id in claim.source
    assert claim.date == claim.as_of == stored.created[:10]


def test_recorded_answers_count_under_a_catalogs_id(shelf: Shelf) -> None:
    """Whoever records outputs says whose they are; the id of a card is taken at its word."""
    shelf.compare(
        {"recorded": shelf.record("a.csv", right=45), "model": "acme/large"},
        {"recorded": shelf.record("b.csv", right=30), "model": "acme/small"},
    )

    (claim,) = own_results(shelf.workspace, "acme/large")

    assert (claim.value, claim.questions, claim.setting) == (75.0, 60, "recorded")
    assert [one.value for one in own_results(shelf.workspace, "acme/small")] == [50.0]


def test_all_right_and_all_wrong_are_results_too(shelf: Shelf) -> None:
    """At the ends of the scale the interval still holds the value."""
    shelf.compare(
        {"recorded": shelf.record("a.csv", right=60), "model": "acme/large"},
        {"recorded": shelf.record("b.csv", right=0), "model": "acme/small"},
    )

    (best,), (worst,) = (own_results(shelf.workspace, model) for model in ("acme/large", "acme/small"))

    assert (best.value, best.high) == (100.0, 100.0)
    assert (worst.value, worst.low) == (0.0, 0.0)


def test_a_providers_name_counts_through_the_crosswalk(shelf: Shelf) -> None:
    """`groq/llama-3.3-70b-versatile` of a task file is the card of Llama 3.3 70B."""
    shelf.compare({"recorded": shelf.record("a.csv"), "model": "groq/llama-3.3-70b-versatile"})

    assert len(own_results(shelf.workspace, "meta/llama-3.3-70b-instruct")) == 1


@pytest.mark.parametrize("reference", ["large", "openai/gpt-4o-mini-of-ours", "my-model"])
def test_an_unknown_name_is_nobodys_result(shelf: Shelf, reference: str) -> None:
    """What only looks like a model's name is not taken for it."""
    shelf.compare({"recorded": shelf.record("a.csv"), "model": reference})

    assert own_results(shelf.workspace, MODEL) == ()
    assert own_results(shelf.workspace, "acme/large") == ()


def test_two_ways_of_using_a_model_are_two_results(shelf: Shelf) -> None:
    """Each says which candidate it was."""
    shelf.compare(
        {"recorded": shelf.record("a.csv", right=45), "model": "acme/large", "name": "short prompt"},
        {"recorded": shelf.record("b.csv", right=30), "model": "acme/large", "name": "long prompt"},
    )

    found = own_results(shelf.workspace, "acme/large")

    assert {one.mode: one.value for one in found} == {"short prompt": 75.0, "long prompt": 50.0}


def test_the_five_newest_comparisons_of_the_model_are_looked_at(shelf: Shelf) -> None:
    """Newest first; comparisons of others, and a second candidate in one, take nobody's place."""
    for number in range(7):
        recorded = shelf.record(f"a{number}.csv", right=number)
        shelf.compare({"recorded": recorded, "model": "acme/large"}, task=f"task-{number}")
    shelf.compare(
        {"recorded": shelf.record("b.csv", right=30), "model": "acme/large", "name": "one"},
        {"recorded": shelf.record("c.csv", right=45), "model": "acme/large", "name": "two"},
        task="twice",
    )
    for number in range(5):
        shelf.compare({"recorded": shelf.record(f"d{number}.csv"), "model": "acme/other"}, task=f"other-{number}")

    found = own_results(shelf.workspace, "acme/large")

    assert [one.benchmark for one in found] == ["twice", "twice", "task-6", "task-5", "task-4", "task-3"]


def test_a_workspace_that_measured_nothing_has_no_results(shelf: Shelf) -> None:
    """Nothing is made to say so: the store is not even created."""
    assert own_results(shelf.workspace, MODEL) == ()
    assert not may_have_measured(shelf.settings, MODEL)
    assert not (shelf.folder / ".touchstone").exists()


def test_a_glance_tells_whether_there_is_anything_to_find(shelf: Shelf) -> None:
    """Whatever the glance says cannot be there is not there; a damaged store has to be asked itself."""
    shelf.compare({"recorded": shelf.record("a.csv"), "model": "acme/large"})

    assert may_have_measured(shelf.settings, "acme/large")
    assert not may_have_measured(shelf.settings, MODEL)
    shelf.workspace.close()
    (shelf.folder / ".touchstone" / "touchstone.sqlite").write_bytes(b"no store")
    assert may_have_measured(shelf.settings, MODEL)


def put_a_card(shelf: Shelf, name: str, trained: Trained) -> str:
    """The card of a training, in the workspace's catalog; its id."""
    model = card_of(f"own/{name}", name, trained, job(), data_digest="a" * 64, ended="2026-11-27")
    put_into_catalog(shelf.folder / ".touchstone" / "catalog", model)
    return model.id


@pytest.mark.parametrize(
    "entry",
    [
        {"model": "starter/s", "strategy": "fine_tune", "weights": "tuned"},
        {"model": "starter/s", "folder": "tuned/model"},
        {"model": "starter/s", "strategy": "pretrain", "weights": "tuned"},
    ],
)
def test_scores_reach_the_card_of_what_was_trained_here(shelf: Shelf, entry: dict[str, Any]) -> None:
    """However an entry names its weights; and they are no result of the model that the training began with."""
    shelf.folder.joinpath("cases.csv").write_text("id,input,target\n" + "".join(f"q{n},ask {n},x\n" for n in range(40)))
    trained = stored_training(store_a_training(shelf.folder / "tuned", "d" * 64, keys=[1]))
    assert trained is not None
    mine, other = (
        put_a_card(shelf, "mine", trained),
        put_a_card(shelf, "other", trained.model_copy(update={"digest": "e" * 64})),
    )
    recorded = {"recorded": shelf.record("a.csv"), "model": "acme/large"}
    shelf.compare({**entry, "name": "tuned", "max_tokens": 1}, recorded)

    (claim,) = own_results(shelf.workspace, mine)

    assert (claim.model, claim.mode, claim.questions, claim.ours) == (mine, "tuned", 40, True)
    assert claim.low is not None
    assert claim.high is not None
    assert may_have_measured(shelf.settings, mine)
    assert own_results(shelf.workspace, other) == ()
    assert [one.mode for one in own_results(shelf.workspace, "starter/s")] == []
    assert len(own_results(shelf.workspace, "acme/large")) == 1
    cards = own_models(shelf.folder / ".touchstone" / "catalog").cards
    named = {card.model.id: training_on_card(one.name for one in card.model.sources) for card in cards}
    assert named == {mine: "d" * 16, other: "e" * 16}


def test_a_card_that_cannot_be_read_is_nobodys_training(shelf: Shelf) -> None:
    """What is wrong with it is said where cards are read; a link is not followed."""
    folder = shelf.folder / ".touchstone" / "catalog" / "cards" / "own"
    folder.mkdir(parents=True)
    source = '[[sources]]\nname = "training dddddddddddddddd of own/a, data b"\n'
    for name, text in {"good": source, "bad": "sources = 5", "worse": "[[", "none": ""}.items():
        (folder / f"{name}.toml").write_text(text)
    (folder / "linked.toml").symlink_to(folder / "good.toml")
    shelf.compare({"recorded": shelf.record("a.csv"), "model": "acme/large"})

    known = {name: may_have_measured(shelf.settings, f"own/{name}") for name in ("bad", "worse", "none", "linked")}

    assert may_have_measured(shelf.settings, "own/good")
    assert not any(known.values()), known
    assert not may_have_measured(shelf.settings, "own/../own/good")
