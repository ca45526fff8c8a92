"""`touchstone train` in the workspace: what it prints is a candidate, and is what the strategy would have made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.strategies.stored import store_a_training

from touchstone.config import load_settings
from touchstone.data.base import Case
from touchstone.errors import UserError
from touchstone.evaluation.base import Candidate
from touchstone.models.local.words import OwnWords
from touchstone.models.starter.folder import SHIPPED
from touchstone.models.starter.tokens import Tokens
from touchstone.strategies import planned
from touchstone.strategies.example_pool import question_key
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.plan import make_plan
from touchstone.workspace.prepare import prepare
from touchstone.workspace.taskfile import load_task
from touchstone.workspace.train import ReadyToTrain, TrainOptions, ready_to_train, train
from touchstone.workspace.workspace import Workspace

ROWS = {"refund": "money back for order", "delivery": "where is the parcel of order", "login": "no login for account"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workspace]:
    lines = ["id,split,input,target"]
    for split, first, count in (("train", 0, 6), ("test", 200, 2)):
        for number in range(first, first + count):
            lines += [f"{label}{number},{split},{text} {number},{label}" for label, text in ROWS.items()]
    (tmp_path / "mail.csv").write_text("\n".join(lines), encoding="utf-8")
    write_task(tmp_path, "starter/s")
    (tmp_path / "general.csv").write_text("input,target\nWhat is it?,something\n")
    opened = Workspace(load_settings(tmp_path / "workspace"))
    yield opened
    opened.close()


def write_task(folder: Path, *candidates: Any) -> Path:
    task = {
        "task": "mail",
        "instruction": "Name the intent.",
        "cases": "mail.csv",
        "answer": {"kind": "label", "labels": ["delivery", "login", "refund"]},
        "candidates": candidates,
    }
    (folder / "task.yaml").write_text(json.dumps(task))
    return folder / "task.yaml"


async def ready(place: Workspace, folder: Path, strategy: Any = "fine_tune", **given: Any) -> ReadyToTrain:
    options = TrainOptions(strategy=strategy, name="mail", **{"model": "starter/s", **given})
    task, workspace = load_task(folder / "task.yaml"), place.settings.workspace
    return await ready_to_train(task, place.ledger, options, workspace=workspace, notice=lambda _line: None)


async def made_of(place: Workspace, folder: Path, entry: Any) -> tuple[Candidate, Any]:
    """The candidate of an entry, and its settings."""
    task = load_task(write_task(folder, entry))
    prepared = await prepare(task, place.ledger, CompareOptions(), workspace=place.settings.workspace)
    await prepared.close()
    return prepared.candidates[0], prepared.settings[0]


@pytest.mark.parametrize("strategy", ["fine_tune", "pretrain"])
async def test_what_it_prints_is_a_candidate_with_all_that_is_known(
    place: Workspace, tmp_path: Path, strategy: str
) -> None:
    """Not stale, with what making it took, and blocked where it learned a test case; the general set is on its page."""
    family = {"family": "decoder-only"} if strategy == "pretrain" else {}
    general = {} if strategy == "pretrain" else {"general": str(tmp_path / "general.csv")}
    wanted = await ready(place, tmp_path, strategy, parameters={"epochs": 7.0, "max_hours": 1.0, **family, **general})
    kept = place.settings.workspace / "trained" / wanted.lesson.digest
    store_a_training(kept, wanted.lesson.digest)
    made = await train(wanted, workspace=place.settings.workspace)
    candidate, settings = await made_of(place, tmp_path, dict(made.entry))
    tested = question_key(Case(id="any", input="Money back for order 200!"))
    (kept / "asked.json").write_text(json.dumps([tested]))
    _, blocked = await made_of(place, tmp_path, dict(made.entry))

    assert made.entry["strategy"] == strategy
    assert made.entry["weights"] == str(kept.resolve())
    assert candidate.name == made.entry["name"] == "mail"
    assert "findings" not in settings
    assert settings["build"]["took_s"] == 12.5
    assert [(one["kind"], one["blocks"]) for one in blocked["findings"]] == [("leak", True)]
    assert blocked["findings"][0]["values"]["rows"] == "refund200 (row 19)"
    assert made.id == "own/mail"
    assert ("| general.csv, after | 0 |" in made.page.read_text()) is (strategy == "fine_tune")


async def test_the_same_training_is_found_by_the_strategy(place: Workspace, tmp_path: Path) -> None:
    """One digest whoever asks, so it is never paid twice."""
    for strategy in ("fine_tune", "pretrain"):
        wanted = await ready(place, tmp_path, strategy)
        store_a_training(place.settings.workspace / "trained" / wanted.lesson.digest, wanted.lesson.digest, keys=[1])
        _, settings = await made_of(place, tmp_path, {"model": "starter/s", "strategy": strategy})
        assert settings["training_digest"] == wanted.lesson.digest[:16]
        write_task(tmp_path, "starter/s")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"architectures": ["BertForMaskedLM"]}, "is an encoder"),
        ({"hidden_size": "large"}, "does not say hidden_size"),
    ],
)
async def test_a_base_that_does_not_fit_is_refused_before_anything_begins(
    place: Workspace, tmp_path: Path, config: dict[str, Any], said: str
) -> None:
    """As the strategy refuses it."""
    shutil.copytree(SHIPPED / "s", tmp_path / "bert")
    shutil.copy(SHIPPED / "tokenizer.json", tmp_path / "bert")
    known = json.loads((SHIPPED / "s" / "config.json").read_text())
    (tmp_path / "bert" / "config.json").write_text(json.dumps({**known, **config}))
    given = {"model": "starter/bert", "model_parameters": {"folder": str(tmp_path / "bert")}}
    with pytest.raises(UserError, match=said):
        await ready(place, tmp_path, **given)


async def test_a_dry_run_says_what_training_will_take(
    place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds by what a training here took before; money is unknown until somebody prices an hour of the machine."""
    monkeypatch.setattr(planned, "can_train", lambda: True)
    store_a_training(place.settings.workspace / "trained" / "another", "e" * 64, keys=[1])
    task = json.loads(write_task(tmp_path, {"model": "starter/s", "strategy": "fine_tune"}).read_text())
    found = []
    for improve in ({}, {"improve": {"machine_usd_per_hour": 3_600}}):
        (tmp_path / "task.yaml").write_text(json.dumps({**task, **improve}))
        told: list[str] = []
        asked = load_task(tmp_path / "task.yaml"), place.ledger, CompareOptions()
        plan = await make_plan(*asked, workspace=place.settings.workspace, notice=told.append)
        found.append(plan.candidates[0].build)
        assert told[0].startswith("starter/s fine_tune: training takes 18 rows")

    assert all(one is not None and one.forecast and one.took_s for one in found)
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].usd is None
    assert found[1].usd == found[1].took_s


