"""What settings promise: the environment is read in one place, and each setting says where it came from."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.source import sources

from touchstone.config import environment_of_job, load_settings, preferred_language, secret, takes_styles
from touchstone.errors import SettingsError


@pytest.mark.parametrize(
    ("flag", "environment", "place", "origin"),
    [
        (Path("a"), {"TOUCHSTONE_HOME": "b"}, "a", "--workspace"),
        (None, {"TOUCHSTONE_HOME": "b"}, "b", "TOUCHSTONE_HOME"),
        (None, {"TOUCHSTONE_HOME": ""}, ".touchstone", "default"),
        (None, {}, ".touchstone", "default"),
    ],
)
def test_the_workspace_is_the_flags_then_the_environments_then_the_default(
    flag: Path | None, environment: dict[str, str], place: str, origin: str
) -> None:
    """And it remembers which."""
    found = load_settings(flag, environment)
    assert (found.workspace, found.workspace_from) == (Path(place), origin)


def test_a_workspace_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """The place and the flag are named; a folder that is not there yet is fine."""
    file = tmp_path / "notes.txt"
    file.write_text("x")
    with pytest.raises(SettingsError, match=r"notes.txt is not a folder; name one with --workspace"):
        load_settings(file, {})
    assert load_settings(tmp_path / "new", {}).workspace == tmp_path / "new"


def test_another_store_is_named_by_the_environment() -> None:
    """None means the file in the workspace."""
    assert load_settings(None, {"TOUCHSTONE_STORE": "postgresql://host/db"}).store_url == "postgresql://host/db"
    assert load_settings(None, {}).store_url is None


def test_an_empty_secret_is_no_secret() -> None:
    """Unset and empty are the same."""
    environment = {"A_KEY": "sk-1", "EMPTY": ""}
    assert [secret(name, environment) for name in ("A_KEY", "EMPTY", "UNSET")] == ["sk-1", None, None]


@pytest.mark.parametrize(
    ("arguments", "environment", "code"),
    [
        (["compare", "--lang", "zh"], {"TOUCHSTONE_LANG": "en"}, "zh"),
        (["--lang=en"], {"TOUCHSTONE_LANG": "zh"}, "en"),
        (["--lang"], {"TOUCHSTONE_LANG": "zh"}, "zh"),
        ([], {"TOUCHSTONE_LANG": "en", "LANG": "zh_CN.UTF-8"}, "en"),
        ([], {"LC_ALL": "zh_TW.UTF-8", "LANG": "en_US.UTF-8"}, "zh"),
        ([], {"LANG": "zh_CN.UTF-8"}, "zh"),
        ([], {"LANG": "de_DE.UTF-8"}, "en"),
        ([], {"LC_ALL": "", "LANG": "zh_CN"}, "zh"),
        ([], {}, "en"),
    ],
)
def test_the_language_is_the_flags_then_the_environments(
    arguments: list[str], environment: dict[str, str], code: str
) -> None:
    """`--lang`, `TOUCHSTONE_LANG`, the locale, English."""
    assert preferred_language(arguments, environment) == code


def test_nobody_else_reads_the_environment() -> None:
    """`os.environ` and `getenv` stand in `config.py` alone: whoever needs a setting is given it. Exams plant some."""
    readers = {
        source.name
        for source in sources("environ", "getenv")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")
    }
    assert readers == {"config.py", "testing/exams.py"}


@pytest.mark.parametrize(
    ("variables", "taken"),
    [({"TERM": "xterm"}, True), ({}, True), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
)
def test_styles_are_left_out_where_nobody_wants_them(variables: dict[str, str], taken: bool) -> None:
    """A dumb terminal would show the codes; `NO_COLOR` says that the user wants none."""
    assert takes_styles(variables) is taken


@pytest.mark.parametrize("arguments", [["--lang", "fr", "trials"], ["trials", "--lang=deutsch"]])
def test_a_language_nobody_speaks_here_is_refused(arguments: list[str]) -> None:
    """Not answered in another one; the codes that there are are named."""
    with pytest.raises(SettingsError, match="there are en, zh"):
        preferred_language(arguments, {})


def test_a_job_of_a_project_knows_no_store_by_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store by URL is the site's own; a project below it keeps its own, and no job learns how people come in."""
    monkeypatch.setenv("TOUCHSTONE_STORE", "postgresql+psycopg://db.example.com/touchstone")
    monkeypatch.setenv("TOUCHSTONE_OIDC_SECRET", "canary")
    own = environment_of_job(tmp_path / "jobs" / "1" / "progress.json")
    project = environment_of_job(tmp_path / "projects" / "support" / "jobs" / "1" / "progress.json")
    assert own["TOUCHSTONE_STORE"].startswith("postgresql")
    assert "TOUCHSTONE_STORE" not in project
    assert "canary" not in own.values()
    assert own["TOUCHSTONE_PROGRESS"].endswith("progress.json")
