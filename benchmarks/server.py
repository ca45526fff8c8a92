"""
A chat-completions server that answers at once, so that what is measured is the client.

Which letter is right follows from the number in the question, and how often a model is right from its name:
`share-80-one` is right in 80 of 100. `GET /count` says how many requests were answered.
"""

from __future__ import annotations

import asyncio
import re
import sys
import zlib
from functools import cache

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MODEL = re.compile(rb'"model": ?"([^"]*)"')
_SHARE = re.compile(rb"share-(\d+)")
_MARK = b"Item "
_DIGITS = 6

_REPLY = (
    b'{"id":"c","object":"chat.completion","created":0,"model":"%b","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"The answer is (%b)."},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":60,"completion_tokens":6,"total_tokens":66}}'
)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def right_letter(number: bytes) -> str:
    """The letter, A to D, that is right for a question's number (six digits)."""
    return "ABCD"[zlib.crc32(number) & 3]


@cache
def _share(model: bytes) -> int:
    found = _SHARE.search(model)
    return int(found[1]) if found else 100


class Answering(asyncio.Protocol):
    """One connection, kept alive; requests are answered in their order."""

    answered = 0
    """Over all connections."""

    def __init__(self) -> None:
        self.waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self.waiting += data
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.waiting, 0, end + 2)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self.waiting) < total:
                return
            request, self.waiting = self.waiting[:total], self.waiting[total:]
            body = b'{"requests":%d}' % Answering.answered if request.startswith(b"GET") else _answer(request)
            self.transport.write(_HEAD % len(body) + body)


def _answer(request: bytes) -> bytes:
    Answering.answered += 1
    named = _MODEL.search(request)
    model = named[1] if named else b""
    place = request.rfind(_MARK) + len(_MARK)
    number = request[place : place + _DIGITS]
    right = zlib.crc32(model + number) % 100 < _share(model)
    letter = right_letter(number).encode()
    return _REPLY % (model, letter if right else bytes([65 + (letter[0] - 64) % 4]))


async def serve() -> None:
    """Listen on a free port of the loopback, print it, and go on until standard input is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answering, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    closed = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), closed.set)
    await closed.wait()


if __name__ == "__main__":
    asyncio.run(serve())
