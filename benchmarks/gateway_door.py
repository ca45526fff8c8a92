"""
What the door of the gateway costs: the same requests to it and to a bare application, in turn, in one run.

    python -m benchmarks.gateway_door [--quick]

Counted is processor time of the server alone. The client is a protocol of a few lines, so that it keeps either busy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import urlopen

import uvloop

from benchmarks.gateway_server import SECRET

_LENGTH = re.compile(rb"content-length: (\d+)")
_ASKED = {
    "plain": json.dumps({"model": "m", "messages": [{"role": "user", "content": "word " * 100}]}).encode(),
    "stream": json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode(),
}

_SETTINGS = (("plain", 4000, 1), ("plain", 4000, 32), ("plain", 4000, 128), ("stream", 400, 32))


class Asking(asyncio.Protocol):
    """One connection that asks again as soon as it was answered."""

    left = 0
    """Requests that nobody has sent yet, over all connections."""

    def __init__(self, request: bytes, seconds: list[float], done: asyncio.Event) -> None:
        self.request = request
        self.seconds = seconds
        self.done = done
        self.waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # uvloop's is none by birth
        self._ask()

    def _ask(self) -> None:
        if Asking.left <= 0:
            self.done.set()
            self.transport.close()
            return
        Asking.left -= 1
        self.started = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Look whether the reply is whole."""
        self.waiting += data
        end = self.waiting.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self.waiting, 0, end)
        whole = self.waiting.endswith(b"0\r\n\r\n") if length is None else len(self.waiting) >= end + 4 + int(length[1])
        if whole:
            assert self.waiting.startswith(b"HTTP/1.1 200"), self.waiting[:300]
            self.seconds.append(time.perf_counter() - self.started)
            self.waiting = b""
            self._ask()


@contextmanager
def serving(kind: str) -> Iterator[int]:
    """A server in a process of its own; its port."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.gateway_server", kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    assert server.stdin is not None
    try:
        yield int(server.stdout.readline())
    finally:
        server.stdin.close()
        server.wait(30)


def cpu_s(port: int) -> float:
    """Processor time that a server has used so far."""
    with urlopen(f"http://127.0.0.1:{port}/healthz") as reply:
        return float(json.load(reply)["cpu_s"])


def ask(port: int, kind: str, requests: int, in_flight: int) -> tuple[float, float, float, float]:
    """Milliseconds of the server's processor time per request, requests a second, p50 and p99 in milliseconds."""
    body = _ASKED[kind]
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {SECRET}\r\n"
        f"User-Agent: OpenAI/Python 3.0\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate\r\n"
        f"X-Stainless-Lang: python\r\nX-Stainless-Retry-Count: 0\r\nX-Stainless-Runtime: CPython\r\n"
        f"Connection: keep-alive\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    seconds: list[float] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        events = [asyncio.Event() for _ in range(in_flight)]
        for event in events:
            await loop.create_connection(lambda event=event: Asking(request, seconds, event), "127.0.0.1", port)  # type: ignore[misc]  # a default that binds the loop's value has no type
        for event in events:
            await event.wait()

    Asking.left = requests
    before, started = cpu_s(port), time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    wall_s = time.perf_counter() - started
    used_s = cpu_s(port) - before
    cuts = statistics.quantiles(seconds, n=100)
    return used_s * 1000 / requests, requests / wall_s, cuts[49] * 1000, cuts[98] * 1000


def main() -> None:
    """Print a line for each setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: says that it works, not how fast it is")
    quick = parser.parse_args().quick
    rounds = 1 if quick else 5
    print("| requests | in flight | server | CPU ms per request (least to most) | requests/s | p50 ms | p99 ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with serving("bare") as bare, serving("door") as door:
        for port in (bare, door):
            ask(port, "plain", 200, 8)
        for kind, requests, in_flight in (
            ("plain", 4000, 1),
            ("plain", 4000, 32),
            ("plain", 4000, 128),
            ("stream", 400, 32),
        ):
            found: dict[str, list[tuple[float, float, float, float]]] = {"bare": [], "door": []}
            for _ in range(rounds):
                for name, port in (("bare", bare), ("door", door)):
                    found[name].append(ask(port, kind, requests // (10 if quick else 1), in_flight))
            for name, runs in found.items():
                cpu = sorted(one[0] for one in runs)
                rest = [statistics.median(one[place] for one in runs) for place in (1, 2, 3)]
                print(
                    f"| {kind} | {in_flight} | {name} | {statistics.median(cpu):.3f} ({cpu[0]:.3f} to {cpu[-1]:.3f}) | "
                    f"{rest[0]:.0f} | {rest[1]:.2f} | {rest[2]:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
