"""
Compute `vllm`: the server of that name, where it is installed, for accelerators.

Options as in its documentation (`vllm serve`, https://docs.vllm.ai, read November 2026). Not run on a real one here:
this adapter is tested against a program that takes the same arguments and speaks the same protocol.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.adapters import read_adapter
from touchstone.deployment.compute.options import adapter_of, read_options, weights_of
from touchstone.errors import SettingsError
from touchstone.models.local.weights_folder import check_weights_folder
from touchstone.models.local.weights_kind import read_config
from touchstone.noun import Noun

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What `--max-lora-rank` takes."""


class VllmOptions(Noun):
    """What `vllm` may be told."""

    context_tokens: int | None = Field(default=None, ge=16)
    """`--max-model-len`"""
    memory_share: float | None = Field(default=None, gt=0, le=1)
    """`--gpu-memory-utilization`: of the accelerator's memory; vLLM takes all of it at the start."""
    accelerators: int = Field(default=1, ge=1, le=64)
    """`--tensor-parallel-size`"""
    numbers: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """`--dtype`"""


class VllmCompute:
    """Runs `vllm serve` on a folder of weights."""

    name = "vllm"
    health_path = "/health"
    ready_s = 1_200.0
    """It compiles and captures graphs before it answers."""

    def check(self, settings: ComputeSettings, folder: Path) -> None:
        """As `Compute` has it. Code that comes with a model is never run, so a folder that needs it is refused."""
        read_options(VllmOptions, settings)
        weights, adapter = weights_of(settings, folder), adapter_of(settings, folder)
        check_weights_folder(weights)
        read_config(weights)
        if adapter is not None and read_adapter(adapter)["r"] > _RANKS[-1]:
            raise SettingsError("vllm takes adapters of rank {most} at most", most=_RANKS[-1])
        _program()

    def memory_gib(self, settings: ComputeSettings, folder: Path) -> float | None:
        """None: weights and cache lie in the accelerator's memory, and vLLM itself refuses what does not fit there."""
        return None

    def command(self, settings: ComputeSettings, folder: Path, port: int) -> Sequence[str]:
        """As `Compute` has it; each value stands behind its option's `=`."""
        given, weights, adapter = read_options(VllmOptions, settings), weights_of(settings, folder), None
        argv = [
            _program(),
            "serve",
            str(weights),
            "--host=127.0.0.1",
            f"--port={port}",
            # Under an adapter's name its answers come; the plain weights answer to another.
            f"--served-model-name={weights.name}",
            f"--dtype={given.numbers}",
            f"--tensor-parallel-size={given.accelerators}",
        ]
        if given.context_tokens is not None:
            argv.append(f"--max-model-len={given.context_tokens}")
        if given.memory_share is not None:
            argv.append(f"--gpu-memory-utilization={given.memory_share}")
        adapter = adapter_of(settings, folder)
        if adapter is not None:
            rank = next(one for one in _RANKS if one >= read_adapter(adapter)["r"])
            argv += [
                "--enable-lora",
                f"--max-lora-rank={rank}",
                f"--lora-modules={self._adapter_name(adapter)}={adapter}",
            ]
        return argv

    def environment(self, settings: ComputeSettings, folder: Path, port: int) -> Mapping[str, str]:
        """As `Compute` has it: it reports no use to anybody."""
        return {"VLLM_NO_USAGE_STATS": "1"}

    def served_name(self, settings: ComputeSettings, folder: Path) -> str:
        """As `Compute` has it."""
        adapter = adapter_of(settings, folder)
        return weights_of(settings, folder).name if adapter is None else self._adapter_name(adapter)

    @staticmethod
    def _adapter_name(adapter: Path) -> str:
        return f"adapter-{adapter.name}"


def _program() -> str:
    found = shutil.which("vllm")
    if found is None:
        raise SettingsError("there is no program called {program}; install it, or use another compute", program="vllm")
    return found
