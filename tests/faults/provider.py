"""
A provider made of bytes: HTTP/1.1 by hand, so that it can send anything at all, in a process of its own.

It shares no code with what it examines. What it sells it writes into its own bill (`bill.py`), a file that outlives
every client. What goes wrong is scripted, by the text that is asked, by a seed or by the request's number:

    say:Paris            the reply, instead of a word that depends on the text alone
    fault:503*2          the first two requests of these very bytes end with 503, the third is answered
    fault:429,retry-after=1*1;reset,after=40*1
                         one after the other; without `*n` a fault lasts
    verdict:say:bad      for whoever is shown the text as material to judge

Replies depend on the request and on how often its bytes came before, never on time or order.

Run it: `python tests/faults/provider.py --bill FILE` prints `port N` and serves until it is stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run by its path, not as a module
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.faults.bill import Bill, requests
from tests.faults.reply import Said
from tests.faults.wire import Fault, Link, faults_of, respond

LONGEST_HEADER_BYTES = 64 * 1024
REQUEST_DEADLINE_S = 30.0


@dataclass(frozen=True)
class Terms:
    """How one provider behaves."""

    input_usd: float = 1.0
    """Per million input tokens."""
    output_usd: float = 2.0
    latency_s: float = 0.0
    seed: int | None = None
    """Of the faults that are drawn; None draws none."""
    mix: Mapping[str, float] = field(default_factory=dict)
    """Fault to the share of requests that have it; the rest is answered."""
    at: Mapping[int, str] = field(default_factory=dict)
    """Number of a request, from 1, to its fault."""
    key: str | None = None
    """When given, other keys are refused."""


class Provider:
    """
    Serves `POST …/chat/completions` on loopback while the block lasts.

    Attributes:
        port: Where it listens.
        base_url: For clients.
        bill: What was asked and sold.
        most_in_flight: The largest number of requests that were being answered at once.
        most_repeated_in_flight: The same of requests whose bytes had come before.
        bodies: Requests in the order of their arrival, parsed.
    """

    def __init__(self, bill: Path, terms: Terms | None = None, *, port: int = 0) -> None:
        self.terms = terms or Terms()
        self.bill = Bill(bill)
        self.port = port
        self.bodies: list[dict[str, Any]] = []
        self.most_in_flight = 0
        self.most_repeated_in_flight = 0
        self._in_flight = 0
        self._repeated_in_flight = 0
        self._number = requests(bill) if bill.exists() else 0  # a provider that comes back goes on with its bill
        self._seen: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        """Where clients find it; the port is known once it runs."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Provider:
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, limit=1 << 26, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.bill.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            link = Link(reader, writer)
            again = True
            while again:
                again = await self._one(link)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, TimeoutError):
            pass  # the client went away, or we are being stopped
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, link: Link) -> bool:
        """Receive and answer one request; whether the connection may carry another."""
        async with asyncio.timeout(REQUEST_DEADLINE_S):
            head = await link.reader.readuntil(b"\r\n\r\n")
            headers = _headers(head)
            body = await link.reader.readexactly(int(headers.get("content-length", "0")))
        self._number += 1
        number = self._number
        digest = hashlib.sha256(body).hexdigest()
        self._seen[digest] += 1
        self.bill.received(number, digest)
        asked = Asked.of(body)
        if asked is not None:
            self.bodies.append(asked.body)
        repeated = self._seen[digest] > 1
        self._in_flight += 1
        self._repeated_in_flight += repeated
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        self.most_repeated_in_flight = max(self.most_repeated_in_flight, self._repeated_in_flight)
        whole = False
        try:
            if self.terms.latency_s:
                await asyncio.sleep(self.terms.latency_s)
            whole = await self._answer(link, number, digest, headers, asked)
        finally:
            self._in_flight -= 1
            self._repeated_in_flight -= repeated
            self.bill.ended(number, whole=whole)
        return whole and not link.writer.is_closing()

    async def _answer(
        self, link: Link, number: int, digest: str, headers: Mapping[str, str], asked: Asked | None
    ) -> bool:
        given = headers.get("api-key", headers.get("authorization", "").removeprefix("Bearer "))
        if asked is None:
            return await respond(link, Fault("400"), _NOTHING, sold=lambda *_: None)
        if self.terms.key is not None and given != self.terms.key:
            return await respond(link, Fault("401"), _NOTHING, sold=lambda *_: None)
        said = asked.said(number)

        def sold(input_tokens: int, output_tokens: int) -> None:
            usd = (input_tokens * self.terms.input_usd + output_tokens * self.terms.output_usd) / 1e6
            self.bill.sold(number, asked.model, input_tokens, output_tokens, usd)

        return await respond(link, self._fault(number, digest, asked), said, sold=sold)

    def _fault(self, number: int, digest: str, asked: Asked) -> Fault | None:
        """What goes wrong with this request: by its number, by its text, by the seed."""
        if number in self.terms.at:
            return next(iter(faults_of(self.terms.at[number], 1)), None)
        time_of = self._seen[digest]
        scripted = re.search(r"fault:(\S+)", asked.told)
        if scripted:
            return next(iter(faults_of(scripted[1], time_of)), None)
        if self.terms.seed is None:
            return None
        drawn = random.Random(f"{self.terms.seed}/{digest}/{time_of}").random()
        for name, share in self.terms.mix.items():
            drawn -= share
            if drawn < 0:
                return next(iter(faults_of(name, 1)))
        return None


