"""What is looked at on a machine, and what each finding says."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from touchstone.config import Settings
from touchstone.workspace.doctor import examine, start_files
from touchstone.workspace.told_settings import told_settings


def settings(folder: Path, **more: object) -> Settings:
    return Settings(workspace=folder, workspace_from="test", **more)  # type: ignore[arg-type]


def test_files_that_run_at_every_start_are_listed(tmp_path: Path) -> None:
    """R27: a `.pth` file whose line Python runs is named with that line; one with folders alone is not."""
    (tmp_path / "folders.pth").write_text("../src\n# import os\n")
    assert [one.name for one in start_files([str(tmp_path)])] == [".pth"]
    (tmp_path / "evil.pth").write_text("../src\nimport os; os.system('x')\n")
    (tmp_path / "tab.pth").write_text("import\tsys\n")
    found = list(start_files([str(tmp_path), str(tmp_path)]))
    assert [(one.name, one.state) for one in found] == [("evil.pth", "look"), ("tab.pth", "look")]
    assert "os.system('x')" in found[0].text()


def test_a_damaged_store_is_a_problem(tmp_path: Path) -> None:
    """An absent store is none; one that is no database is, and the finding says what to do."""
    assert [one.state for one in examine(settings(tmp_path)) if one.area == "store"] == ["absent"]
    (tmp_path / "touchstone.sqlite").write_bytes(b"no database" * 1000)
    found = [one for one in examine(settings(tmp_path)) if one.area == "store"]
    assert [one.state for one in found] == ["problem"]
    assert "damaged" in found[0].text()


def test_a_clock_behind_what_was_written_is_a_problem(tmp_path: Path) -> None:
    """F19: a clock that stands before the last file written here is said so."""
    (tmp_path / "touchstone.sqlite").touch()
    clock = lambda at: next(one for one in examine(settings(tmp_path), now=at) if one.name == "clock")  # noqa: E731
    assert clock(time.time).state == "works"
    assert clock(lambda: time.time() - 7200).state == "problem"


def test_extras_are_those_of_the_package(tmp_path: Path) -> None:
    """Each extra that the package has is either there or named with the command that installs it."""
    found = {one.name: one for one in examine(settings(tmp_path)) if one.area == "extras"}
    assert {"classical", "parquet", "train"} <= found.keys()
    for name, one in found.items():
        assert one.state == "works" or f"touchstone[{name}]" in one.text()


def test_each_setting_says_where_it_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value, and the flag, variable or file; of secrets only that they are set."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-1234567")
    monkeypatch.setenv("TOUCHSTONE_ALERT_WEBHOOK", "https://hooks.example.com/secret-canary")
    monkeypatch.setenv("OLLAMA_HOST", "http://10.0.0.5:11434")
    url = "postgresql+psycopg://me:pass-canary@db.example.com/touchstone"
    found = {one.name: one for one in told_settings(settings(tmp_path, store_url=url))}
    assert (found["workspace"].value, found["workspace"].source) == (str(tmp_path), "test")
    assert found["store"].source == "TOUCHSTONE_STORE"
    assert found["store"].value == "postgresql+psycopg://me:***@db.example.com/touchstone"
    assert (found["OpenAI: key"].value, found["OpenAI: key"].source) == ("set", "OPENAI_API_KEY")
    assert found["Ollama: address"].value == "http://10.0.0.5:11434"
    assert found["alerts"].is_secret
    assert "canary" not in repr(list(found.values()))
