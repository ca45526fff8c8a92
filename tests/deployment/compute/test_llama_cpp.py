"""Weights of ours as GGUF behind llama.cpp: the same answers as our own reader gives, killed and healed."""

from __future__ import annotations

import os
import signal
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.deployment.compute.standin import QUICK, SCRIPT, ask, until
from tests.deployment.compute.weights import starter_folder

from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.llama_cpp import LlamaCompute
from touchstone.deployment.compute.machine import tree_bytes
from touchstone.deployment.compute.supervisor import Supervisor
from touchstone.errors import DataError, ExtraMissing, SettingsError
from touchstone.models.starter.folder import SHIPPED, read_model
from touchstone.models.starter.network import Cache, Decoder
from touchstone.models.starter.tokens import END, Tokens, render

QUESTIONS = (
    "What is the capital of France?",
    "Please sum up: The shop opens at 9 and closes at 18.",
    "我的包裹在哪里？",
    "I don't see my refund of 1234 euros",
    "two  spaces\n\nand 77 lines",
    "Where is my parcel?",
)
_CLOSE = 0.02
"""Scores nearer than this may change places: llama.cpp sums in another order, and keeps its cache at 16 bits."""


def sure_beginning(decoder: Decoder, tokens: Tokens, text: str, most: int) -> tuple[str, bool, int]:
    """(what is written until two tokens are nearly alike, whether that is all, tokens read)."""
    numbers, _ = render(tokens, [("user", text)], open_ended=True)
    cache, out = Cache(decoder.sizes, len(numbers) + most), list[int]()
    scores = decoder.logits(numbers, cache)
    while len(out) < most:
        second, first = np.argsort(scores)[-2:]
        if scores[first] - scores[second] < _CLOSE:
            return tokens.decode(out), False, len(numbers)
        if first == tokens.special[END]:
            return tokens.decode(out), True, len(numbers)
        out.append(int(first))
        scores = decoder.logits([int(first)], cache)
    return tokens.decode(out), True, len(numbers)


async def test_the_starter_model_answers_the_same_through_llama_cpp(tmp_path: Path) -> None:
    """From our weights to a GGUF file to a server: greedy answers and token counts are those of the NumPy reader."""
    pytest.importorskip("xllamacpp", reason="the extra `gguf` is not installed")
    folder = starter_folder(tmp_path / "version")
    settings = ComputeSettings(kind="llama-cpp", weights="weights/m", options={"threads": 1, "precision": "f32"})
    decoder, tokens = read_model(SHIPPED / "m")
    supervisor = Supervisor(tmp_path / "place", rules=QUICK.model_copy(update={"most_misses": 50}))
    try:
        await supervisor.start("winner", 1, settings, folder)
        url = await supervisor.address("winner", 1)
        for text in (*QUESTIONS, "12 345,67 don't   \t\r\n\n e\u0301 \u00a0 \U0001f642 ١٢٣ we'll 'S x\u3000y"):
            found = await ask(url.removesuffix("/v1") + "/tokenize", {"content": text, "add_special": False})
            assert found["tokens"] == tokens.encode(text)
        whole = 0
        for text in QUESTIONS:
            found = await asked(url, text)
            said = found["choices"][0]["message"]["content"]
            sure, all_of_it, read = sure_beginning(decoder, tokens, text, 40)
            assert said == sure if all_of_it else said.startswith(sure)
            assert found["usage"]["prompt_tokens"] == read
            whole += all_of_it
        assert whole >= 4

        pid = supervisor.states()[0].pid
        assert pid is not None
        need_gib, taken = LlamaCompute().memory_gib(settings, folder), tree_bytes(pid)
        assert need_gib is not None
        assert taken is not None
        assert 0.2 * need_gib < taken / 2**30 < need_gib

        written = list((tmp_path / "place/winner/1/scratch").glob("*.gguf"))
        assert len(written) == 1
        made = written[0].stat().st_mtime_ns
        before = await asked(url, QUESTIONS[0])
        os.kill(pid, signal.SIGKILL)
        await until(lambda: supervisor.states()[0].restarts == 1)
        after = await asked(await supervisor.address("winner", 1), QUESTIONS[0])
        assert after["choices"] == before["choices"]
        assert written[0].stat().st_mtime_ns == made  # found again, not written again
        assert not any("parcel" in line for line in supervisor.logs("winner", 1, lines=10_000))
    finally:
        await supervisor.close()


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
async def test_a_foreign_network_answers_the_same_through_llama_cpp(tmp_path: Path) -> None:
    """A Qwen3 with its own template and an adapter, whose rows keep their order: as torch has it."""
    pytest.importorskip("xllamacpp", reason="the extra `gguf` is not installed")
    torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
    from tests.deployment.compute.test_transformers import write_adapter
    from tests.training.foreign import write_qwen

    from touchstone.deployment.compute.adapters import with_adapter
    from touchstone.models.local.write import LocalNetwork

    write_qwen(tmp_path / "qwen", vocabulary=500)
    write_adapter(tmp_path)
    network = LocalNetwork(tmp_path / "qwen")
    network.network = with_adapter(network.network, tmp_path / "adapter")
    settings = ComputeSettings(
        kind="llama-cpp", weights="qwen", adapter="adapter", options={"threads": 1, "precision": "f32"}
    )
    supervisor = Supervisor(tmp_path / "place", rules=QUICK.model_copy(update={"most_misses": 50}))
    try:
        await supervisor.start("winner", 1, settings, tmp_path)
        url = await supervisor.address("winner", 1)
        compared = 0
        for text in ("where is my parcel", "money back please", "parcel"):
            numbers = network.words.asked([("user", text)])
            body = {"model": "qwen", "messages": [{"role": "user", "content": text}], "max_tokens": 1}
            found = await ask(f"{url}/chat/completions", body)
            assert found["usage"]["prompt_tokens"] == len(numbers)
            # What is said is forced, because half a character would have no text to be shown with scores.
            forced = [[network.words.answer("a")[0], 1_000]]
            asked_for = {"prompt": numbers, "n_predict": 1, "n_probs": 5, "temperature": 0, "logit_bias": forced}
            found = await ask(url.removesuffix("/v1") + "/completion", asked_for)
            with torch.no_grad():
                chances = network.network(input_ids=torch.tensor([numbers])).logits[0, -1].double().log_softmax(-1)
            for one in found["completion_probabilities"][0]["top_logprobs"]:
                assert chances[one["id"]].item() == pytest.approx(one["logprob"], abs=0.02)
                compared += 1
        assert compared >= 12
    finally:
        await supervisor.close()


