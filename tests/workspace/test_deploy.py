"""A decision becomes an endpoint: the very candidate that was measured, whatever becomes of its task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from touchstone.catalog.base import Price
from touchstone.config import load_settings
from touchstone.data.base import Case
from touchstone.deployment.base import ComputeSettings
from touchstone.errors import DataError, SettingsError, UnknownName
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.bundle import make_served, read_bundle, served_digest
from touchstone.workspace.deploy import Order, deploy_decision, deploy_model, endpoint_name
from touchstone.workspace.endpoints import remove_endpoint, standing
from touchstone.workspace.workspace import Workspace

LABELS = ["refund", "delivery", "login"]


class Place:
    """A measured task whose best candidate reads its words from a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rows = [(f"c{n}", f"question number {n}", LABELS[n % 3]) for n in range(48)]
        self.write("cases.csv", "id,input,target\n" + "".join(f"{i},{q},{t}\n" for i, q, t in rows))
        self.write("prompts/words.txt", "Which topic is this? {input}")
        answers = [{"input": f"Which topic is this? {q}", "reply": t} for _, q, t in rows]
        answers += [{"input": q, "reply": t} for _, q, t in rows]
        self.write("answers.jsonl", "".join(json.dumps(one) + "\n" for one in answers))
        script = {"script": "answers.jsonl"}
        good = {"model": "fake/good", "prompt": {"file": "prompts/words.txt"}, "accuracy": 0.97, **script}
        poor = {"model": "fake/poor", "accuracy": 0.3, **script}
        price = {"price": {"input_usd": 2, "output_usd": 8}}
        task = {
            "task": "Topics of 2026",
            "instruction": "Name the topic.",
            "cases": "cases.csv",
            "answer": {"kind": "label", "labels": LABELS},
            "candidates": [{**good, **price}, {**poor, **price}],
        }
        self.task = self.write("task.yaml", json.dumps(task))
        self.workspace = Workspace(load_settings(folder / "store"))
        self.data = self.workspace.compare(self.workspace.load_task(self.task), CompareOptions(full=True))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def deploy(self, **order: Any) -> Any:
        return deploy_decision(self.workspace, "latest", Order(**order), who="anna")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    found.workspace.close()


def test_the_chosen_candidate_is_served_with_its_trial(place: Place) -> None:
    """Name, price and evidence come with it, and asked again it says what it said in the trial."""
    found = place.deploy(check_cases=30)
    assert found.endpoint.name == "topics-of-2026"
    assert found.version.recipe.model == "fake/good"
    assert found.version.price == Price(input_usd=2, output_usd=8)
    estimate = place.data.comparison.candidates[0].estimate
    evidence = found.version.evidence
    assert evidence is not None
    assert estimate is not None
    assert (evidence.comparison, evidence.score, evidence.cases) == (
        place.data.comparison.comparison_id,
        estimate.mean,
        estimate.n,
    )
    assert evidence.expires_on is not None
    assert evidence.overruled is None
    assert found.agreement == (30, 30)


def test_a_paid_candidate_is_not_asked_for_a_check_that_nobody_ordered(place: Place) -> None:
    """Twenty calls cost money where calls cost money."""
    assert place.deploy().agreement is None


async def test_the_endpoint_keeps_what_it_was_made_of(place: Place) -> None:
    """Words that are edited afterwards, or a task that is gone, change no answer of it."""
    found = await _in_thread(place.deploy)
    place.write("prompts/words.txt", "Answer with refund only. {input}")
    place.write("answers.jsonl", "")
    place.task.unlink()
    folder = place.folder / "store" / found.version.folder
    candidate, settings = await make_served(read_bundle(folder), folder, place.workspace.ledger, place.folder / "store")
    answer = await candidate.answer(Case(id="x", input="question number 4"))
    await candidate.close()
    assert served_digest(candidate, settings) == found.version.recipe_digest
    assert answer.text == "delivery"


def test_what_changed_since_it_was_measured_is_not_served(place: Place) -> None:
    """The error says what changed; nothing is left behind."""
    place.write("prompts/words.txt", "Which topic is that? {input}")
    with pytest.raises(SettingsError, match=r"prompt.* changed since"):
        place.deploy()
    assert not list((place.folder / "store" / "endpoints").glob("*/*"))


