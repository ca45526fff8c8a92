"""Fine-tuning as a strategy: learned from train alone, kept under a digest, asked like any model, told in words."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.strategies.shop import LABELS, Shop, case
from tests.strategies.stored import store_a_training

from touchstone.catalog.own import own_models
from touchstone.data.base import Case
from touchstone.errors import ExtraMissing, SettingsError, UserError
from touchstone.evaluation.base import Finding
from touchstone.evaluation.intervals import estimate
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.models.local.words import OwnWords
from touchstone.models.resolve import make_model
from touchstone.models.starter.folder import SHIPPED
from touchstone.models.starter.tokens import Tokens
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies import planned, trained
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.chat import PromptCandidate
from touchstone.strategies.draft import compose
from touchstone.strategies.example_pool import question_key
from touchstone.strategies.few_shot import FewShot
from touchstone.strategies.fine_tune import FineTune, FineTuneSettings, make_lesson
from touchstone.strategies.general import General
from touchstone.strategies.known_weights import (
    QUESTIONS,
    WEIGHTS_LEARNED,
    findings_of_weights,
    given_folder,
    keep_what_is_learned,
    keys_of,
    questions_of,
    training_folder,
    way_of_training,
)
from touchstone.strategies.planned import forecast_of
from touchstone.strategies.pretrain import Pretrain, PretrainSettings, without_task
from touchstone.strategies.pretrain import make_lesson as make_lesson_from_nothing
from touchstone.strategies.prompt import Prompt
from touchstone.strategies.rag_finder import STAND_IN, Read
from touchstone.strategies.row_lengths import lengths_of
from touchstone.strategies.trained import find_base
from touchstone.strategies.trained_rows import read_rows
from touchstone.training import run
from touchstone.training.base import Example, TrainingJob
from touchstone.training.examples import rows_by
from touchstone.training.forecast import Device
from touchstone.training.remote import rows_body

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
        own = reference.startswith("local")
        folder = self.workshop.folder
        model = local(parameters) if own else make_model(reference, parameters=parameters, folder=folder)
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


async def test_a_stored_training_answers_without_the_libraries_of_training(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named by `weights`: base, losses, seconds and what nobody knows stand in the settings."""
    monkeypatch.setattr(run, "can_train", lambda: False)
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
    tested = case("q1", "Where is my refund?", "refund", row=4)
    store_a_training(tmp_path / "tuned", "d" * 64, keys=[question_key(tested), 5])
    bench = Workbench(ledger, tmp_path, tested=(tested,))
    candidate = await bench.make(FineTune(), weights="tuned")
    leak = next(one for one in candidate.about["findings"] if one["kind"] == "leak")
    (tmp_path / "tuned" / "asked.json").unlink()
    unknown = (await bench.make(FineTune(), weights="tuned")).about["findings"]

    assert leak["blocks"]
    assert (leak["values"]["count"], leak["values"]["rows"]) == (1, "q1 (row 4)")
    assert [(one["kind"], one["blocks"]) for one in unknown] == [("unknown_rows", False)]


async def test_a_test_case_in_train_is_never_learned_and_blocks_the_claim(ledger: Ledger, tmp_path: Path) -> None:
    """Rows are written from the other cases; what the workspace found of it is passed on."""
    from touchstone.strategies.trained import findings_of_rows

    planted = case("planted", "Where IS my refund", "refund", "train", row=37)
    found = Finding(kind="leak", template="{row}", values={"row": 37}, blocks=True)
    bench = Workbench(
        ledger, tmp_path, learning=(*TRAIN, planted), tested=(case("q1", "Where is my refund?"),),
        leaks=lambda split: (found,) if split == "train" else (),
    )  # fmt: skip
    draft = await draft_of(bench)
    rows = await read_rows(draft, bench.workshop, None)

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
    dev = case("d1", "money back now", "refund", "dev")
    bench = Workbench(ledger, tmp_path, learning=(*TRAIN, dev, case("n", "no target", None, "train")))
    draft = await draft_of(bench)
    rows, few, fewer = [await read_rows(draft, bench.workshop, count) for count in (None, 20, 10)]

    assert [role for role, _ in rows.examples[0].turns] == ["system", "user", "assistant"]
    assert rows.examples[0].turns[1:] == (("user", "money back 1"), ("assistant", "refund"))
    assert rows.held_back[0].turns[1] == ("user", "money back now")
    assert (len(rows.examples), rows.without_target) == (len(TRAIN), 1)
    assert set(fewer.examples) < set(few.examples) < set(rows.examples)
    with pytest.raises(SettingsError, match="36 cases"):
        await read_rows(draft, bench.workshop, 37)


