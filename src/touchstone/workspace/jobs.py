"""
Long work that outlives the page that began it: a command in a process of its own, and a folder that tells of it.

    jobs/ID/job.json        what is done, for whom, since when
            process.json    which processes do it
            progress.json   where it stands; replaced as a whole
            log.txt         what it says to people
            result.json     what it answers
            ended.json      its exit code, and when

The process holds a lock while it lives, so a job whose process was killed is told from one that goes on. Commands go
on from where they were, so a job that was interrupted is begun again as it is: nothing is bought twice.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import orjson

from touchstone.errors import SettingsError, UnknownName
from touchstone.noun import Noun
from touchstone.storage.process_lock import ProcessLock

_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")
_STARTING_S = 60.0
"""A job whose process has not said that it lives after so long was lost."""
_SAID_BYTES = 64 * 1024
"""The end of a log that is read."""

State = Literal["running", "stopping", "done", "stopped", "capped", "refused", "failed", "interrupted"]
"""`capped`: the money cap stopped it; `refused`: the user must change something; `interrupted`: its process is lost."""

_BY_EXIT_CODE: dict[int, State] = {0: "done", 2: "refused", 3: "capped", 100: "done", 130: "stopped"}


class Job(Noun):
    """What is done."""

    id: str
    verb: str
    """The command's first word."""
    arguments: tuple[str, ...]
    """The words after it, as a shell would give them."""
    title: str
    """For people."""
    about: str = ""
    """What the work is about, for instance a task file, by which pages find it again."""
    who: str
    created: str
    """A moment in UTC."""

    @property
    def command(self) -> tuple[str, ...]:
        """What somebody would type for the same."""
        return ("touchstone", self.verb, *self.arguments)


class JobView(Noun):
    """A job and how it stands."""

    job: Job
    state: State
    ended: str | None = None
    exit_code: int | None = None

    @property
    def is_live(self) -> bool:
        """Whether its process works."""
        return self.state in ("running", "stopping")

    @property
    def can_go_on(self) -> bool:
        """Whether the same command would go on from where it was."""
        return self.state in ("stopped", "capped", "interrupted", "failed", "refused")


class Jobs:
    """
    The jobs of one workspace.

    Args:
        workspace: Its folder.
    """

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.folder = workspace / "jobs"

    def start(self, verb: str, *arguments: str, title: str, about: str = "", who: str, language: str = "en") -> Job:
        """
        Begin a command in a process of its own.

        Args:
            arguments: Words after the verb; a word that came from a person stands behind `--` or after its flag's `=`.
        """
        moment = datetime.now(UTC)
        job = Job(
            id=f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
            verb=verb,
            arguments=arguments,
            title=title,
            about=about,
            who=who,
            created=moment.isoformat(timespec="seconds"),
        )
        place = self.folder / job.id
        place.mkdir(parents=True)
        _write(place / "job.json", job.model_dump_json().encode())
        self._begin(job, language)
        return job

    def go_on(self, job_id: str, *, language: str = "en") -> Job:
        """
        Begin an ended or interrupted job again, as it was.

        Raises:
            SettingsError: it is still at work.
        """
        view = self.view(job_id)
        if view.is_live:
            raise SettingsError("job {id} is still at work; stop it first, or wait", id=job_id)
        for name in ("ended.json", "stopping", "process.json"):
            (self.folder / job_id / name).unlink(missing_ok=True)
        self._begin(view.job, language)
        return view.job

    def _begin(self, job: Job, language: str) -> None:
        place = self.folder / job.id
        (place / "begun").touch()
        os.utime(place / "begun")
        subprocess.Popen(  # noqa: S603 - our own interpreter and a list of words, no shell
            [
                sys.executable, "-m", "touchstone.workspace.job_child", str(place.absolute()), job.verb,
                *job.arguments, "--json", f"--workspace={self.workspace.absolute()}", f"--lang={language}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    def stop(self, job_id: str) -> JobView:
        """Ask a job to stop as Ctrl-C does: what was answered is kept. Does nothing to one that has ended."""
        view = self.view(job_id)
        if view.is_live:
            place = self.folder / job_id
            (place / "stopping").touch()
            known = _read(place / "process.json")
            if known is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(int(known["group"]), signal.SIGINT)
        return self.view(job_id)

    def all(self) -> tuple[JobView, ...]:
        """Every job, newest first."""
        if not self.folder.is_dir():
            return ()
        names = sorted((entry.name for entry in self.folder.iterdir() if _ID.fullmatch(entry.name)), reverse=True)
        found = []
        for name in names:
            with contextlib.suppress(UnknownName):
                found.append(self.view(name))
        return tuple(found)

    def about(self, about: str) -> tuple[JobView, ...]:
        """The jobs about something, newest first."""
        return tuple(view for view in self.all() if view.job.about == about)

    def view(self, job_id: str) -> JobView:
        """
        A job and how it stands.

        Raises:
            UnknownName: there is no such job here.
        """
        place = self.folder / job_id
        body = (place / "job.json").read_bytes() if _ID.fullmatch(job_id) and (place / "job.json").is_file() else None
        if body is None:
            raise UnknownName(kind="job", name=job_id, known=())
        job = Job.model_validate_json(body)
        ended = _read(place / "ended.json")
        if ended is not None:
            code = int(ended["exit_code"])
            return JobView(job=job, state=_BY_EXIT_CODE.get(code, "failed"), ended=ended["at"], exit_code=code)
        return JobView(job=job, state=self._unended(place))

    def _unended(self, place: Path) -> State:
        if ProcessLock(place / "lock").held:
            return "stopping" if (place / "stopping").exists() else "running"
        if (place / "process.json").exists():
            # It may have ended between the two looks.
            ended = _read(place / "ended.json")
            return "interrupted" if ended is None else _BY_EXIT_CODE.get(int(ended["exit_code"]), "failed")
        begun = place / "begun"
        waited_s = time.time() - begun.stat().st_mtime if begun.exists() else _STARTING_S
        return "running" if waited_s < _STARTING_S else "interrupted"

    def progress(self, job_id: str) -> dict[str, Any] | None:
        """Where it stands: `{"kind": …, …}` as the command last said; None before it said anything."""
        found: dict[str, Any] | None = _read(self._place(job_id) / "progress.json")
        return found

    def result(self, job_id: str) -> Any:
        """What it answered; None while there is nothing."""
        return _read(self._place(job_id) / "result.json")

    def said(self, job_id: str) -> str:
        """The end of what it said to people."""
        file = self._place(job_id) / "log.txt"
        if not file.is_file():
            return ""
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - _SAID_BYTES))
            return log.read().decode("utf-8", "replace")

    def stamp(self, job_id: str) -> tuple[int, ...]:
        """Changes when anything can be read of a job that could not be read before."""
        place = self._place(job_id)
        names = ("progress.json", "log.txt", "ended.json", "stopping", "process.json", "begun")
        return tuple((place / name).stat().st_mtime_ns if (place / name).exists() else 0 for name in names)

    def go_on_with_interrupted(self, *, language: str = "en") -> tuple[Job, ...]:
        """Begin again what was lost with its process; called when a site starts."""
        lost = [view.job for view in self.all() if view.state == "interrupted"]
        return tuple(self.go_on(job.id, language=language) for job in lost)

    def _place(self, job_id: str) -> Path:
        if not _ID.fullmatch(job_id):
            raise UnknownName(kind="job", name=job_id, known=())
        return self.folder / job_id


def _read(file: Path) -> Any:
    try:
        return orjson.loads(file.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None


def _write(file: Path, body: bytes) -> None:
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.write_bytes(body)
    beside.replace(file)
