"""Ollama against a stand-in that takes its settings and speaks its protocol; no real one was run."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from tests.deployment.compute.standin import QUICK, SCRIPT, ask

from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.ollama import OllamaCompute
from touchstone.deployment.compute.supervisor import Supervisor
from touchstone.errors import SettingsError, Unreachable

READING = """
assert sys.argv[1:] == ["serve"], sys.argv
host, _, port = os.environ["OLLAMA_HOST"].partition(":")
assert host == "127.0.0.1"
port, name, how = int(port), open(os.environ["OLLAMA_MODELS"] + "/held").read(), ()
"""


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in on the path, and where it keeps its models."""
    place = tmp_path / "bin/ollama"
    place.parent.mkdir()
    script = SCRIPT.replace("port, name, how = int(sys.argv[1]), sys.argv[2], sys.argv[3:]", READING)
    place.write_text(f"#!{sys.executable} -S\n{script.replace('/health', '/api/version')}")
    place.chmod(place.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{place.parent}{os.pathsep}{os.environ['PATH']}")
    held = tmp_path / "models"
    held.mkdir()
    (held / "held").write_text("qwen3:latest")
    monkeypatch.setenv("OLLAMA_MODELS", str(held))
    return held


async def test_it_serves_a_model_that_it_holds(tmp_path: Path) -> None:
    """On a port of its own, told by variables alone."""
    settings = ComputeSettings(kind="ollama", options={"model": "qwen3", "context_tokens": 4_096, "parallel": 2})
    supervisor = Supervisor(tmp_path / "place", rules=QUICK)
    try:
        await supervisor.start("winner", 1, settings, tmp_path)
        url = await supervisor.address("winner", 1)
        found = await ask(url.removesuffix("/v1") + "/environ")
        assert found["OLLAMA_CONTEXT_LENGTH"] == "4096"
        assert found["OLLAMA_NUM_PARALLEL"] == "2"
        assert found["OLLAMA_KEEP_ALIVE"] == "-1"
        assert OllamaCompute().served_name(settings, tmp_path) == "qwen3:latest"
    finally:
        await supervisor.close()


async def test_a_model_that_it_does_not_hold_is_said(tmp_path: Path) -> None:
    """With those that it has; nothing is pulled."""
    supervisor = Supervisor(tmp_path / "place", rules=QUICK.model_copy(update={"most_restarts": 0}))
    try:
        await supervisor.start("winner", 1, ComputeSettings(kind="ollama", options={"model": "gemma:2b"}), tmp_path)
        with pytest.raises(Unreachable, match="serves qwen3:latest, and not gemma:2b"):
            await supervisor.address("winner", 1)
    finally:
        await supervisor.close()


@pytest.mark.parametrize("model", ["--help", "", "a b", "x" * 300, "http://host/m", "../m"])
def test_no_name_is_anything_else(model: str, tmp_path: Path) -> None:
    """Not an option, an address or a path out."""
    with pytest.raises(SettingsError, match="option model"):
        OllamaCompute().check(ComputeSettings(kind="ollama", options={"model": model}), tmp_path)


def test_what_cannot_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of ours, adapters, and a machine without the program."""
    options = {"model": "qwen3"}
    with pytest.raises(SettingsError, match="leave weights out"):
        OllamaCompute().check(ComputeSettings(kind="ollama", weights="w", options=options), tmp_path)
    with pytest.raises(SettingsError, match="takes no adapter"):
        OllamaCompute().check(ComputeSettings(kind="ollama", adapter="a", options=options), tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SettingsError, match="no program called ollama"):
        OllamaCompute().check(ComputeSettings(kind="ollama", options=options), tmp_path)
