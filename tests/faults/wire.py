"""What goes over the wire: a reply as bytes, healthy or with one of the faults that providers have."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from tests.faults.reply import DONE, EVENTS, JSON, Said, error_object, event, head, in_chunks, tokens

Sold = Callable[[int, int], None]
"""Called with input and output tokens before the first byte of an answer that is charged."""


@dataclass(frozen=True)
class Link:
    """The connection to one client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def write(self, *pieces: bytes) -> bool:
        """Write pieces one by one, no faster than they are read; True, for whoever wrote a whole reply."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
        return True

    async def client_gone(self, seconds: float) -> None:
        """Wait until the client has gone away, at most so long."""
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(seconds):
                await self.reader.read(1)

    def end(self, *, reset: bool = False) -> None:
        """Close the connection, softly or by a reset."""
        if not reset:
            self.writer.close()
            return
        # Without lingering, closing sends a reset instead of an end.
        link: socket.socket = self.writer.get_extra_info("socket")
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass(frozen=True)
class Fault:
    """One fault and its parameters, as a script writes them: `429,retry-after=1`."""

    name: str
    given: Mapping[str, str] = field(default_factory=dict)

    def number(self, key: str, default: float) -> float:
        """A parameter as a number."""
        return float(self.given.get(key, default))

    def raw(self) -> bytes:
        """The parameter `b64` as bytes."""
        return base64.urlsafe_b64decode(self.given["b64"])


def faults_of(script: str, time_of: int) -> Iterator[Fault]:
    """The fault that a script names for the first, second, … time its request comes; none when it has run out."""
    for step in script.split(";"):
        named, _, times = step.partition("*")
        if times and time_of > int(times):
            time_of -= int(times)
            continue
        name, *parameters = named.split(",")
        if name != "none":
            yield Fault(name, dict(parameter.split("=", 1) for parameter in parameters))
        return


def b64(raw: bytes) -> str:
    """Bytes as a script writes them."""
    return base64.urlsafe_b64encode(raw).decode()


async def respond(link: Link, fault: Fault | None, said: Said, *, sold: Sold) -> bool:
    """Write the reply to one request; whether all of it went out and the connection may be used again."""
    said = said.within_limit()
    if fault is None:
        return await _answer(link, said, sold)
    if fault.name.isdigit():
        return await _status(link, fault, said, sold)
    return await FAULTS[fault.name](link, fault, said, sold)


def _reply(said: Said, more: Mapping[str, str] | bytes = b"") -> list[bytes]:
    """A healthy reply: headers, then the body in the pieces in which it is sent."""
    if said.stream:
        return [head(200, EVENTS, None, more), *in_chunks([*map(event, said.chunks()), DONE])]
    body = json.dumps(said.document()).encode()
    return [head(200, JSON, len(body), more), body]


async def _answer(link: Link, said: Said, sold: Sold, more: Mapping[str, str] | bytes = b"") -> bool:
    sold(said.input_tokens, said.output_tokens)
    return await link.write(*_reply(said, more))


async def _document(link: Link, said: Said, sold: Sold, document: Mapping[str, Any]) -> bool:
    """A reply of our own making, sold as if it were the healthy one."""
    sold(said.input_tokens, said.output_tokens)
    body = json.dumps(document).encode()
    return await link.write(head(200, JSON, len(body)), body)


async def _events(link: Link, said: Said, sold: Sold, pieces: list[bytes]) -> bool:
    sold(said.input_tokens, said.output_tokens)
    return await link.write(head(200, EVENTS, None), *in_chunks(pieces))


# Refusals of the request


async def _status(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    code = fault.given.get("code", "scripted")
    body = fault.raw() if "b64" in fault.given else error_object(code, fault.given.get("message", "scripted fault"))
    wait = {name: fault.given[name] for name in ("retry-after", "retry-after-ms", "date") if name in fault.given}
    return await link.write(head(int(fault.name), JSON, len(body), wait), body)


async def _blocked(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    body = error_object("content_filter", "The response was filtered due to the prompt")
    return await link.write(head(400, JSON, len(body)), body)


async def _filter_failed(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    body = error_object("content_filter_error", "the content filter could not be reached")
    return await link.write(head(503, JSON, len(body)), body)


# Broken transfers


async def _broken(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """`reset`, `close`, `stall` and `hang`: the answer was made, and breaks off after some bytes of its body."""
    sold(said.input_tokens, said.output_tokens)
    if "after" in fault.given:
        first, *rest = _reply(said)
        await link.write(first, b"".join(rest)[: int(fault.given["after"])])
    if fault.name in ("stall", "hang"):
        await link.client_gone(fault.number("s", 3600))
    await asyncio.sleep(0.02)  # so that what was sent arrives before the break
    link.end(reset=fault.name == "reset")
    return False


async def _drip(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    sold(said.input_tokens, said.output_tokens)
    first, *rest = _reply(said)
    await link.write(first)
    for byte in b"".join(rest):
        await link.write(bytes([byte]))
        await asyncio.sleep(fault.number("s", 0.01))
    return True


async def _cut(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """Half a reply, whole in the eyes of HTTP."""
    sold(said.input_tokens, said.output_tokens)
    share = fault.number("at", 0.5)
    if said.stream:
        whole = b"".join([*map(event, said.chunks()), DONE])
        return await link.write(head(200, EVENTS, None), *in_chunks([whole[: int(len(whole) * share)]]))
    body = json.dumps(said.document()).encode()
    body = body[: int(len(body) * share)]
    return await link.write(head(200, JSON, len(body)), body)


async def _extra(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """A good reply, and a second one that nobody asked for on the same connection."""
    await _answer(link, said, sold)
    await asyncio.sleep(fault.number("s", 0.0))
    return await link.write(*_reply(replace(said, text="nobody asked for this")))


async def _raw(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """Any bytes instead of HTTP, then the end or, with `s`, silence."""
    sold(said.input_tokens, said.output_tokens)
    await link.write(fault.raw())
    await link.client_gone(fault.number("s", 0))
    link.end()
    return False


async def _header(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """A good reply with further header lines, of any bytes."""
    return await _answer(link, said, sold, fault.raw() + b"\r\n")


async def _huge(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """A well-formed reply whose text is many megabytes long, or never ends (`mb=0`)."""
    piece = "lorem " * 5000
    size = int(fault.number("mb", 100) * 1_000_000)
    count = size // len(piece)
    sold(said.input_tokens, tokens(piece) * (count or 1))
    if said.stream:
        block = in_chunks([event(said.chunk({"content": piece}, None))])[0]
        await link.write(head(200, EVENTS, None))
    else:
        opening, closing = json.dumps(replace(said, text="@").document()).encode().split(b"@")
        block = piece.encode()
        await link.write(head(200, JSON, len(opening) + len(block) * count + len(closing)), opening)
    sent = 0
    while sent < count or not size:
        await link.write(block)
        sent += 1
    rest = in_chunks([event(said.chunk({}, "stop")), DONE]) if said.stream else [closing]
    return await link.write(*rest)


async def _bomb(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """A reply that is small on the wire and huge unpacked, although nobody allowed packing."""
    sold(said.input_tokens, said.output_tokens)
    body = gzip.compress(bytes(int(fault.number("mb", 512)) << 20), compresslevel=9)
    return await link.write(head(200, JSON, len(body), {"Content-Encoding": "gzip"}), body)


# Replies that are none


async def _body(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """Any bytes as the body of a reply of status 200; charged unless `free=1`."""
    raw = fault.raw() if "b64" in fault.given else b"<html><body><h1>Sign in</h1><script>steal()</script></body></html>"
    if fault.given.get("free") != "1":
        sold(said.input_tokens, said.output_tokens)
    return await link.write(head(200, fault.given.get("type", "text/html"), len(raw)), raw)


async def _error(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """An error object in a reply of status 200; in a stream after `after` pieces of text, which are charged."""
    found = error_object(fault.given.get("code", "server_error"), fault.given.get("message", "scripted fault"))
    after = int(fault.number("after", 0))
    if not said.stream or not after:
        return await link.write(head(200, EVENTS if said.stream else JSON, len(found)), found)
    return await _events(link, said, sold, [*map(event, said.chunks()[: after + 1]), b"data: " + found + b"\n\n"])


async def _choices(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """`choices` that are empty, null, missing or no list."""
    document = said.document()
    document["choices"] = {"empty": [], "null": None, "text": "none", "holes": [None]}.get(fault.given["are"])
    if fault.given["are"] == "missing":
        del document["choices"]
    return await _document(link, said, sold, document)


async def _content(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """A message without text: `is=null|empty|tool|reasoning`, with its `finish`."""
    silent = replace(said, text="", finish=fault.given.get("finish", "stop"))
    if fault.given["is"] == "reasoning":
        silent = replace(silent, reasoning="let me think about it")
    if silent.stream:
        return await _events(link, silent, sold, [*map(event, silent.chunks()), DONE])
    document = silent.document()
    message = document["choices"][0]["message"]
    if fault.given["is"] != "empty":
        message["content"] = None
    if fault.given["is"] == "tool":
        message["tool_calls"] = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    return await _document(link, silent, sold, document)


async def _refusal(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    document = said.document()
    document["choices"][0]["message"] = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    return await _document(link, said, sold, document)


async def _filtered(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    return await _answer(link, replace(said, text="", finish="content_filter"), sold)


# Streams


async def _no_finish(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """Neither a finish reason nor, unless `done=1`, the `[DONE]`."""
    pieces = [event(chunk) for chunk in replace(said, count=False).chunks()[:-1]]
    return await _events(link, said, sold, [*pieces, *([DONE] if fault.given.get("done") == "1" else [])])


async def _no_done(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    return await _events(link, said, sold, [event(chunk) for chunk in said.chunks()])


async def _bytewise(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """A healthy stream cut into chunks of `n` bytes, through characters and line ends; `ends` says which."""
    ends = {"crlf": b"\r\n", "cr": b"\r"}.get(fault.given.get("ends", ""), b"\n")
    whole = b"".join([*(_unescaped(chunk) for chunk in said.chunks()), DONE]).replace(b"\n", ends)
    width = int(fault.number("n", 1))
    return await _events(link, said, sold, [whole[at : at + width] for at in range(0, len(whole), width)])


def _unescaped(chunk: object) -> bytes:
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


async def _usage(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """Usage that is `none`, or in a stream `repeated`, `cumulative` or `shrinking`."""
    told = fault.given["is"]
    if told == "none" or not said.stream:
        return await _answer(link, replace(said, count=False), sold)
    chunks = replace(said, count=False).chunks()
    whole, last = said.usage(), len(chunks) - 1
    for at, chunk in enumerate(chunks):
        part = {name: value if name == "prompt_tokens" else value * at // last for name, value in whole.items()}
        chunk["usage"] = whole if told == "repeated" else part
    if told == "shrinking":
        chunks[0]["usage"], chunks[-1]["usage"] = chunks[-1]["usage"], chunks[0]["usage"]
    return await _events(link, said, sold, [*map(event, chunks), DONE])


# Who answers


async def _as(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """Another `model` echoed, with `fingerprint` and `region`; `model=-` echoes none."""
    model = fault.given.get("model", said.model)
    other = replace(said, model="" if model == "-" else model, fingerprint=fault.given.get("fingerprint"))
    region = fault.given.get("region")
    return await _answer(link, other, sold, {"x-ms-region": region} if region else b"")


async def _text(link: Link, fault: Fault, said: Said, sold: Sold) -> bool:
    """The bytes `b64` as they are between the quotes of the reply's text: they may be no UTF-8 and no JSON."""
    raw = fault.raw()
    output = -(-len(raw) // 4)
    sold(said.input_tokens, output)
    usage = {"prompt_tokens": said.input_tokens, "completion_tokens": output}
    found = replace(said, text="@TEXT@", count=False)
    if said.stream:
        chunks = [*found.chunks(), {**found.about("chat.completion.chunk"), "choices": [], "usage": usage}]
        pieces = [event(chunk).replace(b"@TEXT@", raw) for chunk in chunks]
        return await link.write(head(200, EVENTS, None), *in_chunks([*pieces, DONE]))
    body = json.dumps({**found.document(), "usage": usage}).encode().replace(b"@TEXT@", raw)
    return await link.write(head(200, JSON, len(body)), body)


FAULTS: Mapping[str, Callable[[Link, Fault, Said, Sold], Awaitable[bool]]] = {
    "as": _as,
    "blocked": _blocked,
    "body": _body,
    "bomb": _bomb,
    "bytewise": _bytewise,
    "choices": _choices,
    "close": _broken,
    "content": _content,
    "cut": _cut,
    "drip": _drip,
    "error": _error,
    "extra": _extra,
    "filter-failed": _filter_failed,
    "filtered": _filtered,
    "hang": _broken,
    "header": _header,
    "huge": _huge,
    "no-done": _no_done,
    "no-finish": _no_finish,
    "raw": _raw,
    "refusal": _refusal,
    "reset": _broken,
    "stall": _broken,
    "text": _text,
    "usage": _usage,
}
"""Every fault but the HTTP statuses, which are their own names."""
