"""Compute `starter`: the small models that ship with the package, and others of their kind, on NumPy."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.options import no_adapter, read_options, weights_of
from touchstone.deployment.compute.weights_size import need_gib
from touchstone.errors import SettingsError
from touchstone.models.starter.folder import CONFIG, SHIPPED
from touchstone.models.starter.network import read_sizes
from touchstone.noun import Noun

_RUNTIME_GIB = 0.08
"""Two interpreters, NumPy and a server, measured (docs/guide/compute.md)."""


class StarterOptions(Noun):
    """What `starter` may be told."""

    size: Literal["s", "m", "l"] | None = None
    """A model that ships with the package; none where `weights` names a folder."""
    threads: int = Field(default=1, ge=1, le=256)


class StarterCompute:
    """Runs a decoder of the starters' kind in a process of its own."""

    name = "starter"
    health_path = "/health"
    ready_s = 60.0

    def check(self, settings: ComputeSettings, folder: Path) -> None:
        """As `Compute` has it."""
        no_adapter(settings)
        place = self._weights(settings, folder)
        read_sizes(place / CONFIG)

    def memory_gib(self, settings: ComputeSettings, folder: Path) -> float | None:
        """As `Compute` has it; numbers are kept in 32 bits, twice over where layers are joined for speed."""
        place = self._weights(settings, folder)
        once = need_gib(place, precision="32bit", cache_bits=32.0, runtime_gib=0.0)
        return None if once is None else 2 * once + _RUNTIME_GIB

    def command(self, settings: ComputeSettings, folder: Path, port: int) -> Sequence[str]:
        """As `Compute` has it."""
        return own_server(
            "starter",
            self._weights(settings, folder),
            None,
            self.served_name(settings, folder),
            port,
            threads=read_options(StarterOptions, settings).threads,
        )

    def environment(self, settings: ComputeSettings, folder: Path, port: int) -> Mapping[str, str]:
        """As `Compute` has it."""
        return {}

    def served_name(self, settings: ComputeSettings, folder: Path) -> str:
        """As `Compute` has it: as a trial calls it."""
        size = read_options(StarterOptions, settings).size
        return size or self._weights(settings, folder).name

    def _weights(self, settings: ComputeSettings, folder: Path) -> Path:
        size = read_options(StarterOptions, settings).size
        if size is None:
            return weights_of(settings, folder)
        if settings.weights is not None:
            raise SettingsError("compute starter takes weights or the option size, not both")
        return SHIPPED / size


def own_server(
    kind: str, weights: Path, adapter: Path | None, name: str, port: int, *, threads: int | None
) -> tuple[str, ...]:
    """The argument list of `serve_weights`; each value stands behind its option's `=`, so that none becomes one."""
    return (
        sys.executable,
        "-P",  # the working directory says nothing of what is imported
        "-m",
        "touchstone.deployment.compute.serve_weights",
        f"--kind={kind}",
        f"--folder={weights}",
        *(() if adapter is None else (f"--adapter={adapter}",)),
        f"--name={name}",
        f"--port={port}",
        *(() if threads is None else (f"--threads={threads}",)),
    )
