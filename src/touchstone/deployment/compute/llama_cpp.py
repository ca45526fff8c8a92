"""
Compute `llama-cpp`: GGUF files with llama.cpp, through `xllamacpp` (extra `gguf`) or a `llama-server` on the path.

A folder of weights is written as GGUF first (`gguf_write.py`), once for all replicas of a version.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import Field

from touchstone.catalog.memory import GIB
from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.adapters import read_adapter
from touchstone.deployment.compute.options import adapter_of, read_options, weights_of
from touchstone.deployment.compute.weights_size import context_of, need_gib, size_of
from touchstone.errors import DataError, ExtraMissing, SettingsError
from touchstone.models.local.weights_folder import check_weights_folder
from touchstone.models.local.weights_kind import read_config
from touchstone.noun import Noun

MAGIC = b"GGUF"
"""First bytes of such a file."""
_RUNTIME_GIB = 0.1
"""An interpreter, the library and its buffers without weights, measured (docs/guide/compute.md)."""
_FILE_SHARE = 1.3
"""Of a file that was given, whose layers nobody looked at: its size, and as much again as a usual cache."""
_BYTES = {"f32": 4.0, "f16": 2.0, "q8_0": 8.5 / 8}


class LlamaOptions(Noun):
    """What `llama-cpp` may be told."""

    context_tokens: int | None = Field(default=None, ge=16)
    """Of each request; as many as the weights were made for by default."""
    parallel: int = Field(default=1, ge=1, le=64)
    """Requests that are answered at once."""
    threads: int | None = Field(default=None, ge=1, le=256)
    gpu_layers: int | None = Field(default=None, ge=0)
    """Layers that an accelerator takes; as many as fit by default."""
    precision: Literal["f32", "f16", "q8_0"] = "f16"
    """Of the weights, where a folder is written as GGUF."""


class LlamaCompute:
    """Runs llama.cpp's server."""

    name = "llama-cpp"
    health_path = "/health"
    ready_s = 600.0

    def check(self, settings: ComputeSettings, folder: Path) -> None:
        """As `Compute` has it."""
        read_options(LlamaOptions, settings)
        weights, adapter = weights_of(settings, folder), adapter_of(settings, folder)
        if weights.is_file():
            with weights.open("rb") as opened:
                if opened.read(len(MAGIC)) != MAGIC:
                    raise DataError("this is no GGUF file", path=weights)
            if adapter is not None:
                raise SettingsError("an adapter is merged when weights are written as GGUF; name a folder of weights")
        else:
            check_weights_folder(weights)
            read_config(weights)
            if adapter is not None:
                read_adapter(adapter)
            if find_spec("gguf") is None:
                raise ExtraMissing(feature="writing GGUF", extra="gguf")
        if find_spec("xllamacpp") is None and shutil.which("llama-server") is None:
            raise ExtraMissing(feature="compute llama-cpp", extra="gguf")

    def memory_gib(self, settings: ComputeSettings, folder: Path) -> float | None:
        """As `Compute` has it."""
        given, weights = read_options(LlamaOptions, settings), weights_of(settings, folder)
        if weights.is_file():
            return weights.stat().st_size / GIB * _FILE_SHARE + _RUNTIME_GIB
        found = need_gib(
            weights,
            precision="16bit",
            context_tokens=given.context_tokens,
            sequences=given.parallel,
            runtime_gib=_RUNTIME_GIB,
        )
        # Their share at the precision they are written in, instead of 16 bits.
        return None if found is None else found + size_of(weights).parameters * (_BYTES[given.precision] - 2) / GIB

    def command(self, settings: ComputeSettings, folder: Path, port: int) -> Sequence[str]:
        """As `Compute` has it; each value stands behind its option's `=`."""
        given, weights = read_options(LlamaOptions, settings), weights_of(settings, folder)
        adapter = adapter_of(settings, folder)
        context = given.context_tokens
        if context is None and weights.is_dir():
            context = context_of(read_config(weights))
        program = None if find_spec("xllamacpp") is not None else shutil.which("llama-server")
        said = {
            "weights": weights,
            "adapter": adapter,
            "name": self.served_name(settings, folder),
            "port": port,
            "context": context,
            "parallel": given.parallel,
            "threads": given.threads,
            "gpu-layers": given.gpu_layers,
            "precision": given.precision,
            "program": program,
        }
        return (
            sys.executable,
            "-P",  # the working directory says nothing of what is imported
            "-m",
            "touchstone.deployment.compute.llama_serve",
            *(f"--{key}={value}" for key, value in said.items() if value is not None),
        )

    def environment(self, settings: ComputeSettings, folder: Path, port: int) -> Mapping[str, str]:
        """As `Compute` has it."""
        return {}

    def served_name(self, settings: ComputeSettings, folder: Path) -> str:
        """As `Compute` has it."""
        weights = weights_of(settings, folder)
        return weights.stem if weights.is_file() else weights.name
