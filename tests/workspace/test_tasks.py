"""Tasks as folders of a workspace: names, uploads, and what was measured elsewhere."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.errors import SettingsError, UnknownName
from touchstone.workspace.base import StoredComparison
from touchstone.workspace.first_look import look_at
from touchstone.workspace.init import write_task_file
from touchstone.workspace.taskfile import load_task
from touchstone.workspace.tasks import (
    adopt,
    comparisons_of,
    far_tasks,
    find_draft,
    folder_of,
    forget,
    free_name,
    keep_draft,
    keep_file,
    own_task,
    own_tasks,
    suffix_of,
)

CASES = b"id,text,label\n" + b"".join(
    f"m{n},{'refund' if n % 2 else 'parcel'} {n},{'refund' if n % 2 else 'delivery'}\n".encode() for n in range(60)
)


def draft_of(workspace: Path, body: bytes = CASES, name: str = "cases.csv") -> str:
    return keep_draft(workspace, io.BytesIO(body), name).id


def test_an_upload_becomes_a_task(tmp_path: Path) -> None:
    """Kept under a name of ours, looked at, written as `init` writes, and moved into place as a whole."""
    draft = find_draft(tmp_path, draft_of(tmp_path, name="..\\..\\my <b>cases.CSV"))
    assert (draft.cases.name, draft.title) == ("cases.csv", "my <b>cases")
    look = look_at(draft.cases)
    assert look.is_good
    assert look.draws
    assert sum(look.counts.values()) == 60
    write_task_file(draft.cases, draft.folder / "task.yaml", name="Shop: messages", scorers=["exact", "label"],
                    columns={"input": "text", "target": "label"}, kind="label", force=True)  # fmt: skip
    name = adopt(tmp_path, draft, "Shop: messages")
    assert name == "shop-messages"
    own = own_task(tmp_path, name)
    assert own.task is not None
    assert own.task.file.scorers == ("exact", "label")
    assert own.task.source.columns == {"input": "text", "target": "label"}
    assert (tmp_path / "tasks" / ".new").exists()
    assert [one.name for one in own_tasks(tmp_path)] == [name]
    with pytest.raises(UnknownName):
        find_draft(tmp_path, draft.id)


def test_two_tasks_of_one_title_are_two_folders(tmp_path: Path) -> None:
    """The second has a number; a title without a plain letter has a name all the same."""
    for expected in ("shop", "shop-2", "shop-3"):
        draft = find_draft(tmp_path, draft_of(tmp_path))
        (draft.folder / "task.yaml").write_text("task: shop\ncases: cases.csv\ncandidates: [fake/parrot]\n")
        assert adopt(tmp_path, draft, "Shop!") == expected
    assert free_name(tmp_path, "意图").startswith("task-")


@given(title=st.text(min_size=1, max_size=80))
@settings(max_examples=200, deadline=None)
def test_every_title_makes_a_name_that_is_one(title: str) -> None:
    """Whatever somebody writes, the folder's name is plain and no reserved one."""
    name = free_name(Path("/nonexistent"), title)
    with pytest.raises(UnknownName):
        folder_of(Path("/nonexistent"), name)
    assert name.replace("-", "a").isalnum()
    assert name != "new"
    assert not name.startswith(("-", "."))


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc", ".new", "new", "A", "a" * 99, "at-0123456789ab"]
)
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    """A name that no task can have is unknown, whatever lies there; a link is no folder."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "task.yaml").write_text("task: x\n")
    (tmp_path / "tasks" / "linked").symlink_to(tmp_path / "outside")
    for one in (name, "linked"):
        with pytest.raises(UnknownName):
            folder_of(tmp_path, one)
        with pytest.raises(UnknownName):
            find_draft(tmp_path, one)
    assert own_tasks(tmp_path) == ()


def test_what_is_too_large_or_no_file_of_cases_leaves_nothing(tmp_path: Path) -> None:
    """An upload that is refused is gone; one that fits keeps what lies there already."""
    with pytest.raises(SettingsError):
        keep_file(tmp_path, io.BytesIO(b"x" * 100), "cases", ".csv", most=99)
    assert list(tmp_path.iterdir()) == []
    for expected in ("cases.csv", "cases-2.csv"):
        assert keep_file(tmp_path, io.BytesIO(b"x"), "cases", ".csv").name == expected
    for name in ("x.exe", "csv", "", "a.csv\x00.sh"):
        with pytest.raises(SettingsError):
            suffix_of(name)
    with pytest.raises(SettingsError):
        draft_of(tmp_path, name="x.sh")


def test_old_uploads_are_forgotten(tmp_path: Path) -> None:
    """After a week, when the next one comes; a thrown-away one at once."""
    old, gone = draft_of(tmp_path), draft_of(tmp_path)
    forget(find_draft(tmp_path, gone))
    os.utime(tmp_path / "tasks" / ".new" / old, (0, 0))
    new = draft_of(tmp_path)
    assert [entry.name for entry in (tmp_path / "tasks" / ".new").iterdir()] == [new]


def test_tasks_elsewhere_are_known_by_their_comparisons(tmp_path: Path) -> None:
    """One row a file, newest comparison first; what lies below the workspace is no task elsewhere."""

    def stored(number: int, path: str | None) -> StoredComparison:
        return StoredComparison(id=f"{number:012x}", created=f"2026-01-0{number}", task="t", path=path,
                                state="finished", cases=1, candidates=1)  # fmt: skip

    own = tmp_path / "tasks" / "mine" / "task.yaml"
    rows = [stored(5, "/else/task.yaml"), stored(4, str(own)), stored(3, None), stored(2, "/else/task.yaml")]
    (far,) = far_tasks(tmp_path, rows)
    assert (far.path, [one.id[-1] for one in far.comparisons]) == ("/else/task.yaml", ["5", "2"])
    assert [one.id[-1] for one in comparisons_of(own, rows)] == ["4"]


def test_a_first_look_names_rows_and_leaks(tmp_path: Path) -> None:
    """Problems by row, cases to learn from that give the test away, and an error as part of what was seen."""
    file = tmp_path / "cases.csv"
    file.write_text("id,text,label,split\na,where is it,delivery,train\nb,where is it,delivery,test\nc,,refund,test\n")
    look = look_at(file, columns={"id": "id", "input": "text", "target": "label", "split": "split"}, kind="label")
    assert not look.is_good
    assert [(one.kind, one.rows) for one in look.problems if one.severity == "error"] == [("empty_input", (3,))]
    assert [one.kind for one in look.leaks] == ["leak"]
    assert dict(look.counts) == {"train": 1, "dev": 0, "test": 2}
    wrong = look_at(file, columns={"input": "nothing"})
    assert wrong.proposal is None
    assert wrong.error is not None
    assert wrong.columns == ("id", "text", "label", "split")
    broken = tmp_path / "cases.parquet"
    broken.write_bytes(b"\x00")
    assert look_at(broken).rows == ()


def test_a_look_at_many_cases_says_that_it_was_one(tmp_path: Path) -> None:
    """Only the first are looked at, and whoever looks is told."""
    file = tmp_path / "cases.csv"
    file.write_bytes(CASES)
    assert look_at(file).whole
    few = look_at(file, most=20)
    assert not few.whole
    assert sum(few.counts.values()) == 20


def test_a_written_task_loads_with_the_scorers_that_were_wished(tmp_path: Path) -> None:
    """A judge with its rubric, whatever characters that holds."""
    (tmp_path / "cases.csv").write_text("id,input\n" + "".join(f"q{n},what is {n}\n" for n in range(40)))
    judge = {"judge": {"model": "openai/gpt-4o-mini", "rubric": 'Is it "right"?\n# yes: {no}'}}
    write_task_file(tmp_path / "cases.csv", tmp_path / "task.yaml", kind="free", scorers=[judge])
    assert load_task(tmp_path / "task.yaml").file.scorers == (judge,)
