"""Fine-tuning as a strategy: learned from train alone, kept under a digest, asked like any model, told in words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.strategies.shop import LABELS, Shop, case

from touchstone.errors import ExtraMissing, SettingsError, UserError
from touchstone.evaluation.base import Finding
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.models.resolve import make_model
from touchstone.models.starter.folder import SHIPPED
from touchstone.strategies import fine_tune, pretrain, trained
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.chat import PromptCandidate
from touchstone.strategies.draft import compose
from touchstone.strategies.few_shot import FewShot
from touchstone.strategies.fine_tune import FineTune, FineTuneSettings
from touchstone.strategies.pretrain import Pretrain, PretrainSettings
from touchstone.training.base import Trained
from touchstone.training.steps import Step

TRAIN = tuple(
    case(f"{label}{number}", f"{text} {number}", label, "train", row=number)
    for label, text in (("refund", "money back"), ("shipping", "where is it"), ("login", "cannot sign in"))
    for number in range(1, 13)
)


class Workbench:
    """A workshop whose models are the real ones, with a workspace to train in."""

    def __init__(self, ledger: Ledger, folder: Path, **more: Any) -> None:
        self.notices: list[str] = []
        given = {"learning": TRAIN, "workspace": folder / "workspace", "notice": self.notices.append, **more}
        shop = Shop(ledger, folder, **given)
        self.workshop: Workshop = shop.workshop
        object.__setattr__(self.workshop, "make_caller", self._caller)
        self.parameters: Mapping[str, Any] = {}

    def _caller(self, reference: str, parameters: Mapping[str, Any]) -> Journal:
        self.parameters = {"model": reference, **parameters}
        model = make_model(reference, parameters=parameters) if not reference.startswith("local") else local(parameters)
        return Journal(model, Purse(self.workshop.ledger))

    async def make(self, *ingredients: Any, model: str = "starter/s", **parameters: Any) -> PromptCandidate:
        strategy = "+".join(one.name for one in ingredients)
        spec = CandidateSpec(name="mine", model=model, strategy=strategy, parameters=parameters)
        return await compose(ingredients, spec, self.workshop)


def local(parameters: Mapping[str, Any]) -> Any:
    """The model kind `local`, which this installation may not have registered."""
    from touchstone.models.local.model import LocalModel

    return LocalModel("own", **parameters)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store.db")
    yield ledger
    ledger.close()


def store_a_training(folder: Path, digest: str, keys: list[int] | None = None) -> Path:
    """What a training leaves, with the weights of a starter model."""
    (folder / "model").mkdir(parents=True)
    for file in (SHIPPED / "s" / "config.json", SHIPPED / "s" / "model.safetensors", SHIPPED / "tokenizer.json"):
        shutil.copyfile(file, folder / "model" / file.name)
    step = Step(step=9, of=9, loss=0.5, learning_rate=1e-3, tokens_per_s=100.0, seconds_left=0.0, elapsed_s=12.5)
    told = Trained(
        digest=digest, folder=Path("model"), steps=(step,), held_back_loss=0.4, held_back_loss_before=2.0,
        parameters=10, trained_parameters=5, rows=36, tokens=900, seconds=12.5, device="cpu",
    )  # fmt: skip
    (folder / "result.json").write_text(told.model_dump_json(), encoding="utf-8")
    if keys is not None:
        (folder / "asked.json").write_bytes(orjson.dumps(keys))
    return folder


async def test_a_stored_training_answers_without_the_libraries_of_training(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named by `weights`: base, losses, seconds and what nobody knows stand in the settings."""
    monkeypatch.setattr(fine_tune, "can_train", lambda: False)
    store_a_training(tmp_path / "tuned", "d" * 64, keys=[1, 2])
    bench = Workbench(ledger, tmp_path)
    candidate = await bench.make(FineTune(), weights="tuned")
    try:
        completion = await candidate.answer(case("q", "where is it"))
        again = await candidate.answer(case("q", "where is it"))
    finally:
        await candidate.close()

    assert completion.text
    assert completion.text == again.text
    assert bench.parameters["model"] == "starter/s-tuned"
    assert candidate.about["held_back_loss"] == 0.4
    assert candidate.about["build"]["took_s"] == 12.5
    assert [one["kind"] for one in candidate.about["findings"]] == ["stale"]
    assert str(tmp_path) not in json.dumps([candidate.recipe.model_dump(mode="json"), dict(candidate.about)])


