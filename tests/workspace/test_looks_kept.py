"""What was seen of a task's cases is kept by what it was made of: never old, never a text, never in the way."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.workspace.small_task import ROWS, TASK, task_in

from touchstone.data.csv import CsvReader
from touchstone.errors import DataError
from touchstone.workspace.looks_kept import kept_look
from touchstone.workspace.shortlist_cases import CasesLook, look_at_cases
from touchstone.workspace.taskfile import Task


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A workspace that is there."""
    found = tmp_path / ".touchstone"
    found.mkdir()
    return found


def mark(place: Path, count: int) -> None:
    """Let every kept look say that there are so many labels, so that it is seen where it is from."""
    file = place / "looks.json"
    kept = orjson.loads(file.read_bytes())
    kept["looks"] = {key: {**look, "labels": count} for key, look in kept["looks"].items()}
    file.write_bytes(orjson.dumps(kept))


def test_the_second_look_reads_no_case(tmp_path: Path, place: Path) -> None:
    """It says what the first one said."""
    task = task_in(tmp_path)
    first = kept_look(task, place, digest=True)
    assert first == look_at_cases(task, digest=True)
    assert kept_look(task, place, digest=True) == first
    mark(place, 77)
    assert kept_look(task, place, digest=True).labels == 77
    assert kept_look(task, place).labels == 77, "a look that says more serves too"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("instruction: Name the intent.", "instruction: Name the intent of this message."),
        ("labels: [refund, delivery]", "labels: [refund, delivery, other]"),
        ("kind: label, labels: [refund, delivery]", "kind: text"),
        ("cases: cases.csv", "cases: cases.csv\nsplit: {dev: 0.3}"),
    ],
)
def test_another_task_looks_for_itself(tmp_path: Path, place: Path, old: str, new: str) -> None:
    """What a look depends on tells it from others."""
    rows = ROWS.replace(",split", "").replace(",train", "").replace(",test", "") if "split" in new else ROWS
    kept_look(task_in(tmp_path, rows=rows), place)
    mark(place, 77)
    changed = task_in(tmp_path, TASK.replace(old, new), rows=rows)
    assert kept_look(changed, place) == look_at_cases(changed) != look_at_cases(task_in(tmp_path, rows=rows))


