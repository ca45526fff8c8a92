"""What the recorded strategy promises: answers of any origin, scored as live ones are, each file read once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.data.base import Case
from touchstone.errors import DataError, ModelError, SettingsError, UnknownName
from touchstone.evaluation.base import Candidate
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.recordings import Recordings
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.recorded import Recorded, open_recordings


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path_factory.mktemp("store") / "store.db")
    yield ledger
    ledger.close()


def jsonl(folder: Path, *rows: dict[str, Any], name: str = "outputs.jsonl") -> Path:
    file = folder / name
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return file


async def prepare(ledger: Ledger, file: Path, of: str | None = None, **parameters: Any) -> Candidate:
    workshop = Workshop(
        instruction="",
        answer=AnswerSpec(),
        columns=frozenset(),
        folder=file.parent,
        learning_cases=lambda _split: iter(()),
        make_caller=lambda *_: (_ for _ in ()).throw(AssertionError("a recording asks no model")),
        ledger=ledger,
    )
    spec = CandidateSpec(
        name="rec", model=of or "m", strategy="recorded", parameters={"file": file.name, "of": of, **parameters}
    )
    return await Recorded().prepare(spec, workshop)


async def test_an_output_comes_back_with_its_numbers(ledger: Ledger, tmp_path: Path) -> None:
    """Text letter for letter, tokens, latency and cost; what the file does not say is unknown."""
    file = jsonl(
        tmp_path,
        {
            "case_id": "1",
            "model": "a",
            "output": " 是的\n",
            "input_tokens": 7,
            "output_tokens": 2,
            "latency_s": 1.5,
            "cost_usd": 0.25,
        },
        {"case_id": "2", "model": "a", "output": "no"},
        {"case_id": "1", "model": "b", "output": "other"},
    )
    candidate = await prepare(ledger, file, "a")
    first = await candidate.answer(Case(id="1"))
    second = await candidate.answer(Case(id="2"))

    assert (first.text, first.usage.input_tokens, first.usage.output_tokens) == (" 是的\n", 7, 2)
    assert (first.latency_s, first.cost_usd) == (1.5, 0.25)
    assert (second.text, second.usage.input_tokens, second.latency_s, second.cost_usd) == ("no", None, None, None)
    assert (await (await prepare(ledger, file, "b")).answer(Case(id="1"))).text == "other"


async def test_repeats_are_the_outputs_in_the_order_of_the_file(ledger: Ledger, tmp_path: Path) -> None:
    """One more than there are is missing, not the first again."""
    file = jsonl(tmp_path, *({"case_id": "1", "model": "a", "output": text} for text in ("x", "y")))
    candidate = await prepare(ledger, file, "a")

    assert [(await candidate.answer(Case(id="1"), draw=draw)).text for draw in (0, 1)] == ["x", "y"]
    with pytest.raises(ModelError, match=r"outputs.jsonl has no output of a for case 1"):
        await candidate.answer(Case(id="1"), draw=2)


async def test_a_recorded_failure_is_a_failure(ledger: Ledger, tmp_path: Path) -> None:
    """An error, or no output at all; an empty output is an output."""
    file = jsonl(
        tmp_path,
        {"case_id": "1", "model": "a", "output": "half", "error": "timeout"},
        {"case_id": "2", "model": "a", "output": None},
        {"case_id": "3", "model": "a", "output": "", "error": ""},
    )
    candidate = await prepare(ledger, file, "a")
    with pytest.raises(ModelError, match="recorded failure: timeout"):
        await candidate.answer(Case(id="1"))
    with pytest.raises(ModelError, match="the output is missing"):
        await candidate.answer(Case(id="2"))
    assert (await candidate.answer(Case(id="3"))).text == ""


async def test_a_file_without_a_model_column_is_one_model(ledger: Ledger, tmp_path: Path) -> None:
    """Whatever it is called."""
    file = jsonl(tmp_path, {"case_id": "1", "output": "x"})
    assert (await (await prepare(ledger, file, "mine")).answer(Case(id="1"))).text == "x"


async def test_other_column_names_are_mapped(ledger: Ledger, tmp_path: Path) -> None:
    """Numbers as ids are text; structured outputs are their JSON."""
    file = jsonl(tmp_path, {"qid": 7, "who": "a", "reply": {"answer": "ja"}})
    candidate = await prepare(ledger, file, "a", columns={"case_id": "qid", "model": "who", "output": "reply"})
    assert (await candidate.answer(Case(id="7"))).text == '{"answer":"ja"}'


async def test_an_unknown_model_names_those_there_are(ledger: Ledger, tmp_path: Path) -> None:
    """With the file."""
    file = jsonl(tmp_path, {"case_id": "1", "model": "a", "output": "x"})
    with pytest.raises(SettingsError, match=r"rec: .*outputs.jsonl has no outputs of 'c'; it has a"):
        await prepare(ledger, file, "c")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"case_id": "", "output": "x"}, "row 2: the case id is empty"),
        ({"case_id": "1", "output": "x", "latency_s": "fast"}, "row 2: latency_s is 'fast'; write a number"),
        ({"case_id": "1", "output": "x", "cost_usd": -1}, "row 2: cost_usd is -1"),
        ({"case_id": "1", "output": "x", "input_tokens": [1]}, r"row 2: input_tokens is \[1\]"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(ledger: Ledger, tmp_path: Path, row: dict[str, Any], words: str) -> None:
    """Nothing of the file is kept, so that the mended file is read anew."""
    good = {"case_id": "0", "output": "x", "latency_s": 1, "cost_usd": 0, "input_tokens": 1}
    with pytest.raises(DataError, match=words):
        open_recordings(ledger, jsonl(tmp_path, good, row), {})
    assert open_recordings(ledger, jsonl(tmp_path, good), {}).models() == {"": 1}


def test_numbers_that_are_not_numbers_are_missing(ledger: Ledger, tmp_path: Path) -> None:
    """NaN is how typed tables write a hole; it is neither an error nor zero."""
    file = tmp_path / "outputs.csv"
    file.write_text("case_id,output,latency_s,cost_usd,input_tokens\n1,x,NaN,,nan\n")
    found = open_recordings(ledger, file, {}).find("", "1")

    assert found is not None
    assert (found.latency_s, found.cost_usd, found.input_tokens) == (None, None, None)


def test_a_missing_column_names_the_closest(ledger: Ledger, tmp_path: Path) -> None:
    """And how to map it; a mapped column that is not there is as wrong as a missing one."""
    file = jsonl(tmp_path, {"caseid": "1", "output": "x"})
    with pytest.raises(DataError, match=r"no column 'case_id'.*columns: \{case_id: caseid\}"):
        open_recordings(ledger, file, {})
    with pytest.raises(DataError, match="no column 'price'"):
        open_recordings(ledger, file, {"case_id": "caseid", "cost_usd": "price"})
    with pytest.raises(UnknownName, match="output"):
        open_recordings(ledger, file, {"outptu": "x"})


def test_a_file_that_is_not_there_is_named(ledger: Ledger, tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(DataError, match=r"nowhere.jsonl: there is no such file"):
        open_recordings(ledger, tmp_path / "nowhere.jsonl", {})


def test_a_file_is_read_once_and_again_when_it_changed(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes, its column mapping and its encoding are what it is known by."""
    added = []
    add = Recordings.add
    monkeypatch.setattr(Recordings, "add", lambda self, rows: added.append(1) or add(self, rows))
    file = jsonl(tmp_path, {"case_id": "1", "model": "a", "output": "once"}, name="o.jsonl")
    for _ in range(3):
        open_recordings(ledger, file, {})
    assert len(added) == 1
    open_recordings(ledger, file, {"output": "output"})
    assert len(added) == 2
    jsonl(tmp_path, {"case_id": "1", "model": "a", "output": "y"}, name="o.jsonl")
    assert open_recordings(ledger, file, {}).find("a", "1").output == "y"
    assert len(added) == 3