async def test_nothing_is_spent_before_it_is_known_that_it_can_be_done(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that is missing, weights that are elsewhere, a value that cannot be, cases that are none."""
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
    monkeypatch.setattr(planned, "can_train", lambda: True)
    bench = Workbench(ledger, tmp_path, planning=True)
    candidate = await bench.make(FineTune(), FewShot(), k=1)
    await bench.make(Pretrain())

    assert candidate.about["build"]["forecast"]
    assert candidate.about["build"]["took_s"] > 0
    assert bench.notices[0].startswith("mine: training takes 36 rows, about ")
    assert " MB and about 0:" in bench.notices[0]
    assert "7B" in bench.notices[-1]
    assert not list((tmp_path / "workspace" / trained.TRAINED).glob("?" * 64))


async def test_rows_that_lose_their_answer_are_told_before_anything_is_trained(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where most would, nothing begins and the long system text is named; where some do, plan and run say how many."""
    monkeypatch.setattr(planned, "can_train", lambda: True)
    labels = ", ".join(f"a label with many words, the {number}th of them" for number in range(60))
    for planning in (True, False):
        bench = Workbench(ledger, tmp_path, planning=planning)
        with pytest.raises(
            SettingsError, match=r"about 36 of 36 rows are longer than the 768 tokens .* system text \("
        ):
            await bench.make(FineTune(), system=labels)

    long = case("long", "money back " * 800, "refund", "train", row=99)
    bench = Workbench(ledger, tmp_path, planning=True, learning=(*TRAIN, long))
    candidate = await bench.make(FineTune())
    [told] = [one for one in candidate.about["findings"] if one["kind"] == "cut_rows"]
    assert (told["values"]["cut"], told["values"]["rows"], told["blocks"]) == (1, 37, False)


async def test_a_forecast_counts_tokens_as_the_base_does(ledger: Ledger, tmp_path: Path) -> None:
    """A small vocabulary needs more tokens than four bytes each; what is cut is not learned and not counted."""
    bench = Workbench(ledger, tmp_path)
    draft = await draft_of(bench)
    base = find_base(draft, bench.workshop)
    lesson = await make_lesson(draft, FineTuneSettings(), bench.workshop, base)
    words = OwnWords(Tokens.read(SHIPPED / "tokenizer.json"))
    counts = [len(words.conversation(one.turns)[0]) for one in lesson.rows.examples]
    found = lengths_of(lesson)
    assert found is not None
    assert (found.rows, found.tokens, found.longest, found.cut) == (36, sum(counts), max(counts), 0)
    assert found.tokens > 1.2 * lesson.rows.estimated_tokens
    device = Device(name="d", flops=1e12)
    expected = forecast_of(lesson, device, found)
    assert expected.tokens == round(sum(counts) * lesson.job.loop.epochs)
    short = replace(lesson, job=lesson.job.model_copy(update={"longest": 16}))
    cut = lengths_of(short)
    assert cut is not None
    assert (cut.tokens, cut.cut) == (16 * 36, 36)


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


@pytest.mark.usefixtures("every_training")
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


class Pages:
    """Finds two pages: one that is no use, and one that says the target of a train case."""

    identity = "pages"

    def find(self, asked: Case) -> list[Read]:
        return [Read("1", "Nothing here.", "a.md", 1.0), Read("2", f"It is about {asked.target}s.", "a.md", 0.5),
                Read("3", f"It is a {asked.target}.", "a.md", 0.4), *self.labelled]  # fmt: skip

    stand_in = find

    def __init__(self, *labelled: Read) -> None:
        self.labelled = labelled


class Reads(FewShot):
    """Adds passages, as `rag` does."""

    name = "rag"
    stage = 30
    parameters = frozenset()

    def __init__(self, *labelled: Read) -> None:
        self.pages = Pages(*labelled)

    async def add(self, draft: Any, given: Mapping[str, Any], workshop: Workshop) -> Any:
        return draft.with_part(self.name, {}, finder=self.pages, system=f"{draft.system}\nCite.")


class Rows(FineTune):
    """Stands where `fine_tune` does and keeps the rows."""

    made: Any = None

    async def add(self, draft: Any, given: Mapping[str, Any], workshop: Workshop) -> Any:
        self.made = await read_rows(draft, workshop, None)
        return draft


async def test_rows_hold_the_passages_and_examples_that_are_asked_with(ledger: Ledger, tmp_path: Path) -> None:
    """Whatever the order of the names; an answer names the first passage that holds it, where answers cite."""
    answer = AnswerSpec(kind="text", citations=True)
    bench = Workbench(ledger, tmp_path, answer=answer)
    asked, again = Rows(), Rows()
    candidate = await bench.make(asked, FewShot(), Reads(), k=2)
    await bench.make(Reads(), again, FewShot(), k=2)
    row = asked.made.examples[0]

    assert [role for role, _ in row.turns] == ["system", "user", "assistant", "user", "assistant", "user", "assistant"]
    assert row.turns[0][1].endswith("Cite.")
    assert row.turns[-2][1] == (
        "Passages:\n[1] Nothing here.\n[2] It is about refunds.\n[3] It is a refund.\n\nQuestion: money back 1"
    )
    assert row.turns[-1][1] == "refund [3]"
    assert row.last_alone
    assert asked.made.examples == again.made.examples
    assert [turn.content for turn in candidate.messages(TRAIN[0])] == [text for _, text in row.turns[:-1]]


async def test_no_test_case_stands_among_the_examples_and_passages_of_a_row(ledger: Ledger, tmp_path: Path) -> None:
    """Its answer would be learned there as well as in a row of its own."""
    twin = case("q", "MONEY BACK 2", "refund")
    leaked = Read("4", "money back 2 -> refund", str(question_key(twin)), 0.3)
    bench = Workbench(ledger, tmp_path, tested=(twin,))
    asked = Rows()
    await bench.make(asked, FewShot(), Reads(leaked), k=3)

    assert asked.made.in_test == 1
    assert all("money back 2" not in text.split("\n") for row in asked.made.examples for _, text in row.turns)
    assert all("money back 2 ->" not in text for row in asked.made.examples for _, text in row.turns)


async def test_examples_in_a_row_are_read_and_the_last_answer_is_learned(tmp_path: Path) -> None:
    """Or those of a dev split would be learned too; a provider is told so by a weight."""
    words = OwnWords(Tokens.read(SHIPPED / "tokenizer.json"))
    turns = (("user", "one"), ("assistant", "red"), ("user", "two"), ("assistant", "blue"))
    job = TrainingJob(way="full", base=tmp_path)
    both, last = (
        rows_by([Example(turns=turns, last_alone=alone)], words, job, place=tmp_path).rows for alone in (False, True)
    )

    assert words.text(both.tokens[both.said].tolist()).replace(" ", "") == "redblue"
    assert words.text(last.tokens[last.said].tolist()).strip() == "blue"
    assert Example(turns=turns).model_dump_json() == json.dumps({"turns": turns}, separators=(",", ":"))
    said = json.loads(rows_body([Example(turns=turns, last_alone=True)]))["messages"]
    assert [one.get("weight") for one in said] == [None, 0, None, None]


async def test_weights_that_learned_no_passages_are_told_from_stale_ones(ledger: Ledger, tmp_path: Path) -> None:
    """The same rows without what this entry shows beside them: it may do better, and nothing is stale."""
    bench = Workbench(ledger, tmp_path)
    draft = await draft_of(bench)
    lesson = await make_lesson(draft, FineTuneSettings(), bench.workshop, find_base(draft, bench.workshop))
    store_a_training(tmp_path / "tuned", lesson.digest, keys=[1])
    given: tuple[tuple[tuple[Any, ...], dict[str, Any]], ...] = (((), {}), ((Reads(),), {}), ((), {"epochs": 99}))
    alone, read, longer = [
        (await bench.make(FineTune(), *others, weights="tuned", **more)).about.get("findings", [])
        for others, more in given
    ]

    assert [one["kind"] for found in (alone, read, longer) for one in found] == ["bare_rows", "stale"]
    assert "without the examples or passages" in read[0]["template"]


async def test_a_plan_that_has_no_index_yet_calls_no_weights_stale(ledger: Ledger, tmp_path: Path) -> None:
    """Which passages stand in the rows is not known then; once they are found it is said."""
    store_a_training(tmp_path / "tuned", "d" * 64, keys=[1])
    bench = Workbench(ledger, tmp_path, planning=True)
    told = []
    for identity in (STAND_IN, "pages"):
        reads = Reads()
        reads.pages.identity = identity
        candidate = await bench.make(FineTune(), reads, weights="tuned")
        told.append([one["kind"] for one in candidate.about.get("findings", [])])
    assert told == [[], ["stale"]]


@pytest.mark.parametrize("inner", ["model", ""])
async def test_a_folder_of_weights_is_known_however_it_is_named(ledger: Ledger, tmp_path: Path, inner: str) -> None:
    """As a model's folder too: its leaks block, and what it took is told; also below whatever it is trained into."""
    tested = case("q1", "Where is my refund?", "refund", row=4)
    store_a_training(tmp_path / "tuned", "d" * 64, keys=[question_key(tested)])
    if not inner:
        for file in (tmp_path / "tuned" / "model").iterdir():
            file.rename(tmp_path / "tuned" / file.name)
        (tmp_path / "tuned" / "result.json").unlink()
    bench = Workbench(ledger, tmp_path, tested=(tested,))
    candidate = await bench.make(Prompt(), folder=str(Path("tuned") / inner))
    await candidate.close()

    assert [one["kind"] for one in candidate.about["findings"]] == ["leak"]
    assert candidate.about["build"]["took_s"] == (12.5 if inner else None)
    learned = {"way": "fine_tune", "training_digest": "d" * 16, "rows": 36}
    assert candidate.about.get(WEIGHTS_LEARNED) == (learned if inner else None)
    plain = await bench.make(Prompt())
    assert WEIGHTS_LEARNED not in plain.about
    assert "findings" not in plain.about
    assert plain.about["build"]["took_s"] == 0


@pytest.mark.parametrize(
    ("job", "way"),
    [
        ('{"job": {"way": "pretrain"}}', "pretrain"),
        ('{"job": {"way": "lora"}}', "fine_tune"),
        ('{"job": 5}', "fine_tune"),
        (None, "fine_tune"),
    ],
)
def test_a_job_beside_weights_says_what_they_began_with(tmp_path: Path, job: str | None, way: str) -> None:
    """Without it, or where it cannot be read, they count as trained further: what is shared is copied without it."""
    if job is not None:
        (tmp_path / "job.json").write_text(job)
    assert way_of_training(tmp_path) == way


async def test_what_a_base_had_learned_is_learned_by_what_is_made_of_it(ledger: Ledger, tmp_path: Path) -> None:
    """Keys and questions go on; where nobody knows those of the base, nobody knows those of what was made of it."""
    tested = case("q1", "a question that is long enough to hold thirteen words in a row, as this one does", row=4)
    base = store_a_training(tmp_path / "tuned", "d" * 64, keys=[7]) / "model"
    (base.parent / QUESTIONS).write_text(json.dumps(f"Please tell: {tested.input} Thanks") + "\n")
    keep_what_is_learned(tmp_path / "next", [8], ["own"], base)
    bench = Workbench(ledger, tmp_path, tested=(tested,))
    draft = replace(await draft_of(bench), model_parameters={"folder": str(base)})
    (found,) = findings_of_weights("mine", tmp_path / "next", bench.workshop)

    assert keys_of(tmp_path / "next") == frozenset({7, 8})
    assert found.values["rows"] == "q1 (row 4)"
    assert given_folder(draft.model_parameters, bench.workshop) == base
    (base.parent / "asked.json").unlink()
    keep_what_is_learned(tmp_path / "third", [8], ["own"], base)
    assert keys_of(tmp_path / "third") is None


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
async def test_files_beside_weights_are_read_only_where_they_are_files(ledger: Ledger, tmp_path: Path) -> None:
    """A link may lead to what never ends, and a number that is none is no key."""
    base = store_a_training(tmp_path / "tuned", "d" * 64, keys=[1])
    for name in ("asked.json", "questions.jsonl", "result.json"):
        (base / name).unlink(missing_ok=True)
        (base / name).symlink_to("/dev/zero")
    assert keys_of(base) is None
    assert list(questions_of(base)) == []
    assert training_folder(base / "model") is None
    for said in ('{"a": 1}', '["x"]', "[1", "null"):
        (base / "asked.json").unlink()
        (base / "asked.json").write_text(said)
        assert keys_of(base) is None


async def test_ready_weights_need_nothing_to_learn_from(ledger: Ledger, tmp_path: Path) -> None:
    """Nothing is trained, so a task without train cases can use them; nobody says then that they are stale."""
    store_a_training(tmp_path / "tuned", "d" * 64, keys=[1])
    bench = Workbench(ledger, tmp_path, learning=())
    for strategy in (FineTune(), Pretrain()):
        candidate = await bench.make(strategy, weights="tuned")
        assert "findings" not in candidate.about
        assert candidate.about["build"]["took_s"] == 12.5
    (tmp_path / "tuned" / "result.json").unlink()
    with pytest.raises(SettingsError, match="no training of Touchstone's"):
        await bench.make(Pretrain(), weights="tuned/model")


async def test_a_general_set_shows_what_was_forgotten(ledger: Ledger, tmp_path: Path) -> None:
    """Both models are asked; the share of right answers before and after is told, and settings stay as they are."""
    store_a_training(tmp_path / "tuned", "d" * 64, keys=[1])
    bench = Workbench(ledger, tmp_path)
    said = await (await bench.make(Prompt(), system="")).answer(case("g", "What is it?"))
    (tmp_path / "general.csv").write_text(f"input,target\nWhat is it?,{said.text}\nWho?,nobody at all\nNo target,\n")
    plain = await bench.make(FineTune(), weights="tuned")
    candidate = await bench.make(FineTune(), weights="tuned", general="general.csv")
    kept = candidate.about["findings"][-1]

    assert (kept["kind"], kept["values"]["n"], kept["values"]["before"]) == ("kept", 2, 0.5)
    assert kept["template"].format(**kept["values"]).startswith("mine: of 2 cases of general.csv, which are no part")
    told = {"build", "findings"}
    assert {key: one for key, one in candidate.about.items() if key not in told} == {
        key: one for key, one in plain.about.items() if key not in told
    }
    for name, match in (("none.csv", "does not exist"), ("empty.csv", "no case with a target")):
        (tmp_path / "empty.csv").write_text("input,target\na,\n")
        with pytest.raises(SettingsError, match=match):
            await bench.make(FineTune(), general=name)
    with pytest.raises(SettingsError, match="backend: service"):
        await bench.make(FineTune(), general="general.csv", backend="service", train_usd=1.0)


def test_forgetting_is_said_where_it_is_shown() -> None:
    """Fifty cases of which half are lost are no chance; two of fifty may be."""

    def told(after: int, p: float) -> Finding:
        before, now = estimate([1.0] * 40 + [0.0] * 10), estimate([1.0] * after + [0.0] * (50 - after))
        return General(file="g.csv", before=before, after=now, p=p).finding("mine")

    assert told(20, 1e-6).kind == "forgot"
    assert told(38, 0.5).kind == "kept"
    assert told(48, 1e-3).kind == "kept"


async def test_a_comparison_puts_what_it_trained_into_the_catalog(ledger: Ledger, tmp_path: Path) -> None:
    """Once, under a name that holds the training's digest, with base, rows and what was forgotten on its page."""
    bench = Workbench(ledger, tmp_path)
    draft = await draft_of(bench)
    lesson = await make_lesson(draft, FineTuneSettings(), bench.workshop, find_base(draft, bench.workshop))
    workspace = tmp_path / "workspace"
    store_a_training(workspace / trained.TRAINED / lesson.digest, lesson.digest, keys=[1])
    (tmp_path / "general.csv").write_text("input,target\nWhat is it?,something\n")
    for _ in range(2):
        await (await bench.make(FineTune(), general="general.csv")).close()
        (card,) = own_models(workspace / "catalog").cards
        page = workspace / trained.TRAINED / lesson.digest / "card.md"
        told = page.read_text()
        page.write_text("the user's own words")

    assert card.model.id == f"own/mine-{lesson.digest[:8]}"
    assert card.model.base_model == "touchstone/starter-s"
    assert told == "the user's own words"


async def test_the_command_and_the_strategy_learn_the_same(ledger: Ledger, tmp_path: Path) -> None:
    """`touchstone train --way pretrain` says no system text where the strategy says none; one digest, one training."""
    bench = Workbench(ledger, tmp_path)
    draft = without_task(await draft_of(bench))
    lesson = await make_lesson_from_nothing(draft, PretrainSettings(), bench.workshop)
    store_a_training(tmp_path / "workspace" / trained.TRAINED / lesson.digest, lesson.digest, keys=[1])
    candidate = await bench.make(Pretrain())

    assert candidate.about["training_digest"] == lesson.digest[:16]
    assert [role for role, _ in lesson.rows.examples[0].turns] == ["user", "assistant"]
    cited = without_task(draft.with_part("cite", {}, system=f"{bench.workshop.instruction}\nCite."))
    assert cited.system.endswith("Cite.")
