"""What the candidates of a task file promise: understood before anybody is asked, or refused by line and name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import examples

from touchstone import plugins
from touchstone.catalog.base import Facts
from touchstone.data.base import Case, CaseSummary
from touchstone.errors import DataError, SettingsError, TaskError, UserError
from touchstone.evaluation.base import Candidate
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.strategies.base import Workshop
from touchstone.workspace.candidates import Lanes, checked_model, make_candidates, make_workshop, read_specs
from touchstone.workspace.taskfile import Task, load_task


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path_factory.mktemp("store") / "store.db")
    cases = [
        Case(id=f"{split}{number}", input=f"{split} text {number}", target="xy"[number % 2], split=split)
        for split in ("train", "dev", "test")
        for number in range(4)
    ]
    ledger.datasets.add(CaseSummary(counts={}, labels={}, tags={}, groups=0, digest="d", described=""), cases)
    yield ledger
    ledger.close()


def task_of(folder: Path, *entries: Any, **more: Any) -> Task:
    """A task file whose n-th candidate stands on line 3 + n."""
    (folder / "cases.csv").write_text("id,input,target\n1,a,x\n")
    lines = ["task: t", "cases: cases.csv", "candidates:", *(f"  - {json.dumps(entry)}" for entry in entries)]
    lines += [f"{key}: {json.dumps(value)}" for key, value in more.items()]
    (folder / "task.yaml").write_text("\n".join(lines), encoding="utf-8")
    return load_task(folder / "task.yaml")


def outputs(folder: Path, *models: str | None) -> str:
    rows = [{"case_id": "test0", "output": f"by {model}", **({"model": model} if model else {})} for model in models]
    (folder / "out.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return "out.jsonl"


def workshop(task: Task, ledger: Ledger, **more: Any) -> Workshop:
    columns = frozenset({"input", "id", "options"})
    return make_workshop(task, "d", columns, Purse(ledger), Lanes(concurrency=16, resends=1), **more)


async def made(task: Task, ledger: Ledger) -> tuple[tuple[Candidate, Mapping[str, Any]], ...]:
    return await make_candidates(task, read_specs(task, ledger), workshop(task, ledger))


def test_entries_become_specs(ledger: Ledger, tmp_path: Path) -> None:
    """Text or mapping; strategy by the model's name; parameters apart from what we know; the line remembered."""
    task = task_of(
        tmp_path,
        "baseline/majority",
        {"model": "fake/parrot", "name": "bird", "temperature": 0.5, "licence": "open_weights", "self_hostable": True},
        {"model": "openai-compatible", "base_url": "http://127.0.0.1:1/v1", "served_name": "mine"},
    )
    specs = read_specs(task, ledger)

    assert [(spec.name, spec.strategy, spec.line) for spec in specs] == [
        ("baseline/majority", "baseline", 4),
        ("bird", "prompt", 5),
        ("mine", "prompt", 6),
    ]
    assert specs[0].facts == Facts(licence="open", self_hostable=True)
    assert specs[1].facts == Facts(licence="open_weights", self_hostable=True)
    assert specs[2].facts == Facts()
    assert specs[1].parameters == {"temperature": 0.5}


def test_a_recording_stands_for_every_model_in_its_file(ledger: Ledger, tmp_path: Path) -> None:
    """Or for those that are named; a file without a model column is one, called after the file or as one likes."""
    file = outputs(tmp_path, "a", "b", "c")

    def names(**more: Any) -> list[str]:
        return [spec.name for spec in read_specs(task_of(tmp_path, {"recorded": file, **more}), ledger)]

    assert names() == ["a", "b", "c"]
    assert names(model=["c", "a"]) == ["c", "a"]
    assert names(model="b", name="mine") == ["mine"]
    outputs(tmp_path, None)
    assert names() == ["out"]
    assert names(model="m") == ["m"]
    assert names(name="mine") == ["mine"]


