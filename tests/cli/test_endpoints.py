"""`touchstone deploy` and `endpoints`, as somebody types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tests.conftest import Run


@pytest.fixture
def served(tmp_path: Path, touchstone: Run) -> Run:
    """A workspace with one endpoint, `parrot`."""
    done = touchstone("deploy", "--recipe", "fake/parrot", "--name", "parrot")
    assert done.returncode == 0, done.stderr
    assert "evidence: none" in done.stdout
    return touchstone


def test_what_is_deployed_is_listed_and_shown(served: Run) -> None:
    """For people and for programs."""
    assert "parrot  running  v1 100 %" in served("endpoints", "list").stdout
    shown = served("endpoints", "show", "parrot").stdout
    assert "v1: fake/parrot by prompt" in shown
    found = json.loads(served("endpoints", "list", "--json").stdout)
    assert [one["name"] for one in found["endpoints"]] == ["parrot"]


def test_a_canary_is_shared_out_and_taken_back(served: Run) -> None:
    """In three commands, each of which says where it stands."""
    assert json.loads(
        served("deploy", "--recipe", "fake/parrot", "--name", "parrot", "--percent", "10", "--json").stdout
    )["split"] == {"1": 90, "2": 10}
    assert "v1 50 %, v2 50 %" in served("endpoints", "split", "parrot", "1=50", "v2=50%").stdout
    assert "v1 90 %, v2 10 %" in served("endpoints", "rollback", "parrot").stdout
    wrong = served("endpoints", "split", "parrot", "1:50")
    assert wrong.returncode == 2
    assert "VERSION=PERCENT" in wrong.stderr


def test_a_policy_is_changed_by_flags_and_by_a_file(served: Run, tmp_path: Path) -> None:
    """What is printed is what `--file` takes; what cannot be is refused by name."""
    shown = yaml.safe_load(served("endpoints", "policy", "parrot", "--pii", "mask", "--cache-s", "60").stdout)
    assert (shown["safety"]["pii"], shown["cache_s"]) == ("mask", 60)
    again = yaml.safe_load(served("endpoints", "policy", "parrot", "--cache-s", "0").stdout)
    assert (again["safety"]["pii"], again["cache_s"]) == ("mask", None)
    (tmp_path / "policy.yaml").write_text("sampling: client\n")
    whole = json.loads(served("endpoints", "policy", "parrot", "--file", "policy.yaml", "--json").stdout)
    assert (whole["sampling"], whole["safety"]["pii"]) == ("client", "off")
    (tmp_path / "policy.yaml").write_text("samplign: client\n")
    assert yaml.safe_load(served("endpoints", "policy", "parrot", "--on-key-end", "cut").stdout)["on_key_end"] == "cut"
    for arguments in (
        ("--sampling", "never"),
        ("--on-key-end", "now"),
        ("--file", "policy.yaml"),
        ("--fail-over", "nobody"),
    ):
        wrong = served("endpoints", "policy", "parrot", *arguments)
        assert wrong.returncode == 2, arguments
        assert len(wrong.stderr.splitlines()) == 1


@pytest.mark.parametrize("kind", ["kubernetes", "kserve", "compose", "systemd"])
def test_a_manifest_names_the_host_and_the_command(served: Run, tmp_path: Path, kind: str) -> None:
    """Printed, or written where it is asked for."""
    printed = served("endpoints", "manifest", kind, "--host", "models.internal", "--secret", "OPENAI_API_KEY").stdout
    assert "models.internal" in printed
    assert "serve" in printed
    served("endpoints", "manifest", kind, "--host", "models.internal", "--out", "it")
    assert "models.internal" in (tmp_path / "it").read_text()


def test_a_manifest_that_cannot_be_is_refused(served: Run) -> None:
    """The flag is named."""
    wrong = served("endpoints", "manifest", "kubernetes", "--host", "a b")
    assert wrong.returncode == 2
    assert "--host cannot be" in wrong.stderr
    assert served("endpoints", "manifest", "nomad", "--host", "a.b").returncode == 2


def test_a_removed_endpoint_is_gone_with_its_files(served: Run, tmp_path: Path) -> None:
    """And who removed it stands in the audit log."""
    assert list((tmp_path / ".touchstone" / "endpoints" / "parrot").iterdir())
    assert "removed" in served("endpoints", "remove", "parrot").stdout
    assert not (tmp_path / ".touchstone" / "endpoints" / "parrot").exists()
    assert "endpoint.remove" in served("audit").stdout
    assert served("endpoints", "show", "parrot").returncode == 2


def test_logs_say_where_there_are_none(served: Run) -> None:
    """An endpoint whose provider runs elsewhere prints nothing here."""
    assert "printed" in served("endpoints", "logs", "parrot").stdout


@pytest.mark.parametrize(
    "arguments",
    [(), ("--decision", "latest", "--recipe", "fake/parrot"), ("--recipe", "fake/parrot", "--input-usd", "1")],
)
def test_what_is_not_clear_is_refused(touchstone: Run, arguments: tuple[str, ...]) -> None:
    """One line, exit code 2."""
    wrong = touchstone("deploy", *arguments)
    assert wrong.returncode == 2
    assert len(wrong.stderr.splitlines()) == 1
