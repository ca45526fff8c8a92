"""A gateway on loopback with routes and keys of a test's own, served by a thread; and clients that speak bytes."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from touchstone.deployment.base import Key, Limits
from touchstone.deployment.gateway.base import (
    EVENTS,
    GatewayError,
    Incoming,
    ModelEntry,
    Outgoing,
    Route,
)
from touchstone.deployment.gateway.door import Door
from touchstone.deployment.gateway.json_log import JsonLog
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.gateway.observe import Observer
from touchstone.deployment.gateway.own_routes import own_routes
from touchstone.deployment.gateway.server import Gateway, listen
from touchstone.noun import Noun


def secret(name: str) -> str:
    """The secret of a key, of the length that real ones have."""
    return "ts-" + name.ljust(43, "x")


class FakeKeys:
    """Knows keys by name: the secret of `ann` is `secret("ann")`."""

    def __init__(self, *keys: Key) -> None:
        self.by_secret = {secret(key.name): key for key in keys}
        self.looked_up = 0

    async def found(self, secret: str) -> Key | None:
        """The key; None when it is unknown, revoked or expired."""
        self.looked_up += 1
        key = self.by_secret.get(secret)
        return None if key is None or key.revoked_at is not None or key.expires_at is not None else key

    async def ended(self, numbers: Collection[int]) -> Collection[int]:
        """Those that were taken out, or are revoked."""
        live = {key.id for key in self.by_secret.values() if key.revoked_at is None}
        return set(numbers) - live


def key(name: str = "ann", number: int = 1, **more: Any) -> Key:
    """A key that may ask and keep files."""
    limits = more.pop("limits", Limits())
    return Key(id=number, name=name, shown=secret(name)[:8], created_at="2026-01-01", limits=limits, **more)


ANN = key()
BOB = key("bob", 2)
METRICS = key("meter", 3, scopes=("metrics",))
ADMIN = key("admin", 4, scopes=("admin",))
FILES = key("files", 5, scopes=("files",))
GONE = key("gone", 6, revoked_at="2026-01-02")
OLD = key("old", 7, expires_at="2026-01-02")


class Echo(Noun):
    """What is said back."""

    text: str
    times: int = 1


class Said(Noun):
    """It again."""

    text: str
    key: str


@dataclass
class Handlers:
    """Handlers as the API has them: JSON, a stream, a large upload, things by id, one that waits, one that fails."""

    release: asyncio.Event = field(default_factory=asyncio.Event)
    ran: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    """How streams ended, as a row of the meter would say."""
    headers: list[dict[str, str | None]] = field(default_factory=list)
    held: int = 0

    async def echo(self, incoming: Incoming) -> Outgoing:
        self.ran.append("echo")
        found = await incoming.json()
        if not isinstance(found, dict) or not isinstance(found.get("text"), str):
            raise GatewayError("invalid_value", param="text", reason="write a text")
        times = found.get("times", 1)
        if isinstance(times, bool) or not isinstance(times, int) or not set(found) <= {"text", "times"}:
            raise GatewayError("invalid_value", param="times", reason="write a whole number")
        assert incoming.key is not None
        incoming.facts.kind, incoming.facts.endpoint = "chat", "support"
        incoming.facts.input_tokens, incoming.facts.output_tokens, incoming.facts.usd = 3, 2, 0.5
        incoming.facts.finish = ("stop",)
        return Outgoing(200, orjson.dumps({"text": found["text"] * min(3, max(0, times)), "key": incoming.key.name}))

    async def see(self, incoming: Incoming) -> Outgoing:
        names = ("user-agent", "traceparent", "idempotency-key")
        self.headers.append({name: incoming.header(name) for name in names})
        return Outgoing(200, b"{}")

    async def stream(self, incoming: Incoming) -> Outgoing:
        wanted = await incoming.json()
        if not isinstance(wanted, dict):
            raise GatewayError("invalid_value", reason="write a mapping")
        if wanted.get("ends_with_key"):
            incoming.ends_with_key = lambda: True
        return Outgoing(
            200,
            self._pieces(incoming, wanted),
            content_type=EVENTS if not wanted.get("plain") else b"text/plain",
            drain_s=wanted.get("drain_s"),
        )

    async def _pieces(self, incoming: Incoming, wanted: Mapping[str, Any]) -> AsyncIterator[bytes]:
        how = "cut"
        self.held += 1
        try:
            for number in range(int(wanted.get("pieces", 3))):
                yield b'data: {"n":%d}\n\n' % number + b":" * int(wanted.get("pad", 0))
                await asyncio.sleep(float(wanted.get("pause_s", 0)))
                if wanted.get("fail_at") == number:
                    raise ValueError(f"a text that nobody may see: {secret('ann')}")
            yield b"data: [DONE]\n\n"
            how = "done"
        except (asyncio.CancelledError, GeneratorExit):
            how = "client_closed" if incoming.disconnected.is_set() else "cut"
            raise
        finally:
            await asyncio.sleep(0.01)  # the meter takes a moment to write it down
            self.held -= 1
            self.ended.append(how)

    async def hold(self, incoming: Incoming) -> Outgoing:
        await incoming.body()
        self.held += 1
        try:
            await self.release.wait()
        finally:
            self.held -= 1
        return Outgoing(200, b"{}")

    async def upload(self, incoming: Incoming) -> Outgoing:
        size = 0
        async for piece in incoming.pieces():
            size += len(piece)
        return Outgoing(200, orjson.dumps({"bytes": size}))

    async def item(self, incoming: Incoming) -> Outgoing:
        return Outgoing(200, orjson.dumps({"id": incoming.values["item"], "limit": incoming.query.get("limit")}))

    async def fail(self, incoming: Incoming) -> Outgoing:
        raise ValueError(f"a text that nobody may see: {secret('ann')}")

    async def tokens(self, incoming: Incoming) -> Outgoing:
        wanted = await incoming.json()
        assert incoming.visit is not None
        incoming.visit.take_tokens(wanted["take"])
        incoming.visit.settle_tokens(wanted["used"])
        return Outgoing(200, b"{}")

    def routes(self) -> tuple[Route, ...]:
        """All of them."""
        return (
            Route("POST", "/v1/echo", "infer", self.echo, "Say it again.", Echo, Said, media="json", tag="api"),
            Route("POST", "/v1/see", "infer", self.see, "Look at headers.", media="json", tag="api"),
            Route("POST", "/v1/stream", "infer", self.stream, "Say it bit by bit.", media="json", streams=True),
            Route("POST", "/v1/hold", "infer", self.hold, "Wait.", media="json"),
            Route("POST", "/v1/fail", "infer", self.fail, "Fail.", media="json"),
            Route("POST", "/v1/tokens", "infer", self.tokens, "Use tokens.", media="json"),
            Route("POST", "/v1/files", "files", self.upload, "Keep.", media="multipart", body_bytes=8 << 20, body_s=60),
            Route("GET", "/v1/items/{item}", "files", self.item, "One thing.", query=("limit",)),
            Route("DELETE", "/v1/items/{item}", "files", self.item, "One thing less."),
            Route("POST", "/admin/keys", "admin", self.see, "Administer.", media="json"),
        )


@dataclass
class Reply:
    """A reply as it came over the line."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes

    @property
    def json(self) -> Any:
        """Its body, parsed."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of the error that it is."""
        return str(self.json["error"]["code"])


