"""A gateway with files and batches at work, and a provider on loopback of every kind beside chat, with a bill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import orjson
from aiohttp import web
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from tests.deployment.api.house import House
from tests.deployment.laid import lay_store

from touchstone.config import Settings
from touchstone.deployment.gateway.door import Door
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.gateway.observe import Observer
from touchstone.deployment.gateway.own_routes import own_routes
from touchstone.deployment.gateway.server import Gateway, listen
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.pepper import load_pepper
from touchstone.workspace.deploy import Order, deploy_model
from touchstone.workspace.serving import open_api
from touchstone.workspace.workspace import Workspace


class Sale(NamedTuple):
    """One line of a provider's bill."""

    kind: str
    input_tokens: int
    output_tokens: int


class Shop:
    """Answers embeddings, images, transcripts, moderation and reranking, and writes down what it sold."""

    def __init__(self) -> None:
        self.bill: list[Sale] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.fails = False
        self.base_url = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Shop]:
        """Listen while the block lasts."""
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/{kind:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        if request.content_type == "application/json":
            body = orjson.loads(await request.read())
        else:
            form = await request.post()
            body = {
                name: (one.filename, one.file.read(), one.content_type) if isinstance(one, web.FileField) else one
                for name, one in form.items()
            }
        self.asked.append((kind, body))
        if self.fails:
            return web.json_response({"error": {"message": "no", "code": "server_error"}}, status=500)
        reply, sale = SELLS[kind](body)
        self.bill.append(sale)
        if isinstance(reply, str):
            return web.Response(text=reply, content_type="text/plain")
        return web.json_response({"model": "shop-1", **reply})


def _embeddings(body: Mapping[str, Any]) -> tuple[Any, Sale]:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    used = sum(len(text.split()) for text in texts)
    data = [{"object": "embedding", "index": place, "embedding": [float(len(text)), 1.0]} for place, text in enumerate(texts)]  # fmt: skip # noqa: E501
    return {"object": "list", "data": data, "usage": {"prompt_tokens": used, "total_tokens": used}}, Sale(
        "embedding", used, 0
    )


def _images(body: Mapping[str, Any]) -> tuple[Any, Sale]:
    used, made = len(body["prompt"].split()), 100 * body.get("n", 1)
    data = [{"b64_json": "aGk="}] * body.get("n", 1)
    return {"created": 1, "data": data, "usage": {"input_tokens": used, "output_tokens": made}}, Sale(
        "image", used, made
    )


def _transcripts(body: Mapping[str, Any]) -> tuple[Any, Sale]:
    said = "hello there"
    if body.get("response_format") == "text":
        return said, Sale("transcription", 0, 0)
    used = len(body["file"][1]) // 10
    return {"text": said, "usage": {"type": "tokens", "input_tokens": used, "output_tokens": 2}}, Sale(
        "transcription", used, 2
    )


def _moderations(body: Mapping[str, Any]) -> tuple[Any, Sale]:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    results = [
        {"flagged": "bad" in text, "categories": {"violence": "bad" in text}, "category_scores": {"violence": 0.9}}
        for text in texts
    ]
    return {"id": "modr-1", "results": results, "usage": {"prompt_tokens": len(texts)}}, Sale(
        "moderation", len(texts), 0
    )


def _ranks(body: Mapping[str, Any]) -> tuple[Any, Sale]:
    results = [{"index": place, "relevance_score": 0.5} for place in range(len(body["documents"]))]
    return {"results": results, "usage": {"total_tokens": 7}}, Sale("rerank", 7, 0)


SELLS: Mapping[str, Any] = {
    "embeddings": _embeddings,
    "images/generations": _images,
    "audio/transcriptions": _transcripts,
    "moderations": _moderations,
    "rerank": _ranks,
}


@asynccontextmanager
async def open_kinds(folder: Path, **limits: Any) -> AsyncIterator[House]:
    """A gateway over a workspace in a folder, with work on batches, for as long as a block lasts."""
    lay_store(folder)
    workspace = Workspace(Settings(workspace=folder, workspace_from="test"))
    keys = Keys(workspace.ledger.engine, load_pepper(folder))
    observer = Observer()
    door_limits = DoorLimits(**{"stop_s": 2.0, "settle_s": 2.0, **limits})
    try:
        async with (
            open_api(workspace, keys, look_s=0.1, limits=door_limits, observer=observer) as api,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        ):
            routes = own_routes(observer=observer, models=api.models, ready=lambda: api.ready, others=api.routes)
            door = Door(routes, keys, limits=door_limits, observer=observer)
            async with api.background.working(door.admission), Gateway(door, listen("127.0.0.1", 0)) as gateway:
                yield House(workspace, keys, api, gateway, session)
                api.background.runner.halt()
    finally:
        observer.close()
        keys.close()
        workspace.close()


def client(house: House, key: str = "ann") -> AsyncOpenAI:
    """The official client as it comes, with a key of this name; it reads no certificates, for nobody here has one."""
    house.head(key)
    return AsyncOpenAI(
        base_url=house.gateway.address + "/v1",
        api_key=house.secrets[key],
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(verify=False),
    )


async def deploy_own(house: House, name: str, reference: str) -> None:
    """One of our own kinds as an endpoint."""
    await asyncio.to_thread(deploy_model, house.workspace, reference, Order(name=name), who="test")
    await house.follow()


def lines(*bodies: Mapping[str, Any], url: str = "/v1/chat/completions") -> bytes:
    """The input of a batch, its lines called `line-0` and so on."""
    return b"".join(
        orjson.dumps({"custom_id": f"line-{place}", "method": "POST", "url": url, "body": body}) + b"\n"
        for place, body in enumerate(bodies)
    )


def read_lines(content: bytes) -> dict[str, Any]:
    """The lines of a file of results, by their names."""
    found = [orjson.loads(line) for line in content.splitlines()]
    return {line["custom_id"]: line for line in found}


async def ended(openai: AsyncOpenAI, batch: str, *, states: Sequence[str] = (), timeout_s: float = 60.0) -> Any:
    """A batch when it has ended, or is in one of the states."""
    wanted = states or ("completed", "failed", "expired", "cancelled")
    async with asyncio.timeout(timeout_s):
        while True:
            found = await openai.batches.retrieve(batch)
            if found.status in wanted:
                return found
            await asyncio.sleep(0.05)
