"""`touchstone people`, `doctor`, `settings`, and where `ui` may listen: links, no passwords; mistakes are one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from touchstone.cli.app import build_app
from touchstone.config import Settings
from touchstone.workspace.govern import Govern
from touchstone.workspace.people import People
from touchstone.workspace.workspace import Workspace


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def body(self) -> Any:
        """What it printed, as JSON."""
        assert self.code == 0, self.err
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `touchstone` with these arguments in an empty workspace."""
    monkeypatch.setenv("TOUCHSTONE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments: str) -> Result:
        with pytest.raises(SystemExit) as ended:
            get_command(build_app(arguments[0], arguments[1] if len(arguments) > 1 else None))(
                list(arguments), prog_name="touchstone"
            )
        said = capfd.readouterr()
        return Result(int(ended.value.code or 0), said.out, said.err)

    return run_command


def test_somebody_is_added_by_a_link(run: Run, tmp_path: Path) -> None:
    """The link is printed once, opens for that person, and a second one ends the first; the log knows who did it."""
    said = run("people", "add", "Anna", "--role", "admin", "--address", "https://touchstone.example.com/", "--json")
    link = said.body["link"]
    assert link.startswith("https://touchstone.example.com/join/")
    people = People(tmp_path / "home")
    assert people.invited(link.rpartition("/")[2]) == "anna"
    again = run("people", "reset-link", "anna")
    assert again.code == 0
    assert again.out.startswith("http://127.0.0.1:8321/join/")
    assert people.invited(link.rpartition("/")[2]) is None
    people.close()
    with Workspace(Settings(workspace=tmp_path / "home", workspace_from="test")) as workspace:
        acts = Govern(workspace).acts()
    assert [(act.what, act.about) for act in acts] == [("person.link", "person anna"), ("person.add", "person anna")]
    assert link.rpartition("/")[2] not in repr(acts)


def test_people_are_listed_with_their_roles(run: Run) -> None:
    """By project; nobody is told too."""
    assert "Nobody yet" in run("people", "list").out
    run("people", "add", "anna", "--role", "admin")
    run("people", "add", "vera")
    assert run("people", "role", "vera", "editor").code == 0
    assert {one["name"]: one["roles"] for one in run("people", "list", "--json").body} == {
        "anna": {"default": "admin"},
        "vera": {"default": "editor"},
    }
    run("people", "role", "vera", "none")
    assert run("people", "list", "--json").body[1]["roles"] == {}
    assert run("people", "remove", "vera", "--json").body == {"removed": "vera"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("people", "add", "a b", "--role", "admin"), "can be nobody's name"),
        (("people", "add", "vera"), "nobody would govern the site"),
        (("people", "add", "vera", "--role", "owner"), "'owner' is no role"),
        (("people", "add", "vera", "--role", "admin", "--project", "../x"), "no project is called"),
        (("people", "remove", "nobody"), "no person is called 'nobody'"),
        (("people", "reset-link", "nobody"), "no person is called 'nobody'"),
    ],
)
def test_mistakes_are_one_line(run: Run, arguments: tuple[str, ...], words: str) -> None:
    """They name the value, change nothing and end with 2."""
    said = run(*arguments)
    assert said.code == 2
    assert words in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_no_password_is_an_argument(run: Run) -> None:
    """Arguments of a process can be read by everybody on the machine, so there is no flag for one."""
    for verb in ("add", "reset-link", "role"):
        assert "password" not in " ".join(
            word for word in run("people", verb, "--help").out.split() if word.startswith("--")
        )


def test_the_doctor_ends_with_1_where_something_must_be_mended(run: Run, tmp_path: Path) -> None:
    """Each thing with its state; a damaged store is told, and is the exit code."""
    found = run("doctor", "--json").body
    assert {"store", "disk", "clock", "fonts", "python"} <= {one["name"] for one in found}
    assert {one["state"] for one in found} <= {"works", "absent", "look"}
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "touchstone.sqlite").write_bytes(b"no database" * 1000)
    said = run("doctor", "--check-store")
    assert said.code == 1
    assert "damaged" in said.out


def test_settings_say_where_each_came_from(run: Run, tmp_path: Path) -> None:
    """The workspace came from its variable; people and machines read the same."""
    found = {one["name"]: one for one in run("settings", "--json").body}
    assert found["workspace"]["source"] == "TOUCHSTONE_HOME"
    assert "TOUCHSTONE_HOME" in run("settings").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--host", "0.0.0.0"), "--allow-host"),
        (("--host", "0.0.0.0", "--allow-host", "touchstone.example.com"), "people add"),
        (("--host", "no-such-host.invalid"), "no address of this machine"),
    ],
)
def test_the_pages_do_not_start_open(run: Run, arguments: tuple[str, ...], words: str) -> None:
    """R4: without people, or without names, `touchstone ui` does not listen where others reach it."""
    said = run("ui", "--no-open", "--port", "0", *arguments)
    assert said.code == 2
    assert words in said.err


def test_a_sign_in_file_that_cannot_be_used_stops_the_start(run: Run, tmp_path: Path) -> None:
    """Nobody is let in by half of a configuration."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "sign-in.yaml").write_text("issuer: http://login.example.com\nclient_id: x\n")
    said = run("ui", "--no-open", "--port", "0")
    assert said.code == 2
    assert "sign-in.yaml, issuer" in said.err
