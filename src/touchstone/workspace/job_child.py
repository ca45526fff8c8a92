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
from datetime import UTC, datetime
from pathlib import Path

from touchstone.config import environment_of_job
from touchstone.storage.process_lock import ProcessLock


def main(folder: Path, words: list[str]) -> int:
    """Run the command; returns its exit code."""
    lock = ProcessLock(folder / "lock")
    if not lock.take():
        return 2
    # Ctrl-C goes to the whole group; the command ends by itself, and this process stays to write it down.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with (folder / "result.json").open("wb") as result, (folder / "log.txt").open("ab") as log:
        command = subprocess.Popen(  # noqa: S603 - our own interpreter and a list of words, no shell
            [sys.executable, "-m", "touchstone", *words],
            stdin=subprocess.DEVNULL,
            stdout=result,
            stderr=log,
            pass_fds=() if lock.descriptor is None else (lock.descriptor,),
            env=environment_of_job(folder / "progress.json"),
            # One thread here, and what it calls is safe after a fork.
            preexec_fn=_hear_signals,
        )
        _write(folder / "process.json", {"group": os.getpgrp(), "command": command.pid})
        code = command.wait()
    _write(folder / "ended.json", {"exit_code": code, "at": datetime.now(UTC).isoformat(timespec="seconds")})
    return code


def _hear_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _write(file: Path, value: object) -> None:
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.write_text(json.dumps(value), encoding="utf-8")
    beside.replace(file)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
