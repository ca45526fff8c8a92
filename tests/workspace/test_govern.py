"""The front door to keys and money."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from touchstone.config import Settings
from touchstone.deployment.govern.pepper import NAME
from touchstone.errors import SettingsError, StoreError
from touchstone.workspace.govern import Govern, user_name, write_text
from touchstone.workspace.workspace import Workspace


def test_a_workspace_has_its_keys(tmp_path: Path) -> None:
    """Store and pepper are made when they are first needed; another workspace knows none of them."""
    with Workspace(Settings(tmp_path / "one", "test")) as one, Workspace(Settings(tmp_path / "two", "test")) as two:
        key, secret = Govern(one).keys.create("shop", who=user_name())
        assert Govern(one).keys.find(secret) == key
        assert Govern(two).keys.find(secret) is None
        assert [act.about for act in Govern(one).acts(limit=5)] == [f"key {key.id}"]
        assert Govern(one).unknown_endpoints(["helpdesk"]) == ["helpdesk"]


def test_a_pepper_that_is_gone_is_told(tmp_path: Path) -> None:
    """Instead of a gateway that knows nobody."""
    settings = Settings(tmp_path, "test")
    with Workspace(settings) as workspace:
        Govern(workspace).keys.create("shop", who="me")
    (tmp_path / NAME).unlink()

    with Workspace(settings) as workspace, pytest.raises(StoreError, match="another pepper"):
        _ = Govern(workspace).keys


def test_who_did_it_is_what_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that anybody can set is not believed."""
    before = user_name()
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")

    assert user_name() == before
    assert before.startswith("user ")
    assert "somebody-else" not in before


@pytest.mark.skipif(os.name == "nt", reason="there are no such folders")
def test_a_file_that_cannot_be_written_names_its_flag(tmp_path: Path) -> None:
    """And line ends stay as they are."""
    write_text("--csv", tmp_path / "a.csv", "a\r\nb\r\n")
    assert (tmp_path / "a.csv").read_bytes() == b"a\r\nb\r\n"
    with pytest.raises(SettingsError, match="--csv"):
        write_text("--csv", tmp_path / "no" / "a.csv", "")
