"""A project gets another name or goes into the trash: moved as a whole, or left as it is."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from touchstone.config import Settings
from touchstone.data.base import CaseSummary
from touchstone.errors import SettingsError, StoreBusy, StoreError, UnknownName
from touchstone.storage.process_lock import ProcessLock
from touchstone.storage.settled import settled
from touchstone.workspace.jobs import Jobs
from touchstone.workspace.project_moves import delete_project, rename_project, trash, what_runs
from touchstone.workspace.projects import is_project, make_project, projects
from touchstone.workspace.workspace import Workspace

NO_CASES = CaseSummary(counts={}, labels={}, tags={}, groups=0, digest="d", described="")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site's workspace with a project that has a store and a task."""
    folder = make_project(tmp_path, "support")
    with Workspace(Settings(workspace=folder, workspace_from="test")) as workspace:
        workspace.ledger.datasets.add(NO_CASES, [])
    (folder / "tasks" / "mail").mkdir(parents=True)
    (folder / "tasks" / "mail" / "task.yaml").write_text("task: mail\n")
    return tmp_path


def opens(folder: Path) -> bool:
    """Whether the store in a folder is the one of the project, and can be written."""
    with Workspace(Settings(workspace=folder, workspace_from="test")) as workspace:
        return workspace.ledger.datasets.has(NO_CASES.digest)


def test_a_project_is_there_under_its_new_name_alone(site: Path) -> None:
    """With all its files and its store, which opens as before."""
    place = rename_project(site, "support", "help")
    assert projects(site) == ("default", "help")
    assert not is_project(site, "support")
    assert (place / "tasks" / "mail" / "task.yaml").read_text() == "task: mail\n"
    assert opens(place)


def test_paths_that_were_written_down_still_lead_to_it(site: Path) -> None:
    """Task files, comparisons and jobs name files below the old folder; after several names too."""
    file = site / "projects" / "support" / "tasks" / "mail" / "task.yaml"
    rename_project(site, "support", "help")
    rename_project(site, "help", "care")
    assert file.read_text() == "task: mail\n"
    assert projects(site) == ("default", "care")
    rename_project(site, "care", "support")
    assert file.read_text() == "task: mail\n"
    assert projects(site) == ("default", "support")


def test_a_name_that_is_free_again_is_a_project_of_its_own(site: Path) -> None:
    """Whoever takes an earlier name has an empty project, not the one that was called so."""
    rename_project(site, "support", "help")
    folder = make_project(site, "support")
    assert list(folder.iterdir()) == []
    assert not folder.is_symlink()
    (folder / "mine").write_text("x")
    assert not (site / "projects" / "help" / "mine").exists()


@pytest.mark.parametrize("name", ["", "Support", "a b", "../x", "-a", "x" * 41, "support", "other", "default", "note"])
def test_only_names_that_are_free_and_fit(site: Path, name: str) -> None:
    """Everything stays where it is."""
    make_project(site, "other")
    (site / "projects" / "note").write_text("a file of somebody")
    with pytest.raises(SettingsError):
        rename_project(site, "support", name)
    assert projects(site) == ("default", "other", "support")
    assert (site / "projects" / "support" / "tasks").is_dir()


def test_the_first_project_and_unknown_ones_stay(site: Path) -> None:
    """`default` is the site's own workspace."""
    with pytest.raises(SettingsError, match="stays as it is"):
        rename_project(site, "default", "other")
    with pytest.raises(SettingsError, match="stays as it is"):
        delete_project(site, "default")
    for change in (lambda: rename_project(site, "nobody", "x"), lambda: delete_project(site, "../support")):
        with pytest.raises(UnknownName):
            change()


