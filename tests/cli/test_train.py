"""`touchstone train`: says first what it will take, trains, goes on after Ctrl-C, and the result is in the catalog."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests import warm

from touchstone.plugins import names

TASK = """\
task: mail intents
instruction: Name the intent.
cases: mail.csv
answer: {kind: label, labels: [delivery, login, refund]}
candidates: [starter/s]
"""
ROWS = {"refund": "money back for order", "delivery": "where is the parcel of order", "login": "no login for account"}


@pytest.fixture
def task(tmp_path: Path) -> Path:
    lines = ["id,split,input,target"]
    for split, first, count in (("train", 0, 14), ("dev", 100, 3), ("test", 200, 3)):
        for number in range(first, first + count):
            lines += [f"{label}{number},{split},{text} {number},{label}" for label, text in ROWS.items()]
    (tmp_path / "mail.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "task.yaml").write_text(TASK, encoding="utf-8")
    return tmp_path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "touchstone", "train", "task.yaml", *arguments]


def environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join(place for place in sys.path if place)
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "COLUMNS": "120", "PYTHONPATH": path}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    told = ("train", "task.yaml", *arguments)
    return warm.run(*told, folder=folder, environment=environment(folder), timeout_s=300)


def test_a_forecast_trains_nothing_and_needs_no_library(task: Path) -> None:
    """Memory and tokens, and about how long it takes here, which is said to be no measurement."""
    done = run(task, "--base", "starter/m", "--forecast", "--json", "--usd-per-hour", "2")
    said = json.loads(done.stdout)

    assert done.returncode == 0
    assert said["schema"] == "touchstone.training/1"
    assert said["rows"] == 42
    assert said["forecast"]["memory_bytes"] > 4e8
    assert said["forecast"]["from_what"] == "stated"
    assert said["forecast"]["usd"] == pytest.approx(said["forecast"]["seconds"] / 3600 * 2)
    assert "time on this machine: about 0:" in done.stderr
    assert said["training"] is None
    assert "memory up to" in done.stderr


def test_from_nothing_real_sizes_stand_beside_the_forecast(task: Path) -> None:
    """In the reader's words, with what an hour costs where somebody says it."""
    done = run(task, "--way", "pretrain", "--forecast", "--h100-usd-per-hour", "3")

    assert done.returncode == 0
    assert "a network of 70B parameters from nothing" in done.stdout
    assert "USD" in done.stdout


def test_a_test_case_in_train_is_told_before_anything_begins(task: Path) -> None:
    """With its rows; it is not among those that are learned."""
    cases = task / "mail.csv"
    cases.write_text(cases.read_text() + "\nplanted,train,Where is the parcel of order 201?,delivery\n")
    done = run(task, "--base", "starter/s", "--forecast", "--json")
    said = json.loads(done.stdout)

    assert said["left_out_for_test"] == 1
    assert said["rows"] == 42
    assert said["findings"][0]["kind"] == "leak"
    assert said["findings"][0]["blocks"]
    assert "planted" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--base"),
        (("--base", "starter/x"), "known: l, m, s"),
        pytest.param(
            ("--base", "folder:nowhere"),
            "nowhere",
            marks=pytest.mark.skipif("local" not in names("model"), reason="installed before there was this plug-in"),
        ),
        (("--base", "starter/s", "--way", "magic"), "lora, full or pretrain"),
        (("--base", "starter/s", "--way", "pretrain"), "begins with nothing"),
        (("--base", "starter/s", "--rank", "4"), "--way lora"),
        (("--base", "starter/s", "--family", "encoder-only"), "from nothing"),
        (("--base", "starter/s", "--name", "***"), "--name"),
        (("--base", "starter/s", "--train-cases", "1000"), "42 cases"),
        (("--base", "starter/s", "--general", "nowhere.csv"), "nowhere.csv"),
        (("--way", "pretrain", "--general", "mail.csv"), "nothing to forget"),
    ],
)
def test_a_mistake_is_one_line_with_the_next_step(task: Path, arguments: tuple[str, ...], said: str) -> None:
    """And exit code 2; nothing is written."""
    done = run(task, *arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("every_training")
@pytest.mark.skipif(sys.platform == "win32", reason="the signal is sent as a terminal of this system sends it")
def test_interrupted_it_goes_on_and_the_result_is_in_the_catalog(task: Path) -> None:
    """The second run takes up the checkpoint; the card says base, rows and losses, the entry how to use it."""
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    wanted = ("--base", "starter/s", "--epochs", "40", "--name", "mail", "--json", "--general", "general.csv")
    (task / "general.csv").write_text("input,target\nWhat is it?,something\nWho are you?,nobody\n")
    with subprocess.Popen(
        command(*wanted), cwd=task, env=environment(task), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as first:
        wait_for_progress(task / ".touchstone" / "trained")
        first.send_signal(signal.SIGINT)
        _, told = first.communicate(timeout=120)
    assert first.returncode == 130
    assert "goes on from there" in told
    (kept,) = (task / ".touchstone" / "trained").glob("*/checkpoint/state.json")
    assert json.loads(kept.read_text())["step"] > 0
    done = run(task, *wanted, "--usd-per-hour", "3.6")
    said = json.loads(done.stdout)["training"]

    assert done.returncode == 0
    assert said["id"] == "own/mail"
    assert {said["entry"][key] for key in ("model", "strategy", "name")} == {"starter/s", "fine_tune", "mail"}
    assert said["general"]["after"]["n"] == 2
    assert said["trained"]["held_back_loss"] < said["trained"]["held_back_loss_before"]
    assert "| base model | touchstone/starter-s |" in Path(task / said["page"]).read_text()
    shown = subprocess.run(
        [sys.executable, "-m", "touchstone", "catalog", "show", "own/mail", "--json"],
        cwd=task,
        env=environment(task),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "touchstone/starter-s" in shown.stdout


def wait_for_progress(folder: Path) -> None:
    deadline = time.monotonic() + 120
    while not any(file.stat().st_size for file in folder.glob("*/progress.jsonl")):
        assert time.monotonic() < deadline, "it did not begin in time"
        time.sleep(0.05)
