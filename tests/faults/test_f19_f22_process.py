"""F19 to F22: clocks that jump, disks that fill up, and people who press Ctrl-C; F21 has a file of its own."""

from __future__ import annotations

import ast
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import warm
from tests.faults.bill import requests, sales, wait_until_quiet
from tests.faults.child import command, environment
from tests.faults.conftest import Measure, Write
from tests.faults.promises import finished, interrupted
from tests.faults.provider import in_own_process, in_thread
from tests.faults.store import Store
from tests.source import sources

# F19

WALL = {"time", "time_ns", "now", "today", "utcnow", "localtime", "gmtime", "ctime"}
LABELS = {
    "cli/catalog_change.py": "the date that a refreshed copy and an added card carry",
    "cli/train.py": "the date that the card of a trained model carries",
    "cli/options.py": "the day whose prices and retirements the catalog shows",
    "cli/endpoints.py": "the day on which evidence has expired",
    "cli/endpoints_policy.py": "the same",
    "deployment/endpoints/served.py": "when a reply was made, for clients",
    "cli/keys_change.py": "the moment from which `90d` counts",
    "deployment/compute/replica.py": "since when a process is in its state, for people",
    "deployment/compute/serve_weights.py": "when a reply was made, for clients",
    "deployment/gateway/api/shadow.py": "until when a shadow's reply is kept",
    "deployment/gateway/spans.py": "when a span began and ended",
    "deployment/govern/state.py": "when a row was written",
    "deployment/safety/screen.py": "when a text was looked at, for people",
    "workspace/project_moves.py": "the day that the folder of a deleted project carries",
    "workspace/safety.py": "the day of an evaluation",
    "workspace/serving.py": "the day on which evidence has expired",
    "catalog/prices.py": "which day's prices count where nobody names the day",
    "evaluation/ledger.py": "when a row was written, for people",
    "storage/lock.py": "since when an engine works, for people",
    "models/tuning_service.py": "an HTTP date in `Retry-After`",
    "web/pages/catalog_change.py": "the date that an added card carries",
    "web/pages/endpoint_one.py": "the days that a picture of usage shows",
    "web/pages/endpoints.py": "the same",
    "web/pages/safety.py": "the days whose decisions are counted",
    "web/pages/usage.py": "the days that are shown where nobody names any",
    "web/pages/home.py": "the month whose spend is shown",
    "web/pages/serving_base.py": "the day on which evidence has expired",
    "web/site.py": "the day whose prices the catalog shows",
    "workspace/playground_room.py": "the same",
    "workspace/gateway_state.py": "since when the gateway runs, for people",
    "workspace/job_child.py": "when a job ended, for people",
    "workspace/key_words.py": "the moment from which `90d` counts",
    "workspace/provider_keys.py": "when a key was set, for people",
    "models/chat_line.py": "an HTTP date in `Retry-After` where the reply does not tell the provider's own time",
}
"""Who may look at the wall clock, and for what."""

CALENDARS = {
    "deployment/govern/balance.py": "which window a budget is in",
    "deployment/govern/content.py": "until when contents are kept",
    "deployment/govern/files.py": "until when a file is kept",
    "deployment/govern/idempotency.py": "until when a reply is kept for its key",
    "deployment/govern/keys.py": "whether a key has expired",
    "deployment/govern/meter.py": "which window a budget is in; it never goes back, see A4",
    "deployment/govern/reply_cache.py": "until when a reply is kept",
    "deployment/govern/retention.py": "what is older than it may be",
    "web/oidc.py": "whether what an issuer vouches for has ended",
    "web/sessions.py": "whether a session has ended",
    "workspace/people.py": "whether an invitation has ended",
    "workspace/doctor.py": "whether this clock can be right",
    "workspace/jobs.py": "which lost jobs are recent enough to go on with; begun by a file's own time",
    "workspace/tasks.py": "which drafts nobody came back for",
}
"""Who reckons with it, because what they promise is about days: each takes the clock as an argument, for its tests."""