def test_another_than_the_chosen_one_needs_a_reason(place: Place) -> None:
    """And the reason stays beside the evidence."""
    name = place.data.comparison.candidates[1].name
    with pytest.raises(SettingsError, match="--because"):
        place.deploy(candidate=name)
    with pytest.raises(UnknownName):
        place.deploy(candidate="nobody", because="why not")
    found = place.deploy(candidate=name, because="it is cheaper at night")
    assert found.version.evidence is not None
    assert found.version.evidence.overruled == "it is cheaper at night"


def test_a_second_version_is_a_canary(place: Place) -> None:
    """It answers its share, and the first one the rest."""
    place.deploy(name="winner")
    found = place.deploy(name="winner", percent=10)
    assert found.endpoint.split == {1: 90, 2: 10}
    assert found.version.folder != found.endpoint.version(1).folder


def test_a_model_can_be_served_as_it_is(place: Place) -> None:
    """Without a trial, and it says so."""
    found = deploy_model(place.workspace, "fake/parrot", Order(), who="anna")
    assert (found.endpoint.name, found.version.evidence) == ("parrot", None)


def test_weights_that_run_as_a_process_lie_in_the_versions_own_folder(place: Place) -> None:
    """Copied, with the tokenizer that shipped models share; whoever changes them elsewhere changes no endpoint."""
    order = Order(compute=ComputeSettings(kind="starter"))
    found = deploy_model(place.workspace, "starter/s", order, who="anna")
    assert found.version.compute is not None
    assert found.version.compute.weights == "weights/s"
    weights = place.folder / "store" / found.version.folder / "weights" / "s"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {one.name for one in weights.iterdir()}


def test_what_has_no_weights_here_cannot_run_here(place: Place) -> None:
    """Nothing is left behind; an unknown kind of compute names those there are."""
    with pytest.raises(SettingsError, match="nothing to run"):
        place.deploy(compute=ComputeSettings(kind="starter"))
    with pytest.raises(UnknownName, match="starter"):
        place.deploy(compute=ComputeSettings(kind="startre"))
    assert not list((place.folder / "store" / "endpoints").glob("*/*"))


@pytest.mark.parametrize("name", ["../../outside", "a/b", "Winner", "..", "-x"])
@pytest.mark.parametrize("reference", ["fake/parrot", "rerank/terms"])
def test_a_name_that_no_request_can_use_makes_no_folder(place: Place, name: str, reference: str) -> None:
    """Neither below the workspace nor anywhere else; the error says how one is written."""
    with pytest.raises(SettingsError, match="such as"):
        deploy_model(place.workspace, reference, Order(name=name), who="anna")
    assert not list((place.folder / "store" / "endpoints").glob("*"))
    assert not (place.folder / "outside").exists()


@pytest.mark.parametrize("reference", ["fake/parrot", "rerank/terms"])
def test_a_version_that_its_endpoint_cannot_have_leaves_no_copies(place: Place, reference: str) -> None:
    """A first version without another beside it, for a share of the requests."""
    with pytest.raises(SettingsError, match="no other version"):
        deploy_model(place.workspace, reference, Order(name="winner", percent=10), who="anna")
    assert not list((place.folder / "store" / "endpoints").glob("*/*"))


def test_a_removed_endpoint_leaves_no_copies(place: Place) -> None:
    """The trial stays."""
    found = place.deploy()
    folder = place.folder / "store" / found.version.folder
    assert folder.is_dir()
    remove_endpoint(place.workspace, found.endpoint.name, "anna")
    assert not folder.exists()
    with pytest.raises(DataError, match="deploy it again"):
        read_bundle(folder)
    with pytest.raises(UnknownName):
        standing(place.workspace, found.endpoint.name, found.version.evidence.expires_on)


def test_expired_evidence_is_told(place: Place) -> None:
    """From the day that the decision named."""
    found = place.deploy()
    day = found.version.evidence.expires_on
    assert standing(place.workspace, found.endpoint.name, day).expired == (1,)
    assert standing(place.workspace, found.endpoint.name, found.version.evidence.measured_on).expired == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [("Topics of 2026", "topics-of-2026"), ("客服意图", "endpoint"), ("--x--", "x"), ("é" * 80, "e" * 64)],
)
def test_any_task_gets_a_name_that_requests_can_use(text: str, name: str) -> None:
    """Small letters, digits and dashes."""
    assert endpoint_name(text) == name


async def _in_thread(call: Any) -> Any:
    """Deploying runs a loop of its own."""
    import asyncio

    return await asyncio.to_thread(call)
