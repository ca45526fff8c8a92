"""What the look for leaks promises: it names which learning case gives away which test case, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import Run

from touchstone.data.base import Case, CaseSummary
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.strategies.example_pool import question_key
from touchstone.training.leaks import TestTexts
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.candidates import Lanes, make_workshop
from touchstone.workspace.identity import identify
from touchstone.workspace.leaks import leak_findings, named_in_test
from touchstone.workspace.prepare import Prepared, prepare
from touchstone.workspace.taskfile import Task, load_task


def test_the_row_of_a_file_is_named() -> None:
    """Whoever mends it looks for a row, not for an id that may be made up."""
    [planted] = [one.model_copy(update={"row": 7}) for one in cases("train", ["two"])]
    [asked] = [one.model_copy(update={"row": 3}) for one in cases("test", ["Two"])]
    [found] = leak_findings([planted], TestTexts([asked]), "train")
    assert found.values["pairs"] == "train0 (row 7) = test0 (row 3)"


def cases(split: str, texts: Iterable[str]) -> list[Case]:
    return [Case(id=f"{split}{place}", input=text, target="x", split=split) for place, text in enumerate(texts)]


def test_a_planted_test_case_is_named() -> None:
    """With the row of both; capitals, punctuation and spacing make no other question."""
    tested = TestTexts(cases("test", ["Where is my parcel?", "I cannot log in"]))
    [found] = leak_findings(cases("train", ["where is  my parcel", "Hello"]), tested, "train")
    assert found.blocks
    assert found.kind == "leak"
    assert found.template.format(**found.values).startswith(
        "1 cases of train ask what test cases ask (train0 = test0): what learned from them knows the answers"
    )
    assert leak_findings(cases("train", ["Hello"]), tested, "train") == ()


@given(st.lists(st.text(max_size=4), max_size=30), st.lists(st.text(max_size=4), max_size=30))
def test_as_many_as_there_are(learned: list[str], tested: list[str]) -> None:
    """Every learning case with the question of a test case counts, whether or not there is room to name it."""
    keys = {question_key(case) for case in cases("test", tested)}
    count = sum(question_key(case) in keys for case in cases("dev", learned))
    found = leak_findings(cases("dev", learned), TestTexts(cases("test", tested)), "dev")
    assert sum(one.values["count"] for one in found) == count
    assert all(str(one.values["pairs"]).count("=") <= 10 or "=" in "".join(learned + tested) for one in found)


def test_test_cases_are_named_from_keys_and_from_questions() -> None:
    """Each once, in the order of the rows; of a key the whole question is known, of a question its pieces too."""
    long = "one two three four five six seven eight nine ten eleven twelve thirteen"
    asked = [one.model_copy(update={"row": 9 - at}) for at, one in enumerate(cases("test", ["Two!", long, "other"]))]
    tested = TestTexts(asked)
    keys = {question_key(asked[0]), 5}

    assert named_in_test(tested, keys, ["two", f"Tell me: {long.upper()}!"]) == ("test1 (row 8)", "test0 (row 9)")
    assert named_in_test(tested, [], [long.removesuffix(" thirteen")]) == ()


def test_a_workshop_tells_leaks_and_no_test_case(tmp_path: Path) -> None:
    """A strategy asks for a split and gets findings; of its own keys it learns which are asked in test."""
    (tmp_path / "cases.csv").write_text("id,input,target\n1,a,x\n")
    (tmp_path / "task.yaml").write_text("task: t\ncases: cases.csv\ncandidates: [fake/parrot]\n")
    ledger = Ledger(tmp_path / "store.db")
    both = [*cases("train", ["one", "two"]), *cases("dev", ["three"]), *cases("test", ["Two!", "four"])]
    ledger.datasets.add(CaseSummary(counts={}, labels={}, tags={}, groups=0, digest="d", described=""), both)
    task = load_task(tmp_path / "task.yaml")
    shop = make_workshop(task, "d", frozenset({"input"}), Purse(ledger), Lanes(concurrency=1, resends=1))
    [found] = shop.leaks("train")
    assert found.values["pairs"] == "train1 = test0"
    assert shop.leaks("dev") == ()
    keys = frozenset(question_key(case) for case in both if case.split == "train")
    assert shop.asked_in_test(keys) == {question_key(both[1])}
    assert shop.named_in_test(keys, ["four"]) == ("test0", "test1")
    ledger.close()


# `leaks: drop` --------------------------------------------------------------------------------------------------------

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen"


def planted(folder: Path, *, leaks_planted: bool = True, **more: Any) -> Task:
    """A task with a copy, a copy in other dress and a long piece of a test case among twelve train and dev cases."""
    rows = [f"t{word}{n},train,{word} {n},{word}" for n in range(4) for word in ("lamp", "chair")]
    rows += [f"d{word}{n},dev,{word} dev {n},{word}" for n in range(2) for word in ("lamp", "chair")]
    rows += [f"q{word}{n},test,{word} test {n},{word}" for n in range(20) for word in ("lamp", "chair")]
    rows += [f"q99,test,{LONG},lamp"]
    if leaks_planted:
        rows += ["same,train,lamp test 3,lamp", "dress,dev,Chair test 4!,chair"]
        rows += [f"piece,train,Well: {LONG} and more,lamp"]
    (folder / "cases.csv").write_text("id,split,input,target\n" + "\n".join(rows) + "\n")
    body = {"task": "t", "instruction": "Name it.", "cases": "cases.csv", "allow_duplicates": True}
    body |= {"answer": {"kind": "label", "labels": ["lamp", "chair"]}, "candidates": ["baseline/nearest"], **more}
    (folder / "task.yaml").write_text(json.dumps(body))
    return load_task(folder / "task.yaml")


async def prepared_of(task: Task, ledger: Ledger, planning: bool = False) -> tuple[Prepared, list[str]]:
    said: list[str] = []
    made = await prepare(task, ledger, CompareOptions(), planning=planning, notice=said.append)
    await made.close()
    return made, said


async def test_dropped_cases_reach_nobody_who_learns(tmp_path: Path) -> None:
    """Copies, copies in other dress and long pieces, of both splits; how many is said with rows, and blocks nothing."""
    ledger = Ledger(tmp_path / "store.db")
    reported, _said = await prepared_of(planted(tmp_path), ledger)
    task = planted(tmp_path, leaks="drop")
    dropped, said = await prepared_of(task, ledger)
    shop = make_workshop(
        task, dropped.summary.digest, frozenset({"input"}), Purse(ledger), Lanes(concurrency=1, resends=1)
    )
    learned = {case.id for split in ("train", "dev") for case in shop.learning_cases(split)}
    ledger.close()

    assert len(learned) == 12
    assert learned.isdisjoint({"same", "dress", "piece"})
    assert (reported.settings[0]["trained_on"], dropped.settings[0]["trained_on"]) == (10, 8)
    assert [one["blocks"] for one in reported.settings[0]["findings"]] == [True]
    assert [one["blocks"] for one in dropped.settings[0]["findings"]] == [False, False]
    assert said[0].startswith("`leaks: drop` keeps 2 cases of train from whoever learns")
    assert said[0].endswith("same (row 54), piece (row 56)")
    assert said[1].endswith("dress (row 55)")
    # Nobody need take out by hand what nobody learns from.
    assert {one.kind for one in reported.summary.problems} > {one.kind for one in dropped.summary.problems}
    assert (dropped.to_learn_from("train"), dropped.to_learn_from("dev")) == (8, 4)


async def test_what_is_learned_from_tells_trials_apart(tmp_path: Path) -> None:
    """
    Who learns under another setting is another candidate, whether or not a case was dropped; who learns from no case is
    the same and is not asked again.
    """
    ledger = Ledger(tmp_path / "store.db")
    entries = ["starter/s", "baseline/nearest", {"model": "starter/s", "strategy": "few_shot", "k": 1}]
    found = [
        identify((await prepared_of(task, ledger, True))[0], CompareOptions())
        for more in ({}, {"leaks": "report"}, {"leaks": "drop"})
        for task in [planted(tmp_path, candidates=entries, leaks_planted=False, **more)]
    ]
    ledger.close()
    assert found[0] == found[1]
    assert [one == other for one, other in zip(found[0].trials, found[2].trials, strict=True)] == [True, False, False]
    assert found[0].fingerprint != found[2].fingerprint
    assert (found[0].parts["leaks"], found[2].parts["leaks"]) == (None, "drop")


def test_a_way_out_is_named_where_a_leak_is(tmp_path: Path, touchstone: Run) -> None:
    """The plan says before anything is asked that no gain may be claimed, and what to write; then it may be."""
    planted(tmp_path)
    for verb in ("compare", "improve"):
        planted(tmp_path, candidates=["starter/s", "baseline/nearest"], improve={"ways": ["prompt", "baseline"]})
        done = touchstone(verb, "task.yaml", "--dry-run")
        assert done.returncode == 0, done.stderr
        assert "No gain of baseline/nearest" in done.stdout
        assert "write `leaks: drop` in the task file" in done.stdout
        planted(
            tmp_path,
            leaks="drop",
            candidates=["starter/s", "baseline/nearest"],
            improve={"ways": ["prompt", "baseline"], "curve": [0.5, 1.0]},
        )
        done = touchstone(verb, "task.yaml", "--dry-run")
        assert done.returncode == 0, done.stderr
        assert "No gain of" not in done.stdout
        assert "8 to learn from, 4 to tune on" in done.stdout
        assert ("train_cases=8" in done.stdout) is (verb == "improve")
    plan = json.loads(touchstone("compare", "task.yaml", "--dry-run", "--json").stdout)
    [told] = [one for one in plan["findings"] if "cases of train" in one["text"]]
    assert (told["candidates"], told["blocks"]) == (["baseline/nearest"], False)
    planted(tmp_path, leaks="drop", candidates=["baseline/majority", "baseline/nearest"])
    decided = json.loads(touchstone("compare", "task.yaml", "--json", "--full").stdout)
    assert not [one for one in decided["decision"]["rejected"] if one["kind"] == "blocked"]
