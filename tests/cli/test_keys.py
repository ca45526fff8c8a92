"""`touchstone keys`, `usage` and `audit`: a key is shown once, money and acts are told, and mistakes are one line."""

from __future__ import annotations

import asyncio
import csv
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from touchstone.cli.app import build_app
from touchstone.config import Settings
from touchstone.deployment.base import Usage
from touchstone.deployment.govern.meter import Ending, Intent, Meter
from touchstone.deployment.govern.recovery import recover
from touchstone.deployment.govern.writer import Writer
from touchstone.workspace.govern import Govern
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

    def run(*arguments: str) -> Result:
        app = get_command(build_app(*arguments[:2]))
        code = app(list(arguments), standalone_mode=False)
        return Result(code or 0, *capfd.readouterr())

    return run


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(workspace=tmp_path / "home", workspace_from="test")


def ask(home: Settings, secret: str, requests: int, *, under_way: int = 0) -> None:
    """Ask as a gateway does, and leave some requests under way."""

    async def serve(place: Govern) -> None:
        writer = Writer(place.engine)
        meter = Meter(place.engine, writer)
        key = place.keys.find(secret)
        assert key is not None
        for number in range(requests + under_way):
            hold = await meter.open(Intent(f"req-{number}", key, "helpdesk", 1, "small", "chat", 0.01))
            if number < requests:
                await meter.settle(hold, Ending("done", Usage(100, 20), 0.004, model="=small"))
        await writer.close()

    with Workspace(home) as workspace:
        place = Govern(workspace)
        asyncio.run(serve(place))
        recover(place.engine, "the next gateway")


def created(run: Run, *flags: str, name: str = "shop") -> tuple[int, str]:
    body = run("keys", "create", "--name", name, "--json", *flags).body
    return body["id"], body["key"]


def test_a_key_is_shown_once(run: Run, home: Settings) -> None:
    """As JSON, or alone on stdout so that a shell can catch it; no later command says it again."""
    number, secret = created(run, "--endpoint", "helpdesk", "--max-usd", "5", "--per", "day")
    plain = run("keys", "create", "--name", "other")

    assert re.fullmatch(r"ts-[\w-]{43}", secret)
    assert re.fullmatch(r"ts-[\w-]{43}\n", plain.out)
    assert "shown once" in plain.err
    said = "".join(
        run(*words).out
        for words in (
            ("keys", "list"), ("keys", "list", "--json"), ("keys", "show", "shop"), ("keys", "show", "shop", "--json"),
            ("audit", "--json"),
        )
    )  # fmt: skip
    assert secret[8:] not in said
    with Workspace(home) as workspace:
        found = Govern(workspace).keys.find(secret)
    assert found is not None
    assert found.id == number


def test_flags_become_the_key(run: Run) -> None:
    """Scopes, endpoints, project, owner, limits, budget, end; what nobody serves yet is told, not refused."""
    made = run(
        "keys", "create", "--name", "shop", "--endpoint", "helpdesk", "--endpoint", "search", "--scope", "infer",
        "--project", "web", "--owner", "ada", "--max-usd", "2.5", "--per", "week", "--requests-per-minute", "60",
        "--tokens-per-minute", "9000", "--in-flight", "4", "--expires", "90d",
    )  # fmt: skip
    found = run("keys", "show", "shop", "--json").body

    assert "nothing is served under the name search yet" in made.err
    assert (found["scopes"], found["endpoints"], found["project"], found["owner"]) == (
        ["infer"],
        ["helpdesk", "search"],
        "web",
        "ada",
    )
    assert found["limits"] == {"requests_per_minute": 60, "tokens_per_minute": 9000, "in_flight": 4}
    assert found["budget"] == {"usd": 2.5, "window": "week"}
    assert found["state"] == "live"
    assert found["expires_at"] is not None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--scope", "root"), "--scope 'root' cannot be used: use one of"),
        (("--max-usd", "0"), "--max-usd 0.0 cannot be used: write a number above 0"),
        (("--max-usd", "1", "--per", "fortnight"), "--per 'fortnight' cannot be used"),
        (("--endpoint", "Help Desk"), "--endpoint 'Help Desk' cannot be used"),
        (("--in-flight", "0"), "--in-flight 0 cannot be used"),
        (("--expires", "soon"), "--expires is 'soon'; write a day such as"),
        (("--expires", "2020-01-01"), "would have expired"),
    ],
)
def test_a_flag_that_cannot_be_used_is_named(run: Run, flags: tuple[str, ...], said: str) -> None:
    """On one line, with the value; nothing is made."""
    result = run("keys", "create", "--name", "shop", *flags)

    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert result.err.count("\n") == 1
    assert run("keys", "list", "--json").body == []