async def test_weights_that_know_test_cases_block_the_claim(ledger: Ledger, tmp_path: Path) -> None:
    """Also where they were trained elsewhere, on rows that are not here any more; unknown rows are told too."""
    from touchstone.strategies.example_pool import question_key

    tested = case("q1", "Where is my refund?", "refund")
    store_a_training(tmp_path / "tuned", "d" * 64, keys=[question_key(tested), 5])
    bench = Workbench(ledger, tmp_path, tested=(tested,))
    candidate = await bench.make(FineTune(), weights="tuned")
    leak = next(one for one in candidate.about["findings"] if one["kind"] == "leak")
    (tmp_path / "tuned" / "asked.json").unlink()
    unknown = (await bench.make(FineTune(), weights="tuned")).about["findings"]

    assert leak["blocks"]
    assert leak["values"]["count"] == 1
    assert [(one["kind"], one["blocks"]) for one in unknown] == [("unknown_rows", False)]


async def test_a_test_case_in_train_is_never_learned_and_blocks_the_claim(ledger: Ledger, tmp_path: Path) -> None:
    """Rows are written from the other cases; what the workspace found of it is passed on."""
    from touchstone.strategies.trained import findings_of_rows
    from touchstone.strategies.trained_rows import read_rows

    planted = case("planted", "Where IS my refund", "refund", "train", row=37)
    found = Finding(kind="leak", template="{row}", values={"row": 37}, blocks=True)
    bench = Workbench(
        ledger, tmp_path, learning=(*TRAIN, planted), tested=(case("q1", "Where is my refund?"),),
        leaks=lambda split: (found,) if split == "train" else (),
    )  # fmt: skip
    draft = await draft_of(bench)
    rows = read_rows(draft, bench.workshop, None)

    assert len(rows.examples) == len(TRAIN)
    assert rows.in_test == 1
    assert findings_of_rows(rows, bench.workshop) == (found,)


async def draft_of(bench: Workbench) -> Any:
    """The draft of a prompt candidate."""
    kept: list[Any] = []

    class Keep(FineTune):
        name = "keep"

        async def add(self, draft: Any, given: Mapping[str, Any], workshop: Workshop) -> Any:
            kept.append(draft)
            return draft

    await (await bench.make(Keep())).close()
    return kept[0]


async def test_rows_say_what_the_candidate_will_ask(ledger: Ledger, tmp_path: Path) -> None:
    """System text, question, and the answer in the form that is read; dev cases are held back, not learned."""
    from touchstone.strategies.trained_rows import read_rows

    dev = case("d1", "money back now", "refund", "dev")
    bench = Workbench(ledger, tmp_path, learning=(*TRAIN, dev, case("n", "no target", None, "train")))
    draft = await draft_of(bench)
    rows = read_rows(draft, bench.workshop, None)
    few, fewer = (read_rows(draft, bench.workshop, count).examples for count in (20, 10))

    assert [role for role, _ in rows.examples[0].turns] == ["system", "user", "assistant"]
    assert rows.examples[0].turns[1:] == (("user", "money back 1"), ("assistant", "refund"))
    assert rows.held_back[0].turns[1] == ("user", "money back now")
    assert (len(rows.examples), rows.without_target) == (len(TRAIN), 1)
    assert set(fewer) < set(few) < set(rows.examples)
    with pytest.raises(SettingsError, match="36 cases"):
        read_rows(draft, bench.workshop, 37)


