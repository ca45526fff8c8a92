"""A batch outlives its gateway: killed or told to stop, the next one goes on and asks nothing that was answered."""

from __future__ import annotations

import asyncio
import io
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from tests.deployment.api.house import question
from tests.deployment.api.kinds_house import client, ended, lines, open_kinds, read_lines
from tests.deployment.api.process import Place, Running, serving

from touchstone.deployment.gateway.api.batch_lines import kept
from touchstone.deployment.govern.batches import Batch, Batches
from touchstone.deployment.govern.file_bytes import FileBytes
from touchstone.deployment.govern.files import Files
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.pepper import load_pepper
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel
from touchstone.models.fake_server import FakeServer, serve_in_thread

LINES = 120
HALFWAY = 40


class Halting(FakeModel):
    """Answers the first questions, and the others when it is let; counts how often each is asked."""

    def __init__(self, at_once: int) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        self.at_once = at_once
        self.open = threading.Event()

    async def send(self, request: ChatRequest) -> Any:
        self.asked[str(request.messages[-1].content)] += 1
        if self.asked.total() > self.at_once:
            while not self.open.is_set():
                await asyncio.sleep(0.01)
        return await super().send(request)


def begin(place: Place, url: str) -> Batch:
    """A batch that waits in the store of a workspace which nobody serves yet."""
    place.deploy("chat", url)
    place.key("ann")
    with place.opened() as workspace:
        keys = Keys(workspace.ledger.engine, load_pepper(place.folder))
        key = keys.list()[0]
        files = Files(workspace.ledger.engine, FileBytes(place.folder / "files"))
        draft = files.place.begin()
        draft.write(lines(*[question("chat", f"number {n}") for n in range(LINES)]))
        row = files.add(key, draft.keep(), purpose="batch", filename="in.jsonl")
        batch = Batches(files).create(
            key, endpoint="/v1/chat/completions", input_file=row.id, window="24h", metadata=None
        )
        keys.close()
        files.place.close()
    return batch


def answered(place: Place, batch: Batch) -> set[int]:
    """Numbers of the lines whose answers stand in the work file."""
    work = place.folder / "files" / f"work-{batch.work}"
    if not work.exists():
        return set()
    # A copy: what is half written is cut off by whoever reads it, and the gateway may be writing just now.
    return set(kept(io.BytesIO(work.read_bytes())))


def ask(running: Running, place: Place, path: str) -> httpx.Response:
    """A look at the batch over HTTP."""
    return httpx.get(running.url + path, headers={"authorization": f"Bearer {place.secrets['ann']}"})


def until_ended(running: Running, place: Place, batch: Batch) -> Any:
    """The batch when it has ended."""
    for _ in range(1200):
        found = ask(running, place, f"/batches/{batch.id}").json()
        if found["status"] in ("completed", "failed", "expired", "cancelled"):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def until_stopping(running: Running, place: Place) -> None:
    """Wait until it has heard that it is to stop: from then on no line begins."""
    for _ in range(3000):
        try:
            if ask(running, place, "/models").status_code == 503:
                return
        except httpx.TransportError:
            return
        time.sleep(0.01)
    raise AssertionError("it goes on")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_answered_is_never_asked_or_charged_again(tmp_path: Path, how: signal.Signals) -> None:
    """
    Killed in the middle: every line is answered once in the end, and only lines that were under way are asked twice,
    each with a row in doubt. Told to stop: what was under way ends, and nothing is asked twice.
    """
    place, model = Place(tmp_path / "place"), Halting(HALFWAY)
    with serve_in_thread(FakeServer(model)) as server:
        batch = begin(place, server.base_url)
        with serving(place, "--stop-seconds", "60") as running:
            for _ in range(3000):
                if len(answered(place, batch)) == HALFWAY and model.asked.total() > HALFWAY:
                    break
                time.sleep(0.01)
            running.process.send_signal(how)
            if how == signal.SIGTERM:
                until_stopping(running, place)
                model.open.set()
            code = running.process.wait(60)
            model.open.set()
            assert code == (0 if how == signal.SIGTERM else -signal.SIGKILL)
        before = answered(place, batch)
        assert HALFWAY <= len(before) < LINES
        sure = {f"number {number - 1}" for number in before}
        asked_by_then = Counter({text: model.asked[text] for text in sure})
        with serving(place) as running:
            found = until_ended(running, place, batch)
            content = ask(running, place, f"/files/{found['output_file_id']}/content").content
    assert found["request_counts"] == {"total": LINES, "completed": LINES, "failed": 0}
    output = read_lines(content)
    assert len(content.splitlines()) == len(output) == LINES
    assert {text: model.asked[text] for text in sure} == asked_by_then, "no line that stood there is asked again"
    rows = place.rows()
    done, doubt = ([row for row in rows if row["status"] == status] for status in ("done", "in_doubt"))
    paid = {row["request"] for row in done}
    assert paid == {line["response"]["request_id"] for line in output.values()}
    assert len(done) == len(paid) == LINES, "no answer is charged twice"
    if how == signal.SIGTERM:
        assert max(model.asked.values()) == 1
        assert not doubt
    else:
        again = sum(count - 1 for count in model.asked.values())
        assert again <= len(doubt) <= 16
    assert not (place.folder / "files" / f"work-{batch.work}").exists()


async def test_an_answer_that_was_paid_and_not_yet_written_down_is_found(tmp_path: Path) -> None:
    """Between payment and the work file, a line's reply is kept under its name; the next gateway finds it there."""
    model = Halting(LINES)
    async with FakeServer(model) as server:
        async with open_kinds(tmp_path / "place") as house, client(house) as asking:
            await house.deploy("chat", server)
            house.api.background.runner.halt()  # whatever is ordered now is for the next gateway
            content = lines(*[question("chat", f"number {n}") for n in range(3)])
            file = await asking.files.create(file=("in.jsonl", content), purpose="batch")
            batch = await asking.batches.create(
                input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
            paid = await house.ask(question("chat", "number 0"), idempotency_key=f"{batch.id}.1")
            assert paid.status == 200
            secrets = house.secrets
        async with open_kinds(tmp_path / "place") as house:
            house.secrets |= secrets
            async with client(house) as asking:
                done = await ended(asking, batch.id)
                output = read_lines((await asking.files.content(done.output_file_id or "")).content)
            rows = await house.rows()
    assert done.request_counts.completed == 3
    assert output["line-0"]["response"]["body"] == paid.json
    assert set(model.asked.values()) == {1}
    assert Counter(row["status"] for row in rows) == {"done": 3, "cached": 1}