@dataclass(frozen=True)
class Asked:
    """A request as the provider understands it."""

    body: dict[str, Any]
    model: str
    text: str
    """The last user message."""
    input_tokens: int

    @classmethod
    def of(cls, raw: bytes) -> Asked | None:
        """None when the bytes are no chat completion request."""
        try:
            body = json.loads(raw)
            texts = [_text(message["content"]) for message in body["messages"]]
            last = [_text(message["content"]) for message in body["messages"] if message["role"] == "user"]
            model = body["model"]
        except (ValueError, KeyError, TypeError):
            return None
        tokens = sum(2 + -(-len(text.encode("utf-8", "surrogatepass")) // 4) for text in texts)
        return cls(body=body, model=model, text=last[-1] if last else "", input_tokens=tokens)

    @property
    def told(self) -> str:
        """What the text tells the provider to do; of a judge's fenced material only what stands behind `verdict:`."""
        if self.text.startswith("<<<"):
            found = re.search(r"verdict:(\S+)", self.text)
            return "" if found is None else found[1]
        return re.sub(r"verdict:\S+", "", self.text)

    def said(self, number: int) -> Said:
        """The reply to it."""
        scripted = re.search(r"say:(\S+)", self.told)
        words = scripted[1] if scripted else f"word{int(hashlib.sha256(self.text.encode()).hexdigest()[:4], 16) % 100}"
        limit = self.body.get("max_tokens") or self.body.get("max_completion_tokens")
        return Said(
            number=number,
            model=self.model,
            text=words.replace("_", " "),
            input_tokens=self.input_tokens,
            limit=limit if isinstance(limit, int) else None,
            stream=bool(self.body.get("stream")),
            count=not self.body.get("stream") or bool((self.body.get("stream_options") or {}).get("include_usage")),
        )


_NOTHING = Said(number=0, model="", text="", input_tokens=0, limit=None, stream=False, count=True)


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    assert isinstance(content, list)
    return "".join(str(part.get("text", "")) for part in content)


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}


def _pairs(given: list[str]) -> dict[str, str]:
    """`429=0.1` as (429, 0.1); a fault may hold commas and equal signs, so the last one counts."""
    return {name: value for name, _, value in (one.rpartition("=") for one in given)}


def main(arguments: Sequence[str] | None = None, say: Callable[[int], None] | None = None) -> None:
    """Serve until SIGTERM; `say` is told the port, which is printed where nobody else is told."""
    parser = argparse.ArgumentParser(description="A provider made of bytes, on loopback, with its own bill.")
    parser.add_argument("--bill", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--input-usd", type=float, default=Terms.input_usd)
    parser.add_argument("--output-usd", type=float, default=Terms.output_usd)
    parser.add_argument("--latency", type=float, default=Terms.latency_s)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--mix", action="append", default=[], metavar="FAULT=SHARE")
    parser.add_argument("--at", action="append", default=[], metavar="FAULT=NUMBER")
    parser.add_argument("--key")
    given = parser.parse_args(arguments)
    terms = Terms(
        input_usd=given.input_usd,
        output_usd=given.output_usd,
        latency_s=given.latency,
        seed=given.seed,
        mix={name: float(share) for name, share in _pairs(given.mix).items()},
        at={int(number): name for name, number in _pairs(given.at).items()},
        key=given.key,
    )

    async def serve() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        async with Provider(given.bill, terms, port=given.port) as provider:
            if say is None:
                sys.stdout.write(f"port {provider.port}\n")
                sys.stdout.flush()
            else:
                say(provider.port)
            await stop.wait()

    asyncio.run(serve())


@contextmanager
def in_own_process(bill: Path, *arguments: str) -> Iterator[str]:
    """A provider in a process of its own (`warm.py`) while the block lasts; yields its base URL."""
    from tests import warm

    ours, theirs = Pipe(duplex=False)
    process = warm.begin(_forked, ("--bill", str(bill), *arguments), theirs)
    theirs.close()
    try:
        assert ours.poll(30), "the provider did not start"
        yield f"http://127.0.0.1:{ours.recv()}/v1"
    finally:
        process.terminate()
        process.join()
        process.close()
        ours.close()


def _forked(arguments: Sequence[str], said: Connection) -> None:
    main(arguments, said.send)


@contextmanager
def in_thread(bill: Path, terms: Terms | None = None) -> Iterator[Provider]:
    """A provider in a thread of its own while the block lasts, for clients that run loops of their own."""
    started, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
    provider = Provider(bill, terms)

    async def serve() -> None:
        async with provider:
            started.set()
            await stop.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="provider", daemon=True)
    thread.start()
    assert started.wait(10), "the provider did not start"
    try:
        yield provider
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


if __name__ == "__main__":
    main()
