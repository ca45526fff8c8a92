"""
P1 to P7 under SIGKILL: a run that is killed again and again ends as if nobody had touched it, and buys nothing twice.

Six seeds by default: every number of kills, a small cap, both kinds of race, and a copy of the store are among them.
`TOUCHSTONE_KILL_SEEDS=200` for more (`make test-thorough`), with failing calls among them.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from tests.faults.bill import requests, spent_usd
from tests.faults.kill import Death, kill_loop, live
from tests.faults.promises import finished, interrupted
from tests.faults.provider import in_own_process
from tests.faults.store import Store

from touchstone.evaluation.crash_points import POINTS

SEEDS = int(os.environ.get("TOUCHSTONE_KILL_SEEDS", "6"))
CASES = 24
IN_FLIGHT = 6
COMPARE = ("compare", "task.yaml", "--json", "--report", "report.html")

TASK = """\
task: killed
cases: cases.csv
answer: {{kind: text}}
candidates:
  - {{model: openai-compatible, name: one, base_url: '{url}', served_name: m-1, max_tokens: 20,
     price: {{input_usd: 1, output_usd: 2}}}}
  - {{model: openai-compatible, name: two, base_url: '{url}', served_name: m-2, max_tokens: 20, stream: true,
     price: {{input_usd: 1, output_usd: 2}}}}
limits: {{concurrency: {in_flight}, max_usd: {cap}}}
race: {{batch: 6}}
"""

QUIET_MIX = ("refusal=0.05", "filtered=0.05", "choices,are=empty=0.05")
"""Replies that are no answers and need no second call; none whose cost we must estimate, so the bills are equal."""
LOUD_MIX = ("reset=0.01", "503=0.02", "cut=0.01")


def write_task(folder: Path, url: str, cap: float = 1.0) -> None:
    """Twenty-four questions for two candidates, each right about half the time."""
    rows = "".join(f"q{at},say:{'yes' if at % 3 else 'no'} question {at},yes\n" for at in range(CASES))
    (folder / "cases.csv").write_text("id,input,target\n" + rows)
    (folder / "task.yaml").write_text(TASK.format(url=url, cap=cap, in_flight=IN_FLIGHT))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_f21_a_run_killed_at_random_loses_nothing_and_buys_nothing_twice(seed: int, bill: Path, tmp_path: Path) -> None:
    """
    Up to three deaths at random points, requests and times, then the end, then the same command once more.

    P1 to P5 hold in both ledgers after every death and at the end; P6: once more asks nobody and prints the same bytes;
    P7: a copy of the store elsewhere gives the same report.
    """
    store = Store.of(tmp_path)
    cap = 0.0016 if seed % 4 == 3 else 1.0
    flags = (*COMPARE, "--full") if seed % 2 else COMPARE
    faults = [part for fault in (QUIET_MIX + (LOUD_MIX if SEEDS > 20 else ())) for part in ("--mix", fault)]
    with in_own_process(bill, "--latency", "0.004", "--seed", str(seed), *faults) as url:
        write_task(tmp_path, url, cap)
        died, ended = kill_loop(
            tmp_path,
            bill,
            flags,
            seed=seed,
            kills=1 + seed % 3,
            calls=2 * CASES,
            after_kill=lambda: interrupted(store, bill, in_flight=IN_FLIGHT),
        )
        assert ended.returncode in (0, 3), ended.stderr
        finished(store, bill, cap_usd=cap, kills=died, in_flight=IN_FLIGHT)
        _adds_up(json.loads(ended.stdout), store, bill)
        asked = requests(bill)
        again = live(tmp_path, bill, flags)
        if ended.returncode == 0:
            assert (again.returncode, again.stdout) == (0, ended.stdout), "P6: another result"
            assert requests(bill) == asked, "P6: somebody was asked"
        else:  # stopped by the cap: what still fits under it may be bought, and no more
            finished(store, bill, cap_usd=cap, kills=died, in_flight=IN_FLIGHT)
    if seed % 5 == 0:
        _says_the_same_elsewhere(tmp_path)


@pytest.mark.parametrize("point", POINTS)
def test_f21_a_run_killed_at_each_point_goes_on(point: str, bill: Path, tmp_path: Path) -> None:
    """Every named point, in a process as a user starts it: it dies there, and the next one finishes."""
    store = Store.of(tmp_path)
    times = {"before-finish": 1, "after-round": 2}.get(point, 9)
    with in_own_process(bill, "--latency", "0.004") as url:
        write_task(tmp_path, url)
        died = live(tmp_path, bill, COMPARE, Death(point=f"{point}:{times}"), real=point == "mid-commit")
        assert died.returncode == -signal.SIGKILL, died.stderr
        interrupted(store, bill, in_flight=IN_FLIGHT)
        ended = live(tmp_path, bill, COMPARE)
        assert ended.returncode == 0, ended.stderr
        finished(store, bill, cap_usd=1.0, kills=1, in_flight=IN_FLIGHT)
        _adds_up(json.loads(ended.stdout), store, bill)


def test_f21_a_run_killed_while_it_waits_for_replies_shows_what_is_in_doubt(bill: Path, tmp_path: Path) -> None:
    """After the send and before any byte of a reply: as many in doubt as were in flight, told and charged (P2)."""
    store = Store.of(tmp_path)
    with in_own_process(bill, "--latency", "0.5") as url:
        write_task(tmp_path, url)
        died = live(tmp_path, bill, COMPARE, Death(requests=IN_FLIGHT))
        assert died.returncode == -signal.SIGKILL
        interrupted(store, bill, in_flight=IN_FLIGHT)
    with in_own_process(bill, "--port", url.split(":")[2].removesuffix("/v1")):
        ended = live(tmp_path, bill, COMPARE)
    assert ended.returncode == 0, ended.stderr
    finished(store, bill, cap_usd=1.0, kills=1, in_flight=IN_FLIGHT)
    found = json.loads(ended.stdout)
    doubtful = [attempt for attempt in store.attempts() if attempt["state"] == "in_doubt"]
    assert len(doubtful) == IN_FLIGHT
    assert found["spent_usd"] == pytest.approx(sum(attempt["cost_usd"] for attempt in store.attempts()))
    assert any(f"possibly billed twice: {IN_FLIGHT}" in warning for warning in found["warnings"])


def _adds_up(found: dict[str, object], store: Store, bill: Path) -> None:
    """P4 and P5 as the result tells them."""
    booked = sum(attempt["cost_usd"] or 0.0 for attempt in store.attempts())
    assert found["spent_usd"] == pytest.approx(booked)
    assert spent_usd(bill) <= booked + 1e-12
    candidates = found["candidates"]
    assert isinstance(candidates, list)
    for candidate in candidates:
        outcomes = dict(candidate["outcomes"])
        assert outcomes.pop("planned") == sum(outcomes.values()) == CASES


def _says_the_same_elsewhere(folder: Path) -> None:
    """P7: the same rows in another place give the same result and the same report."""
    elsewhere = folder / "elsewhere"
    shutil.copytree(folder / ".touchstone", elsewhere / ".touchstone")
    told = [
        live(place, folder / "bill.jsonl", ("report", "latest", "--json", "--out", "again.html"))
        for place in (folder, elsewhere)
    ]
    assert told[0].returncode == 0, told[0].stderr
    assert told[0].stdout == told[1].stdout
    assert (folder / "again.html").read_bytes() == (elsewhere / "again.html").read_bytes()
