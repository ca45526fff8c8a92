"""What `improve` plans before anybody is asked: whom it improves, with what, and which slips it finds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from touchstone.catalog.prices import OWN_MACHINE
from touchstone.config import load_settings
from touchstone.errors import ExtraMissing, TaskError
from touchstone.evaluation.base import BuildCost, Cost, MachineTime
from touchstone.reporting.base import CandidateResult
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.improve import Planned, after_the_change, plan
from touchstone.workspace.improve_costs import Taught, making_of, way_of
from touchstone.workspace.own_machine import runs_here
from touchstone.workspace.workspace import Workspace

Make = Callable[..., Planned]

LABELS = ("lamp", "chair")


def rows(dev: int = 0, train: int = 30, test: int = 4, word: str = "mend") -> str:
    lines = ["id,split,input,target"]
    for split, count in (("train", train), ("dev", dev), ("test", test)):
        lines += [
            f"{split}{n},{split},{word if split == 'test' else 'mend'} {LABELS[n % 2]} {n},{LABELS[n % 2]}"
            for n in range(count)
        ]
    return "\n".join(lines) + "\n"


def service(name: str, **more: Any) -> dict[str, Any]:
    """An entry of a service that nobody asks here."""
    entry = {"model": "openai-compatible", "base_url": "http://127.0.0.1:9/v1", "served_name": name, "name": name}
    return {**entry, "max_tokens": 10, "price": {"input_usd": 1, "output_usd": 2}, **more}


@pytest.fixture
def planned(tmp_path: Path) -> Iterator[Make]:
    """Plan a task of these candidates with this `improve` part."""
    place = Workspace(load_settings(tmp_path / "workspace"))
    (tmp_path / "handbook.md").write_text("# Lamps\n\nLamps are mended in May.\n")
    (tmp_path / "handbook-new.md").write_text("# Lamps\n\nLamps are mended in June.\n")

    def made(
        *entries: Any, cases: str = rows(), max_usd: float | None = None, train: bool = False, **section: Any
    ) -> Planned:
        (tmp_path / "cases.csv").write_text(cases)
        body: dict[str, Any] = {"task": "t", "instruction": "Name it.", "cases": "cases.csv"}
        body |= {"candidates": list(entries), "improve": section}
        body |= {"answer": {"kind": "label", "labels": list(LABELS)}}
        (tmp_path / "task.yaml").write_text(json.dumps(body))
        task = place.load_task(tmp_path / "task.yaml")
        return plan(task, place.ledger, CompareOptions(max_usd=max_usd), train=train)

    yield made
    place.close()


def improved(found: Planned) -> list[str]:
    return [model.model for model in found.plan.models]


def test_every_model_of_a_sweep_is_improved(planned: Make) -> None:
    """An entry that stands for two models is two models, each with ways of its own."""
    found = planned({"model": "starter/s"}, {"sweep": {"model": ["starter/m", "starter/l"]}}, ways=["few_shot"])
    assert improved(found) == ["starter/s", "starter/m", "starter/l"]
    assert "starter/l few_shot, k=8" in found.plan.candidates
    assert improved(planned({"sweep": {"model": ["starter/m", "starter/l"]}}, ways=["few_shot"])) == [
        "starter/m",
        "starter/l",
    ]


def test_a_sweep_of_words_is_one_model(planned: Make) -> None:
    """Its first variant stands for the others, and none where the model has an entry of its own; each can be named."""
    sweep = {"model": "starter/s", "sweep": {"system": ["Be short.", "Be kind."]}}
    assert improved(planned(sweep, ways=["few_shot"])) == ["starter/s, system=Be short."]
    assert improved(planned("starter/s", sweep, ways=["few_shot"])) == ["starter/s"]
    named = planned(sweep, ways=["few_shot"], models=["starter/s, system=Be kind."])
    assert improved(named) == ["starter/s, system=Be kind."]
    [shown] = {spec.parameters["system"] for spec in named.specs if spec.strategy == "few_shot"}
    assert shown == "Be kind."


def test_fine_tuned_weights_of_nobody_are_a_slip(planned: Make) -> None:
    """A name that is mistyped would leave the weights out without a word."""
    with pytest.raises(TaskError, match=r"improve.fine_tuned names 'starter/S', .* closest: starter/s"):
        planned("starter/s", fine_tuned={"starter/S": "weights"})


def test_to_train_without_what_trains_is_refused(planned: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left out in silence, whoever asks for it would get less than without asking."""
    monkeypatch.setattr("touchstone.workspace.improve.can_train", lambda: False)
    with pytest.raises(ExtraMissing, match=r"touchstone\[train\]"):
        planned("starter/s", train=True, fine_tuned={"starter/s": "weights"})
    monkeypatch.setattr("touchstone.workspace.improve.can_train", lambda: True)
    [model] = planned("starter/s", train=True).plan.models
    assert {way.way: way.rule for way in model.ways}["fine_tune"] == "asked"


