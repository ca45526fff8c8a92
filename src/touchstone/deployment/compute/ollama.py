"""
Compute `ollama`: the server of that name, where it is installed, with a model that it holds already.

Variables as in its documentation (https://docs.ollama.com, FAQ, and `envconfig/config.go`; read November 2026). Not run
on a real one here: this adapter is tested against a program that takes the same settings and speaks the same protocol.
Its models stay where it keeps them; nothing is pulled.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from touchstone.config import secret
from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.options import no_adapter, read_options
from touchstone.errors import SettingsError
from touchstone.noun import Noun

_OF_THE_SERVICE = Path("/usr/share/ollama/.ollama/models")
"""Where it keeps models as a service (Linux); for a user they lie below the home."""


class OllamaOptions(Noun):
    """What `ollama` may be told."""

    model: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*(:[A-Za-z0-9._-]+)?$", max_length=200)]
    """As `ollama list` names it; without a tag it is `:latest`."""
    context_tokens: int | None = Field(default=None, ge=16)
    parallel: int | None = Field(default=None, ge=1, le=256)
    """Requests that are answered at once."""


class OllamaCompute:
    """Runs `ollama serve` on a port of its own, beside one that may run already."""

    name = "ollama"
    health_path = "/api/version"
    ready_s = 120.0

    def check(self, settings: ComputeSettings, folder: Path) -> None:
        """As `Compute` has it. Whether it holds the model is seen once it runs."""
        no_adapter(settings)
        read_options(OllamaOptions, settings)
        if settings.weights is not None:
            raise SettingsError("compute ollama keeps its models itself: leave weights out and name option model")
        _program()

    def memory_gib(self, settings: ComputeSettings, folder: Path) -> float | None:
        """None: what it holds is its own."""
        return None

    def command(self, settings: ComputeSettings, folder: Path, port: int) -> Sequence[str]:
        """As `Compute` has it."""
        return (_program(), "serve")

    def environment(self, settings: ComputeSettings, folder: Path, port: int) -> Mapping[str, str]:
        """As `Compute` has it: this is how `ollama serve` is told anything."""
        given = read_options(OllamaOptions, settings)
        found = {
            "OLLAMA_HOST": f"127.0.0.1:{port}",
            "OLLAMA_MODELS": str(_models()),
            # Its process is ended when the endpoint is idle; until then the model stays loaded.
            "OLLAMA_KEEP_ALIVE": "-1",
            "OLLAMA_NOPRUNE": "1",
        }
        if given.context_tokens is not None:
            found["OLLAMA_CONTEXT_LENGTH"] = str(given.context_tokens)
        if given.parallel is not None:
            found["OLLAMA_NUM_PARALLEL"] = str(given.parallel)
        return found

    def served_name(self, settings: ComputeSettings, folder: Path) -> str:
        """As `Compute` has it."""
        model = read_options(OllamaOptions, settings).model
        return model if ":" in model else f"{model}:latest"


def _program() -> str:
    found = shutil.which("ollama")
    if found is None:
        raise SettingsError(
            "there is no program called {program}; install it, or use another compute", program="ollama"
        )
    return found


def _models() -> Path:
    said = secret("OLLAMA_MODELS")
    if said is not None:
        return Path(said)
    own = Path.home() / ".ollama/models"
    return _OF_THE_SERVICE if _OF_THE_SERVICE.is_dir() and not own.is_dir() else own
