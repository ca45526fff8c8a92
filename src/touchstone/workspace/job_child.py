"""
The process of a job: runs one command, and writes down how it ended.

    python -m touchstone.workspace.job_child FOLDER VERB WORD…

It holds the job's lock and hands it on to the command, so that the job counts as living while either of them does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from touchstone.config import environment_of_job
from touchstone.storage.process_lock import ProcessLock

_PATIENCE_S = 10.0


def main(folder: Path, words: list[str]) -> int:
    """Run the command; returns its exit code."""
    lock = ProcessLock(folder / "lock")
    # Whoever had it has written down that it ended, and may still be ending.
    deadline = time.monotonic() + _PATIENCE_S
    while not lock.take():
        if time.monotonic() > deadline:
            return 2
    # Ctrl-C goes to the whole group; the command ends by itself, and this process stays to write it down. Heard and
    # not ignored: what is ignored the command would ignore too. No `preexec_fn` instead, with which the interpreter
    # forks by its own hooks, and those close locks.
    signal.signal(signal.SIGINT, _stay)
    signal.signal(signal.SIGTERM, _stay)
    with (folder / "result.json").open("wb") as result, (folder / "log.txt").open("ab") as log:
        command = subprocess.Popen(  # noqa: S603 - our own interpreter and a list of words, no shell
            [sys.executable, "-m", "touchstone", *words],
            stdin=subprocess.DEVNULL,
            stdout=result,
            stderr=log,
            pass_fds=() if lock.descriptor is None else (lock.descriptor,),
            env=environment_of_job(folder / "progress.json"),
        )
        group = os.getpgrp()
        _write(
            folder / "process.json",
            {"group": group, "group_birth": birth(group), "command": command.pid, "command_birth": birth(command.pid)},
        )
        if (folder / "stopping").exists():  # asked to stop before anybody knew whom to tell
            with suppress(ProcessLookupError):
                command.send_signal(signal.SIGINT)
        code = command.wait()
    _write(folder / "ended.json", {"exit_code": code, "at": datetime.now(UTC).isoformat(timespec="seconds")})
    lock.release()
    return code


def birth(process: int) -> int | None:
    """
    When a process began, in ticks since the machine did; None where there is none, or nobody says so.

    A number that was used again has another. proc(5): field 22 of `stat`, counted behind the name in brackets.
    """
    if sys.platform != "linux":
        # Elsewhere nobody tells without asking another program; that it lives must do.
        with suppress(OSError):
            os.kill(process, 0)
            return 0
        return None
    try:
        return int(_stat(process)[19])
    except (OSError, ValueError, IndexError):
        return None


def lives(process: int, born: int | None) -> bool:
    """Whether the process of this birth still runs. One that ended keeps its number until its parent has looked."""
    if born is None or birth(process) != born:
        return False
    try:
        return sys.platform != "linux" or _stat(process)[0] not in "ZX"
    except OSError:
        return False


def _stat(process: int) -> list[str]:
    """What proc(5) says of a process behind its name: its state, its parent, and so on."""
    text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()


def _stay(_number: int, _frame: object) -> None:
    """The command is told too, and ends when it will."""


def _write(file: Path, value: object) -> None:
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.write_text(json.dumps(value), encoding="utf-8")
    beside.replace(file)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