MISTAKES: list[tuple[Any, str]] = [
    ({"name": "x"}, "a candidate needs a `model`"),
    ({"model": ""}, "a candidate needs a `model`"),
    ({"model": 5}, "a candidate needs a `model`"),
    ({"model": "fake/parrot", "strategy": "promt"}, "there is no strategy 'promt'; there are baseline, .*prompt"),
    ({"model": "fake/parrot", "strategy": "recorded"}, "`recorded: FILE`"),
    ({"model": "fake/parrot", "licence": "mit"}, "licence is 'mit'; use open"),
    ({"model": "fake/parrot", "self_hostable": "maybe"}, "self_hostable is 'maybe'; use true or false"),
    ({"model": "fake/parrot", "name": " "}, "the name '' cannot be used"),
    ({"model": "fake/parrot", "name": "a\nb"}, "cannot be used"),
    ({"model": "fake/parrot", "name": "x" * 201}, "cannot be used"),
    ({"recorded": "nowhere.jsonl"}, "nowhere.jsonl do not exist"),
    ({"recorded": 5}, "`recorded` is a file name"),
    ({"recorded": "out.jsonl", "columns": ["a"]}, "`columns` a mapping"),
    ({"recorded": "out.jsonl", "columns": {"case_id": ["a"]}}, "`columns` a mapping"),
    ({"recorded": "out.jsonl", "encoding": 5}, "`encoding` a name"),
    ({"recorded": "out.jsonl", "columns": {"outptu": "x"}}, "known: output"),
    ({"recorded": "out.jsonl", "colums": {}}, "recorded outputs have no key 'colums'; there are columns"),
    ({"recorded": "out.jsonl", "model": "z"}, "out.jsonl has no outputs of 'z'; it has a, b"),
    ({"model": "baseline/majorty"}, "baseline/majority"),
    ({"model": "baseline/logistic", "c": "x"}, "c is 'x'"),
    ({"model": "fake/parrot", "temprature": 1}, "did you mean 'temperature'|temprature"),
    ({"model": "fake/parrot", "prompt": "{inptu}"}, r"the template uses \{inptu\}"),
    ({"model": "fake/parrot", "script": "missing.jsonl"}, "script .*missing.jsonl cannot be read"),
    ({"model": "olama/qwen3"}, "ollama"),
    ({"model": "openai-compatible", "served_name": "m"}, "needs base_url"),
]


@pytest.mark.parametrize(("entry", "words"), MISTAKES, ids=[str(entry)[:60] for entry, _ in MISTAKES])
async def test_every_mistake_names_the_line_of_its_entry(
    ledger: Ledger, tmp_path: Path, entry: Any, words: str
) -> None:
    """The second entry's mistake is told with the second entry's line, in one line, with the remedy."""
    outputs(tmp_path, "a", "b")
    task = task_of(tmp_path, "baseline/majority", entry)
    with pytest.raises(TaskError, match=words) as caught:
        await made(task, ledger)

    assert str(caught.value).startswith(f"{task.path}, line 5: ")
    assert "\n" not in str(caught.value)


def test_two_candidates_may_not_share_a_name(ledger: Ledger, tmp_path: Path) -> None:
    """The second one's line is named."""
    with pytest.raises(TaskError, match="line 5: two candidates are called 'fake/parrot'"):
        read_specs(task_of(tmp_path, "fake/parrot", {"model": "fake/parrot", "temperature": 1}), ledger)


def test_an_empty_recording_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    """There would be nobody to compare."""
    (tmp_path / "out.jsonl").write_text("")
    with pytest.raises(DataError, match=r"out.jsonl"):
        read_specs(task_of(tmp_path, {"recorded": "out.jsonl"}), ledger)


async def test_candidates_answer_with_what_they_were_made_from(ledger: Ledger, tmp_path: Path) -> None:
    """A baseline, a model and a recording side by side, each with its settings for the report."""
    task = task_of(
        tmp_path,
        "baseline/majority",
        {"model": "fake/parrot", "system": ""},
        {"recorded": outputs(tmp_path, "a")},
    )
    pairs = await made(task, ledger)
    case = Case(id="test0", input="hello")

    assert [(await candidate.answer(case)).text for candidate, _ in pairs] == ["x", "hello", "by a"]
    assert [settings["strategy"] for _, settings in pairs] == ["baseline", "prompt", "recorded"]
    for candidate, _ in pairs:
        await candidate.close()


async def test_what_was_made_is_closed_when_a_later_one_fails(ledger: Ledger, tmp_path: Path) -> None:
    """No connection or model is left open by a task that is refused."""
    task = task_of(tmp_path, "baseline/majority", "fake/parrot", {"model": "fake/parrot", "name": "b", "k": 1})
    seen: list[Any] = []
    shop = workshop(task, ledger)
    open_callers = shop.make_caller

    def make_caller(reference: str, parameters: Mapping[str, Any]) -> Any:
        seen.append(Closing(open_callers(reference, parameters)))
        return seen[-1]

    with pytest.raises(TaskError):
        await make_candidates(task, read_specs(task, ledger), Workshop(**{**vars(shop), "make_caller": make_caller}))
    assert [caller.closed for caller in seen] == [True]


class Closing:
    """A caller that remembers whether it was closed."""

    def __init__(self, caller: Any) -> None:
        self.caller = caller
        self.closed = False
        self.price, self.endpoint = caller.price, caller.endpoint

    async def close(self) -> None:
        self.closed = True


