"""How much and for how long: the flags of `serve`, and whose an endpoint is."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Run
from tests.workspace.test_serve import serving
from typer.testing import CliRunner

from touchstone.cli.app import build_app
from touchstone.config import alert_webhook
from touchstone.errors import SettingsError
from touchstone.workspace import serve as room
from touchstone.workspace.serve import ServeOptions

FLAGS = {
    "--keep-rows-days": ("40", "retention.charges_days", 40),
    "--keep-safety-days": ("7", "retention.safety_days", 7),
    "--content-mib": ("2", "retention.content_bytes", 2 << 20),
    "--replies-mib": ("0.5", "retention.replies_bytes", 1 << 19),
    "--file-mib": ("3", "files.file_bytes", 3 << 20),
    "--project-mib": ("4", "files.project_bytes", 4 << 20),
    "--project-files": ("5", "files.project_files", 5),
    "--keep-files-days": ("6", "files.keep_days", 6),
    "--batch-lines": ("7", "batches.lines", 7),
    "--project-batches": ("8", "batches.unfinished", 8),
    "--lines-at-once": ("9", "batches.lines_at_once", 9),
    "--keep-batches-days": ("10", "batches.keep_days", 10),
}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[ServeOptions]]:
    """What the command would serve with; nothing is served."""
    found: list[ServeOptions] = []
    monkeypatch.setenv("TOUCHSTONE_HOME", str(tmp_path / "place"))
    monkeypatch.setattr(room, "serve", lambda _place, options, **_more: found.append(options))
    return found  # type: ignore[return-value]


def value_of(options: ServeOptions, path: str) -> object:
    found: object = options
    for name in path.split("."):
        found = getattr(found, name)
    return found


def test_every_limit_reaches_the_gateway(told: list[ServeOptions]) -> None:
    """Each flag alone changes its own value; the rest keeps its default."""
    words = [word for flag, (said, _path, _value) in FLAGS.items() for word in (flag, said)]
    assert CliRunner().invoke(build_app(), ["serve", *words]).exit_code == 0
    assert CliRunner().invoke(build_app(), ["serve"]).exit_code == 0
    everything, nothing = told
    for _said, path, value in FLAGS.values():
        assert value_of(everything, path) == value
        assert value_of(nothing, path) == value_of(ServeOptions(), path) != value
    assert nothing.webhook is None


def test_rows_are_kept_for_good_or_for_a_month(told: list[ServeOptions]) -> None:
    """0 is for good; less than a month would forget what a monthly budget has spent."""
    assert CliRunner().invoke(build_app(), ["serve", "--keep-rows-days", "0"]).exit_code == 0
    assert told[0].retention.charges_days is None
    assert CliRunner().invoke(build_app(), ["serve", "--keep-rows-days", "31"]).exit_code == 2


def test_the_webhook_is_a_variable() -> None:
    """By its usual name or another; one that was named and is not set is a mistake."""
    environment = {"TOUCHSTONE_ALERT_WEBHOOK": "https://a.example/x", "OTHER": "https://b.example/y", "EMPTY": ""}
    assert alert_webhook(None, environment) == "https://a.example/x"
    assert alert_webhook("OTHER", environment) == "https://b.example/y"
    assert alert_webhook(None, {}) is None
    for name in ("EMPTY", "ABSENT"):
        with pytest.raises(SettingsError, match=name):
            alert_webhook(name, environment)


def test_a_gateway_starts_with_them(tmp_path: Path) -> None:
    """As a process, with all of them at once."""
    words = [word for flag, (said, _path, _value) in FLAGS.items() for word in (flag, said)]
    with serving(tmp_path / "place", *words) as (process, _port):
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, process.err.read_text()


def test_a_webhook_that_cannot_be_used_is_one_line(tmp_path: Path, touchstone: Run) -> None:
    """Before anything is served, and the address, which may be a secret, is not in it."""
    told = {"TOUCHSTONE_ALERT_WEBHOOK": "https://user:secret-word@a.example/hook"}
    found = touchstone("serve", "--port", "0", "--workspace", tmp_path / "place", environment=told)
    assert (found.returncode, found.stderr.count("\n")) == (2, 1), found.stderr
    assert "secret-word" not in found.stderr


def test_an_endpoint_of_a_project(tmp_path: Path, touchstone: Run) -> None:
    """Deployed for one, shown with it, and listed for it and for nobody else's project."""
    place = ("--workspace", str(tmp_path / "place"))
    assert touchstone("deploy", "--recipe", "fake/parrot", "--name", "ours", "--project", "red", *place).returncode == 0
    assert touchstone("deploy", "--recipe", "fake/parrot", "--name", "all", *place).returncode == 0

    def listed(*flags: str) -> list[str]:
        found = json.loads(touchstone("endpoints", "list", "--json", *flags, *place).stdout)
        return [one["name"] for one in found["endpoints"]]

    assert listed() == ["all", "ours"]
    assert listed("--project", "red") == ["all", "ours"]
    assert listed("--project", "blue") == ["all"]
    assert "project red" in touchstone("endpoints", "show", "ours", *place).stdout
    refused = touchstone("deploy", "--recipe", "fake/parrot", "--name", "ours", "--project", "blue", *place)
    assert refused.returncode == 2
    assert "belongs to project red" in refused.stderr
