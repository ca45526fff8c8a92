"""A workspace with endpoints in front of providers on loopback, served in this process; and what a client sees."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import sqlalchemy as sa
from tests.deployment.laid import lay_store

from touchstone.catalog.base import Price
from touchstone.config import Settings
from touchstone.deployment.base import Endpoint, Key, Policy
from touchstone.deployment.endpoints.registry import Registry
from touchstone.deployment.gateway.door import Door
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.gateway.observe import Observer
from touchstone.deployment.gateway.own_routes import own_routes
from touchstone.deployment.gateway.server import Gateway, listen
from touchstone.deployment.govern.disk import Watermark
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.pepper import load_pepper
from touchstone.deployment.govern.tables import charges, key_windows, safety_records, shadow_replies
from touchstone.models.fake_server import FakeServer
from touchstone.workspace.deploy import Order, deploy_model
from touchstone.workspace.serving import Api, open_api
from touchstone.workspace.workspace import Workspace

PRICE = Price(input_usd=2.0, output_usd=8.0)
QUESTION = "How do I reset my password, please?"


@dataclass
class Reply:
    """What a client got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its body, parsed."""
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        """The code of the error that it is."""
        return str(self.json["error"]["code"])

    @property
    def text(self) -> str:
        """What a chat completion says."""
        return str(self.json["choices"][0]["message"]["content"])

    @property
    def events(self) -> list[Any]:
        """The events of a stream; the end mark as a text."""
        found = []
        for event in self.body.split(b"\n\n"):
            for line in event.split(b"\n"):
                if line.startswith(b"data: "):
                    data = line[6:]
                    found.append("[DONE]" if data == b"[DONE]" else orjson.loads(data))
        return found

    @property
    def streamed_text(self) -> str:
        """What the chunks of a chat stream say together."""
        return "".join(
            choice["delta"].get("content") or ""
            for event in self.events
            if event != "[DONE]"
            for choice in event.get("choices", ())
        )


@dataclass
class House:
    """A gateway that runs."""

    workspace: Workspace
    keys: Keys
    api: Api
    gateway: Gateway
    session: aiohttp.ClientSession
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def engine(self) -> sa.Engine:
        """The store."""
        return self.workspace.ledger.engine

    @property
    def registry(self) -> Registry:
        """The endpoints, to change them."""
        return Registry(self.engine, "test")

    async def deploy(
        self, name: str, provider: FakeServer | str, *, price: Price | None = PRICE, percent: int = 100, **policy: Any
    ) -> Endpoint:
        """A model of a provider as an endpoint, under a policy; known to the gateway when this returns."""
        base_url = provider if isinstance(provider, str) else provider.base_url
        parameters = {"base_url": base_url, "served_name": "parrot"}
        order = Order(name=name, price=price, percent=percent)
        await asyncio.to_thread(
            deploy_model, self.workspace, "openai-compatible", order, who="test", parameters=parameters
        )
        if policy:
            self.registry.change_policy(name, Policy(**policy))
        await self.follow()
        return self.registry.find(name)

    async def follow(self) -> None:
        """Let the gateway take over what was changed."""
        await self.api.serving.refresh()
        self.keys.forget()

    def key(self, name: str = "ann", **more: Any) -> Key:
        """A key, whose secret is found by its name."""
        key, secret = self.keys.create(name, who="test", **more)
        self.secrets[name] = secret
        return key

    def head(self, key: str = "ann", **headers: str) -> dict[str, str]:
        """Headers of a request; names with underscores."""
        if key not in self.secrets:
            self.key(key)
        return {
            "authorization": f"Bearer {self.secrets[key]}",
            "content-type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }

    def post(
        self, body: Mapping[str, Any], path: str = "/v1/chat/completions", *, key: str = "ann", **headers: str
    ) -> Any:
        """A request, to be entered as a block or awaited."""
        return self.session.post(
            self.gateway.address + path, data=orjson.dumps(body), headers=self.head(key, **headers)
        )

    async def ask(
        self, body: Mapping[str, Any], path: str = "/v1/chat/completions", *, key: str = "ann", **headers: str
    ) -> Reply:
        """A request and its whole reply."""
        async with self.post(body, path, key=key, **headers) as response:
            return Reply(response.status, response.headers, await response.read())

    async def chat(self, model: str, text: str = QUESTION, *, key: str = "ann", **fields: Any) -> Reply:
        """One question."""
        headers = fields.pop("headers", {})
        return await self.ask(question(model, text, **fields), key=key, **headers)

    async def rows(self, **wanted: Any) -> list[dict[str, Any]]:
        """Rows of requests, in their order, when everything is written down."""
        for _ in range(1500):
            if self.api.meter.in_flight == 0 and self.api.shadows.in_flight == 0:
                break
            await asyncio.sleep(0.02)
        await self.api.meter.drain()
        with self.engine.connect() as connection:
            found = [dict(row) for row in connection.execute(sa.select(charges).order_by(charges.c.id)).mappings()]
        return [row for row in found if all(row[name] == value for name, value in wanted.items())]

    def table(self, table: sa.Table) -> list[dict[str, Any]]:
        """All rows of a table."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def spent(self, key: Key) -> tuple[float, float]:
        """What a key has spent and what is held of it, USD, over all windows."""
        rows = [row for row in self.table(key_windows) if row["key"] == key.id]
        return sum(row["spent_usd"] for row in rows), sum(row["held_usd"] for row in rows)

    def safety(self) -> list[dict[str, Any]]:
        """Records of guards."""
        return self.table(safety_records)

    def shadowed(self) -> list[Any]:
        """Pairs of replies that were kept."""
        return [orjson.loads(row["document"]) for row in self.table(shadow_replies)]


def question(model: str, text: str = QUESTION, **fields: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


@asynccontextmanager
async def open_house(folder: Path, *, watermark: Watermark | None = None, **limits: Any) -> AsyncIterator[House]:
    """A gateway over a workspace in a folder, for as long as a block lasts."""
    lay_store(folder)
    workspace = Workspace(Settings(workspace=folder, workspace_from="test"))
    keys = Keys(workspace.ledger.engine, load_pepper(folder))
    observer = Observer()
    given = {"stop_s": 0.5, "settle_s": 2.0, **limits}
    connector = aiohttp.TCPConnector(limit=0)
    try:
        async with (
            open_api(workspace, keys, look_s=0.1, watermark=watermark) as api,
            aiohttp.ClientSession(connector=connector) as session,
        ):
            routes = own_routes(observer=observer, models=api.models, ready=lambda: api.ready, others=api.routes)
            door = Door(routes, keys, limits=DoorLimits(**given), observer=observer)
            async with Gateway(door, listen("127.0.0.1", 0)) as gateway:
                yield House(workspace, keys, api, gateway, session)
    finally:
        observer.close()
        keys.close()
        workspace.close()


def tokens(rows: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Input and output tokens of rows together."""
    return sum(row["input_tokens"] or 0 for row in rows), sum(row["output_tokens"] or 0 for row in rows)


def sold(*servers: FakeServer) -> tuple[int, int]:
    """Input and output tokens that providers bill."""
    bills = [sale for server in servers for sale in server.bill]
    return sum(sale.input_tokens for sale in bills), sum(sale.output_tokens for sale in bills)


def statuses(rows: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """How often which status stands in rows."""
    return Counter(row["status"] for row in rows)
