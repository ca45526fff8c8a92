"""A training as a job: real, small, killed and resumed; what it leaves opens in the field's own libraries."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.training.tiny import EXAMPLES, HELD_BACK, LOOP, job, processes_of

from touchstone.errors import DataError, ExtraMissing, StoreBusy, TrainingFailed, TrainingStopped
from touchstone.models.starter.folder import read_model
from touchstone.models.starter.write import write
from touchstone.storage.process_lock import ProcessLock
from touchstone.training import run
from touchstone.training.base import Trained, training_digest
from touchstone.training.run import PARENT_LOCK, run_training, stored_training
from touchstone.training.steps import Step
from touchstone.training.timing import timed_device

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

SECRET = "sk-test-4711-canary"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A network trained from nothing without interruption."""
    return asyncio.run(run_training(job(), EXAMPLES, HELD_BACK, tmp_path_factory.mktemp("whole") / "training"))


def test_from_nothing_the_loss_falls_and_a_model_is_left(whole: Trained) -> None:
    """It learned to say the label, and NumPy alone reads what it wrote."""
    assert whole.steps[-1].step == whole.steps[-1].of
    assert whole.steps[-1].loss < 0.7 * whole.steps[0].loss
    assert whole.parameters == whole.trained_parameters > 10_000
    assert whole.held_back_loss is not None
    assert whole.held_back_loss_before is None
    decoder, tokens = read_model(whole.folder)

    assert write(decoder, tokens, [("user", "hello")], max_tokens=4).output_tokens <= 4


PARENT = """
import asyncio, json, sys
from pathlib import Path
from touchstone.training.run import run_training
from tests.training.tiny import EXAMPLES, HELD_BACK, job
asyncio.run(run_training(job(), EXAMPLES, HELD_BACK, Path(sys.argv[1])))
"""


async def test_killed_twice_it_goes_on_to_the_same_loss_curve(
    whole: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First whoever watches is killed, then the process that trains; the curve is that of a training in peace."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    folder = tmp_path / "training"
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder)], env={**os.environ, "PYTHONPATH": path}
    ) as parent:
        wait_for_step(folder, 4)
        (child,) = processes_of(folder)
        seen = what_it_sees(child)
        parent.kill()
    wait_until(lambda: not processes_of(folder))
    kept = json.loads((folder / "checkpoint" / "state.json").read_text())
    assert SECRET not in seen
    assert 0 < kept["step"] < kept["of"]

    def kill(step: Step) -> None:
        if step.step > kept["step"]:
            for number in processes_of(folder):
                os.kill(number, signal.SIGKILL)

    with pytest.raises(TrainingFailed, match="was killed"):
        await run_training(job(), EXAMPLES, HELD_BACK, folder, report=kill)
    told: list[Step] = []
    resumed = await run_training(job(), EXAMPLES, HELD_BACK, folder, report=told.append)

    assert [step.step for step in resumed.steps] == [step.step for step in whole.steps]
    assert [step.loss for step in resumed.steps] == pytest.approx([step.loss for step in whole.steps], abs=1e-6)
    assert resumed.held_back_loss == pytest.approx(whole.held_back_loss, abs=1e-6)
    assert tuple(told) == resumed.steps
    assert not (folder / "checkpoint").exists()


def what_it_sees(process: int) -> str:
    """Environment of a process; no connection of it may be open."""
    place = Path(f"/proc/{process}")
    sockets = {str(file.readlink()) for file in (place / "fd").iterdir() if file.is_symlink()}
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        table = place / "net" / protocol
        if table.exists():
            inodes = {f"socket:[{line.split()[9]}]" for line in table.read_text().splitlines()[1:]}
            assert not sockets & inodes
    return (place / "environ").read_bytes().decode()


def wait_for_step(folder: Path, step: int) -> None:
    def reached() -> bool:
        file = folder / "progress.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return bool(lines) and json.loads(lines[-1])["step"] >= step

    wait_until(reached)


def wait_until(true: Any) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.01)


