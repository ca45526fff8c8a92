"""Long work in processes of its own: what is told of it, and what survives whom."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
from tests import warm
from tests.web.visiting import Visitor

from touchstone.errors import SettingsError, UnknownName
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_server import FakeServer, serve_in_thread
from touchstone.storage.process_lock import ProcessLock
from touchstone.workspace.job_child import birth
from touchstone.workspace.jobs import Jobs, JobView

CASES = 80
KEY = "sk-canary-5150"
TASK = """\
task: capitals
instruction: Name the capital.
cases: cases.csv
answer: {{kind: text}}
scorers: [exact]
candidates:
  - {{model: openai-compatible, name: one, base_url: "{url}", served_name: m, key_env: OWN_KEY,
     max_tokens: 10, price: {{input_usd: 1, output_usd: 2}}}}
limits: {{concurrency: 4}}
"""


class Provider:
    """A provider that answers at a pace and counts what each question was sold."""

    def __init__(self) -> None:
        self.pause_s = 0.0
        self.sold: list[str] = []

    def reply(self, request: ChatRequest) -> FakeReply:
        asked = str(request.messages[-1].content)
        self.sold.append(asked.split()[-1])
        return FakeReply(text="city", input_tokens=30, output_tokens=5, latency_s=self.pause_s)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def task(tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A task file whose one candidate is asked at the provider."""
    monkeypatch.setenv("OWN_KEY", KEY)
    folder = tmp_path / "workspace" / "tasks" / "capitals"
    folder.mkdir(parents=True)
    write_cases(folder, CASES)
    with serve_in_thread(FakeServer(FakeModel("m", reply=provider.reply), key=KEY)) as server:
        (folder / "task.yaml").write_text(TASK.format(url=server.base_url))
        yield folder / "task.yaml"


def write_cases(folder: Path, count: int) -> None:
    rows = "".join(f"q{n},capital of country {n},city\n" for n in range(count))
    (folder / "cases.csv").write_text("id,input,target\n" + rows)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """The jobs of a workspace; what still works at the end is ended."""
    found = Jobs(tmp_path / "workspace")
    yield found
    for view in found.all():
        for name in ("group", "command"):
            process = known(found, view.job.id).get(name)
            if view.is_live and process:
                kill(process)


def known(jobs: Jobs, job: str) -> dict[str, int]:
    file = jobs.folder / job / "process.json"
    return orjson.loads(file.read_bytes()) if file.exists() else {}


def kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.02)


def ended(jobs: Jobs, job: str) -> JobView:
    until(lambda: not jobs.view(job).is_live)
    return jobs.view(job)


def kept(jobs: Jobs) -> Path:
    """The folder of a job that nobody works at."""
    place = jobs.folder / "20260101-000000-abcdef01"
    place.mkdir(parents=True)
    job = {"id": place.name, "verb": "trials", "arguments": [], "title": "x", "who": "ada", "created": "2026-01-01"}
    (place / "job.json").write_bytes(orjson.dumps(job))
    return place


def compare(jobs: Jobs, task: Path, *more: str) -> str:
    return jobs.start(
        "compare", "--full", *more, "--", str(task), title="capitals", about="/tasks/capitals", who="ada"
    ).id


# From the beginning to the end ------------------------------------------------------------------------------------


def test_a_run_tells_where_it_stands_and_what_came_out(jobs: Jobs, task: Path, provider: Provider) -> None:
    """Progress, words and result are there once it has ended, and the exit code is that of the command."""
    job = compare(jobs, task)
    assert jobs.view(job).state == "running"
    view = ended(jobs, job)
    assert (view.state, view.exit_code) == ("done", 0), jobs.said(job)
    assert jobs.result(job)["candidates"][0]["outcomes"]["scored"] == CASES
    lane = (jobs.progress(job) or {})["said"]["lanes"][0]
    assert (lane["done"], lane["planned"]) == (CASES, CASES)
    assert [one.job.id for one in jobs.about("/tasks/capitals")] == [job]
    # What is kept of it holds no key: neither its own files nor the words of the command.
    assert KEY not in "".join(path.read_text() for path in (jobs.folder / job).iterdir())


def test_words_behind_the_dashes_stay_names(jobs: Jobs, tmp_path: Path) -> None:
    """The flags that every job has stand before `--`: a file that is called like one is a file."""
    job = jobs.start("compare", "--dry-run", "--", "--version", title="odd", who="ada").id
    view = ended(jobs, job)
    assert (view.state, view.exit_code) == ("refused", 2)
    assert "--version" in jobs.said(job)


