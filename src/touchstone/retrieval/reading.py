"""Untrusted files read in a process of their own, which may crash, hang or grow without harm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Self

from touchstone.retrieval.parsed import Parsed, Part, Unreadable

DEADLINE_S = 90.0
"""For one file, on the clock."""
MOST_ANSWER_BYTES = 256 << 20
"""The text of a file as JSON; more cannot come of a text of the size that is let through."""
FILES_PER_CHILD = 500
"""A new process after so many: what leaks in a library ends with it."""

COMMAND = ("-I", "-B", "-m", "touchstone.retrieval.reading_child")
"""Isolated: neither variables nor the folder that it is started in say what is imported; and no bytecode is written."""


class ReadingChild:
    """
    Reads one file after the other in a child process, which is started when the first one comes and again whenever it
    died. May be used by one thread at a time.

    Args:
        deadline_s: Seconds that one file may take before the child is killed.
    """

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self.deadline_s = deadline_s
        self._child: subprocess.Popen[bytes] | None = None
        self._files = 0

    def read(self, form: str, data: bytes) -> Parsed:
        """
        What a file says.

        Args:
            form: A key of `reading_child.MODULES`.
            data: All of its bytes.

        Raises:
            Unreadable: it cannot be read, or the child died over it.
        """
        child = self._started()
        late = threading.Event()

        def stop() -> None:
            late.set()
            _kill(child)

        timer = threading.Timer(self.deadline_s, stop)
        timer.daemon = True
        timer.start()
        try:
            line = self._asked(child, form, data)
        finally:
            timer.cancel()
            timer.join()
        if late.is_set():
            self.close()
            raise Unreadable("too_slow", seconds=round(self.deadline_s))
        if not line.endswith(b"\n"):
            code = self._ended(child)
            raise Unreadable(_why(code))
        said = json.loads(line)
        if "refused" in said:
            raise Unreadable(said["refused"], **said["values"])
        return Parsed(
            said["title"],
            tuple(Part(tuple(part[0]), part[1], part[2], tuple(part[3])) for part in said["parts"]),
        )

    def close(self) -> None:
        """End the child; may be called twice."""
        child, self._child = self._child, None
        if child is not None:
            _kill(child)
            child.wait()
            assert child.stdin is not None
            assert child.stdout is not None
            with suppress(OSError):  # what it was never given cannot be given any more
                child.stdin.close()
            child.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _asked(self, child: subprocess.Popen[bytes], form: str, data: bytes) -> bytes:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(json.dumps({"format": form, "size": len(data)}).encode() + b"\n")
            child.stdin.write(data)
            child.stdin.flush()
        except OSError:
            return b""
        return child.stdout.readline(MOST_ANSWER_BYTES)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._files >= FILES_PER_CHILD or (self._child is not None and self._child.poll() is not None):
            self.close()
        if self._child is None:
            self._files = 0
            self._child = subprocess.Popen(  # noqa: S603 - a fixed list, no shell, no word of the user's
                [sys.executable, *COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.defpath, "LANG": "C.UTF-8"},
                cwd=os.path.dirname(os.path.abspath(sys.executable)),  # noqa: PTH100, PTH120 - not resolved, a venv's
                start_new_session=True,
            )
        self._files += 1
        return self._child

    def _ended(self, child: subprocess.Popen[bytes]) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            child.wait(1)
        code = child.poll()
        self.close()
        return code


def _kill(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                child.kill()
            else:
                os.killpg(child.pid, signal.SIGKILL)


def _why(code: int | None) -> str:
    if sys.platform != "win32" and code == -signal.SIGXCPU:
        return "too_much_cpu"
    if code is None:
        return "too_much_text"
    return "reader_died"
