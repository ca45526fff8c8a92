"""
What a process may not do that loads weights of unknown origin: open a connection, start another process, grow for ever.

The operating system's limits hold for everything in the process. The audit hook sees what goes through the interpreter;
it is a second wall behind these: only safetensors and JSON are read, and no code that comes with a model is imported.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from touchstone.config import environment_of_children, limit_of_child

_REFUSED = (
    "socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "pty.",
    "urllib.", "ftplib.", "smtplib.", "http.", "webbrowser.", "pickle.find_class",
)  # fmt: skip
MEMORY_VARIABLE, FILE_VARIABLE = "TOUCHSTONE_CHILD_BYTES", "TOUCHSTONE_CHILD_FILE_BYTES"


def child_environment(
    scratch: Path, *, memory_bytes: int | None = None, file_bytes: int | None = None
) -> dict[str, str]:
    """
    The environment of such a process.

    Args:
        scratch: A folder that stands for its home; made where it is missing.
        memory_bytes: Most memory; None sets no limit.
        file_bytes: Size of the largest file that it may write; None sets no limit.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    home = str(scratch.resolve())
    limits = {MEMORY_VARIABLE: memory_bytes, FILE_VARIABLE: file_bytes}
    return {
        **environment_of_children(),
        **dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME"), home),
        "TORCHINDUCTOR_CACHE_DIR": home,
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "DO_NOT_TRACK": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_WAIT_POLICY": "PASSIVE",
        **{name: str(value) for name, value in limits.items() if value is not None},
    }


def confine() -> None:
    """Set the limits that whoever started this process named, and refuse connections and processes from now on."""
    sys.addaudithook(_refuse)
    try:
        import resource
    except ImportError:  # this system has no such limits; the deadline of whoever waits is left
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for variable, kind in ((MEMORY_VARIABLE, resource.RLIMIT_DATA), (FILE_VARIABLE, resource.RLIMIT_FSIZE)):
        wanted, hard = limit_of_child(variable), resource.getrlimit(kind)[1]
        if wanted is not None:
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(kind, (most, most))


def _refuse(event: str, _arguments: tuple[Any, ...]) -> None:
    if event.startswith(_REFUSED):
        raise PermissionError(f"a process that loads weights may not do this: {event}")


def when_nobody_waits(told: Callable[[], None]) -> None:
    """Call `told` once standard input ends: whoever started this process asks it to stop, or has died."""

    def wait() -> None:
        while os.read(0, 4_096):
            pass
        told()

    threading.Thread(target=wait, daemon=True, name="waiting for the end of standard input").start()
