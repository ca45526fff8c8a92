"""Fine-tuning by a provider: begun once whatever happens, watched to its end, paid under a cap."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.training.tiny import EXAMPLES, HELD_BACK

from touchstone.errors import (
    AccessDenied,
    BudgetStop,
    DataError,
    ModelError,
    NoReply,
    SettingsError,
    TrainingFailed,
    TrainingStopped,
)
from touchstone.models.tuning_service import TuningService, service_of
from touchstone.training.base import Example
from touchstone.training.remote import (
    RemoteSettings,
    remote_forecast,
    rows_body,
    run_remote,
    stored_remote,
)

KEY = "sk-test-remote-4711"


class Provider:
    """A server that trains in three looks, and keeps its own bill."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.looks = 0
        self.ends_as = "succeeded"
        self.broken: list[int] = []
        """Status codes of the next answers, before any that is right."""
        self.hang_up_after_create = False
        self.base_url = ""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/files", self.take_file)
        app.router.add_post("/v1/fine_tuning/jobs", self.create)
        app.router.add_get("/v1/fine_tuning/jobs", self.recent)
        app.router.add_get("/v1/fine_tuning/jobs/{id}", self.look)
        app.router.add_get("/v1/fine_tuning/jobs/{id}/events", self.events)
        app.router.add_post("/v1/fine_tuning/jobs/{id}/cancel", self.cancel)
        return app

    async def take_file(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"error": {"message": f"bad key {KEY}", "code": "invalid_api_key"}}, status=401)
        form = await request.post()
        assert form["purpose"] == "fine-tune"
        sent: Any = form["file"]
        number = f"file-{len(self.files) + 1}"
        self.files[number] = sent.file.read()
        return web.json_response({"id": number})

    async def create(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        number = f"ftjob-{len(self.jobs) + 1}"
        self.jobs[number] = {"id": number, "status": "queued", "training_file": asked["training_file"], "asked": asked}
        if self.hang_up_after_create:
            self.hang_up_after_create = False
            assert request.transport is not None
            request.transport.close()
        return web.json_response(self.jobs[number])

    async def recent(self, _request: web.Request) -> web.Response:
        return web.json_response({"data": list(self.jobs.values())})

    async def look(self, request: web.Request) -> web.Response:
        if self.broken:
            return web.json_response({"error": {"message": "later"}}, status=self.broken.pop())
        self.looks += 1
        job = self.jobs[request.match_info["id"]]
        if job["status"] == "queued":
            job["status"] = "running"
        elif self.looks > 2 and job["status"] == "running":
            job["status"] = self.ends_as
            if self.ends_as == "succeeded":
                job |= {"fine_tuned_model": "ft:small:own", "trained_tokens": 5_000}
            else:
                job |= {"error": {"message": "rows are no good"}}
        return web.json_response(job)

    async def events(self, _request: web.Request) -> web.Response:
        return web.json_response({"data": [{"message": f"step {n}"} for n in range(self.looks, 0, -1)]})

    async def cancel(self, request: web.Request) -> web.Response:
        self.jobs[request.match_info["id"]]["status"] = "cancelled"
        return web.json_response(self.jobs[request.match_info["id"]])


@pytest.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Provider]:
    monkeypatch.setenv("OWN_KEY", KEY)
    made = Provider()
    runner = web.AppRunner(made.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield made
    await runner.cleanup()


@pytest.fixture
async def service(provider: Provider) -> AsyncIterator[TuningService]:
    made = TuningService(provider.base_url, key_env="OWN_KEY")
    yield made
    await made.close()


SETTINGS = RemoteSettings(model="small", epochs=2, usd_per_million=10.0, max_usd=1.0)


async def at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


async def run(service: TuningService, folder: Path, **changes: Any) -> Any:
    given = {"settings": SETTINGS, "examples": EXAMPLES, "held_back": HELD_BACK, "wait": at_once, **changes}
    return await run_remote(service, folder=folder, **given)


async def test_a_job_is_begun_watched_and_its_model_named(
    provider: Provider, service: TuningService, tmp_path: Path
) -> None:
    """What the provider billed times the stated price is what it cost; the second call asks nobody to train."""
    told: list[str] = []
    trained = await run(service, tmp_path, told=told.append)
    again = await run(service, tmp_path)

    assert trained == again
    assert trained.model == "ft:small:own"
    assert trained.usd == pytest.approx(5_000 * 10 / 1e6)
    assert told == ["step 1", "step 2", "step 3"]
    assert len(provider.jobs) == 1
    assert stored_remote(tmp_path, trained.digest) is not None
    asked = provider.jobs["ftjob-1"]["asked"]
    assert asked["method"]["supervised"]["hyperparameters"] == {"n_epochs": 2}
    lines = [json.loads(line) for line in provider.files[asked["training_file"]].splitlines()]
    assert lines[0]["messages"][-1] == {"role": "assistant", "content": "delivery"}
    assert len(lines) == len(EXAMPLES)
    assert KEY not in (tmp_path / "remote.json").read_text()


async def test_a_reply_that_was_lost_does_not_begin_a_second_job(
    provider: Provider, service: TuningService, tmp_path: Path
) -> None:
    """The job that the provider knows of these rows is taken for the one that was asked for."""
    provider.hang_up_after_create = True
    with pytest.raises(NoReply):
        await run(service, tmp_path)
    trained = await run(service, tmp_path)

    assert trained.job == "ftjob-1"
    assert len(provider.jobs) == 1
    assert len(provider.files) == 2


async def test_looks_that_fail_are_tried_again_and_a_deadline_leaves_the_job_running(
    provider: Provider, service: TuningService, tmp_path: Path
) -> None:
    """Later the same call finds it."""
    provider.broken = [503, 500]
    with pytest.raises(TrainingStopped, match="ftjob-1"):
        await run(service, tmp_path, deadline_s=25.0, poll_s=10.0)
    trained = await run(service, tmp_path)

    assert trained.job == "ftjob-1"
    assert len(provider.jobs) == 1


async def test_what_could_cost_too_much_sends_nothing(
    provider: Provider, service: TuningService, tmp_path: Path
) -> None:
    """The cap holds against a token a byte, which no vocabulary exceeds."""
    dear = SETTINGS.model_copy(update={"max_usd": 0.001})
    with pytest.raises(BudgetStop, match="raise the cap"):
        await run(service, tmp_path, settings=dear)
    with pytest.raises(SettingsError, match="10 rows"):
        await run(service, tmp_path, examples=EXAMPLES[:9])

    assert not provider.files


async def test_a_job_that_fails_says_why_and_is_not_begun_again(
    provider: Provider, service: TuningService, tmp_path: Path
) -> None:
    """Whoever wants another takes the folder away; other rows need another folder."""
    provider.ends_as = "failed"
    for _ in range(2):
        with pytest.raises(TrainingFailed, match="rows are no good"):
            await run(service, tmp_path)
    with pytest.raises(DataError, match="another training"):
        await run(service, tmp_path, examples=EXAMPLES[1:])

    assert len(provider.jobs) == 1


async def test_a_refused_key_is_said_without_the_key(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nor does a server that echoes it get it into an error."""
    monkeypatch.setenv("OWN_KEY", "sk-wrong-key-1234")
    service = TuningService(provider.base_url, key_env="OWN_KEY")
    with pytest.raises(AccessDenied) as caught:
        await run(service, tmp_path)
    await service.close()

    assert "sk-wrong" not in str(caught.value)
    assert KEY not in str(caught.value)


async def test_a_job_can_be_cancelled_and_an_odd_id_goes_nowhere(
    provider: Provider, service: TuningService, tmp_path: Path
) -> None:
    """What is no id never becomes a path."""
    with pytest.raises(TrainingStopped):
        await run(service, tmp_path, deadline_s=0.0)

    assert (await service.cancel("ftjob-1")).status == "cancelled"
    with pytest.raises(ModelError, match="no id"):
        await service.look("../files/file-1")


def test_whoever_trains_is_found_from_the_task_files_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """By preset, or by address with a key of its own; a key goes to no other host."""
    service, name = service_of("openai/gpt-4o-mini", {})
    assert (service.origin, name) == ("https://api.openai.com:443", "gpt-4o-mini")
    own, name = service_of("openai-compatible", {"base_url": "http://127.0.0.1:9/v1", "served_name": "small"})
    assert (own.origin, name) == ("http://127.0.0.1:9", "small")
    with pytest.raises(SettingsError, match="no model of a provider"):
        service_of("starter/s", {})
    with pytest.raises(SettingsError, match="another host"):
        service_of("openai-compatible", {"base_url": "http://127.0.0.1:9/v1", "key_env": "OPENAI_API_KEY"})


@given(st.lists(st.text(min_size=1, max_size=50), min_size=1, max_size=5), st.integers(1, 5))
def test_the_forecast_never_exceeds_its_own_bound(texts: list[str], epochs: int) -> None:
    """And both grow with the epochs."""
    rows = [Example(turns=(("user", text), ("assistant", "yes"))) for text in texts]
    found = remote_forecast(rows, SETTINGS.model_copy(update={"epochs": epochs}))

    assert 0 < found.usd <= found.most_usd
    assert found.most_tokens <= epochs * len(rows_body(rows))