def test_f19_a_wall_clock_that_jumps_changes_nothing(
    bill: Path, write_task: Write, compare: Measure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A year forth and back at every look: waits, deadlines, order and results are as ever."""
    jumps = itertools.cycle((0.0, 31e6, -31e6, 5e8))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    texts = ["fault:429,retry-after=0.2*1 say:yes", "fault:503*1 say:yes", *(f"say:yes {n}" for n in range(10))]
    with in_thread(bill) as provider:
        write_task(provider.base_url, texts)
        found = compare()
    assert found["candidates"][0]["outcomes"]["scored"] == 12
    assert 0 < found["candidates"][0]["latency_s"]["p95"] < 60
    numbers = [attempt["id"] for attempt in Store.of(tmp_path).attempts()]
    assert len(set(numbers)) == len(numbers) == requests(bill) == 14


def test_f19_nothing_is_computed_from_the_wall_clock() -> None:
    """`time.time` and its like stand where a label is made or a day is meant; durations are monotonic."""
    found = set()
    for source in sources(*(f".{name}" for name in WALL)):
        for node in ast.walk(source.tree):
            owner = getattr(getattr(node, "value", None), "id", "")
            if isinstance(node, ast.Attribute) and node.attr in WALL and owner in ("time", "datetime", "date"):
                found.add(source.name)
    assert found <= {*LABELS, *CALENDARS}, found - {*LABELS, *CALENDARS}


def test_f19_two_engines_never_give_one_number(bill: Path, write_task: Write, compare: Measure, tmp_path: Path) -> None:
    """Numbers of attempts are random and then a sequence: a clock set back repeats none."""
    with in_thread(bill) as provider:
        for rounds in range(3):
            write_task(provider.base_url, [f"say:yes {rounds} {n}" for n in range(5)])
            compare(new=True)
    numbers = [attempt["id"] for attempt in Store.of(tmp_path).attempts()]
    assert len(set(numbers)) == 15
    starts = {number >> 32 for number in numbers}
    assert len(starts) == 3


# F20


def _run_in_shell(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", script, "sh", *command("compare", "task.yaml", "--json")],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _looked_at_after(stopped: subprocess.CompletedProcess[str], bill: Path, folder: Path, in_flight: int) -> None:
    """What holds after the disk failed a run, and the run that goes on when there is room again."""
    assert stopped.returncode == 1, stopped.stderr
    assert "Traceback" not in stopped.stderr
    store = Store.of(folder)
    assert store.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    interrupted(store, bill, in_flight=in_flight)
    bought = len(store.replies())
    # Nothing was sent after the failure but what was on its way.
    assert 0 < bought <= requests(bill) <= bought + in_flight
    again = warm.run("compare", "task.yaml", "--json", folder=folder, environment=environment(folder))
    assert again.returncode == 0, again.stderr
    finished(store, bill, cap_usd=None, kills=1, in_flight=in_flight)
    outcomes = json.loads(again.stdout)["candidates"][0]["outcomes"]
    planned = outcomes.pop("planned")
    assert bought < planned == sum(outcomes.values())


IN_FLIGHT = 4


def test_f20_a_full_disk_stops_the_run_and_loses_nothing(bill: Path, write_task: Write, tmp_path: Path) -> None:
    """
    A disk of some megabytes: sending stops, what was committed is readable, the end is written into the reserve.

    The message says that there was no room; with room again, the same command goes on. One small reply at a time, so
    that without the reserve no room is left for the end.
    """
    unshare, disk = shutil.which("unshare"), tmp_path / ".touchstone"
    disk.mkdir()
    mount = [unshare or "unshare", "-rm", "mount", "-t", "tmpfs", "none", str(disk)]
    if unshare is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody but its administrator mount a small disk")
    script = (
        'unshare -rm /bin/sh -c \'mount -t tmpfs -o size=26m none .touchstone && "$@"; code=$?; '
        'ls .touchstone > left.txt; cp -r .touchstone kept; exit $code\' sh "$@"'
    )
    with in_own_process(bill) as url:
        path = write_task(url, [f"say:{'x' * 6000} {n}" for n in range(300)], task="limits: {concurrency: 1}\n")
        path.write_text(path.read_text().replace("max_tokens: 50", "max_tokens: 1500"))
        stopped = _run_in_shell(tmp_path, script)
        wait_until_quiet(bill)
        assert "no room left" in stopped.stderr
        assert "touchstone.sqlite.reserve" not in (tmp_path / "left.txt").read_text()
        disk.rmdir()
        (tmp_path / "kept").rename(disk)
        [comparison] = Store.of(tmp_path).rows("SELECT * FROM comparison")
        assert (comparison["state"], comparison["ending"]) == ("stopped", "store")
        _looked_at_after(stopped, bill, tmp_path, in_flight=1)


def test_f20_a_disk_that_fails_stops_the_run_and_loses_nothing(bill: Path, write_task: Write, tmp_path: Path) -> None:
    """A file that may not grow any further, as with a quota: the write fails with an I/O error."""
    with in_own_process(bill) as url:
        write_task(
            url, [f"say:{'long_' * 30_000} {n}" for n in range(60)], task=f"limits: {{concurrency: {IN_FLIGHT}}}\n"
        )
        stopped = _run_in_shell(tmp_path, 'ulimit -f 20000; exec "$@"')
        wait_until_quiet(bill)
        _looked_at_after(stopped, bill, tmp_path, in_flight=IN_FLIGHT)


# F22


class Started:
    """A comparison in a process of its own (`warm.py`), which is sent signals."""

    def __init__(self, folder: Path) -> None:
        self.out, self.err = folder / "stdout.txt", folder / "stderr.txt"
        told = ("compare", "task.yaml", "--json")
        self._process = warm.start(told, folder=folder, environment=environment(folder), out=self.out, err=self.err)

    def tell(self, number: signal.Signals, when: Callable[[], bool]) -> None:
        """Send it a signal as soon as something is true; it must still run then."""
        while not when():
            assert self._process.exitcode is None, self.err.read_text()
            time.sleep(0.002)
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def ended(self) -> str:
        """Wait for its end by a signal; what it said of it."""
        self._process.join(60)
        code = self._process.exitcode
        self._process.kill()
        assert code == 130, self.err.read_text()
        return self.err.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_f22_the_first_signal_lets_what_is_in_flight_arrive(
    number: signal.Signals, bill: Path, write_task: Write, tmp_path: Path
) -> None:
    """Nothing further is sent, nothing is in doubt, exit code 130; the same command asks only for what is missing."""
    with in_own_process(bill, "--latency", "0.3") as url:
        write_task(url, [f"say:yes {n}" for n in range(30)], task=f"limits: {{concurrency: {IN_FLIGHT}}}\n")
        process = Started(tmp_path)
        process.tell(number, when=lambda: len(sales(bill)) >= 2)
        asked = requests(bill)
        assert "the same command goes on" in process.ended()
        assert requests(bill) <= asked + IN_FLIGHT
        attempts = Store.of(tmp_path).attempts()
        assert {attempt["state"] for attempt in attempts} == {"replied"}
        outcomes = json.loads(process.out.read_text())["candidates"][0]["outcomes"]
        assert outcomes["scored"] == len(attempts)
        assert outcomes["scored"] + outcomes["skipped_cancel"] == 30
    before = requests(bill)
    with in_own_process(bill, "--port", url.split(":")[2].removesuffix("/v1")):
        assert warm.run("compare", "task.yaml", folder=tmp_path, environment=environment(tmp_path)).returncode == 0
    assert requests(bill) - before == 30 - len(attempts)
    finished(Store.of(tmp_path), bill, cap_usd=None, kills=0, in_flight=IN_FLIGHT)


def test_f22_the_second_signal_stops_at_once(bill: Path, write_task: Write, tmp_path: Path) -> None:
    """A provider that is silent is not waited for: what was in flight is in doubt, and no more than that."""
    with in_own_process(bill) as url:
        write_task(url, [f"fault:hang {n}" for n in range(30)], task=f"limits: {{concurrency: {IN_FLIGHT}}}\n")
        process = Started(tmp_path)
        process.tell(signal.SIGINT, when=lambda: requests(bill) >= IN_FLIGHT)
        time.sleep(0.2)
        process.tell(signal.SIGINT, when=lambda: True)
        process.ended()
    assert requests(bill) == IN_FLIGHT
    attempts = Store.of(tmp_path).attempts()
    assert [attempt["state"] for attempt in attempts] == ["in_doubt"] * IN_FLIGHT
    assert all(attempt["cost_usd"] == attempt["hold_usd"] for attempt in attempts)
    interrupted(Store.of(tmp_path), bill, in_flight=0)


JUDGED = """\
scorers:
  - judge: {{model: {{model: openai-compatible, base_url: '{url}', served_name: judge-1,
                    price: {{input_usd: 1, output_usd: 2}}}}, rubric: 'Is it right?'}}
"""


def _write_judged(write_task: Write, url: str, text: str) -> None:
    path = write_task(url, [], task=JUDGED.format(url=url))
    path.write_text(path.read_text().replace("cases.csv", "cases.jsonl").replace("kind: text", "kind: free"))
    (path.parent / "cases.jsonl").write_text(json.dumps({"id": "q", "input": text}) + "\n")


def test_f22_a_signal_is_heard_while_the_judge_is_examined(bill: Path, write_task: Write, tmp_path: Path) -> None:
    """The control row in flight arrives and no further one is sent; the next start goes on from there."""
    verdict = 'say:fine verdict:say:{"score":5,"reason":"right"}'
    with in_own_process(bill, "--latency", "0.5") as url:
        _write_judged(write_task, url, verdict)
        process = Started(tmp_path)
        process.tell(signal.SIGINT, when=lambda: requests(bill) >= 1)
        assert "the same command goes on" in process.ended()
    store = Store.of(tmp_path)
    assert requests(bill) == len(store.attempts()) <= 2
    assert {attempt["state"] for attempt in store.attempts()} == {"replied"}
    assert store.rows("SELECT * FROM comparison") == []
    with in_own_process(bill, "--port", url.split(":")[2].removesuffix("/v1")):
        assert warm.run("compare", "task.yaml", folder=tmp_path, environment=environment(tmp_path)).returncode == 0
    # Three control rows, an answer and its verdict; all in the books of one run.
    assert requests(bill) == 5
    assert len(store.rows("SELECT * FROM budget")) == 1
    finished(store, bill, cap_usd=None, kills=0, in_flight=1)


def test_f22_a_second_signal_leaves_a_judge_that_is_silent(bill: Path, write_task: Write, tmp_path: Path) -> None:
    """The control row in flight is in doubt at its worst case, and the run ends at once."""
    with in_own_process(bill) as url:
        _write_judged(write_task, url, "say:fine verdict:fault:hang")
        process = Started(tmp_path)
        process.tell(signal.SIGINT, when=lambda: requests(bill) >= 1)
        time.sleep(0.2)
        process.tell(signal.SIGINT, when=lambda: True)
        process.ended()
    [attempt] = Store.of(tmp_path).attempts()
    assert (attempt["state"], attempt["cost_usd"]) == ("in_doubt", attempt["hold_usd"])
    interrupted(Store.of(tmp_path), bill, in_flight=0)