async def asked(url: str, text: str) -> Any:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], "max_tokens": 40, "temperature": 0}
    return await ask(f"{url}/chat/completions", body)


def test_a_llama_server_on_the_path_is_told_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library is not installed; its argument list is one of a fixed table."""
    monkeypatch.setattr("touchstone.deployment.compute.llama_cpp.find_spec", lambda _: None)
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF" + bytes(60))
    settings = ComputeSettings(kind="llama-cpp", weights="m.gguf", options={"context_tokens": 256, "parallel": 2})
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(ExtraMissing):
        LlamaCompute().check(settings, tmp_path)
    program = write_program(tmp_path / "bin/llama-server")
    LlamaCompute().check(settings, tmp_path)
    assert f"--program={program}" in LlamaCompute().command(settings, tmp_path, 1)


def write_program(place: Path) -> Path:
    """A stand-in for `llama-server` that finds its port and name among its arguments."""
    place.parent.mkdir(exist_ok=True)
    reading = (
        'given = dict(zip(sys.argv[1:], sys.argv[2:]))\nport, name, how = int(given["--port"]), given["--alias"], ()'
    )
    script = SCRIPT.replace("port, name, how = int(sys.argv[1]), sys.argv[2], sys.argv[3:]", reading)
    place.write_text(f"#!{sys.executable} -S\n{script}")
    place.chmod(place.stat().st_mode | stat.S_IXUSR)
    return place


async def test_a_llama_server_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the place of our program, and gets the file, the name and the whole context of all requests."""
    monkeypatch.setattr("touchstone.deployment.compute.llama_cpp.find_spec", lambda _: None)
    write_program(tmp_path / "bin/llama-server")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + bytes(60))
    settings = ComputeSettings(kind="llama-cpp", weights="m.gguf", options={"context_tokens": 256, "parallel": 2})
    supervisor = Supervisor(tmp_path / "place", rules=QUICK.model_copy(update={"most_misses": 50}))
    try:
        await supervisor.start("winner", 1, settings, tmp_path)
        argv = await ask((await supervisor.address("winner", 1)).removesuffix("/v1") + "/argv")
        assert argv[argv.index("--model") + 1] == str(tmp_path / "m.gguf")
        assert argv[argv.index("--ctx-size") + 1] == "512"
        assert argv[argv.index("--cache-ram") + 1] == "0"
        assert {"--no-webui", "--offline", "--jinja"} <= set(argv)
    finally:
        await supervisor.close()


def test_what_is_no_gguf_is_refused(tmp_path: Path) -> None:
    """A file of another kind, an adapter beside a finished file, and options it does not know."""
    (tmp_path / "a.gguf").write_bytes(b"PK\x03\x04")
    (tmp_path / "b.gguf").write_bytes(b"GGUF")
    (tmp_path / "adapter").mkdir()
    compute = LlamaCompute()
    with pytest.raises(DataError, match="no GGUF file"):
        compute.check(ComputeSettings(kind="llama-cpp", weights="a.gguf"), tmp_path)
    with pytest.raises(SettingsError, match="name a folder of weights"):
        compute.check(ComputeSettings(kind="llama-cpp", weights="b.gguf", adapter="adapter"), tmp_path)
    with pytest.raises(SettingsError, match="no option 'contxt_tokens'; known: context_tokens"):
        compute.check(ComputeSettings(kind="llama-cpp", weights="b.gguf", options={"contxt_tokens": 1}), tmp_path)
    with pytest.raises(SettingsError, match="option parallel of compute llama-cpp: write a number of at least 1"):
        compute.check(ComputeSettings(kind="llama-cpp", weights="b.gguf", options={"parallel": 0}), tmp_path)


def test_smaller_numbers_need_less(tmp_path: Path) -> None:
    """By the share of the weights alone."""
    folder = starter_folder(tmp_path)
    needs = [
        LlamaCompute().memory_gib(
            ComputeSettings(kind="llama-cpp", weights="weights/m", options={"precision": precision}), folder
        )
        for precision in ("f32", "f16", "q8_0")
    ]
    parameters = read_model(SHIPPED / "m")[0].sizes.parameters
    assert needs[0] is not None
    assert needs[1] is not None
    assert needs[2] is not None
    assert needs[0] - needs[1] == pytest.approx(2 * parameters / 2**30)
    assert needs[1] > needs[2]
