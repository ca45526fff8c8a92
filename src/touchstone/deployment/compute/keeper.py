"""
The process between a supervisor and a program: it sets limits, and ends the program when the supervisor is gone.

Run as a file, `python -I -S keeper.py OPEN_FILES GRACE_S PROGRAM ...`, with nothing of ours imported, so that it starts
in milliseconds and takes few megabytes. It leads a process group, and its standard input is a pipe whose other end only
the supervisor holds: the pipe ends however the supervisor ends, also when it was killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

NOT_FOUND = 127
"""Exit code where the program cannot be started, as a shell has it."""


def main(arguments: list[str]) -> int:
    """Run a program to its end; its exit code, or 128 and the number of the signal that ended it."""
    open_files, grace_s, command = int(arguments[0]), float(arguments[1]), arguments[2:]
    _limit(open_files)
    started: list[subprocess.Popen[bytes]] = []
    asked_to_stop = threading.Event()

    def stop(_signal: int, _frame: object) -> None:
        asked_to_stop.set()
        for child in started:
            child.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - an argument list of our own making
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}\n")
        return NOT_FOUND
    started.append(child)
    if asked_to_stop.is_set():
        child.terminate()
    alone = threading.Event()
    watching = threading.Thread(target=_end_when_nobody_waits, args=(child, grace_s, alone), daemon=True)
    watching.start()
    code = child.wait()
    if alone.is_set():
        watching.join()  # it ends the rest of the group, and with it this process
    return code if code >= 0 else 128 - code


def _end_when_nobody_waits(child: subprocess.Popen[bytes], grace_s: float, alone: threading.Event) -> None:
    while os.read(0, 4_096):
        pass
    alone.set()
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(grace_s)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # what the program started as well, and this process
    child.kill()


def _limit(open_files: int) -> None:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = open_files if hard == resource.RLIM_INFINITY else min(open_files, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
