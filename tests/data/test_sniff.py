from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.data.conftest import Write, lines_of

from touchstone.data.sniff import Proposal, propose, propose_columns, propose_kind
from touchstone.errors import DataError


def proposal_of(write: Write, rows: list[Mapping[str, Any]]) -> Proposal:
    return propose(write("some.jsonl", lines_of(rows)))


def test_label_task(write: Write) -> None:
    """Few targets over many rows are labels, listed by frequency; splits are counted and examples shown."""
    path = write(
        "tickets.csv",
        "nr;Text;Label;split\n"
        + "".join(
            f"{n};message {n};{'lost' if n % 3 else 'late'};{'train' if n < 20 else 'test'}\n" for n in range(60)
        ),
    )
    found = propose(path)
    assert found.source.columns == {"input": "Text", "target": "Label", "split": "split"}
    assert (found.kind, found.labels) == ("label", ("lost", "late"))
    assert found.counts == {"train": 20, "dev": 0, "test": 40}
    assert found.has_train
    assert [case.input for case in found.examples] == ["message 0", "message 1", "message 2"]
    assert "separator semicolon" in found.described
    assert found.source.format == "csv"
    assert found.problems == ()


def test_chinese_names(write: Write) -> None:
    """Chinese column names are understood."""
    rows = [{"编号": f"c{n}", "文本": f"第{n}条", "意图": "退款" if n % 2 else "物流"} for n in range(40)]
    found = proposal_of(write, rows)
    assert found.source.columns == {"id": "编号", "input": "文本", "target": "意图"}
    assert found.kind == "label"


def test_choice_task(write: Write) -> None:
    """Letters beside options are a choice."""
    rows = [
        {"question_id": n, "question": f"q{n}", "choices": ["a", "b", "c"], "answer": "ABC"[n % 3], "subject": "maths"}
        for n in range(40)
    ]
    found = proposal_of(write, rows)
    assert found.kind == "choice"
    assert found.source.columns == {
        "id": "question_id",
        "input": "question",
        "target": "answer",
        "options": "choices",
        "tags": "subject",
    }


def test_columns_by_what_stands_in_them(write: Write) -> None:
    """Where names say nothing, the longest text is asked and the column with few values is the target."""
    rows = [{"a": f"row-{n}", "b": f"this is the long text number {n}", "c": "xy"[n % 2]} for n in range(40)]
    assert proposal_of(write, rows).source.columns == {"input": "b", "target": "c"}
    rows = [{"a": f"m{n}", "b": "test" if n % 2 else "train"} for n in range(80)]
    assert proposal_of(write, rows).source.columns == {"input": "a", "split": "b"}
    rows = [{"f": f"clips/{n}.wav", "said": f"sentence {n}"} for n in range(40)]
    assert proposal_of(write, rows).source.columns == {"audio": "f"}


def test_names_that_do_not_fit_their_contents(write: Write) -> None:
    """An id that repeats, a split that is none and groups of one are not proposed as such."""
    rows = [
        {"id": n % 5, "text": f"q{n}", "label": "yn"[n % 2], "fold": f"part {n % 3}", "user_id": n} for n in range(40)
    ]
    assert propose_columns(rows) == {"input": "text", "target": "label"}


def test_fine_tuning_file(write: Write) -> None:
    """Conversations with answers need no target column."""
    rows = [
        {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"long answer {n}"}]}
        for n in range(40)
    ]
    found = proposal_of(write, rows)
    assert (found.source.columns, found.kind) == ({"messages": "messages"}, "text")
    assert found.examples[0].target == "long answer 0"


def test_file_without_targets(write: Write) -> None:
    """Without anything that could be a target, answers are free."""
    found = proposal_of(write, [{"prompt": f"write about {n}"} for n in range(40)])
    assert (found.kind, found.source.columns) == ("free", {"input": "prompt"})
    assert not found.has_train


@pytest.mark.parametrize("pointed", ["test.csv", "train.csv", ""])
def test_files_called_after_splits_belong_together(pointed: str, write: Write, tmp_path: Path) -> None:
    """Pointing at one of train, valid and test, or at their folder, proposes all of them."""
    for name, count in (("train", 40), ("valid", 10), ("test", 30)):
        path = write(f"set/{name}.csv", "text,label\n" + "".join(f"{name} {n},l{n % 2}\n" for n in range(count)))
    found = propose(path.parent / pointed)
    assert {split: file.name for split, file in found.source.files.items()} == {
        "train": "train.csv",
        "dev": "valid.csv",
        "test": "test.csv",
    }
    assert found.counts == {"train": 40, "dev": 10, "test": 30}


def test_other_encoding_is_proposed_with_a_warning(write: Write) -> None:
    """A file that is not UTF-8 is proposed with the likely encoding, and says so."""
    text = "text,label\n" + "".join(f"订单{n}没有收到,{'退款' if n % 2 else '物流'}\n" for n in range(40))
    found = propose(write("c.csv", text.encode("gb18030")))
    assert found.source.encoding == "gb18030"
    assert found.labels == ("物流", "退款")
    assert found.problems[0].kind == "encoding_guessed"
    assert "gb18030" in found.problems[0].text()


def test_problems_of_the_cases_are_told(write: Write) -> None:
    """What a check would find is part of the proposal; a row that cannot be read is an error."""
    found = proposal_of(write, [{"text": "same", "label": "a"}, {"text": "same", "label": "b"}] * 3)
    assert {problem.kind for problem in found.problems} >= {"conflicting_targets", "few_test_cases"}
    with pytest.raises(DataError, match="row 2"):
        propose(write("c.csv", "text,label\na,b\nc\n"))
    with pytest.raises(DataError, match="no cases"):
        propose(write("d.csv", "text,label\n"))


@pytest.mark.parametrize(
    ("targets", "kind"),
    [
        ([], "free"),
        (["yes", "no"] * 10, "label"),
        ([str(n) for n in range(40)], "number"),
        ([f"${n}.50" for n in range(40)], "number"),
        (["1", "2", "3"] * 10, "label"),
        (["1.5", "2.5"] * 10, "number"),
        ([json.dumps({"n": n}) for n in range(5)], "json"),
        ([f"an answer in words, number {n}" for n in range(40)], "text"),
        (["same"] * 40, "text"),
        (["a long label " * 10, "another long label " * 10] * 10, "text"),
    ],
)
def test_kind_of_answer(targets: list[str], kind: str) -> None:
    """The targets tell what kind of answer is asked for."""
    assert propose_kind(targets, [()] * len(targets)) == kind


def test_real_files(shared_data: Path) -> None:
    """Published sets of four kinds are understood without a hint."""
    pytest.importorskip("pyarrow")
    kinds = {
        "classify-banking77/test.jsonl": "label",
        "outputs-gsm8k/questions.parquet": "number",
        "outputs-mmlu-pro/questions.parquet": "choice",
        "rag-xquad-zh/questions.jsonl": "text",
    }
    assert {name: propose(shared_data / name).kind for name in kinds} == kinds
