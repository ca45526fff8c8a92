"""What a kind of compute promises; its settings are part of a version, see `deployment/base.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from touchstone.deployment.base import ComputeSettings


class Compute(Protocol):
    """
    Knows how to run weights as a process that speaks OpenAI's protocol on a port of this machine.

    It starts nothing: the supervisor does, the same for all kinds.
    """

    name: str

    def check(self, settings: ComputeSettings, folder: Path) -> None:
        """Raise a `UserError` where it could not run: an option, weights or a program that is missing, or memory."""
        ...

    def memory_gib(self, settings: ComputeSettings, folder: Path) -> float | None:
        """What one process will take; None where nobody can tell."""
        ...

    def command(self, settings: ComputeSettings, folder: Path, port: int) -> Sequence[str]:
        """The argument list of one process that listens on 127.0.0.1."""
        ...

    def environment(self, settings: ComputeSettings, folder: Path, port: int) -> Mapping[str, str]:
        """Variables that the program reads its settings from, beside those every such process gets; never a secret."""
        ...

    def served_name(self, settings: ComputeSettings, folder: Path) -> str:
        """What the process calls the model."""
        ...

    health_path: str
    """Answers with status 200 when it is ready, such as `/health`."""
    ready_s: float
    """How long it may take to be ready."""
