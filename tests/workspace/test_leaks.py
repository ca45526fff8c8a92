"""What the look for leaks promises: it names which learning case gives away which test case, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from touchstone.data.base import Case, CaseSummary
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.strategies.example_pool import question_key
from touchstone.training.leaks import TestTexts
from touchstone.workspace.candidates import Lanes, make_workshop
from touchstone.workspace.leaks import leak_findings, named_in_test
from touchstone.workspace.taskfile import load_task


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
