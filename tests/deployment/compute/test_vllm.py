"""vLLM against a stand-in that takes its arguments and speaks its protocol; no real one was run."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from tests.deployment.compute.standin import QUICK, SCRIPT, ask
from tests.deployment.compute.weights import starter_folder, write_adapter

from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.supervisor import Supervisor
from touchstone.deployment.compute.vllm import VllmCompute
from touchstone.errors import DataError, SettingsError

READING = """
assert sys.argv[1] == "serve", sys.argv
import argparse
known = argparse.ArgumentParser(allow_abbrev=False)
known.add_argument("model")
for name in ("host", "port", "served-model-name", "dtype", "tensor-parallel-size", "max-model-len",
             "gpu-memory-utilization", "max-lora-rank", "lora-modules"):
    known.add_argument("--" + name)
known.add_argument("--enable-lora", action="store_true")
given = known.parse_args(sys.argv[2:])
assert given.host == "127.0.0.1"
name = given.lora_modules.partition("=")[0] if given.enable_lora else given.served_model_name
port, how = int(given.port), ()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version's folder, and the stand-in on the path."""
    place = tmp_path / "bin/vllm"
    place.parent.mkdir()
    script = SCRIPT.replace("port, name, how = int(sys.argv[1]), sys.argv[2], sys.argv[3:]", READING)
    place.write_text(f"#!{sys.executable} -S\n{script}")
    place.chmod(place.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{place.parent}{os.pathsep}{os.environ['PATH']}")
    return starter_folder(tmp_path / "version")


async def test_it_is_started_as_its_documentation_says(folder: Path, tmp_path: Path) -> None:
    """With every option in its own place, and answers under the name that is asked for."""
    settings = ComputeSettings(
        kind="vllm",
        weights="weights/m",
        options={"context_tokens": 512, "memory_share": 0.5, "accelerators": 2, "numbers": "bfloat16"},
    )
    supervisor = Supervisor(tmp_path / "place", rules=QUICK)
    try:
        await supervisor.start("winner", 1, settings, folder)
        url = await supervisor.address("winner", 1)
        assert (await ask(f"{url}/chat/completions", {"model": "m", "messages": []}))["model"] == "m"
        argv = await ask(url.removesuffix("/v1") + "/argv")
        assert {
            "--max-model-len=512", "--gpu-memory-utilization=0.5", "--tensor-parallel-size=2", "--dtype=bfloat16",
        } <= set(argv)  # fmt: skip
        environment = await ask(url.removesuffix("/v1") + "/environ")
        assert (environment["VLLM_NO_USAGE_STATS"], environment["HF_HUB_OFFLINE"]) == ("1", "1")
        assert not any("trust" in word for word in argv)
    finally:
        await supervisor.close()


async def test_an_adapter_answers_under_its_own_name(folder: Path, tmp_path: Path) -> None:
    """With the smallest rank that its option takes."""
    write_adapter(folder / "weights/m", r=20)
    settings = ComputeSettings(kind="vllm", weights="weights/m", adapter="weights/adapter")
    compute = VllmCompute()
    compute.check(settings, folder)
    assert compute.served_name(settings, folder) == "adapter-adapter"
    assert "--max-lora-rank=32" in compute.command(settings, folder, 1)
    supervisor = Supervisor(tmp_path / "place", rules=QUICK)
    try:
        await supervisor.start("winner", 1, settings, folder)
        await supervisor.address("winner", 1)
    finally:
        await supervisor.close()


def test_what_cannot_run_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights with code, and a machine without the program."""
    settings = ComputeSettings(kind="vllm", weights="weights/m")
    VllmCompute().check(settings, folder)
    (folder / "weights/m/modeling.py").write_text("import os")
    with pytest.raises(DataError, match="no code"):
        VllmCompute().check(settings, folder)
    (folder / "weights/m/modeling.py").unlink()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SettingsError, match="no program called vllm"):
        VllmCompute().check(settings, folder)
