"""What `touchstone init` promises: a commented task file that runs as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conftest import Run

from touchstone.errors import SettingsError
from touchstone.workspace.init import write_task_file
from touchstone.workspace.taskfile import load_task

FILES = {
    "labels.csv": "text,intent\n" + "".join(f"message about {'ab'[n % 2]} {n},{'ab'[n % 2]}\n" for n in range(60)),
    "semicolon.csv": "\ufefffrage;antwort\r\n" + "".join(f"was ist {n};{n * 3}\r\n" for n in range(50)),
    "split.csv": "input,target,split\n"
    + "".join(f"q{n},{'yes' if n % 2 else 'no'},{'train' if n < 20 else 'test'}\n" for n in range(60)),
    "choice.jsonl": "".join(
        json.dumps({"question": f"which {n}", "options": ["x", "y", "z"], "answer": "ABC"[n % 3]}) + "\n"
        for n in range(50)
    ),
    "open.jsonl": "".join(json.dumps({"input": f"write a greeting for customer {n}"}) + "\n" for n in range(40)),
    "chat.jsonl": "".join(
        json.dumps(
            {"messages": [{"role": "user", "content": f"say {n}"}, {"role": "assistant", "content": f"so: {n} it is"}]}
        )
        + "\n"
        for n in range(50)
    ),
    "chinese.csv": "文本,意图\n"
    + "".join(f"我要{'退款' if n % 2 else '发货'}第{n}单,{'退款' if n % 2 else '发货'}\n" for n in range(60)),
    "few.csv": "input,target\n" + "".join(f"q{n},t{n}\n" for n in range(5)),
}


@pytest.mark.parametrize("name", FILES)
def test_the_written_file_runs(name: str, tmp_path: Path, touchstone: Run) -> None:
    """Whatever the cases look like, `compare` runs on what `init` wrote, without a key."""
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    written = touchstone("init", "--from", name, "--json")
    assert written.returncode == 0, written.stderr
    result = touchstone("compare", "task.yaml", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["task"]["cases"] > 0
    assert all(candidate["outcomes"]["error"] == 0 for candidate in found["candidates"])


def test_it_is_commented_and_names_what_to_do_next(tmp_path: Path, touchstone: Run) -> None:
    """The file explains itself, in the reader's language."""
    (tmp_path / "labels.csv").write_text(FILES["labels.csv"])
    result = touchstone("init", "--from", "labels.csv", "--lang", "zh")
    text = (tmp_path / "task.yaml").read_text(encoding="utf-8")
    assert "touchstone compare task.yaml" in result.stdout
    assert "# - deepseek/deepseek-chat" in text
    assert any("\u4e00" <= character <= "\u9fff" for character in text)


def test_without_cases_an_example_is_written(tmp_path: Path) -> None:
    """`init` alone gives something to look at and to change."""
    written = write_task_file(None, tmp_path / "task.yaml")
    assert load_task(written.path).file.task == "cases"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A task file that is there stays, unless --force is given."""
    (tmp_path / "task.yaml").write_text("mine")
    with pytest.raises(SettingsError, match="--force"):
        write_task_file(None, tmp_path / "task.yaml")
    assert (tmp_path / "task.yaml").read_text() == "mine"
    write_task_file(None, tmp_path / "task.yaml", force=True)


def test_an_editor_gets_its_schema(tmp_path: Path) -> None:
    """With --schema the schema lies beside the task file and is named in it by that relative name, nothing else is."""
    plain = write_task_file(None, tmp_path / "plain" / "task.yaml")
    assert "$schema" not in plain.path.read_text()
    checked = write_task_file(None, tmp_path / "checked" / "task.yaml", schema=True)
    assert checked.path.read_text().startswith("# yaml-language-server: $schema=task.schema.json\n")
    assert json.loads((tmp_path / "checked" / "task.schema.json").read_text())["title"] == "TaskFile"


def test_cases_elsewhere_are_named_as_seen_from_the_task_file(tmp_path: Path) -> None:
    """So that a folder with both can be moved, or put under version control."""
    (tmp_path / "data").mkdir()
    cases = tmp_path / "data" / "cases.csv"
    cases.write_text("input,target\nq,a\nr,b\n")
    written = write_task_file(cases, tmp_path / "tasks" / "task.yaml")
    assert 'cases: "../data/cases.csv"' in written.path.read_text()
    assert load_task(written.path).file.task == "cases"


def test_a_list_of_labels_that_is_there_stays(tmp_path: Path) -> None:
    """Another task may use it: only --force writes over it, and the same list is no trouble."""
    cases = tmp_path / "cases.csv"
    cases.write_text("input,target\n" + "".join(f"question {n},label {n % 60}\n" for n in range(600)))
    (tmp_path / "labels.json").write_text("[]")
    with pytest.raises(SettingsError, match=r"labels.json is there already.*--force"):
        write_task_file(cases, tmp_path / "task.yaml")
    assert (tmp_path / "labels.json").read_text() == "[]"
    assert not (tmp_path / "task.yaml").exists()
    write_task_file(cases, tmp_path / "task.yaml", force=True)
    write_task_file(cases, tmp_path / "other.yaml")