def test_a_network_from_nothing_is_planned_once(planned: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever models there are: none of them is in it, and so no words to one of them, unless asked for."""
    monkeypatch.setattr("touchstone.workspace.improve.can_train", lambda: True)
    found = planned("starter/s", "starter/m", cases=rows(train=600), ways=["pretrain"], pretrain={"layers": 2})
    [spec] = [spec for spec in found.specs if spec.strategy == "pretrain"]
    assert (spec.name, spec.parameters["layers"]) == ("pretrain", 2)
    # The words that tell a model what it is are for who was not trained for one task.
    long = {"model": "starter/s", "system": "Name one of these labels: " + ", ".join(LABELS)}
    for wanted, system in (({}, None), ({"system": "Name it."}, "Name it.")):
        found = planned(long, cases=rows(train=600), ways=["pretrain"], pretrain=wanted)
        [spec] = [spec for spec in found.specs if spec.strategy == "pretrain"]
        assert spec.parameters.get("system") == system


def test_a_curve_of_a_baseline_is_planned_beside_the_baseline(planned: Make) -> None:
    """That the task file lists the baseline itself does not take its curve away; a sweep of its own does."""
    curve = [f"baseline/logistic, train_cases={count}" for count in (8, 15, 30)]
    found = planned("starter/s", "baseline/logistic", ways=["baseline"]).plan.candidates
    assert [name for name in found if "train_cases" in name] == curve
    own = {"model": "baseline/logistic", "sweep": {"train_cases": [5, 10]}}
    found = planned("starter/s", own, ways=["baseline"]).plan.candidates
    assert [name for name in found if "train_cases" in name] == [
        "baseline/logistic, train_cases=5",
        "baseline/logistic, train_cases=10",
    ]


def test_a_search_beyond_the_cap_is_left_out(planned: Make) -> None:
    """It is priced as the plan prices it; a larger cap, or none, lets it in."""

    def rule(max_usd: float | None, **section: Any) -> str:
        [model] = planned(service("m"), cases=rows(dev=24), max_usd=max_usd, **section).plan.models
        return next(way.rule for way in model.ways if way.way == "prompt_search")

    assert rule(0.0001) == "search.budget"
    assert rule(5.0) == "search.tune"
    assert rule(None) == "search.tune"
    assert rule(0.0001, also=["prompt_search"]) == "asked"


def test_labelled_cases_are_looked_up_as_documents_are(planned: Make) -> None:
    """`documents: {cases: train}` means what it means in an entry; what is looked up was learned, and grows old."""
    found = planned("starter/s", documents={"cases": "train"}, rag={"passages": 2}, ways=["rag", "few_shot+rag"])
    [model] = found.plan.models
    assert {way.way: way.rule for way in model.ways if way.tried}["rag"] == "rag.cases"
    [spec] = [spec for spec in found.specs if spec.strategy == "rag"]
    assert (spec.parameters["documents"], spec.parameters["passages"]) == ({"cases": "train"}, 2)
    result = CandidateResult.model_construct(strategy="rag", build=None, cost=Cost())
    making = making_of(result, spec, found.look)
    assert (making.labelled_cases, making.renewal) == (30, "again")

    nothing = planned("starter/s", documents={"cases": "train"}, cases=rows(train=0), ways=["rag"])
    assert {way.way: way.rule for way in nothing.plan.models[0].ways}["rag"] == "rag.missing"


def test_documents_named_for_passages_alone_count(planned: Make, tmp_path: Path) -> None:
    """Under `improve.rag`, as in an entry: the way is tried, a missing file is named, and new facts are read anew."""
    (tmp_path / "new.csv").write_text(rows(word="fix"))
    given = {"rag": {"documents": ["handbook.md"]}, "updated": UPDATED["updated"], "ways": ["rag"]}
    found = planned("starter/s", **given)
    [spec] = [spec for spec in found.specs if spec.strategy == "rag"]
    assert spec.parameters["documents"] == ["handbook.md"]
    after = [one["documents"] for one in after_the_change(found).file.candidates if isinstance(one, dict)]
    assert after == ["handbook-new.md"]
    with pytest.raises(TaskError, match=r"improve.rag names nowhere.md, which does not exist"):
        planned("starter/s", rag={"documents": "nowhere.md"})


def test_each_way_may_have_weights_of_its_own(planned: Make) -> None:
    """Trained with passages for who reads them; one folder is for both, and a way without one takes the plain one."""

    def weights(given: Any) -> dict[str, Any]:
        ways = ["rag", "fine_tune", "fine_tune+rag"]
        found = planned("starter/s", documents="handbook.md", fine_tuned={"starter/s": given}, ways=ways)
        return {spec.strategy: spec.parameters["weights"] for spec in found.specs if "fine_tune" in spec.strategy}

    assert weights("a") == {"fine_tune": "a", "fine_tune+rag": "a"}
    assert weights({"fine_tune": "a"}) == {"fine_tune": "a", "fine_tune+rag": "a"}
    assert weights({"fine_tune": "a", "fine_tune+rag": "b"}) == {"fine_tune": "a", "fine_tune+rag": "b"}
    with pytest.raises(TaskError, match="has no folder for fine_tune"):
        weights({"fine_tune+rag": "b"})


UPDATED = {"documents": "handbook.md", "updated": {"cases": "new.csv", "documents": "handbook-new.md"}}


def test_only_what_read_the_documents_reads_the_new_ones(planned: Make, tmp_path: Path) -> None:
    """Labelled cases, and other documents, are what they were."""
    (tmp_path / "new.csv").write_text(rows(word="fix"))
    (tmp_path / "other.md").write_text("# Other\n\nSomething else.\n")
    cases = {"model": "starter/s", "strategy": "rag", "documents": {"cases": "train"}, "name": "by cases"}
    other = {"model": "starter/s", "strategy": "rag", "documents": "other.md", "name": "by other"}
    after = after_the_change(planned("starter/s", cases, other, ways=["rag"], **UPDATED))
    read = {one["name"]: one["documents"] for one in after.file.candidates if isinstance(one, dict)}
    assert read == {"by cases": {"cases": "train"}, "by other": "other.md", "starter/s rag": "handbook-new.md"}


def test_updated_cases_teach_what_the_old_ones_taught(planned: Make, tmp_path: Path) -> None:
    """Other train or dev rows would be trained on and searched anew, which the view promises not to do."""
    for changed in (rows(train=29), rows(dev=1), rows().replace("mend lamp 0,lamp", "mend lamp 0,chair", 1)):
        (tmp_path / "new.csv").write_text(changed)
        with pytest.raises(TaskError, match=r"the train and dev rows of new.csv are not those of the cases before"):
            planned("starter/s", **UPDATED)
    (tmp_path / "new.csv").write_text(rows(test=3, word="fix"))
    planned("starter/s", **UPDATED)


@pytest.mark.parametrize(
    ("strategy", "endpoint", "source", "here"),
    [
        ("prompt", "starter/1|m|abc", "this machine", True),
        ("pretrain", "local/1|own|abc", "task file", True),
        ("prompt", "openai/1|http://127.0.0.1:11434/v1|qwen3|plain", OWN_MACHINE, True),
        ("prompt", "openai/1|http://127.0.0.1:8000/v1|m|plain", "task file", False),
        ("prompt", "openai/1|https://api.openai.com/v1|gpt|plain", "a snapshot", False),
        ("baseline", "this process", None, True),
        ("recorded", None, None, False),
    ],
)
def test_it_goes_by_who_answered_whose_machine_it_was(
    strategy: str, endpoint: str | None, source: str | None, here: bool
) -> None:
    """Weights read here and a local server without a price are the user's machine; a named price stands for itself."""
    assert runs_here(strategy, endpoint, source) == here


@pytest.mark.parametrize(
    ("strategy", "learned", "way"),
    [
        ("prompt", "fine_tune", "fine_tune"),
        ("prompt", "pretrain", "pretrain"),
        ("few_shot+rag", "fine_tune", "fine_tune+few_shot+rag"),
        ("fine_tune", "pretrain", "fine_tune"),
        ("fine_tune+rag", "fine_tune", "fine_tune+rag"),
    ],
)
def test_weights_named_by_folder_count_as_what_made_them(planned: Make, strategy: str, learned: str, way: str) -> None:
    """Their rows are labelled cases, their hours cost what hours cost, and new facts ask for them again."""
    training = Taught(way=learned, rows=36)
    machine = MachineTime(usd_per_hour=2.0)
    build = BuildCost(usd=0.0, took_s=1_800.0)
    result = CandidateResult.model_construct(strategy=strategy, build=build, cost=Cost(machine=machine))
    making = making_of(result, None, planned("starter/s").look, training)

    assert way_of(strategy, training) == way
    assert way_of(strategy, None) == strategy
    assert (making.usd, making.seconds, making.labelled_cases, making.renewal) == (1.0, 1_800.0, 36, "again")
    unpriced = result.model_copy(update={"cost": Cost(machine=MachineTime())})
    assert making_of(unpriced, None, planned("starter/s").look, training).usd is None
