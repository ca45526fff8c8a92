"""The bytecode of page templates is kept as Python keeps that of modules: read when it fits, else made anew."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jinja2 import BaseLoader, Environment, FileSystemLoader, PackageLoader

from touchstone.reporting import html, kept_templates
from touchstone.reporting.kept_templates import KeptTemplates


class Counting(Environment):
    """Knows which templates it had to compile."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.compiled: list[str | None] = []

    def compile(self, source: Any, name: Any = None, filename: Any = None, **options: Any) -> Any:
        self.compiled.append(name)
        return super().compile(source, name, filename, **options)


Page = Callable[..., tuple[str, list[str | None]]]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    """The text of a small page, and what had to be compiled for it, each time as a new process would find it."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "page.html.j2").write_text('<p>{{ word }}</p>\n{% include "part.j2" %}\n')
    (folder / "part.j2").write_text("{% if word %}part{% endif %}")
    (tmp_path / "maker.py").write_text("")

    def render(loader: BaseLoader | None = None, **options: Any) -> tuple[str, list[str | None]]:
        kept = KeptTemplates(tmp_path / "maker.py")
        loader = loader or FileSystemLoader(folder)
        environment = Counting(loader=loader, autoescape=True, bytecode_cache=kept, **options)
        return environment.get_template("page.html.j2").render(word="a&b"), environment.compiled

    return render


def touch(path: Path, seconds: int) -> None:
    """Let a file look as if it had been written so much later."""
    found = path.stat()
    os.utime(path, (found.st_atime + seconds, found.st_mtime + seconds))


TEXT = "<p>a&amp;b</p>\npart"
BOTH = ["page.html.j2", "part.j2"]


def test_a_template_is_compiled_once_for_all_processes(page: Page, tmp_path: Path) -> None:
    """The second process finds the code of the first, and the page is the same."""
    assert page() == (TEXT, BOTH)
    assert page() == (TEXT, [])
    assert {path.name.partition(".cpython")[0] for path in (tmp_path / "templates/__pycache__").iterdir()} == {
        "page.html",
        "part",
    }


def test_a_changed_template_is_compiled_anew(page: Page, tmp_path: Path) -> None:
    """What has changed is compiled, what has not is not."""
    page()
    (tmp_path / "templates/part.j2").write_text("other")
    assert page() == ("<p>a&amp;b</p>\nother", ["part.j2"])
    touch(tmp_path / "templates/part.j2", 5)
    assert page()[1] == ["part.j2"]
    assert page()[1] == []


def test_a_changed_environment_compiles_all_anew(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that makes the environment, and the version of the engine, decide the code as well."""
    page()
    touch(tmp_path / "maker.py", 5)
    assert page(trim_blocks=True) == (TEXT, BOTH)
    assert page(trim_blocks=True)[1] == []
    monkeypatch.setattr(kept_templates, "version_of", lambda _: "99.0")
    assert page(trim_blocks=True)[1] == BOTH


def test_where_nothing_may_be_written_the_page_is_made_all_the_same(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a setting of Python nor a folder that is no folder is an error."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert page() == page() == (TEXT, BOTH)
    assert not (tmp_path / "templates/__pycache__").exists()
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "templates/__pycache__").write_text("in the way")
    assert page() == page() == (TEXT, BOTH)


def test_what_is_no_bytecode_of_this_python_is_not_read(page: Page, tmp_path: Path) -> None:
    """A broken or foreign file is as good as none."""
    page()
    for path in (tmp_path / "templates/__pycache__").iterdir():
        path.write_bytes(b"no bytecode")
    assert page() == (TEXT, BOTH)
    assert page() == (TEXT, [])


def test_templates_in_an_archive_are_compiled_each_time(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that was not unpacked works, and writes nothing beside it."""
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("packedpages/__init__.py", "")
        for path in (tmp_path / "templates").glob("*.j2"):
            packed.write(path, f"packedpages/templates/{path.name}")
    monkeypatch.syspath_prepend(str(archive))
    assert page(PackageLoader("packedpages")) == page(PackageLoader("packedpages")) == (TEXT, BOTH)
    assert not (tmp_path / "__pycache__").exists()


def test_the_report_keeps_its_templates(tmp_path: Path) -> None:
    """Our own pages: a second process reads all that a first one compiled, and fills in the same page."""
    code = (
        "import sys, hashlib\n"
        "from touchstone.reporting import html\n"
        "environment = html._environment()\n"
        "seen = []\n"
        "compile = type(environment).compile\n"
        "type(environment).compile = lambda self, source, name=None, *rest, **more: "
        "seen.append(name) or compile(self, source, name, *rest, **more)\n"
        "names = [name for name in environment.list_templates() if name.endswith('.j2')]\n"
        "for name in names: environment.get_template(name)\n"
        "print(len(names), len(seen))\n"
    )
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**clean, "PYTHONPYCACHEPREFIX": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    count = len(list((Path(html.__file__).parent / "templates").glob("*.j2")))
    assert runs == [[str(count), str(count)], [str(count), "0"]]
