"""
Exit codes and channels: 0 fine, 2 change something, 3 money, 100 gate; JSON alone on stdout.

Every code is seen at least once in a process as a user starts it (`touchstone_anew`).
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Run

TASK: dict[str, Any] = {
    "task": "exit",
    "cases": "cases.csv",
    "answer": {"kind": "label", "labels": ["a", "b"]},
    "candidates": [{"model": "fake/one", "reply": "a", "price": {"input_usd": 1, "output_usd": 1}}],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cases.csv").write_text("input,target\n" + "".join(f"q{n},{'ab'[n % 2]}\n" for n in range(40)))
    return tmp_path


def _write(folder: Path, **changes: object) -> None:
    (folder / "task.yaml").write_text(json.dumps({**TASK, **changes}))


def test_a_gate_that_is_not_met_exits_with_100(folder: Path, touchstone_anew: Run) -> None:
    """CI turns red; the JUnit file says why; the result is still on stdout."""
    _write(folder, gate={"min_score": 0.9})
    result = touchstone_anew("compare", "task.yaml", "--json", "--junit", "gate.xml")
    assert result.returncode == 100
    assert json.loads(result.stdout)["gate"]["passed"] is False
    assert "<failure" in (folder / "gate.xml").read_text()
    _write(folder, gate={"min_score": 0.2})
    assert touchstone_anew("compare", "task.yaml", "--json").returncode == 0


def test_a_cap_that_stops_the_run_exits_with_3(folder: Path, touchstone_anew: Run) -> None:
    """Money stops the run before it passes the cap."""
    _write(folder, candidates=[{**TASK["candidates"][0], "max_tokens": 10}])
    result = touchstone_anew("compare", "task.yaml", "--json", "--max-usd", "0.0005")
    assert result.returncode == 3, result.stderr
    found = json.loads(result.stdout)
    assert found["race"]["finish"] == "stopped"
    assert 0 < found["spent_usd"] <= 0.0005


def test_every_command_has_help_in_both_languages(touchstone: Run) -> None:
    """Help works everywhere and is not English in Chinese."""
    for command in ("demo", "init", "compare", "improve", "train", "decide", "report", "trials"):
        english = touchstone(command, "--help")
        chinese = touchstone(command, "--help", environment={"TOUCHSTONE_LANG": "zh"})
        assert english.returncode == chinese.returncode == 0
        assert any("\u4e00" <= character <= "\u9fff" for character in chinese.stdout)
        assert not any("\u4e00" <= character <= "\u9fff" for character in english.stdout)


@pytest.mark.parametrize("arguments", [("compare",), ("compare", "task.yaml", "--nonsense"), ("nonsense",)])
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...], touchstone_anew: Run) -> None:
    """The command line itself is checked."""
    result = touchstone_anew(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_the_version_needs_no_verb(touchstone_anew: Run) -> None:
    """`touchstone --version` is complete."""
    result = touchstone_anew("--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("touchstone ")


def test_an_unknown_language_is_one_line_and_2(touchstone: Run) -> None:
    """Before anything is looked at."""
    result = touchstone("trials", "--lang", "fr")
    assert (result.returncode, result.stderr) == (2, "--lang is 'fr'; there are en, zh\n")


def test_places_that_cannot_be_written_are_refused_before_the_run(folder: Path, touchstone: Run) -> None:
    """Code 2 means that nothing was asked: no comparison is stored."""
    _write(folder)
    (folder / "taken").mkdir()
    (folder / "file").write_text("x")
    for flag, place in (("--junit", "taken"), ("--report", "file/report.html")):
        result = touchstone("compare", "task.yaml", flag, place)
        assert result.returncode == 2
        assert result.stderr.count("\n") == 1
        assert "name another place" in result.stderr
    assert json.loads(touchstone("trials", "--json").stdout) == []


def test_latest_is_a_finished_comparison(folder: Path, touchstone: Run) -> None:
    """Where only an interrupted one is stored, the error says so and names it."""
    _write(folder)
    assert touchstone("compare", "task.yaml").returncode == 0
    with sqlite3.connect(folder / ".touchstone" / "touchstone.sqlite") as connection:
        (known,) = connection.execute("UPDATE comparison SET state = 'running' RETURNING id").fetchone()
    result = touchstone("decide", "latest")
    assert result.returncode == 2
    assert f"or name an unfinished one: {known}" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("compare", "task.yaml", "--nonsense"), "--nonsense"),
        (("compare",), "TASKFILE"),
        (("nonsense",), "nonsense"),
        (("compare", "task.yaml", "--repeat", "0"), "--repeat"),
        (("compare", "task.yaml", "--max-usd", "inf"), "inf"),
        (("decide", "--lang", "fr"), "fr"),
    ],
)
def test_a_mistake_in_the_flags_is_one_line_too(arguments: tuple[str, ...], words: str, touchstone: Run) -> None:
    """The flag is named with where its help stands; nothing is done."""
    result = touchstone(*arguments)
    assert result.returncode == 2
    [line] = result.stderr.strip().splitlines()
    assert words in line
    assert not result.stdout


def test_looking_leaves_no_workspace_behind(tmp_path: Path, touchstone: Run) -> None:
    """A list of nothing makes no files."""
    assert touchstone("trials").returncode == 0
    assert not (tmp_path / ".touchstone").exists()


def test_a_plan_that_is_interrupted_kept_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody was asked, so there is nothing to go on from."""
    import typer

    from touchstone.cli.compare import compare
    from touchstone.workspace.workspace import Workspace

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Workspace, "plan", interrupted)
    _write(folder)
    with pytest.raises(typer.Exit) as ended:
        compare(folder / "task.yaml", dry_run=True, workspace=folder / "store")
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "interrupted; nobody was asked\n"
