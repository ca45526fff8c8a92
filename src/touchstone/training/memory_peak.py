"""How much memory this process has held at most."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_mb() -> float | None:
    """
    The most memory that this process held at once, in MiB; None where the system does not say.

    Where the system keeps a peak of the program alone it is that one. Elsewhere it is `ru_maxrss`, which counts what
    held the process that began this one too (getrusage(2): the peak is kept over an execve).
    """
    with suppress(OSError):
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024  # in kB
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 1024
