"""
The process in which untrusted files are read: `python -I -B -m touchstone.retrieval.reading_child`.

It is given bytes and gives text; it opens no file and no socket, starts nothing and has no secret in its environment.
Its limits are the operating system's where there are some. Whoever started it kills it when it takes too long.

One request is a line of JSON, {"format", "size"}, and `size` bytes; one answer a line of JSON.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import sys
import time
from typing import Any, BinaryIO

from touchstone.retrieval.parsed import Unreadable

MODULES = {
    "text": "touchstone.retrieval.read_text",
    "markdown": "touchstone.retrieval.read_markdown",
    "html": "touchstone.retrieval.read_html",
    "pdf": "touchstone.retrieval.read_pdf",
    "docx": "touchstone.retrieval.read_docx",
}
"""Formats, and where their readers are."""

MEMORY_BYTES = 2 << 30
"""Address space; a library's code counts too."""
CPU_S = 60
"""For one file."""
OPEN_FILES = 64

_REFUSED = (
    "socket.",
    "subprocess.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.kill",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "shutil.",
    "pty.",
    "urllib.",
    "ftplib.",
    "smtplib.",
    "http.",
    "webbrowser.",
)
"""Events of the interpreter that no reader of text has any business with."""


def _forbid(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        # (path, mode, flags): some calls give a mode, some only flags.
        mode, flags = arguments[1], arguments[2]
        writes = any(sign in mode for sign in "wax+") if isinstance(mode, str) else False
        if writes or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)):
            raise PermissionError("a reader writes no file")
    elif event.startswith(_REFUSED):
        raise PermissionError(f"a reader does no {event}")


def _limit() -> None:
    try:
        import resource
    except ImportError:
        return  # this system has none; the deadline and the caps on sizes are left
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))


def _limit_cpu() -> None:
    """CPU seconds of the next file: the limit counts from the start of the process."""
    try:
        import resource
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + CPU_S, hard))


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Read files until there are no more."""
    while line := requests.readline(10_000):
        asked = json.loads(line)
        data = requests.read(asked["size"])
        _limit_cpu()
        answers.write(json.dumps(answer(asked["format"], data)).encode("ascii") + b"\n")
        answers.flush()


def answer(form: str, data: bytes) -> dict[str, Any]:
    """What a file says, or the reason why it is not read: {"title", "parts"} or {"refused", "values"}."""
    try:
        parsed = importlib.import_module(MODULES[form]).read(data)
    except Unreadable as error:
        return {"refused": error.reason, "values": error.values_said}
    except ModuleNotFoundError as error:
        return {"refused": "library_missing", "values": {"library": str(error.name)}}
    except MemoryError:
        return {"refused": "too_much_memory", "values": {}}
    except RecursionError:
        return {"refused": "broken", "values": {"kind": "RecursionError"}}
    except Exception as error:  # noqa: BLE001 - whatever a library stumbles over is the file's fault, and one finding
        # Its words may come out of the file; its kind does not.
        return {"refused": "broken", "values": {"kind": type(error).__name__}}
    return {"title": parsed.title, "parts": parsed.parts}


def main() -> None:
    """Give up what is not needed, then read."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    # What a library prints is no answer.
    sys.stdout = sys.stderr
    _limit()
    sys.addaudithook(_forbid)
    serve(requests, answers)


if __name__ == "__main__":
    main()