def test_a_workshop_gives_train_and_dev_and_never_test(ledger: Ledger, tmp_path: Path) -> None:
    """No test case can end in a prompt or a training set, whoever asks."""
    shop = workshop(task_of(tmp_path, "fake/parrot"), ledger)

    assert [case.id for case in shop.learning_cases("train")] == [f"train{number}" for number in range(4)]
    assert [case.id for case in shop.learning_cases("dev")] == [f"dev{number}" for number in range(4)]
    for split in ("test", "", "Test", "validation"):
        with pytest.raises(ValueError, match="may not see"):
            shop.learning_cases(split)


def test_models_are_journalled_and_paid_from_the_purse_of_the_run(ledger: Ledger, tmp_path: Path) -> None:
    """All candidates share one cap, and an offline run asks nobody."""
    task = task_of(tmp_path, "fake/parrot", limits={"concurrency": 5})
    purse = Purse(ledger, cap_usd=1.0)
    shop = make_workshop(task, "d", frozenset(), purse, Lanes(concurrency=5, resends=1), offline=True)
    one, other = (shop.make_caller("fake/parrot", {"paid": True}) for _ in range(2))

    assert one.purse is other.purse is purse
    assert shop.ledger is ledger
    assert one.offline
    assert shop.make_caller("ollama/qwen3", {}).model.concurrency == 5
    assert shop.make_caller("ollama/qwen3", {"concurrency": 2}).model.concurrency == 2


def test_models_of_one_account_share_a_lane(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One address and key is one account, whatever models are asked there; another key or address is another one."""
    for name in ("KEY_A", "KEY_B"):
        monkeypatch.setenv(name, "secret")
    shop = workshop(task_of(tmp_path, "fake/parrot"), ledger)

    def lane(served_name: str, port: int, key_env: str) -> Any:
        place = {"base_url": f"http://127.0.0.1:{port}/v1", "served_name": served_name, "key_env": key_env}
        return shop.make_caller("openai-compatible", place).lane

    small = lane("small", 1, "KEY_A")
    assert lane("large", 1, "KEY_A") is small
    assert lane("small", 1, "KEY_B") is not small
    assert lane("small", 2, "KEY_A") is not small
    assert "secret" not in small.name
    assert small.state.concurrency == 16
    assert small.settings.resends == 1


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text("ab{}/:. 退", max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "error", "every"]), inner),
    max_leaves=4,
)
keys = "name strategy licence self_hostable temperature max_tokens stop prompt system extra response_format price"
keys += " fail rules labels accuracy seed latency_s columns encoding recorded c features script reply served_name paid"


@given(
    model=st.sampled_from(["fake/parrot", "baseline/majority", "baseline/logistic", "openai-compatible", "x"]),
    more=st.dictionaries(st.sampled_from(keys.split()), anything, max_size=2),
)
@examples(50)
def test_any_entry_is_a_candidate_or_an_error_for_the_user(
    ledger: Ledger, tmp_path_factory: pytest.TempPathFactory, model: str, more: dict[str, Any]
) -> None:
    """No other error comes out, whatever stands in an entry."""
    folder = tmp_path_factory.getbasetemp()

    async def make() -> None:
        try:
            task = task_of(folder, {"model": model, **more})
            pairs = await made(task, ledger)
        except UserError:
            return
        for candidate, _ in pairs:
            await candidate.close()

    asyncio.run(make())


GUEST = '''
from touchstone.errors import SettingsError
from touchstone.models.fake import FakeModel


class GuestModel(FakeModel):
    """A plug-in's model that can tell beforehand that it could not be asked."""

    def __init__(self, served_name: str) -> None:
        super().__init__("parrot")

    def check(self) -> None:
        raise SettingsError("set {variable}", variable="GUEST_KEY")
'''


def test_any_model_may_refuse_before_it_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in's `check` is heard as our own endpoint's is; whoever asks nobody needs no key."""
    info = tmp_path / "guest-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[touchstone.model]\nguest = touchstone_guest:GuestModel\n")
    (tmp_path / "touchstone_guest.py").write_text(GUEST)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.look_again()
    own = {"base_url": "http://127.0.0.1:9/v1", "served_name": "m", "key_env": "NO_SUCH_KEY_HERE"}
    try:
        with pytest.raises(SettingsError, match="set GUEST_KEY"):
            checked_model("guest/m", {}, tmp_path, asking=True)
        with pytest.raises(SettingsError, match="NO_SUCH_KEY_HERE"):
            checked_model("openai-compatible", own, tmp_path, asking=True)
        assert checked_model("guest/m", {}, tmp_path, asking=False).name
        assert checked_model("openai-compatible", own, tmp_path, asking=False).name
        assert checked_model("fake/parrot", {}, tmp_path, asking=True).name
    finally:
        monkeypatch.undo()
        plugins.look_again()