async def test_a_plan_says_which_calls_will_fail_and_how_long_building_takes(
    place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted by the model's own vocabulary, to the token; what is asked of somebody else's model is not counted."""
    monkeypatch.setattr(planned, "can_train", lambda: True)
    word = " money"

    async def plan_of(*entries: Any) -> Any:
        task = load_task(write_task(tmp_path, *entries))
        return await make_plan(task, place.ledger, CompareOptions(), workspace=place.settings.workspace)

    fits, too_long = [
        (await plan_of({"model": "starter/s", "system": word * count})).candidates[0].too_long for count in (700, 760)
    ]
    assert fits is None
    assert too_long is not None
    assert (too_long.calls, too_long.most) == (6, 767)
    words = OwnWords(Tokens.read(SHIPPED / "tokenizer.json"))
    asked = [[("system", word * 760), ("user", f"{text} {n}")] for n in (200, 201) for text in ROWS.values()]
    assert too_long.longest == max(len(words.asked(turns)) for turns in asked)
    exact = await plan_of({"model": "starter/s", "system": word * (760 - (too_long.longest - 767))})
    assert exact.candidates[0].too_long is None
    over = await plan_of({"model": "starter/s", "system": word * (761 - (too_long.longest - 767))})
    assert over.candidates[0].too_long is not None
    [line] = [line for line in over.lines(str) if "calls will fail" in line]
    assert "of 6 calls will fail: it reads at most 767 tokens and is asked up to 768" in line

    # A network from nothing has a vocabulary of its own, whatever stands in for it.
    assert (await plan_of({"model": "starter/s", "strategy": "pretrain", "system": word * 900})).candidates[
        0
    ].too_long is None
    entries = [{"model": "starter/s", "strategy": "fine_tune"}, {"model": "starter/s", "strategy": "pretrain"}]
    built = await plan_of(*entries)
    assert any("Built first, in all: about" in line for line in built.lines(str))
    assert "  Building comes on top: 0 calls, expected USD unknown" in built.lines(str)
    assert not any("Built first, in all" in line for line in over.lines(str))


def test_what_was_found_while_a_candidate_was_made_stands_among_the_caveats(place: Workspace, tmp_path: Path) -> None:
    """What forbids a claim stands with the decision; what does not is told too, under the candidate's name."""
    store_a_training(tmp_path / "tuned", "d" * 64)
    entry = {
        "model": "starter/s",
        "strategy": "fine_tune",
        "weights": "tuned",
        "general": "general.csv",
        "name": "mine",
    }
    data = place.compare(load_task(write_task(tmp_path, "starter/s", {**entry, "name": "mine"})), CompareOptions())
    told = [note.text() for note in data.comparison.warnings]

    assert any(line.startswith("mine: nobody knows what the weights in tuned were trained on") for line in told)
    assert any(line.startswith("mine: of 1 cases of general.csv") and "nothing shows" in line for line in told)