async def test_nothing_is_spent_before_it_is_known_that_it_can_be_done(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that is missing, weights that are elsewhere, a value that cannot be, cases that are none."""
    from touchstone.training import run

    monkeypatch.setattr(run, "can_train", lambda: False)
    bench = Workbench(ledger, tmp_path)
    with pytest.raises(ExtraMissing, match="train"):
        await bench.make(FineTune())
    with pytest.raises(SettingsError, match="not on this machine"):
        await bench.make(FineTune(), model="fake/parrot")
    with pytest.raises(SettingsError, match="way"):
        await bench.make(FineTune(), way="magic")
    with pytest.raises(SettingsError, match="no weights"):
        await bench.make(FineTune(), weights="nowhere")
    with pytest.raises(UserError, match="learns from train cases"):
        await Workbench(ledger, tmp_path, learning=()).make(FineTune())


async def test_a_plan_trains_nothing_and_says_what_it_will_take(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model as it is stands in for the one to come; a network of a real size stands beside one from nothing."""
    monkeypatch.setattr(fine_tune, "can_train", lambda: True)
    monkeypatch.setattr(pretrain, "can_train", lambda: True)
    bench = Workbench(ledger, tmp_path, planning=True)
    candidate = await bench.make(FineTune(), FewShot(), k=1)
    await bench.make(Pretrain())

    assert candidate.about["build"]["forecast"]
    assert bench.notices[0].startswith("fine-tuning starter/s: 36 rows")
    assert "7B" in bench.notices[-1]
    assert not list((tmp_path / "workspace" / trained.TRAINED).glob("?" * 64))


def test_no_other_ingredient_takes_the_same_parameters() -> None:
    """So that they can be joined with examples, passages and a search."""
    from touchstone.strategies.prompt_search import PromptSearch
    from touchstone.strategies.rag import Rag
    from touchstone.strategies.request_fields import OWN_FIELDS

    for one in (FineTune, Pretrain):
        for other in (FewShot, PromptSearch, Rag):
            assert not one.parameters & other.parameters
        assert not one.parameters & set(OWN_FIELDS)
        assert not one.parameters & {
            "name",
            "model",
            "strategy",
            "licence",
            "self_hostable",
            "sweep",
            "price",
            "folder",
        }
    assert FineTuneSettings().model_dump().keys() == FineTune.parameters
    assert PretrainSettings().model_dump().keys() == Pretrain.parameters


async def test_fine_tuned_for_real_it_is_stored_found_again_and_answers_byte_for_byte(
    ledger: Ledger, tmp_path: Path
) -> None:
    """A starter model learns three labels; the second time nothing is trained."""
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    asked = [case(f"q{number}", text) for number, text in enumerate(("money back 77", "where is it 31"))]
    answers, settings = [], []
    for name in ("one", "two"):
        # A store of its own, so that the second answers are not the stored first ones.
        own = Ledger(tmp_path / f"{name}.db")
        bench = Workbench(own, tmp_path)
        candidate = await bench.make(FineTune(), epochs=15, learning_rate=1e-3)
        try:
            answers.append([(await candidate.answer(one)).text for one in asked])
        finally:
            await candidate.close()
            own.close()
        settings.append(dict(candidate.about))
        assert bool(bench.notices) is (name == "one")

    assert answers[0] == answers[1]
    assert settings[0] == settings[1]
    assert set(answers[0]) <= set(LABELS.labels)
    assert settings[0]["base"] == "starter/s"
    assert settings[0]["way"] == "full"
    assert settings[0]["build"]["took_s"] > 0


async def test_an_encoder_from_nothing_says_labels(ledger: Ledger, tmp_path: Path) -> None:
    """Where the answer is one of a few labels, whatever model the entry names."""
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    bench = Workbench(ledger, tmp_path)
    candidate = await bench.make(
        Pretrain(), layers=1, width=32, heads=2, vocabulary=400, epochs=30, batch_tokens=256, learning_rate=5e-3
    )
    try:
        completion = await candidate.answer(case("q", "cannot sign in 99"))
    finally:
        await candidate.close()

    assert candidate.system == ""
    assert candidate.about["family"] == "encoder-only"
    assert candidate.about["labels"] == 3
    assert completion.text == "login"
    assert bench.parameters["model"] == "local/own-encoder-only"