class Client:
    """One connection, by bytes."""

    def __init__(self, port: int, timeout_s: float = 10.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.waiting = b""

    def send(self, data: bytes) -> None:
        """Send bytes; a connection that was closed meanwhile takes none, which is no mistake here."""
        with suppress(ConnectionError):
            self.socket.sendall(data)

    def read(self) -> bytes:
        """Everything until the connection is closed."""
        while piece := self._piece():
            self.waiting += piece
        found, self.waiting = self.waiting, b""
        return found

    def _piece(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""

    def until(self, mark: bytes) -> bytes:
        """Everything up to a mark and with it; less where the connection closes before."""
        while mark not in self.waiting:
            piece = self._piece()
            if not piece:
                found, self.waiting = self.waiting, b""
                return found
            self.waiting += piece
        end = self.waiting.index(mark) + len(mark)
        found, self.waiting = self.waiting[:end], self.waiting[end:]
        return found

    def reply(self, *, has_body: bool = True) -> Reply:
        """One reply with its length; the connection stays as it is."""
        head = self.until(b"\r\n\r\n")
        reply = parse(head)
        if has_body and "content-length" in reply.headers:
            length = int(reply.headers["content-length"])
            while len(self.waiting) < length and (piece := self._piece()):
                self.waiting += piece
            reply.body, self.waiting = self.waiting[:length], self.waiting[length:]
        return reply

    @property
    def closed(self) -> bool:
        """Whether the other side has closed; waits for it."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        """Go away."""
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def parse(raw: bytes) -> Reply:
    """A reply out of bytes; its body is everything behind the headers."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Reply(int(first.split(" ")[1]), headers, body, raw)


def request(
    method: str, path: str, *, port: int, body: bytes | None = None, key: str | None = "ann", **headers: str
) -> bytes:
    """A request as bytes; header names are written with underscores, and one that is empty is left out."""
    lines = {"host": f"127.0.0.1:{port}"}
    if key is not None:
        lines["authorization"] = f"Bearer {secret(key)}"
    if body is not None:
        lines |= {"content-type": "application/json", "content-length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b"")


class House:
    """A gateway that runs, with what a test needs to look into it."""

    def __init__(self, handlers: Handlers, keys: FakeKeys) -> None:
        self.handlers = handlers
        self.keys = keys
        self.lines: list[bytes] = []
        self.gateway: Gateway
        self.door: Door
        self.observer: Observer
        self.loop: asyncio.AbstractEventLoop
        self.end: asyncio.Event
        self.ready = True

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.gateway.address.rsplit(":", 1)[1])

    def client(self, timeout_s: float = 30.0) -> Client:
        """A new connection."""
        return Client(self.port, timeout_s)

    def say(self, raw: bytes) -> Reply:
        """Send bytes over a connection of their own, and everything that comes back until it is closed."""
        with self.client() as client:
            client.send(raw)
            return parse(client.read())

    def ask(self, method: str, path: str, body: bytes | None = None, **more: Any) -> Reply:
        """One request and its reply, over a connection of its own."""
        with self.client() as client:
            client.send(request(method, path, port=self.port, body=body, **more))
            return client.reply(has_body=method != "HEAD")

    def run(self, coroutine: Any, timeout_s: float = 60.0) -> Any:
        """Run something on the gateway's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout_s)

    def until(self, done: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Wait for something to become true."""
        deadline = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < deadline, "it did not become true in time"
            time.sleep(0.005)

    @property
    def log(self) -> list[dict[str, Any]]:
        """The log so far, each line parsed; what waits is written first."""
        seen = -1
        while seen != len(self.lines):
            seen = len(self.lines)
            time.sleep(0.15)
        return [json.loads(line) for line in b"".join(self.lines).splitlines()]


@contextmanager
def open_house(
    limits: DoorLimits | None = None,
    *,
    keys: Sequence[Key] = (ANN, BOB, METRICS, ADMIN, FILES, GONE, OLD),
    uvloop: bool = True,
    routes: Iterable[Route] | None = None,
    allowed_hosts: Sequence[str] = (),
) -> Iterator[House]:
    """Serve in a thread while the block lasts."""
    started = threading.Event()
    found: list[House] = []
    failed: list[BaseException] = []

    async def serve() -> None:
        house = House(Handlers(), FakeKeys(*keys))
        house.loop = asyncio.get_running_loop()
        house.observer = Observer(JsonLog(house.lines.append))
        table = own_routes(
            observer=house.observer,
            models=lambda key: [ModelEntry("support", 1)] if key.name != "bob" else [],
            ready=lambda: house.ready,
            others=house.handlers.routes() if routes is None else tuple(routes),
        )
        house.door = Door(table, house.keys, limits=limits or DoorLimits(), observer=house.observer)
        ended = asyncio.Event()
        house.gateway = Gateway(house.door, listen("127.0.0.1", 0), allowed_hosts=allowed_hosts)
        async with house.gateway:
            found.append(house)
            house.end = ended
            started.set()
            await ended.wait()
            house.handlers.release.set()
        house.observer.close()

    def work() -> None:
        factory: Any = None
        if uvloop:
            import uvloop as fast

            factory = fast.new_event_loop
        try:
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(serve())
        except BaseException as error:  # noqa: BLE001 - the test's own thread raises it
            failed.append(error)
            started.set()

    thread = threading.Thread(target=work)
    thread.start()
    started.wait(10)
    if failed:
        raise failed[0]
    house = found[0]
    try:
        yield house
    finally:
        house.loop.call_soon_threadsafe(house.end.set)
        thread.join(15)
        assert not thread.is_alive(), "the gateway did not stop"
        if failed:
            raise failed[0]
