"""Compute `transformers`: a folder of weights with torch, on the accelerator where there is one; LoRA adapters too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from pydantic import Field

from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.adapters import read_adapter
from touchstone.deployment.compute.options import adapter_of, read_options, weights_of
from touchstone.deployment.compute.starter import own_server
from touchstone.deployment.compute.weights_size import need_gib
from touchstone.errors import ExtraMissing
from touchstone.models.local.weights_folder import check_weights_folder
from touchstone.models.local.weights_kind import read_config
from touchstone.noun import Noun

_RUNTIME_GIB = 0.45
"""Two interpreters, torch and transformers without weights, measured on a processor (docs/guide/compute.md)."""


class TransformersOptions(Noun):
    """What `transformers` may be told."""

    threads: int | None = Field(default=None, ge=1, le=256)
    """Of its arithmetic; the library decides by default, and each replica would take all processors."""


class TransformersCompute:
    """Runs a folder of weights in a process of its own."""

    name = "transformers"
    health_path = "/health"
    ready_s = 600.0
    """Torch alone takes 10 s where the disk is slow, and weights of some GiB minutes."""

    def check(self, settings: ComputeSettings, folder: Path) -> None:
        """As `Compute` has it. Raises `ExtraMissing`, `DataError` for weights, `SettingsError` for the rest."""
        read_options(TransformersOptions, settings)
        weights, adapter = weights_of(settings, folder), adapter_of(settings, folder)
        check_weights_folder(weights)
        read_config(weights)
        if adapter is not None:
            read_adapter(adapter)
        needed = ("torch", "transformers", *(("peft",) if adapter is not None else ()))
        if any(find_spec(name) is None for name in needed):
            raise ExtraMissing(feature="compute transformers", extra="train")

    def memory_gib(self, settings: ComputeSettings, folder: Path) -> float | None:
        """As `Compute` has it: on a processor, where weights become float32; an accelerator's own memory is apart."""
        return need_gib(weights_of(settings, folder), precision="32bit", cache_bits=32.0, runtime_gib=_RUNTIME_GIB)

    def command(self, settings: ComputeSettings, folder: Path, port: int) -> Sequence[str]:
        """As `Compute` has it."""
        return own_server(
            "transformers",
            weights_of(settings, folder),
            adapter_of(settings, folder),
            self.served_name(settings, folder),
            port,
            threads=read_options(TransformersOptions, settings).threads,
        )

    def environment(self, settings: ComputeSettings, folder: Path, port: int) -> Mapping[str, str]:
        """As `Compute` has it."""
        return {}

    def served_name(self, settings: ComputeSettings, folder: Path) -> str:
        """As `Compute` has it."""
        return weights_of(settings, folder).name
