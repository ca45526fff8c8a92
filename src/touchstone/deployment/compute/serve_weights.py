"""
The program that serves weights of ours over OpenAI's protocol: `/health`, `/v1/models`, `/v1/chat/completions`.

It listens on 127.0.0.1 alone, and reads no weights itself: the process behind it does (`weights_worker.py`), confined.
Requests of web pages are refused: they name an origin, or another host, or bring no JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from touchstone.deployment.compute.weights_process import WeightsProcess
from touchstone.errors import ModelError, ProviderFailed, RequestRejected
from touchstone.models.base import ChatRequest, Message
from touchstone.models.chat_serve import STREAM_END, error_body, error_object, parse_request
from touchstone.models.starter.model import MOST_OUTPUT_TOKENS
from touchstone.models.written import drawing, reply_of, text_of

_MOST_BODY_BYTES = 16 * 2**20
_DEAD = 70
"""Exit code when the process behind it ended (EX_SOFTWARE); whoever watches starts both again."""
_NEEDLESS: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "functions": ([],),
    "modalities": (["text"],),
}
"""Fields that change what is answered, with the values under which they change nothing; others are refused."""


class WeightsServer:
    """
    Answers requests with one process.

    Args:
        process: Who writes.
        name: What the model is called.
        kind: `starter` or `transformers`.
    """

    def __init__(self, process: WeightsProcess, name: str, kind: str) -> None:
        self.process = process
        self.name = name
        self.kind = kind

    def application(self) -> web.Application:
        """The routes."""
        made = web.Application(client_max_size=_MOST_BODY_BYTES, middlewares=[_no_web_pages])
        made.router.add_get("/health", self._health)
        made.router.add_get("/v1/models", self._models)
        made.router.add_post("/v1/chat/completions", self._chat)
        return made

    async def _health(self, _request: web.Request) -> web.Response:
        ready = self.process.context is not None and not self.process.gone.is_set()
        return _json({"status": "ok" if ready else "loading"}, 200 if ready else 503)

    async def _models(self, _request: web.Request) -> web.Response:
        one = {"id": self.name, "object": "model", "created": 0, "owned_by": "touchstone"}
        if self.process.context is not None:
            one["max_model_len"] = self.process.context
        return _json({"object": "list", "data": [one]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/json":
            return _refused(415, "the body of a request is JSON")
        try:
            asked, name, stream, count = parse_request(await request.read())
        except (ValueError, KeyError, TypeError) as error:
            return _refused(400, f"this is no chat request: {_first_line(error)}")
        if name != self.name:
            return _refused(404, f"the model {name[:100]!r} is not served here", "model_not_found")
        try:
            told = self.process.ask({**self._question(asked), "stream": stream})
            async with aclosing(told):  # type: ignore[type-var]  # a generator, as the annotation cannot say
                first = await anext(told)
                if "piece" not in first:
                    reply = reply_of(first.get("done", first), self.name, self.name)
                    if not stream:
                        return web.Response(body=_dated(reply.body), content_type="application/json")
                return await self._stream(request, first, told, count)
        except ModelError as error:
            status, headers, body = error_body(error)
            return web.Response(status=status, headers=headers, body=body, content_type="application/json")

    def _question(self, asked: ChatRequest) -> dict[str, Any]:
        """What the process is asked. Raises `RequestRejected` for what would be answered as if it had not been said."""
        for field, needless in _NEEDLESS.items():
            if asked.extra.get(field) is not None and asked.extra[field] not in needless:
                raise RequestRejected("{model} does not know {field!r}; leave it out", model=self.name, field=field)
        most = asked.max_tokens
        if most is None and self.kind == "starter":
            most = MOST_OUTPUT_TOKENS
        return {
            "turns": [(_role(message, self.name), text_of(message, self.name)) for message in asked.messages],
            "max_tokens": most,
            **drawing(asked),
            "json": asked.response_format is not None,
        }

    async def _stream(
        self, request: web.Request, first: dict[str, Any], told: AsyncIterator[dict[str, Any]], count: bool
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Cache-Control": "no-store"})
        response.content_type = "text/event-stream"
        await response.prepare(request)
        about = {"id": _id(), "object": "chat.completion.chunk", "created": int(time.time()), "model": self.name}

        async def send(choices: list[dict[str, Any]], **more: Any) -> None:
            await response.write(b"data: " + orjson.dumps({**about, "choices": choices, **more}) + b"\n\n")

        async def say(delta: dict[str, Any], finish: str | None = None) -> None:
            await send([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}])

        await say({"role": "assistant", "content": ""})
        said: dict[str, Any] | None = first
        try:
            while said is not None:
                if "piece" in said:
                    await say({"content": said["piece"]})
                elif "done" in said:
                    await say({}, said["done"]["finish"])
                    if count:
                        await send([], usage=_usage(said["done"]))
                    await response.write(STREAM_END)
                else:
                    raise ProviderFailed("{reason}", reason=said.get("error", "stopped"))
                said = await anext(told, None)
        except ModelError as error:
            # Status and headers are gone: the end mark is left out, so that nobody takes it for a whole answer.
            await response.write(b"data: " + error_object(_first_line(error), "server_error") + b"\n\n")
        await response.write_eof()
        return response


@web.middleware
async def _no_web_pages(request: web.Request, handler: Any) -> web.StreamResponse:
    host = request.headers.get("Host", "").partition(":")[0]
    if host not in ("127.0.0.1", "localhost") or "Origin" in request.headers:
        return _refused(403, "web pages are not answered")
    found: web.StreamResponse = await handler(request)
    return found


def _role(message: Message, name: str) -> str:
    if message.role == "tool":
        raise RequestRejected("{model} knows no tools", model=name)
    return "system" if message.role == "developer" else message.role


def _dated(body: bytes) -> bytes:
    """A reply with an id and a time of its own."""
    return orjson.dumps({**orjson.loads(body), "id": _id(), "created": int(time.time())})


def _id() -> str:
    return f"chatcmpl-{uuid.uuid4().hex}"


def _usage(done: dict[str, Any]) -> dict[str, int]:
    read, written = int(done["input_tokens"]), int(done["output_tokens"])
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


def _refused(status: int, message: str, kind: str = "invalid_request_error") -> web.Response:
    return web.Response(status=status, body=error_object(message, kind), content_type="application/json")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


async def serve(server: WeightsServer, port: int, grace_s: float) -> int:
    """Listen until a signal asks to stop (0), or the process behind ended (`_DEAD`)."""
    runner = web.AppRunner(server.application(), access_log=None, handler_cancellation=True, shutdown_timeout=grace_s)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loading = asyncio.create_task(server.process.load())
    asked, gone = asyncio.create_task(stop.wait()), asyncio.create_task(server.process.gone.wait())
    try:
        await asyncio.wait({asked, gone}, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            return 0
        sys.stderr.write(f"{server.name}: {server.process.reason}\n")
        return _DEAD
    finally:
        await runner.cleanup()
        await server.process.close()
        await asyncio.gather(loading, return_exceptions=True)
        asked.cancel()
        gone.cancel()


def main() -> int:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="touchstone.deployment.compute.serve_weights", allow_abbrev=False)
    parser.add_argument("--kind", choices=("starter", "transformers"), required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--grace", type=float, default=10.0)
    given = parser.parse_args()
    adapter = [] if given.adapter is None else [str(given.adapter)]

    async def run() -> int:
        process = WeightsProcess([given.kind, str(given.folder), *adapter], threads=given.threads)
        return await serve(WeightsServer(process, given.name, given.kind), given.port, given.grace)

    return asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
