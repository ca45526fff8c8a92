"""Where a managed process stands, and the rules by which it is watched."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from touchstone.noun import Noun

Standing = Literal["starting", "ready", "waiting", "idle", "failed", "stopping", "stopped"]
"""
`waiting` for the end of a pause before it is started again; `idle` until a request starts it; `failed` ended too often
and is not started again for a while.
"""


class ProcessState(Noun):
    """One replica of a version, as it was last seen."""

    endpoint: str
    version: int
    replica: int
    """From 0."""
    state: Standing
    pid: int | None = None
    """Of the process that keeps the program; None while there is none."""
    port: int | None = None
    """On 127.0.0.1, once it is ready."""
    since: str
    """When it came into this state: ISO 8601, UTC."""
    restarts: int = 0
    """How often it ended without being asked to, since it was deployed or restarted by somebody."""
    note: str | None = None
    """Why it ended last, in one line."""


class Rules(Noun):
    """How processes are started, watched and ended; the same for every kind."""

    most_restarts: int = Field(default=5, ge=0)
    """So often within the window a process is started again; then it has failed until the window is over."""
    restart_window_s: float = Field(default=600.0, gt=0)
    first_pause_s: float = Field(default=0.5, ge=0)
    """Before the first restart; each further one in the window waits twice as long."""
    longest_pause_s: float = Field(default=30.0, ge=0)
    watch_s: float = Field(default=1.0, gt=0)
    """How often memory, idleness and health are looked at."""
    health_timeout_s: float = Field(default=5.0, gt=0)
    most_misses: int = Field(default=6, ge=1)
    """Looks in a row without an answer to the health check after which a process is ended."""
    grace_s: float = Field(default=10.0, gt=0)
    """Between being asked to stop and being killed; before that, so long for requests in flight."""
    open_files: int = Field(default=4_096, ge=64)
    log_bytes: int = Field(default=4 * 2**20, ge=1_024)
    log_files: int = Field(default=3, ge=1)
