"""
Long work that outlives the page that began it: a command in a process of its own, and a folder that tells of it.

    jobs/ID/job.json        what is done, for whom, since when
            begun           when it was last begun, by its date
            process.json    which processes do it
            progress.json   where it stands; replaced as a whole
            log.txt         what it says to people
            result.json     what it answers
            ended.json      its exit code, and when
            stopping        there once somebody asked it to stop
            again           how often a site began it again by itself

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
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import orjson
from pydantic import ValidationError

from touchstone.errors import SettingsError, StoreError, UnknownName
from touchstone.noun import Noun
from touchstone.storage.process_lock import ProcessLock
from touchstone.workspace.job_child import birth

_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")
_STARTING_S = 60.0
"""A job whose process has not said that it lives after so long was lost."""
_SAID_BYTES = 64 * 1024
"""The end of a log that is read."""
_LISTED = 200
"""Jobs that a list shows, where nobody asks for more."""
_AGAIN = 3
"""So often a site begins an interrupted job by itself: what ends the machine each time must not do so for ever."""
_AGAIN_WITHIN_S = 7 * 86_400.0
"""A job that was begun earlier waits for somebody who wants it."""
_SERVES = "serve"
"""The verb of what goes on until somebody stops it: that it was begun long ago is no reason to leave it."""
_LOOKED_THROUGH = 5_000
"""Jobs among which a site that starts looks for what serves."""
_LIVED_S = 3_600.0
"""What has served for so long does not end the machine each time."""
_PATIENCE_S = 2.0

State = Literal["running", "stopping", "done", "stopped", "capped", "refused", "failed", "interrupted"]
"""`capped`: the money cap stopped it; `refused`: the user must change something; `interrupted`: its process is lost."""

_BY_EXIT_CODE: dict[int, State] = {
    0: "done", 2: "refused", 3: "capped", 100: "done", 130: "stopped", -signal.SIGINT: "stopped",
    -signal.SIGTERM: "stopped",
}  # fmt: skip

_children: list[subprocess.Popen[bytes]] = []
"""Processes that this one began; the system forgets them once somebody has looked how they ended."""
_children_guard = Lock()


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
        with _stored(place):
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
        place = self._place(self.view(job_id).job.id)
        with _stored(place):
            (place / "again").unlink(missing_ok=True)
        return self._again(job_id, language)

    def _again(self, job_id: str, language: str) -> Job:
        place = self._place(job_id)
        # Two people, or two clicks: the second finds the job at work.
        with _stored(place), _alone(place / "beginning"):
            view = self.view(job_id)
            if view.is_live:
                raise SettingsError("job {id} is still at work; stop it first, or wait", id=job_id)
            for name in ("ended.json", "stopping", "process.json"):
                (place / name).unlink(missing_ok=True)
            self._begin(view.job, language)
            return view.job

    def _begin(self, job: Job, language: str) -> None:
        place = self.folder / job.id
        (place / "begun").touch()
        os.utime(place / "begun")
        with _children_guard:
            _children[:] = [child for child in _children if child.poll() is None]
            _children.append(
                subprocess.Popen(  # noqa: S603 - our own interpreter and a list of words, no shell
                    [
                        sys.executable, "-m", "touchstone.workspace.job_child", str(place.absolute()), job.verb,
                        *_with_flags(job.arguments, self.workspace, language),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )  # fmt: skip

    def stop(self, job_id: str) -> JobView:
        """
        Ask a job to stop as Ctrl-C does: what was answered is kept; a second time does not wait for what is under way.

        Does nothing to one that has ended.
        """
        view = self.view(job_id)
        if view.is_live:
            place = self._place(job_id)
            # Before the processes are looked up: who is only starting finds it there and stops by itself.
            (place / "stopping").touch()
            known = _read(place / "process.json")
            if known is not None and _is_same(known):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(int(known["group"]), signal.SIGINT)
        return self.view(job_id)

    def all(self, most: int = _LISTED) -> tuple[JobView, ...]:
        """The newest jobs, newest first."""
        return tuple(view for _at, view in zip(range(most), self._each(), strict=False))

    def about(self, about: str, most: int = _LISTED) -> tuple[JobView, ...]:
        """The newest jobs about something, newest first."""
        found = (view for view in self._each() if view.job.about == about)
        return tuple(view for _at, view in zip(range(most), found, strict=False))

    def _each(self) -> Iterator[JobView]:
        if not self.folder.is_dir():
            return
        names = (entry.name for entry in self.folder.iterdir())
        for name in sorted(filter(_ID.fullmatch, names), reverse=True):
            with contextlib.suppress(UnknownName):
                yield self.view(name)

    def view(self, job_id: str) -> JobView:
        """
        A job and how it stands.

        Raises:
            UnknownName: there is no such job here.
        """
        place = self._place(job_id)
        try:
            job = Job.model_validate_json((place / "job.json").read_bytes())
        except (OSError, ValidationError):
            raise UnknownName(kind="job", name=job_id, known=()) from None
        return _ended_view(job, place) or self._unended(job, place)

    def _unended(self, job: Job, place: Path) -> JobView:
        at_work: State = "stopping" if (place / "stopping").exists() else "running"
        if ProcessLock(place / "lock").held:
            return JobView(job=job, state=at_work)
        if (place / "process.json").exists():
            # It may have ended between the two looks.
            return _ended_view(job, place) or JobView(job=job, state="interrupted")
        begun = place / "begun"
        waited_s = time.time() - begun.stat().st_mtime if begun.exists() else _STARTING_S
        return JobView(job=job, state=at_work if waited_s < _STARTING_S else "interrupted")

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
        """
        Begin again what was lost with its process a short time ago, and whatever serves; called when a site starts.
        """
        found = []
        for number, view in enumerate(self.all(_LOOKED_THROUGH)):
            place, serves = self._place(view.job.id), view.job.verb == _SERVES
            begun = place / "begun"
            if view.state != "interrupted" or not begun.exists() or (number >= _LISTED and not serves):
                continue
            ago_s = time.time() - begun.stat().st_mtime
            before = 0 if serves and ago_s > _LIVED_S else _read(place / "again") or 0
            if before >= _AGAIN or (ago_s > _AGAIN_WITHIN_S and not serves):
                continue
            with contextlib.suppress(SettingsError, StoreError):  # it lives by now; or nothing can be kept
                found.append(self._again(view.job.id, language))
                _write(place / "again", orjson.dumps(before + 1))
        return tuple(found)

    def _place(self, job_id: str) -> Path:
        if not _ID.fullmatch(job_id):
            raise UnknownName(kind="job", name=job_id, known=())
        return self.folder / job_id


def _ended_view(job: Job, place: Path) -> JobView | None:
    """How a job ended; None while nobody has written that down."""
    ended = _read(place / "ended.json")
    if ended is None:
        return None
    code = int(ended["exit_code"])
    # Killed from outside, for instance because memory ran out: as lost as one of which nothing is known.
    state = _BY_EXIT_CODE.get(code, "interrupted" if code < 0 else "failed")
    return JobView(job=job, state=state, ended=ended["at"], exit_code=code)


def _with_flags(arguments: tuple[str, ...], workspace: Path, language: str) -> tuple[str, ...]:
    """The words of a job with the flags that every command of a page has; behind `--` they would be names of files."""
    flags = ("--json", f"--workspace={workspace.absolute()}", f"--lang={language}")
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return (*arguments[:end], *flags, *arguments[end:])


def _is_same(known: Any) -> bool:
    """Whether one of the processes that were written down still is that process: the system uses numbers again."""
    return any(
        birth(int(known[name])) == known.get(f"{name}_birth") and known.get(f"{name}_birth") is not None
        for name in ("group", "command")
    )


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Nobody else, in this process or another, is inside at the same time."""
    deadline = time.monotonic() + _PATIENCE_S
    lock = ProcessLock(file)
    while not lock.take():
        if time.monotonic() > deadline:
            raise SettingsError("somebody else begins this job at this moment; look again")
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _stored(place: Path) -> Iterator[None]:
    """What cannot be written is told as what it is."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            "the job cannot be kept in {place}: {reason}; make room, or allow it to be written",
            place=str(place),
            reason=error.strerror or type(error).__name__,
        ) from error


def _read(file: Path) -> Any:
    try:
        return orjson.loads(file.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None


def _write(file: Path, body: bytes) -> None:
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.write_bytes(body)
    beside.replace(file)