async def test_adapters_open_with_peft_and_the_whole_with_transformers(whole: Trained, tmp_path: Path) -> None:
    """By their own API, with the same scores; the base stays as it was; the adapter names no place of this machine."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    before = (whole.folder / "model.safetensors").read_bytes()
    trained = await run_training(job(way="lora", base=whole.folder), EXAMPLES, HELD_BACK, tmp_path / "lora")
    assert trained.adapter is not None
    base = AutoModelForCausalLM.from_pretrained(whole.folder)
    adapted = PeftModel.from_pretrained(base, trained.adapter).eval()
    merged = AutoModelForCausalLM.from_pretrained(trained.folder).eval()
    asked = torch.tensor([[2, 80, 81, 82, 0, 3]])
    with torch.no_grad():
        torch.testing.assert_close(adapted(asked).logits, merged(asked).logits, atol=1e-4, rtol=1e-4)

    assert (whole.folder / "model.safetensors").read_bytes() == before
    assert trained.trained_parameters < trained.parameters
    assert trained.held_back_loss_before == pytest.approx(whole.held_back_loss, abs=1e-6)
    assert trained.held_back_loss < trained.held_back_loss_before  # type: ignore[operator]  # both were measured
    assert str(whole.folder) not in (trained.adapter / "adapter_config.json").read_text()


@pytest.mark.usefixtures("every_training")
async def test_all_weights_learn_from_sixteen_bits_and_are_written_so(whole: Trained, tmp_path: Path) -> None:
    """A fine-tune of a shipped starter model is as small as the model was, and runs where it ran."""
    from safetensors.numpy import load_file, save_file

    base = tmp_path / "base"
    base.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (base / name).write_bytes((whole.folder / name).read_bytes())
    half = {name: array.astype("float16") for name, array in load_file(whole.folder / "model.safetensors").items()}
    save_file(half, base / "model.safetensors", metadata={"format": "pt"})
    loop = LOOP.model_copy(update={"learning_rate": 2e-3})
    trained = await run_training(job(way="full", base=base, loop=loop), EXAMPLES, HELD_BACK, tmp_path / "full")

    assert {str(array.dtype) for array in load_file(trained.folder / "model.safetensors").values()} == {"float16"}
    assert trained.held_back_loss < trained.held_back_loss_before  # type: ignore[operator]  # both were measured
    assert read_model(trained.folder)


async def test_a_finished_training_is_taken_as_it_is_without_its_libraries(
    whole: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is how a stored fine-tune is used on a machine that cannot train; another job needs them."""
    monkeypatch.setattr(run, "can_train", lambda: False)
    folder = whole.folder.parent
    again = await run_training(job(), EXAMPLES, HELD_BACK, folder)

    assert again == whole == stored_training(folder)
    with pytest.raises(ExtraMissing, match="train"):
        await run_training(job(), EXAMPLES[:-1], HELD_BACK, folder)


@pytest.mark.usefixtures("every_training")
async def test_a_few_timed_steps_say_how_quick_this_machine_is(tmp_path: Path) -> None:
    """Tokens a second of the very same training; what the steps learned is thrown away."""
    device = await timed_device(job(), EXAMPLES, tmp_path, usd_per_hour=2.0)

    assert device.tokens_per_s is not None
    assert device.tokens_per_s > 100
    assert device.usd_per_hour == 2.0
    assert not list(tmp_path.iterdir())


async def test_a_deadline_keeps_what_was_learned(tmp_path: Path) -> None:
    """The error says that the same call goes on."""
    with pytest.raises(TrainingStopped, match="goes on"):
        await run_training(job(), EXAMPLES, (), tmp_path / "training", deadline_s=0.5)
    assert not processes_of(tmp_path / "training")


async def test_a_folder_that_is_busy_or_of_another_training_is_refused(whole: Trained, tmp_path: Path) -> None:
    """Two trainings would spoil each other's checkpoints."""
    folder = tmp_path / "training"
    folder.mkdir()
    with ProcessLock(folder / PARENT_LOCK) as lock:
        assert lock.take()
        with pytest.raises(StoreBusy, match="another process trains"):
            await run_training(job(), EXAMPLES, (), folder)
    with pytest.raises(DataError, match="another training"):
        await run_training(job(), EXAMPLES[:-1], HELD_BACK, whole.folder.parent)


async def test_too_little_memory_is_said_in_words(tmp_path: Path) -> None:
    """With what can be done about it."""
    with pytest.raises(TrainingFailed, match="not enough memory"):
        await run_training(job(), EXAMPLES, (), tmp_path / "training", memory_bytes=120 * 2**20)


def test_the_digest_knows_job_rows_and_base(whole: Trained, tmp_path: Path) -> None:
    """How often progress is told is no part of what is learned; everything else is."""
    first = training_digest(job(), EXAMPLES, HELD_BACK)
    often = LOOP.model_copy(update={"report_steps": 1})

    assert first == whole.digest == training_digest(job(loop=often), EXAMPLES, HELD_BACK)
    others = {
        training_digest(job(vocabulary=500), EXAMPLES, HELD_BACK),
        training_digest(job(), EXAMPLES[:-1], HELD_BACK),
        training_digest(job(), EXAMPLES[::-1], HELD_BACK),
        training_digest(job(), EXAMPLES),
        training_digest(job(way="full", base=whole.folder), EXAMPLES, HELD_BACK),
    }
    assert len(others | {first}) == 6