def test_a_key_is_replaced_and_ended(run: Run) -> None:
    """The old one works on for the grace; a revoked one is told as such; each act is in the audit log."""
    old, _secret = created(run)
    new = run("keys", "rotate", "shop", "--grace", "30m", "--json").body
    run("keys", "expire", str(old), "--at", "1h")
    run("keys", "revoke", str(new["id"]))
    listed = {key["id"]: key for key in run("keys", "list", "--json").body}

    assert listed[old]["state"] == "live"
    assert listed[new["id"]]["state"] == "revoked"
    assert listed[new["id"]]["replaces"] == old
    assert [act["what"] for act in run("audit", "--json").body] == [
        "key.revoke", "key.expire", "key.create", "key.rotate", "key.create",
    ]  # fmt: skip
    assert "revoked_at: – →" in run("audit", "--about", f"key {new['id']}").out
    result = run("keys", "rotate", "shop", "--grace", "long")
    assert (result.code, "--grace is 'long'" in result.err) == (2, True)
    assert run("keys", "revoke", "shopp").code == 2


def test_usage_is_told_and_written(run: Run, home: Settings, tmp_path: Path) -> None:
    """The table, the JSON, the CSV and the chart say the same; a formula in a name is text (R20)."""
    number, secret = created(run, "--max-usd", "1")
    ask(home, secret, 5)
    told = run("usage", "--by", "key", "--by", "model", "--csv", "use.csv", "--chart", "use.svg", "--json")
    [row] = told.body

    assert row["parts"] == {"key": f"{number} shop", "model": "=small"}
    assert (row["requests"], row["input_tokens"], row["output_tokens"]) == (5, 500, 100)
    assert row["usd"] == pytest.approx(0.02)
    [_head, line] = csv.reader((tmp_path / "use.csv").read_text().splitlines())
    assert line[:3] == [f"{number} shop", "'=small", "5"]
    picture = ET.fromstring((tmp_path / "use.svg").read_text())
    assert picture.tag.endswith("svg")
    assert f"{number} shop · =small: $0.02" in [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert "5" in run("usage").out
    assert run("usage", "--since", "2999-01-01").out == "Nothing was asked here yet.\n"
    assert run("keys", "show", "shop", "--json").body["standing"]["spent_usd"] == pytest.approx(0.02)


def test_mistakes_in_usage_are_one_line(run: Run) -> None:
    """An unknown part, a moment, a file that cannot be written."""
    for flags, said in (
        (("--by", "colour"), "no part of a report is called 'colour'"),
        (("--since", "yesterday"), "since is 'yesterday'"),
        (("--csv", "no/such/folder.csv"), "--csv no/such/folder.csv cannot be written"),
    ):
        result = run("usage", *flags)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert said in result.err


@pytest.mark.parametrize("flag", ["since", "until"])
def test_a_day_of_the_audit_log_that_is_none_is_told(run: Run, flag: str) -> None:
    """On one line, with the value and how a day is written; a day and a moment are taken."""
    created(run)
    wrong = run("audit", f"--{flag}", "27.11.2026")
    assert (wrong.code, wrong.out, wrong.err.count("\n")) == (2, "", 1)
    assert f"{flag} is '27.11.2026'; write a day such as 2026-11-27, or a moment" in wrong.err
    kept, none = (0, 1) if flag == "since" else (1, 0)
    days = ("2020-01-01", "2999-01-01T12:00")
    assert [act["what"] for act in run("audit", f"--{flag}", days[kept], "--json").body] == ["key.create"]
    assert run("audit", f"--{flag}", days[none], "--json").body == []


def test_what_is_in_doubt_is_listed_and_given_back(run: Run, home: Settings) -> None:
    """Each counts at its hold until an admin releases it."""
    _number, secret = created(run, "--max-usd", "1")
    ask(home, secret, 1, under_way=2)
    found = run("usage", "--in-doubt", "--json").body

    assert {doubt["usd"] for doubt in found} == {0.01}
    assert "keys release REQUEST" in run("usage", "--in-doubt").err
    assert run("keys", "release", "req-1", "--json").body == {"request": "req-1", "usd": 0.01}
    assert run("keys", "release", "req-1").code == 2
    assert run("keys", "show", "shop", "--json").body["standing"]["spent_usd"] == pytest.approx(0.014)
    assert len(run("usage", "--in-doubt", "--json").body) == 1


def test_nothing_yet_is_said_so(run: Run) -> None:
    """In an empty workspace, for people and for machines."""
    assert "keys create --name NAME" in run("keys", "list").out
    assert run("audit").out == "No administrative act was written down yet.\n"
    assert run("usage", "--in-doubt").out == "No request is in doubt.\n"
    assert run("usage", "--json").body == []