def test_another_kind_of_answer_and_another_version_look_for_themselves(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without labels only the kind of answer differs; and another version may look in another way."""
    asked = {
        kind: TASK.replace("kind: label, labels: [refund, delivery]", f"kind: {kind}") for kind in ("number", "text")
    }
    task = task_in(tmp_path, asked["number"])
    kept_look(task, place)
    mark(place, 77)
    assert kept_look(task, place).labels == 77
    assert kept_look(task_in(tmp_path, asked["text"]), place).labels != 77
    monkeypatch.setattr("touchstone.workspace.looks_kept.__version__", "99.0")
    assert kept_look(task, place).labels != 77


def test_cases_that_changed_while_they_were_read_are_not_kept(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else they would answer for what stood there before, and may stand there again."""
    task = task_in(tmp_path)

    def look_and_save(task: Task, *, digest: bool) -> CasesLook:
        task_in(tmp_path, rows=ROWS + "q9,a late one,delivery,test\n")
        return look_at_cases(task, digest=digest)

    monkeypatch.setattr("touchstone.workspace.looks_kept.look_at_cases", look_and_save)
    assert kept_look(task, place).test == 4
    monkeypatch.undo()
    assert kept_look(task_in(tmp_path), place).test == 3


def test_what_a_guest_read_is_not_kept(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of it may read the same bytes otherwise, and nobody here sees its version change."""

    class Guest(CsvReader):
        suffixes = (".log",)

    monkeypatch.setattr("touchstone.data.readers.plugins.names", lambda _kind: ("logs",))
    monkeypatch.setattr(
        "touchstone.data.readers.plugins.load", lambda _kind, name: Guest if name == "logs" else CsvReader
    )
    (tmp_path / "cases.log").write_text(ROWS, "utf-8")
    task = task_in(tmp_path, TASK.replace("cases.csv", "cases.log"))
    assert kept_look(task, place) == look_at_cases(task)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("where", ["instruction", "label", "folder"])
def test_half_a_character_is_no_obstacle(tmp_path: Path, place: Path, where: str) -> None:
    """Not in a text of the task, nor in a name on the disk that is no UTF-8."""
    folder, text = tmp_path, TASK
    if where == "folder":
        folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/half-\xff"))
        folder.mkdir()
    if where == "instruction":
        text = TASK.replace("Name the intent.", '"half \\ud83d"')
    if where == "label":
        text = TASK.replace("refund", '"half \\ud83d"')
    task = task_in(folder, text)
    assert kept_look(task, place) == look_at_cases(task) == kept_look(task, place)
    mark(place, 77)
    assert kept_look(task, place).labels == 77


def test_other_cases_are_looked_at_though_size_and_time_are_the_same(tmp_path: Path, place: Path) -> None:
    """It goes by what stands in the file."""
    task = task_in(tmp_path)
    kept_look(task, place)
    file = tmp_path / "cases.csv"
    before = file.stat()
    file.write_text(ROWS.replace("my parcel", "我的包裹")[: len(ROWS)], "utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert kept_look(task, place) == look_at_cases(task)
    assert kept_look(task, place).chinese_share > 0


def test_a_look_without_a_digest_is_not_enough_where_one_is_asked_for(tmp_path: Path, place: Path) -> None:
    """The first comparison came between the two."""
    task = task_in(tmp_path)
    assert kept_look(task, place).digest == ""
    mark(place, 77)
    found = kept_look(task, place, digest=True)
    assert found == look_at_cases(task, digest=True)
    assert found.digest


def test_no_workspace_is_made_for_it(tmp_path: Path) -> None:
    """Who only asks what exists finds nothing new in the folder."""
    kept_look(task_in(tmp_path), tmp_path / ".touchstone")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cases.csv", "task.yaml"]


def test_it_holds_no_text_of_a_case(tmp_path: Path, place: Path) -> None:
    """Counts, shares and digests."""
    kept_look(task_in(tmp_path), place, digest=True)
    assert b"parcel" not in (place / "looks.json").read_bytes()
    assert [file.name for file in place.iterdir()] == ["looks.json"]


@given(st.binary(max_size=200) | st.sampled_from([b"{}", b'{"looks":{"a":{}}}', b'{"looks":[]}', b'{"other":1}']))
def test_whatever_stands_in_the_file_the_look_is_right(tmp_path_factory: pytest.TempPathFactory, body: bytes) -> None:
    """A file that was damaged, or is of another version, is as none."""
    folder = tmp_path_factory.mktemp("damaged")
    task = task_in(folder)
    (folder / "looks.json").write_bytes(body)
    assert kept_look(task, folder) == look_at_cases(task)
    assert kept_look(task, folder) == look_at_cases(task)


def test_only_the_last_ones_are_kept(tmp_path: Path, place: Path) -> None:
    """A task that changes every day does not make the file grow."""
    for number in range(40):
        kept_look(task_in(tmp_path, TASK.replace("Name the intent.", f"Name intent {number}.")), place)
    kept = orjson.loads((place / "looks.json").read_bytes())["looks"]
    assert len(kept) == 32
    mark(place, 77)
    last = task_in(tmp_path, TASK.replace("Name the intent.", "Name intent 39."))
    assert kept_look(last, place).labels == 77


def test_a_place_that_cannot_be_written_to_costs_only_time(tmp_path: Path, place: Path) -> None:
    """Here a folder stands in the file's place."""
    (place / "looks.json").mkdir()
    task = task_in(tmp_path)
    assert kept_look(task, place) == look_at_cases(task)
    assert [file.name for file in place.iterdir()] == ["looks.json"]


def test_cases_that_cannot_be_read_are_an_error_with_their_place(tmp_path: Path, place: Path) -> None:
    """As without anything kept."""
    task = task_in(tmp_path)
    kept_look(task, place)
    (tmp_path / "cases.csv").unlink()
    with pytest.raises(DataError, match="mend the path"):
        kept_look(task, place)
