"""
A small real server that speaks OpenAI's protocol, answers by script, misbehaves on demand and keeps its own bill.

It exists so that everything that talks to a provider can be tried against sockets and bytes: in tests, in examples, and
by whoever writes a client. It listens on loopback only.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import orjson
from aiohttp import web

from touchstone.errors import ModelError
from touchstone.models.base import ChatModel, ChatRequest, Completion
from touchstone.models.chat_serve import (
    completion_body,
    error_body,
    parse_request,
    stream_events,
)
from touchstone.models.fake import FakeModel
from touchstone.models.fake_faults import BREAKS, INSTEAD, Fault, break_off, json_response, refusal, spoilt
from touchstone.noun import Noun


class Sale(Noun):
    """One request that was answered, as the provider's bill lists it."""

    model: str
    input_tokens: int
    output_tokens: int
    streamed: bool
    complete: bool
    """Whether the whole reply was written out; a provider charges either way."""


FaultPlan = Callable[[int, ChatRequest], Fault | None]


class FakeServer:
    """
    Serves a model at `base_url` while the block lasts.

    Args:
        model: Who answers; a mapping serves several by name and refuses other names with 404. The parrot by default.
        faults: What goes wrong: for the first request, the second and so on (None for nothing), or a function of the
            request's number, from 0, and the request.
        key: When given, other keys are refused with 401.
        first_token_s: Pause before the first piece of text of a stream.
        token_s: Pause before each further piece.
        port: 0 for a free one.

    Attributes:
        base_url: For clients, up to `/v1`.
        bill: What was sold, in the order in which replies ended.
        requests: How many chat requests arrived, failed ones included.
    """

    def __init__(
        self,
        model: ChatModel | Mapping[str, ChatModel] | None = None,
        *,
        faults: Sequence[Fault | None] | FaultPlan = (),
        key: str | None = None,
        first_token_s: float = 0.0,
        token_s: float = 0.0,
        port: int = 0,
    ) -> None:
        self.model = FakeModel() if model is None else model
        self.faults = faults
        self.key = key
        self.first_token_s = first_token_s
        self.token_s = token_s
        self.port = port
        self.bill: list[Sale] = []
        self.requests = 0
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """Where clients find it; the port is known once it runs."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        # Unread stalls are cancelled with their connection, or leaving the block would wait for them.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _models(self, request: web.Request) -> web.Response:
        if not self._admits(request):
            return refusal(401, "invalid_api_key", "wrong key")
        names = list(self.model) if isinstance(self.model, Mapping) else [self.model.name]
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "touchstone"} for name in names]
        return json_response(orjson.dumps({"object": "list", "data": data}))

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        number = self.requests
        self.requests += 1
        if not self._admits(request):
            return refusal(401, "invalid_api_key", "wrong key")
        try:
            asked, name, stream, count = parse_request(await request.read())
        except (ValueError, KeyError, TypeError) as error:
            return refusal(400, "invalid_request_error", str(error))
        fault = self._fault(number, asked)
        if fault is not None and fault.kind in INSTEAD:
            return await INSTEAD[fault.kind](request, fault)
        model = self.model.get(name) if isinstance(self.model, Mapping) else self.model
        if model is None:
            return refusal(404, "model_not_found", f"the model {name} does not exist")
        try:
            completion = model.read(await model.send(asked))
        except ModelError as error:
            status, headers, body = error_body(error)
            return json_response(body, status, headers)
        return await self._answer(request, completion, name, stream, count, fault)

    async def _answer(
        self, request: web.Request, completion: Completion, name: str, stream: bool, count: bool, fault: Fault | None
    ) -> web.StreamResponse:
        reply_id = f"chatcmpl-{self.requests}"
        if stream:
            chunks = list(stream_events(completion, name, reply_id=reply_id, usage=count))
        else:
            chunks = [completion_body(completion, name, reply_id=reply_id)]
        if fault is not None:
            chunks = spoilt(chunks, fault, completion, name, stream)
        response = web.StreamResponse(headers={"x-request-id": reply_id, **(fault.headers if fault else {})})
        response.content_type = "text/event-stream" if stream else "application/json"
        if not stream and (fault is None or fault.kind not in BREAKS):
            response.content_length = sum(map(len, chunks))
        complete = False
        try:
            await response.prepare(request)
            complete = await self._write(request, response, chunks, stream, fault)
        finally:
            usage = completion.usage
            self.bill.append(
                Sale(
                    model=name,
                    input_tokens=usage.input_tokens or 0,
                    output_tokens=usage.output_tokens or 0,
                    streamed=stream,
                    complete=complete,
                )
            )
        return response

    async def _write(
        self,
        request: web.Request,
        response: web.StreamResponse,
        chunks: list[bytes],
        stream: bool,
        fault: Fault | None,
    ) -> bool:
        """Write the body, or as much of it as the fault lets through; whether all of it went out."""
        if fault is not None and fault.kind in BREAKS:
            await break_off(request, response, b"".join(chunks), fault)
            return False
        try:
            for position, chunk in enumerate(chunks):
                if stream and position:
                    pause_s = self.first_token_s if position == 1 else self.token_s
                    if pause_s:
                        await asyncio.sleep(pause_s)
                await response.write(chunk)
            await response.write_eof()
        except ConnectionError:
            return False  # the client went away; it is charged all the same
        return True

    def _fault(self, number: int, asked: ChatRequest) -> Fault | None:
        if callable(self.faults):
            return self.faults(number, asked)
        return self.faults[number] if number < len(self.faults) else None

    def _admits(self, request: web.Request) -> bool:
        if self.key is None:
            return True
        return self.key in (request.headers.get("api-key"), request.headers.get("Authorization", "")[7:])


@contextmanager
def serve_in_thread(server: FakeServer) -> Iterator[FakeServer]:
    """Run a server in a thread of its own while the block lasts, for clients in other processes or without a loop."""
    loop = asyncio.new_event_loop()
    started = threading.Event()
    stop = asyncio.Event()
    failed: list[BaseException] = []

    async def serve() -> None:
        try:
            async with server:
                started.set()
                await stop.wait()
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            started.set()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            try:
                runner.run(serve())
            except OSError:
                return  # said in `failed`, and raised where the block was entered

    thread = threading.Thread(target=run, name="fake-server", daemon=True)
    thread.start()
    started.wait()
    try:
        if failed:
            raise failed[0]
        yield server
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join(10)
