"""How a provider goes wrong, byte by byte: the faults that the fake server can be told to have."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal

from aiohttp import web

from touchstone.models.base import Completion
from touchstone.models.chat_serve import STREAM_END, completion_body, error_object, stream_events
from touchstone.noun import Noun

FaultKind = Literal[
    "status",
    "html",
    "empty",
    "body",
    "garbage",
    "redirect",
    "reset",
    "close",
    "silence",
    "stall",
    "drip",
    "cut",
    "no_finish",
    "no_done",
    "no_usage",
    "error_event",
    "huge",
]


class Fault(Noun):
    """
    How one request goes wrong.

    `status`: answers with a status and an error object. `html`, `empty`, `body`: status 200 with something else in it.
    `garbage`: bytes that are no HTTP. `redirect`: to `location`. `reset`, `close`: breaks the connection after some
    bytes of the body, hard or softly. `silence`: not even a header. `stall`: stops after some bytes. `drip`: one byte
    at a time. `cut`: ends well in the eyes of HTTP, in the middle of the reply. `no_finish`, `no_done`, `no_usage`:
    leaves that out.
    `error_event`: an error inside a reply of status 200. `huge`: a body of many bytes.
    """

    kind: FaultKind
    status: int = 500
    headers: Mapping[str, str] = {}
    """Further headers, such as `Retry-After`."""
    body: bytes | None = None
    """Instead of the body that the kind would have."""
    after_bytes: int = 0
    """How much of the body is sent before it goes wrong."""
    seconds: float = 30.0
    """How long a silence or stall lasts, and the pause between two bytes of a drip."""
    size: int = 16 * 1024 * 1024
    """Bytes of a huge reply."""
    code: str = "server_error"
    """Code and type of the error object."""
    message: str = "scripted fault"
    location: str = "http://127.0.0.1:9/elsewhere"


def spoilt(chunks: list[bytes], fault: Fault, completion: Completion, name: str, stream: bool) -> list[bytes]:
    """The chunks of a reply with what the fault leaves out or puts in."""
    middle = max(1, len(chunks) // 2)
    if fault.kind == "cut":
        return chunks[:middle] if stream else [chunks[0][: len(chunks[0]) // 2]]
    if fault.kind == "no_finish":
        return [chunk for chunk in chunks if b'"finish_reason":null' in chunk or chunk == STREAM_END]
    if fault.kind == "no_done":
        return [chunk for chunk in chunks if chunk != STREAM_END]
    if fault.kind == "no_usage":
        if stream:
            return list(stream_events(completion, name, usage=False))
        return [completion_body(completion, name, usage=False)]
    if fault.kind == "error_event":
        found = error_object(fault.message, fault.code)
        return [*chunks[:middle], b"data: " + found + b"\n\n"] if stream else [found]
    if fault.kind == "huge":
        piece = (b": " + b"x" * 65533 + b"\n") if stream else b"x" * 65536
        return [chunks[0], *[piece] * (fault.size // len(piece))] if stream else [piece] * (fault.size // len(piece))
    return chunks


BREAKS = frozenset({"reset", "close", "stall", "drip"})
"""Kinds that break a reply off while it is written."""


async def break_off(request: web.Request, response: web.StreamResponse, body: bytes, fault: Fault) -> None:
    """Send the start of a body, and then not the rest."""
    transport = request.transport
    if fault.kind == "drip":
        for byte in body:
            await response.write(bytes([byte]))
            await asyncio.sleep(fault.seconds)
        return
    if fault.after_bytes:
        await response.write(body[: fault.after_bytes])
    if fault.kind == "stall":
        await asyncio.sleep(fault.seconds)
    elif transport is not None:
        await asyncio.sleep(0.01)  # so that what was sent arrives before the break
        if fault.kind == "reset":
            transport.abort()
        else:
            transport.close()


async def _status(_request: web.Request, fault: Fault) -> web.StreamResponse:
    body = error_object(fault.message, fault.code) if fault.body is None else fault.body
    return json_response(body, fault.status, fault.headers)


async def _html(_request: web.Request, fault: Fault) -> web.StreamResponse:
    body = b"<html><body>Sign in to the office network</body></html>" if fault.body is None else fault.body
    return web.Response(body=body, content_type="text/html", headers=fault.headers)


async def _empty(_request: web.Request, fault: Fault) -> web.StreamResponse:
    return web.Response(body=b"", content_type="application/json", headers=fault.headers)


async def _body(_request: web.Request, fault: Fault) -> web.StreamResponse:
    return json_response(fault.body or b"{}", 200, fault.headers)


async def _redirect(_request: web.Request, fault: Fault) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": fault.location})


async def _garbage(request: web.Request, fault: Fault) -> web.StreamResponse:
    if isinstance(request.transport, asyncio.Transport):
        request.transport.write(b"\x00\xffno http\r\n\r\n" if fault.body is None else fault.body)
        request.transport.close()
    return web.Response()


async def _silence(_request: web.Request, fault: Fault) -> web.StreamResponse:
    await asyncio.sleep(fault.seconds)
    return web.Response()


INSTEAD = {
    "status": _status,
    "html": _html,
    "empty": _empty,
    "body": _body,
    "redirect": _redirect,
    "garbage": _garbage,
    "silence": _silence,
}
"""What answers instead of the model, by kind."""


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON document as a provider sends it."""
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


def refusal(status: int, kind: str, message: str) -> web.Response:
    """An error as a provider sends it."""
    return json_response(error_object(message, kind), status)