@pytest.mark.parametrize(
    ("code", "state", "goes_on"),
    [(0, "done", False), (100, "done", False), (3, "capped", True), (130, "stopped", True), (-2, "stopped", True),
     (-15, "stopped", True), (-9, "interrupted", True), (-11, "interrupted", True), (2, "refused", True),
     (1, "failed", True)],
)  # fmt: skip
def test_each_ending_has_its_name(jobs: Jobs, code: int, state: str, goes_on: bool) -> None:
    """The exit code says it: the cap, a stop, something to change; a signal from outside is an interruption."""
    place = kept(jobs)
    (place / "ended.json").write_bytes(orjson.dumps({"exit_code": code, "at": "2026-01-01T00:00:00+00:00"}))
    view = jobs.view(place.name)
    assert (view.state, view.can_go_on, view.is_live) == (state, goes_on, False)


# Stopping ---------------------------------------------------------------------------------------------------------


def test_a_run_that_is_stopped_and_killed_buys_nothing_twice(jobs: Jobs, task: Path, provider: Provider) -> None:
    """
    A stopped run keeps its answers, and going on asks only for the others; SIGKILL of the command is an interruption,
    and a site goes on with it: only what was in flight may be sold again.
    """
    provider.pause_s = 0.1
    job = compare(jobs, task)
    until(lambda: len(provider.sold) > 8)
    with pytest.raises(SettingsError):
        jobs.go_on(job)
    assert jobs.stop(job).state == "stopping"
    view = ended(jobs, job)
    assert (view.state, view.can_go_on) == ("stopped", True)
    stopped = len(provider.sold)
    assert 8 < stopped < CASES
    jobs.go_on(job)
    until(lambda: len(provider.sold) > stopped + 8)
    assert sorted(provider.sold) == sorted(set(provider.sold))
    kill(known(jobs, job)["command"])
    view = ended(jobs, job)
    assert (view.state, view.exit_code) == ("interrupted", -signal.SIGKILL)
    provider.pause_s = 0.0
    (again,) = jobs.go_on_with_interrupted()
    assert again.id == job
    assert ended(jobs, job).state == "done"
    assert len(set(provider.sold)) == CASES
    assert len(provider.sold) - CASES <= 4


def test_a_stop_that_comes_before_the_process_is_known_holds(jobs: Jobs, task: Path, provider: Provider) -> None:
    """Who was asked to stop while it was only starting stops as soon as it hears."""
    provider.pause_s = 0.2
    job = compare(jobs, task)
    assert jobs.stop(job).state == "stopping"
    assert ended(jobs, job).state in ("stopped", "failed")  # Python's own start may be what is interrupted
    assert len(provider.sold) < CASES


