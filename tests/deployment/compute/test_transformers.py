"""Weights of other people with torch, and a LoRA adapter of ours on top, behind a real process."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from tests.deployment.compute.standin import QUICK, ask, until
from tests.training.foreign import write_qwen

from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.machine import tree_bytes
from touchstone.deployment.compute.supervisor import Supervisor
from touchstone.deployment.compute.transformers import TransformersCompute
from touchstone.errors import DataError, SettingsError

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
peft = pytest.importorskip("peft", reason="the extra `train` is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

QUESTION = {"messages": [{"role": "user", "content": "where is my parcel"}], "max_tokens": 12}
WITHOUT = ComputeSettings(kind="transformers", weights="qwen", options={"threads": 1})
WITH = WITHOUT.model_copy(update={"adapter": "adapter"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version's folder: a tiny Qwen3, and an adapter that changes what it says."""
    place = tmp_path_factory.mktemp("version")
    write_qwen(place / "qwen", vocabulary=500)
    write_adapter(place)
    return place


def write_adapter(place: Path) -> None:
    from transformers import AutoModelForCausalLM

    torch.manual_seed(5)
    base = AutoModelForCausalLM.from_pretrained(place / "qwen", local_files_only=True)
    settings = peft.LoraConfig(
        r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM"
    )
    adapted = peft.get_peft_model(base, settings)
    with torch.no_grad():
        for name, value in adapted.named_parameters():
            if "lora_B" in name:
                value.normal_(0.0, 1.0)
    adapted.save_pretrained(place / "adapter", safe_serialization=True)
    (place / "adapter/README.md").unlink(missing_ok=True)


def greedy(folder: Path, adapter: Path | None = None) -> str:
    """What the library itself says, without our server."""
    from touchstone.models.local.write import LocalNetwork

    network = LocalNetwork(folder)
    if adapter is not None:
        network.network = peft.PeftModel.from_pretrained(network.network, str(adapter)).eval()
    return network.write([("user", "where is my parcel")], max_tokens=12).text


@pytest.mark.usefixtures("every_training")
async def test_an_adapter_is_served_killed_and_healed(folder: Path, tmp_path: Path) -> None:
    """Its answers are those of the adapted network, not those of the bare one; also after it was killed."""
    bare, adapted = greedy(folder / "qwen"), greedy(folder / "qwen", folder / "adapter")
    assert bare != adapted
    supervisor = Supervisor(tmp_path, rules=QUICK.model_copy(update={"most_misses": 50}))
    try:
        await supervisor.start("bare", 1, WITHOUT, folder)
        await supervisor.start("adapted", 1, WITH, folder)
        for name, text in (("bare", bare), ("adapted", adapted)):
            url = f"{await supervisor.address(name, 1)}/chat/completions"
            found = await ask(url, {"model": "qwen", **QUESTION})
            assert found["choices"][0]["message"]["content"] == text
        need_gib = TransformersCompute().memory_gib(WITH, folder)
        state = supervisor.states()[0]
        assert state.pid is not None
        taken = tree_bytes(state.pid)
        assert taken is not None
        assert need_gib is not None
        assert 0.3 * need_gib < taken / 2**30 < need_gib
        os.kill(state.pid, signal.SIGKILL)
        await until(lambda: supervisor.states()[0].restarts == 1)
        found = await ask(f"{await supervisor.address('adapted', 1)}/chat/completions", {"model": "qwen", **QUESTION})
        assert found["choices"][0]["message"]["content"] == adapted
    finally:
        await supervisor.close()


def test_what_is_no_adapter_is_refused(folder: Path, tmp_path: Path) -> None:
    """By what it says of itself: of another kind, or naming a module to import."""
    config = json.loads((folder / "adapter/adapter_config.json").read_text())
    for number, (changes, said) in enumerate(
        [({"peft_type": "XLORA"}, "no LoRA adapter"), ({"megatron_config": {"a": 1}}, "never followed")]
    ):
        place = folder / f"odd{number}"
        place.mkdir()
        (place / "adapter_config.json").write_text(json.dumps({**config, **changes}))
        (place / "adapter_model.safetensors").write_bytes((folder / "adapter/adapter_model.safetensors").read_bytes())
        with pytest.raises(DataError, match=said):
            TransformersCompute().check(WITHOUT.model_copy(update={"adapter": place.name}), folder)
    with pytest.raises(SettingsError, match="does not exist"):
        TransformersCompute().check(WITHOUT.model_copy(update={"adapter": "gone"}), folder)
    TransformersCompute().check(WITH, folder)