def test_the_same_bytes_in_another_encoding_are_other_answers(ledger: Ledger, tmp_path: Path) -> None:
    """A mended `encoding` is not answered from what was read before."""
    file = tmp_path / "gb.csv"
    file.write_bytes("case_id,output\n1,退货\n".encode("gb18030"))
    wrong = open_recordings(ledger, file, {}, encoding="latin-1").find("", "1")
    right = open_recordings(ledger, file, {}, encoding="gb18030").find("", "1")

    assert wrong is not None
    assert right is not None
    assert (wrong.output == "退货", right.output == "退货") == (False, True)


@given(outputs=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_outputs_are_kept_letter_for_letter(
    ledger: Ledger, tmp_path_factory: pytest.TempPathFactory, outputs: list[str]
) -> None:
    """Whatever a model wrote: NUL, line breaks, direction marks."""
    rows = ({"case_id": str(at), "model": "a", "output": text} for at, text in enumerate(outputs))
    found = open_recordings(ledger, jsonl(tmp_path_factory.mktemp("outputs"), *rows), {})
    for at, text in enumerate(outputs):
        recording = found.find("a", str(at))
        assert recording is not None
        assert recording.output == text


async def test_a_file_may_start_with_failed_calls(ledger: Ledger, tmp_path: Path) -> None:
    """Rows of JSON Lines need not all have the same keys; columns are looked for in the first hundred."""
    failed = [{"case_id": str(n), "model": "m", "error": "timeout"} for n in range(99)]
    candidate = await prepare(ledger, jsonl(tmp_path, *failed, {"case_id": "x", "model": "m", "output": "yes"}), of="m")

    assert (await candidate.answer(Case(id="x"))).text == "yes"
    with pytest.raises(ModelError, match="timeout"):
        await candidate.answer(Case(id="0"))
    with pytest.raises(DataError, match="there is no column 'output'; the file has case_id, model, error"):
        await prepare(ledger, jsonl(tmp_path, *failed, name="failed.jsonl"), of="m")


async def test_copies_of_a_case_take_the_outputs_of_its_id_in_turn(ledger: Ledger, tmp_path: Path) -> None:
    """Where there are fewer outputs than copies, the rest are answered like the first."""
    rows = [{"case_id": "a", "model": "m", "output": output} for output in ("one", "two")]
    candidate = await prepare(ledger, jsonl(tmp_path, *rows), of="m")
    answers = [(await candidate.answer(Case(id="a", copy_number=copy))).text for copy in range(3)]
    assert answers == ["one", "two", "one"]


async def test_another_recording_under_the_same_name_is_another_candidate(ledger: Ledger, tmp_path: Path) -> None:
    """What was scored of the old answers says nothing of the new ones; the same bytes stay the same candidate."""
    file = jsonl(tmp_path, {"case_id": "1", "model": "a", "output": "4"})
    first = await prepare(ledger, file, "a")
    same = await prepare(ledger, file, "a")
    jsonl(tmp_path, {"case_id": "1", "model": "a", "output": "5"})
    other = await prepare(ledger, file, "a")

    assert first.recipe.fingerprint == same.recipe.fingerprint
    assert first.recipe.fingerprint != other.recipe.fingerprint