def test_a_number_that_was_used_again_is_left_alone(jobs: Jobs) -> None:
    """Whoever has the number of a process that is gone hears nothing of a stop."""
    place = kept(jobs)
    job = place.name
    # It says when it has begun: an interrupt in the middle of Python's own start may be swallowed there.
    waits = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(waits, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        said: dict[str, int | None] = {"group": other.pid, "group_birth": 1, "command": other.pid, "command_birth": 1}
        (place / "process.json").write_bytes(orjson.dumps(said))
        with ProcessLock(place / "lock") as lock:
            assert lock.take()
            assert jobs.stop(job).state == "stopping"
        time.sleep(0.1)
        assert other.poll() is None
        said["group_birth"] = birth(other.pid)
        (place / "process.json").write_bytes(orjson.dumps(said))
        with ProcessLock(place / "lock") as lock:
            assert lock.take()
            jobs.stop(job)
        assert other.wait(10) == -signal.SIGINT or other.returncode == 1


# Kills ------------------------------------------------------------------------------------------------------------


def test_a_killed_wrapper_leaves_the_command_at_work(jobs: Jobs, task: Path, provider: Provider) -> None:
    """The command holds the job's lock too: it is not begun a second time while it works, and can be stopped."""
    provider.pause_s = 0.1
    job = compare(jobs, task)
    until(lambda: len(provider.sold) > 4)
    kill(known(jobs, job)["group"])
    time.sleep(0.1)
    assert jobs.view(job).state == "running"
    assert jobs.go_on_with_interrupted() == ()
    jobs.stop(job)
    assert ended(jobs, job).state == "interrupted"
    assert len(provider.sold) < CASES


def test_a_site_does_not_begin_what_ends_it_for_ever(jobs: Jobs) -> None:
    """Three times by itself, and only what was begun lately; a person may always."""
    place = kept(jobs)
    job = place.name
    (place / "process.json").write_bytes(orjson.dumps({}))
    (place / "begun").touch()
    assert jobs.view(job).state == "interrupted"
    (place / "again").write_text("3")
    assert jobs.go_on_with_interrupted() == ()
    (place / "again").unlink()
    month_ago = time.time() - 30 * 86_400
    os.utime(place / "begun", (month_ago, month_ago))
    assert jobs.go_on_with_interrupted() == ()
    # Two people at once: one begins it, the other is told.
    with ThreadPoolExecutor(2) as pool:
        begun = [pool.submit(jobs.go_on, job) for _ in range(2)]
        told = [one.exception() for one in begun]
    assert [type(one) for one in told if one is not None] == [SettingsError]
    assert ended(jobs, job).state == "done"


def test_a_killed_site_finds_its_run_going_on(tmp_path: Path, task: Path, jobs: Jobs, provider: Provider) -> None:
    """
    SIGKILL of the site and of the run, then a new site: the page shows the run going on from where it was, and the
    provider's bill holds nothing twice but what was in flight.
    """
    # Long enough that it is not over before three sites have started, wherever that takes long.
    cases, provider.pause_s = 400, 0.4
    write_cases(task.parent, cases)
    first, visitor = _site(tmp_path)
    job = compare(jobs, task, "--max-usd=1")
    until(lambda: len(provider.sold) > 4)
    _killed(first)
    assert jobs.view(job).state == "running", "the run does not hang on the site"
    second, visitor = _site(tmp_path)
    try:
        page = visitor.get(f"/tasks/capitals/runs/{job}")
        assert "running" in page.words
        asked = len(provider.sold)
        until(lambda: len(provider.sold) > asked)
    finally:
        _killed(second)
    # Now the machine goes down: site and run at once.
    for name in ("group", "command"):
        kill(known(jobs, job)[name])
    until(lambda: jobs.view(job).state == "interrupted")
    done = (jobs.progress(job) or {})["said"]["lanes"][0]["done"]
    assert done >= 4
    third, visitor = _site(tmp_path)
    try:
        until(lambda: (jobs.progress(job) or {})["said"]["lanes"][0]["done"] > done)
        shown = re.search(rf"(\d+) / {cases}", visitor.get(f"/tasks/capitals/runs/{job}").words)
        assert shown
        assert int(shown[1]) > done
        provider.pause_s = 0.0
        assert ended(jobs, job).state == "done"
    finally:
        _killed(third)
    assert len(set(provider.sold)) == cases
    assert len(provider.sold) - cases <= 4


def _site(folder: Path) -> tuple[ForkServerProcess, Visitor]:
    """`touchstone ui` over the workspace in a process of its own, and somebody who has come in."""
    log = folder / "ui.log"
    log.unlink(missing_ok=True)
    told = ("ui", "--no-open", "--port=0", f"--workspace={folder / 'workspace'}")
    process = warm.start(told, folder=folder, environment=os.environ, out=folder / "ui.out", err=log)
    until(lambda: (log.exists() and "/enter/" in log.read_text()) or process.exitcode is not None)
    link = re.search(r"http://\S+/enter/\S+", log.read_text())
    assert link, log.read_text()
    place = urlsplit(link[0])
    visitor = Visitor(f"{place.scheme}://{place.netloc}")
    assert visitor.get(place.path).status == 200
    return process, visitor


def _killed(site: ForkServerProcess) -> None:
    site.kill()
    site.join()
    site.close()


# Names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["", "..", "../other", "20260101-000000-abcdef01/..", "/etc", "20260101-000000-ABCDEF01", "\x00", "x" * 999]
)
def test_a_name_is_no_path(jobs: Jobs, name: str) -> None:
    """An id that no job of ours can have is unknown, whatever lies there."""
    for ask in (jobs.view, jobs.stop, jobs.go_on, jobs.progress, jobs.result, jobs.said, jobs.stamp):
        with pytest.raises(UnknownName):
            ask(name)


def test_a_damaged_job_is_left_out(jobs: Jobs) -> None:
    """A folder without a readable job in it is no job, and hides no other."""
    for ordinal, text in enumerate((None, "{", '{"id": 1}')):
        place = jobs.folder / f"20260101-00000{ordinal}-abcdef01"
        place.mkdir(parents=True)
        if text is not None:
            (place / "job.json").write_text(text)
        with pytest.raises(UnknownName):
            jobs.view(place.name)
    (jobs.folder / "notes").mkdir()
    assert jobs.all() == ()
