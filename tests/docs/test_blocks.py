"""
Every block of the documentation that can run is run, as a reader would run it.

A page's blocks run in order, in one fresh folder that holds a copy of `examples/`, as if the reader had just cloned the
repository. What is not run says why in an HTML comment before it: `<!-- not run: reason -->`. A text block behind
`<!-- output -->` is what the block before it prints; `…` in it stands for anything on that line.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests import warm
from tests.conftest import ONE_THREAD

from touchstone.models.resolve import make_model
from touchstone.scoring.make import make_scorer
from touchstone.workspace.taskfile import load_task

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
INSTALLED = {ROOT / "README.md"}
"""Where a reader begins: run with the command as it was installed; the other pages with a forked one."""
_BLOCK = re.compile(
    r"(?:<!-- (?P<comment>[^\n]*?) -->\n+)?(?P<fence>```+)(?P<language>\w*)\n(?P<body>.*?)^(?P=fence)$",
    re.DOTALL | re.MULTILINE,
)
RUNNABLE = {"bash", "console", "python"}
KNOWN = RUNNABLE | {"text", "yaml", "toml", "json"}
PROMPT_FIELDS = ("prompt", "system", "temperature", "top_p", "max_tokens", "seed", "stop", "response_format", "extra")
ENTRY_FIELDS = ("model", "name", "strategy", "licence", "self_hostable")


@dataclass(frozen=True)
class Block:
    """A fenced block and the line it starts on."""

    language: str
    body: str
    comment: str
    line: int

    @property
    def not_run(self) -> str | None:
        """Why it is not run; None when it is."""
        return self.comment.removeprefix("not run:").strip() if self.comment.startswith("not run") else None

    @property
    def is_output(self) -> bool:
        """Whether it shows what the block before it prints."""
        return self.comment == "output"


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        line = text[: found.start("body")].count("\n")
        yield Block(found["language"], found["body"], found["comment"] or "", line)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_is(page: Path) -> None:
    """A block has a language that is run, checked or known as text; one that is not run says why."""
    for block in blocks(page):
        assert block.language in KNOWN, f"{name_of(page)}:{block.line}: unknown language {block.language!r}"
        if block.not_run is not None:
            assert len(block.not_run) > 10, f"{name_of(page)}:{block.line}: say why this is not run"


@pytest.fixture(scope="module")
def warm_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder whose `touchstone` need not import anything (`warm.py`)."""
    with warm.on_path(tmp_path_factory.mktemp("warm")) as folder:
        yield folder


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.language in RUNNABLE for block in blocks(page))], ids=name_of
)
def test_blocks_run_as_written(page: Path, tmp_path: Path, warm_path: Path) -> None:
    """Every block that is not marked ends with exit code 0, and prints what the page shows."""
    first_on_path = None if page in INSTALLED else warm_path
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "home").mkdir()
    script: list[str] = []
    printed = ""
    python = ""
    for block in blocks(page):
        where = f"{name_of(page)}:{block.line}"
        if block.is_output:
            check_output(block.body, printed, where)
        if block.language not in RUNNABLE or block.not_run is not None:
            continue
        if block.language == "bash":
            printed = run(["bash", "-euo", "pipefail", "-c", block.body], tmp_path, where, first_on_path)
        elif block.language == "python":
            # Later blocks of a page build on the names of earlier ones.
            python += block.body + "\n"
            printed = run([sys.executable, "-c", python], tmp_path, where)
        else:
            for command, shown in console_commands(block.body):
                check_output(shown, run(["bash", "-c", command], tmp_path, where, first_on_path), where)
        script.append(where)
    assert script or all(block.not_run for block in blocks(page) if block.language in RUNNABLE)


def run(command: list[str], folder: Path, where: str, first_on_path: Path | None = None) -> str:
    """What a command prints, both streams as a terminal shows them; it must end with exit code 0."""
    places = [first_on_path, Path(sys.executable).parent, os.environ["PATH"]]
    environment = {
        "PATH": os.pathsep.join(str(place) for place in places if place is not None),
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "COLUMNS": "120",
        "TOUCHSTONE_LANG": "en",
        **ONE_THREAD,
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{where} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def console_commands(body: str) -> Iterator[tuple[str, str]]:
    """(command, what it prints) of a console block; a command ends with its line."""
    command: str | None = None
    shown: list[str] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            if command is not None:
                yield command, "\n".join(shown)
            command, shown = line[2:], []
        else:
            assert command is not None, f"a console block starts with `$ `, not with {line!r}"
            shown.append(line)
    assert command is not None
    yield command, "\n".join(shown)


def check_output(shown: str, printed: str, where: str) -> None:
    """Every line that is shown was printed, in this order; a line of `…` alone stands for any number of lines."""
    lines = iter(printed.splitlines())
    for wanted in shown.splitlines():
        if wanted.strip() in ("", "…"):
            continue
        pattern = ".*".join(re.escape(part) for part in wanted.rstrip().split("…"))
        pattern = re.sub(r"(?:\\ )+", r"\\s+", pattern)
        assert any(re.fullmatch(pattern, line.rstrip()) for line in lines), (
            f"{where}: the page shows {wanted!r}, which was not printed (in this order):\n{printed}"
        )


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.language == "yaml" for block in blocks(page))], ids=name_of
)
def test_task_files_load(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every task file that is shown, completed where it is a part of one, is read; its models and scorers are made."""
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://example.openai.azure.com")
    for number, block in enumerate(block for block in blocks(page) if block.language == "yaml"):
        if block.not_run is not None:
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            load_shown(block.body, folder)
        except Exception as error:
            raise AssertionError(f"{name_of(page)}:{block.line}: {error}") from error


def load_shown(text: str, folder: Path) -> None:
    """Load a task file in a folder with stand-ins for the files that it names."""
    shown = yaml.safe_load(text)
    for key, line in (
        ("task", "task: stand-in"),
        ("cases", "cases: cases.csv"),
        ("candidates", "candidates: [fake/a]"),
    ):
        if key not in shown:
            text += f"\n{line}\n"
    cases = shown.get("cases", "cases.csv")
    for name in [cases] if isinstance(cases, str) else cases.values():
        (folder / name).write_text("id,input,target\n1,one,a\n", encoding="utf-8")
    (folder / "labels.json").write_text('["refund", "delivery", "login"]', encoding="utf-8")
    (folder / "answers.jsonl").write_text(
        '{"input": "one", "reply": "a"}\n{"input": "two", "reply": "b"}\n', encoding="utf-8"
    )
    (folder / "task.yaml").write_text(text, encoding="utf-8")
    task = load_task(folder)
    for entry in task.file.candidates:
        if isinstance(entry, str):
            entry = {"model": entry}
        if "recorded" in entry or str(entry["model"]).startswith("baseline/"):
            continue
        rest = {key: value for key, value in entry.items() if key not in (*PROMPT_FIELDS, *ENTRY_FIELDS)}
        make_model(entry["model"], parameters=rest, folder=folder)
    for scorer in task.file.scorers:
        make_scorer(scorer, models=lambda reference, parameters: make_model(reference, parameters=parameters))