def test_what_was_deleted_lies_in_the_trash_whole(site: Path) -> None:
    """Under its name and the moment, also twice in a moment; moved back it is the project again."""
    rename_project(site, "support", "help")
    place = delete_project(site, "help")
    assert projects(site) == ("default",)
    assert list((site / "projects").iterdir()) == []
    assert place.parent == site / "trash"
    assert place.name.startswith("help-20")
    assert (place / "tasks" / "mail" / "task.yaml").read_text() == "task: mail\n"
    make_project(site, "help")
    second = delete_project(site, "help")
    assert set(trash(site)) == {place, second}

    shutil.move(place, site / "projects" / "help")

    assert opens(site / "projects" / "help")


@pytest.mark.parametrize(
    ("lock", "what"),
    [("touchstone.sqlite.lock", "a comparison"), ("touchstone.sqlite.gateway.lock", "the gateway")],
)
def test_what_runs_is_named_and_nothing_is_moved(site: Path, lock: str, what: str) -> None:
    """A comparison or gateway that somebody began in a shell, a process of its own."""
    file = site / "projects" / "support" / lock
    program = (
        "import sys; from pathlib import Path; from touchstone.storage.process_lock import ProcessLock\n"
        "assert ProcessLock(Path(sys.argv[1])).take(); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert what_runs(site / "projects" / "support") == (what,)
        for change in (lambda: rename_project(site, "support", "help"), lambda: delete_project(site, "support")):
            with pytest.raises(SettingsError, match=what):
                change()
        assert projects(site) == ("default", "support")
        assert other.stdin is not None
        other.stdin.close()
    assert what_runs(site / "projects" / "support") == ()
    rename_project(site, "support", "help")


def test_a_job_at_work_is_named(site: Path) -> None:
    """By its title, as pages list it."""
    jobs = Jobs(site / "projects" / "support")
    job = jobs.start("doctor", title="Look at everything", who="me")
    try:
        with pytest.raises(SettingsError, match="Look at everything"):
            delete_project(site, "support")
    finally:
        jobs.stop(job.id)


def test_locks_are_free_after_a_move_and_after_a_refusal(site: Path) -> None:
    """The project can be worked in at once."""
    rename_project(site, "support", "help")
    folder = site / "projects" / "help"
    with pytest.raises(SettingsError):
        rename_project(site, "help", "default")
    for name in ("touchstone.sqlite.lock", "touchstone.sqlite.gateway.lock"):
        with ProcessLock(folder / name) as lock:
            assert lock.take()


def test_a_store_that_somebody_reads_is_not_moved(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page or a command that looks into it has it open; nothing is written, and afterwards it is moved."""
    monkeypatch.setattr("touchstone.storage.settled._PATIENCE_S", 0.05)
    folder = site / "projects" / "support"
    with Workspace(Settings(workspace=folder, workspace_from="test")) as workspace:
        assert workspace.reader.datasets.has(NO_CASES.digest)
        with pytest.raises(StoreBusy, match="reads or writes"):
            rename_project(site, "support", "help")
        assert projects(site) == ("default", "support")
        assert workspace.reader.datasets.has(NO_CASES.digest)
    assert opens(rename_project(site, "support", "help"))


def test_a_folder_that_cannot_be_moved_stays(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is told."""

    def refuse(_self: Path, _target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StoreError, match="Permission denied"):
        delete_project(site, "support")
    assert projects(site) == ("default", "support")
    assert opens(site / "projects" / "support")


def test_a_settled_store_has_everything_in_its_one_file(tmp_path: Path) -> None:
    """What waited in the write-ahead log is in the file, and nobody else writes while the block lasts."""
    file = tmp_path / "s.sqlite"
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("CREATE TABLE t (x)")
    writer.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(StoreBusy), settled(file):
        pytest.fail("somebody has it open")
    writer.close()
    with settled(file):
        assert [one.name for one in tmp_path.iterdir()] == ["s.sqlite"]
        other = sqlite3.connect(file, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("INSERT INTO t VALUES (2)")
        other.close()
    with settled(tmp_path / "none.sqlite"):
        assert not (tmp_path / "none.sqlite").exists()
    (tmp_path / "s.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="cannot be read"), settled(file):
        pytest.fail("that is no database")
