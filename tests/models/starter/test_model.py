"""The starter models as models: they read, they are repeatable, and their processes are kept apart from us."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest

from touchstone.errors import ProviderFailed, RequestRejected, SettingsError, UnknownName
from touchstone.models.base import ChatRequest, ImagePart, Message, TextPart
from touchstone.models.resolve import make_model
from touchstone.models.starter import pool as pools
from touchstone.models.starter.folder import SHIPPED, TOKENIZER
from touchstone.models.starter.model import StarterModel
from touchstone.models.starter.write import write

PASSAGES = (
    "Passages:\n[1] Delivery. Standard delivery takes 4 days.\n[2] Returns. A return label costs $3.80.\n\nQuestion: "
)


def asked(
    question: str, *, system: str = "Answer the customer's question in a few words.", **fields: object
) -> ChatRequest:
    """A request with a system text and one question."""
    messages = (Message(role="system", content=system), Message(role="user", content=question))
    return ChatRequest(messages=messages, **fields)


async def test_the_largest_reads_the_answer_from_the_passages_and_names_the_one_it_read() -> None:
    """With the tokens it took; it costs nothing on this machine."""
    model = make_model("starter/l")
    try:
        found = model.read(await model.send(asked(PASSAGES + "How much is the return label?")))
    finally:
        await model.close()

    assert found.text == "$3.80 [2]"
    assert found.finish == "stop"
    assert found.cost_usd == 0.0
    assert found.usage.input_tokens
    assert found.usage.output_tokens
    assert found.latency_s is not None


async def test_answers_are_the_same_again_and_beside_each_other() -> None:
    """Which process answers, and what it answered before, changes nothing."""
    model = StarterModel("s")
    requests = [asked(f"{PASSAGES}How long does delivery {number} take?") for number in range(6)]
    try:
        together = [reply.body for reply in await asyncio.gather(*map(model.send, requests))]
        alone = [(await model.send(request)).body for request in reversed(requests)]
    finally:
        await model.close()

    assert together == alone[::-1]


async def test_drawn_answers_differ_by_draw_and_come_again_with_their_seed() -> None:
    """With a temperature every draw is another, and each of them repeatable."""
    model = StarterModel("s")
    question = "What does the Flooss bicycle cost?"
    try:
        drawn = [
            model.read(await model.send(asked(question, temperature=1.0, seed=seed, draw=draw))).text
            for seed, draw in ((1, 0), (1, 1), (1, 2), (1, 0))
        ]
    finally:
        await model.close()

    assert drawn[0] == drawn[3]
    assert len(set(drawn)) > 1


async def test_writing_ends_where_it_is_told_to() -> None:
    """At the limit of tokens, or before a text."""
    model = StarterModel("l")
    system = "Answer the customer's question in a whole sentence."
    question = PASSAGES + "How long does delivery take?"
    try:
        whole = model.read(await model.send(asked(question, system=system)))
        cut = model.read(await model.send(asked(question, system=system, max_tokens=3)))
        word = " " + whole.text.split()[2]
        stopped = model.read(await model.send(asked(question, system=system, stop=(word,))))
    finally:
        await model.close()

    assert cut.finish == "length"
    assert cut.usage.output_tokens == 3
    assert whole.text.startswith(cut.text)
    assert stopped.finish == "stop"
    assert stopped.text == whole.text[: whole.text.index(word)]


async def test_what_is_too_long_or_no_text_is_refused() -> None:
    """Before anything is written, with what to do."""
    model = StarterModel("s")
    picture = Message(role="user", content=(TextPart(text="what"), ImagePart(url="data:image/png;base64,aa")))
    try:
        with pytest.raises(RequestRejected, match="shorten the system text, examples or passages"):
            await model.send(asked("word " * 2_000))
        with pytest.raises(RequestRejected, match="text only"):
            await model.send(ChatRequest(messages=(picture,)))
    finally:
        await model.close()


async def test_a_process_that_dies_is_a_failure_and_the_next_answer_gets_another() -> None:
    """The run goes on."""
    model = StarterModel("s")
    try:
        await model.send(asked("a"))
        pool = model._pool
        assert pool is not None
        for worker in pool._started:
            os.kill(worker.pid, signal.SIGKILL)
        for _ in range(pool.size):
            try:
                await model.send(asked("a"))
            except ProviderFailed:
                continue
        assert model.read(await model.send(asked("a"))).text
    finally:
        await model.close()


async def test_a_request_that_is_cancelled_leaves_no_answer_for_the_next() -> None:
    """The process that was writing it ends with it."""
    model = StarterModel("l")
    try:
        wanted = (await model.send(asked(PASSAGES + "How long does delivery take?"))).body
        for _ in range(3):
            task = asyncio.create_task(model.send(asked("Who founded the shop? " * 60, system="", max_tokens=100)))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await model.send(asked(PASSAGES + "How long does delivery take?"))).body == wanted
    finally:
        await model.close()


async def test_processes_know_no_key_and_end_with_the_last_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their environment is a short list, and they are shared by all models."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    monkeypatch.setenv("HTTPS_PROXY", "http://canary")
    first, second = StarterModel("s"), StarterModel("m")
    await asyncio.gather(first.send(asked("a")), second.send(asked("a")))
    pool = first._pool
    assert pool is not None
    assert pool is second._pool
    workers = list(pool._started)

    for worker in workers:
        environment = Path(f"/proc/{worker.pid}/environ").read_bytes()
        assert b"canary" not in environment
    assert not {name for name in pools.worker_environment() if "KEY" in name or "PROXY" in name}

    await first.close()
    assert all(worker.returncode is None for worker in workers)
    await second.close()
    await second.close()
    assert all(worker.returncode is not None for worker in workers)


async def test_a_folder_of_our_own_is_a_model_and_another_content_another_endpoint(tmp_path: Path) -> None:
    """Stored answers of other weights are not taken for its own."""
    own = tmp_path / "own"
    shutil.copytree(SHIPPED / "s", own)
    shutil.copy(SHIPPED / TOKENIZER, own / TOKENIZER)
    before = StarterModel("own", folder=str(own))
    same = StarterModel("own", folder=str(own))
    shutil.copy(SHIPPED / "m" / "model.safetensors", own / "model.safetensors")
    after = StarterModel("own", folder=str(own))

    assert before.endpoint == same.endpoint != after.endpoint
    try:
        with pytest.raises(RequestRejected, match="cannot be loaded"):
            await after.send(asked("a"))
    finally:
        await after.close()


def test_an_unknown_size_or_folder_is_told_at_once(tmp_path: Path) -> None:
    """Before anybody is asked."""
    with pytest.raises(UnknownName, match="xl"):
        make_model("starter/xl")
    with pytest.raises(SettingsError, match="does not exist"):
        make_model("starter", parameters={"served_name": "own", "folder": str(tmp_path / "none")})
    with pytest.raises(SettingsError, match=r"config\.json"):
        make_model("starter", parameters={"served_name": "own", "folder": str(tmp_path)})


def test_a_top_p_of_nothing_is_the_likeliest() -> None:
    """The smallest set that holds any share is one token."""
    from touchstone.models.starter.folder import read_model

    decoder, tokens = read_model(SHIPPED / "s")
    turns = [("user", "Where is your head office?")]

    drawn = write(decoder, tokens, turns, temperature=2.0, top_p=1e-9, seed=3, max_tokens=12)

    assert drawn.text == write(decoder, tokens, turns, max_tokens=12).text
