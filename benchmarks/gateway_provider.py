"""
A provider for the gateway's benchmark: a hand-written protocol, so that what is measured is what stands before it.

`python -m benchmarks.gateway_provider` prints its port and goes on until standard input is closed. A body with
`"stream":true` gets 100 events: as fast as they can be written, or one every 5 ms where the limit of output tokens is
`PACED`. Any other body gets a short answer at once.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import cast

CHUNKS = 100
PAUSE_S = 0.005
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STREAMS = re.compile(rb'"stream": ?true')
_PACED = re.compile(rb'"max_tokens": ?65[,}]')
PACED = 65
_BODY = (
    b'{"id":"c","object":"chat.completion","created":0,"model":"bench","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"The answer is (B)."},"logprobs":null,"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":60,"completion_tokens":6,"total_tokens":66}}'
)
_PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_CHUNK = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":0,"model":"bench","choices":[{"index":0,'
    b'"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}\n\n'
)
_LAST = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":0,"model":"bench","choices":[{"index":0,"delta":{},'
    b'"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"c","object":"chat.completion.chunk","created":0,"model":"bench","choices":[],'
    b'"usage":{"prompt_tokens":60,"completion_tokens":100,"total_tokens":160}}\n\n'
    b"data: [DONE]\n\n"
)


def _piece(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Answering(asyncio.Protocol):
    """One connection, kept alive; requests are answered in their order."""

    def __init__(self) -> None:
        self.waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own are none by class

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self.waiting += data
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.waiting, 0, end + 2)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self.waiting) < total:
                return
            request, self.waiting = self.waiting[:total], self.waiting[total:]
            if _STREAMS.search(request):
                self.transport.write(_HEAD + _piece(_CHUNK))
                self._next(1, PAUSE_S if _PACED.search(request) else 0.0)
            else:
                self.transport.write(_PLAIN)

    def _next(self, number: int, pause_s: float) -> None:
        if self.transport.is_closing():
            return
        if number >= CHUNKS:
            self.transport.write(_piece(_LAST) + b"0\r\n\r\n")
            return
        asyncio.get_running_loop().call_later(pause_s, self._send, number, pause_s)

    def _send(self, number: int, pause_s: float) -> None:
        self.transport.write(_piece(_CHUNK))
        self._next(number + 1, pause_s)


async def serve() -> None:
    """Listen on a free port of the loopback, print it, and go on until standard input is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answering, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    closed = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), closed.set)
    await closed.wait()


if __name__ == "__main__":
    from touchstone.workspace.session import event_loop

    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(serve())
