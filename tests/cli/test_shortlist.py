"""`touchstone shortlist` on the demo task: quick, readable, the same for people and machines, and it writes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from tests import warm
from typer.main import get_command

from touchstone.cli.help_page import Command
from touchstone.cli.shortlist import shortlist as command


class Result(NamedTuple):
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


Shortlist = Callable[..., Result]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that several commands share, so that the index of the catalog is made once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def shortlist(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Shortlist:
    """Runs the command alone, beside a copy of the demo, with a clean environment."""
    shutil.copytree(str(files("touchstone.workspace").joinpath("helpdesk")), tmp_path / "demo")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOUCHSTONE_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "140")
    app = typer.Typer()
    app.command(cls=Command)(command)

    def run(*arguments: str) -> Result:
        code = get_command(app)(list(arguments), standalone_mode=False)
        return Result(code or 0, *capfd.readouterr())

    return run


def body(result: Result) -> dict[str, Any]:
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_demo_task_gets_an_answer(shortlist: Shortlist) -> None:
    """Everybody in the catalog is either in order or left out with a limit; stderr stays empty."""
    result = shortlist("demo/task.yaml", "--language", "any", "--json")
    found = body(result)
    assert result.stderr == ""
    assert found["task"] == "helpdesk-intents"
    assert found["qualified"]
    assert found["excluded"]
    models = [one["model"] for one in (*found["qualified"], *found["excluded"])]
    assert len(set(models)) == len(models) > 200
    assert all(one["text"] for one in found["excluded"])
    assert {one["rule"].partition(".")[0] for one in found["advice"]} >= {"host", "improve"}

    page = shortlist("demo/task.yaml", "--language", "any", "--top", "3")
    assert page.returncode == 0, page.stderr
    for heading in (
        "What is asked",
        "Who qualifies",
        "Who is left out",
        "What giving up one limit brings back",
        "Advice",
    ):
        assert heading in page.stdout
    assert found["qualified"][0]["model"] in page.stdout


def test_flags_are_enough(shortlist: Shortlist) -> None:
    """Without a task file the flags say everything; a tighter price leaves fewer."""
    flags = ["--task-type", "chat", "--licence", "commercial", "--requests-per-month", "20000"]
    flags += ["--input-tokens", "500", "--output-tokens", "100", "--priority", "cost", "--json"]
    wide = body(shortlist(*flags, "--max-usd-per-month", "300"))
    tight = body(shortlist(*flags, "--max-usd-per-month", "5"))
    assert {one["model"] for one in tight["qualified"]} < {one["model"] for one in wide["qualified"]}
    assert all(one["usd_per_month"] <= 5 for one in tight["qualified"])
    costs = [one["usd_per_month"] for one in wide["qualified"]]
    assert costs == sorted(costs)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "nothing is asked for"),
        (["--write", "--task-type", "chat"], "--write needs the task file"),
        (["--max-usd-per-month", "5"], "--max-usd-per-month needs --requests-per-month"),
        (["--benchmark", "mmlu-pro"], "--benchmark and --min-score go together"),
        (["--priority", "beauty"], "beauty"),
        (["--openness", "closed"], "--openness: use one of"),
        (["--licence", "mti"], "mit"),
        (["--released-after", "soon"], "--released-after"),
        (["demo/nothing.yaml"], "cannot be read"),
        (["demo", "--explain", "openai/gpt-4o", "--write"], "leave out --write and --replace"),
        (["demo", "--explain", "openai/gpt-4o", "--replace"], "leave out --write and --replace"),
        (["demo", "--replace"], "--replace goes with --write"),
        (["demo", "--gpu-usd-per-hour", "inf"], "--gpu-usd-per-hour: write a finite number"),
        (["demo", "--fits-gb", "inf"], "--fits-gb: write a finite number"),
        (["demo", "--min-context", "9999999999"], "--min-context: write a number of at most"),
        (["demo", "--serve-days", "3000000"], "--serve-days: write a number of at most 36500"),
        (["demo", "--benchmark", "mmlu-pro", "--min-score", "nan"], "--min-score: write a finite number"),
        (["demo", "--language", "klingon"], "no language is called 'klingon'"),
        (["demo", "--region", "mars"], "no place is called 'mars'"),
        (["demo", "--country", "Germany"], "no country of a lab is called 'GERMANY'"),
        (["--task-type", "chat", "--explain", "openai/gpt-0"], "openai/gpt-0"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line_that_says_what_to_do(shortlist: Shortlist, flags: list[str], said: str) -> None:
    """Exit code 2, nothing on stdout."""
    result = shortlist(*flags)
    assert result.returncode == 2
    assert result.stdout == ""
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_one_model_is_explained(shortlist: Shortlist) -> None:
    """Every limit with its verdict, for people and for machines."""
    found = body(shortlist("--task-type", "embedding", "--explain", "openai/gpt-4o", "--json"))
    assert found["qualifies"] is False
    assert [one["verdict"] for one in found["limits"] if one["limit"] == "task"] == ["not-met"]
    page = shortlist("--task-type", "embedding", "--explain", "openai/gpt-4o")
    assert "not met" in page.stdout


def test_the_page_is_one_html_file(shortlist: Shortlist, tmp_path: Path) -> None:
    """With everybody on it, in a folder that is made."""
    result = shortlist("demo/task.yaml", "--language", "any", "--html", "out/page.html", "--json")
    page = (tmp_path / "out/page.html").read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    for one in body(result)["qualified"][:50]:
        assert one["model"] in page


def test_a_page_that_cannot_be_written_leaves_the_task_file_alone(shortlist: Shortlist, tmp_path: Path) -> None:
    """A command that fails has changed nothing."""
    before = (tmp_path / "demo/task.yaml").read_bytes()
    (tmp_path / "file").write_text("no folder")
    result = shortlist("demo", "--language", "any", "--write", "--html", "file/page.html")
    assert result.returncode == 2
    assert "cannot be written" in result.stderr
    assert (tmp_path / "demo/task.yaml").read_bytes() == before


def test_what_is_written_is_what_was_shown(shortlist: Shortlist, tmp_path: Path) -> None:
    """Of every callable model the offer that stands in the list, by name; nobody is left out."""
    flags = ["--language", "any", "--provider", "openrouter", "--provider", "groq", "--priority", "cost"]
    found = body(
        shortlist(
            "demo", *flags, "--input-tokens", "500", "--output-tokens", "100", "--top", "300", "--write", "--json"
        )
    )
    assert (found["written"]["left_out"], found["written"]["notes"]) == ([], [])
    shown = [(one["seller"], one["served_name"]) for one in found["qualified"]]
    assert len(shown) > 50
    assert found["written"]["added"] == [f"{seller}/{name}" for seller, name in shown]


def test_nothing_is_written_that_leaves_the_wanted_place(shortlist: Shortlist, tmp_path: Path) -> None:
    """The usual address of these sellers runs calls anywhere; what to set is said, and the file stays as it is."""
    before = (tmp_path / "demo/task.yaml").read_bytes()
    result = shortlist("demo", "--region", "eu", "--not-seller-country", "CN", "--write", "--top", "4")
    assert result.returncode == 2
    assert "eu.api.openai.com" in result.stderr
    assert "stays as it is" in result.stderr
    assert (tmp_path / "demo/task.yaml").read_bytes() == before


def test_a_task_without_candidates_gets_its_first(shortlist: Shortlist, tmp_path: Path) -> None:
    """Whoever asks for a shortlist has none yet."""
    task = tmp_path / "demo/task.yaml"
    text = task.read_text(encoding="utf-8")
    start, end = text.index("candidates:"), text.index("goal:")
    task.write_text(text[:start] + text[end:], encoding="utf-8")
    found = body(shortlist("demo", "--language", "any", "--write", "--top", "2", "--json"))
    lines = task.read_text(encoding="utf-8").splitlines()
    assert [line.split()[1] for line in lines[lines.index("candidates:") + 1 :]] == found["written"]["added"]


def test_what_is_written_can_be_planned(shortlist: Shortlist, tmp_path: Path) -> None:
    """`--write` adds candidates to the demo's file, a second time only with `--replace`; compare reads it."""
    task = tmp_path / "demo/task.yaml"
    before = task.read_text(encoding="utf-8")
    found = body(shortlist("demo/task.yaml", "--language", "any", "--write", "--top", "3", "--json"))
    after = task.read_text(encoding="utf-8")

    assert len(found["written"]["added"]) == 3
    assert [line for line in after.splitlines() if line not in before.splitlines()] == [
        line for line in after.splitlines() if any(f"- {name} " in line + " " for name in found["written"]["added"])
    ]
    again = shortlist("demo/task.yaml", "--language", "any", "--write", "--top", "2")
    assert again.returncode == 2
    assert "--replace takes them out" in again.stderr
    assert task.read_text(encoding="utf-8") == after
    once_more = shortlist("demo/task.yaml", "--language", "any", "--write", "--replace", "--top", "2")
    assert once_more.returncode == 0, once_more.stderr
    assert "next: touchstone compare demo/task.yaml --dry-run" in once_more.stderr

    told = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    plan = warm.run("compare", "demo/task.yaml", "--dry-run", "--workspace", "here", folder=tmp_path, environment=told)
    assert plan.returncode == 0, plan.stderr
    for name in found["written"]["added"][:2]:
        assert name in plan.stdout
