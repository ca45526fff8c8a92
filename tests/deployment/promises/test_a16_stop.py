"""A16: told to stop, the gateway takes nothing more, lets run what runs for a while, cuts the rest and ends with 0."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.deployment.gateway.house import Client, request

CHILD = Path(__file__).resolve().parents[1] / "gateway" / "child.py"


class Child:
    """A gateway in a process of its own."""

    def __init__(self, stop_s: float, settle_s: float = 2.0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), str(stop_s), str(settle_s)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def tell(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ended(self, timeout_s: float = 15) -> tuple[int, str]:
        """Its exit code and what it said of its streams."""
        said, _log = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, said.strip()


@contextmanager
def child(stop_s: float) -> Iterator[Child]:
    found = Child(stop_s)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.kill()
        found.process.communicate()


def stream(port: int, stack: ExitStack, pieces: int, pause_s: float) -> Client:
    client = stack.enter_context(Client(port, timeout_s=15))
    body = b'{"pieces": %d, "pause_s": %g}' % (pieces, pause_s)
    client.send(request("POST", "/v1/stream", port=port, body=body))
    client.until(b'"n":0}')
    return client


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a16_streams_end_by_themselves_where_there_is_time(number: signal.Signals) -> None:
    """Streams that run get to their end, nothing new is taken meanwhile, and the process then ends with 0."""
    with child(20) as gateway, ExitStack() as stack:
        idle = stack.enter_context(Client(gateway.port))
        idle.send(request("GET", "/readyz", port=gateway.port))
        assert idle.reply().status == 200
        streams = [stream(gateway.port, stack, 6, 0.15) for _ in range(5)]
        started = time.monotonic()
        gateway.tell(number)
        assert idle.closed
        with pytest.raises(ConnectionRefusedError):
            Client(gateway.port)
        for client in streams:
            found = client.read()
            assert b"[DONE]" in found
            assert found.endswith(b"0\r\n\r\n")
        assert gateway.ended() == (0, "done done done done done 0")
        assert time.monotonic() - started < 8


def test_a16_what_takes_longer_is_cut_with_an_error_event() -> None:
    """After the time that there is, streams end with an event that says why and no `[DONE]`; all is written down; 0."""
    with child(0.5) as gateway, ExitStack() as stack:
        streams = [stream(gateway.port, stack, 99, 0.2) for _ in range(5)]
        held = stack.enter_context(Client(gateway.port, timeout_s=15))
        held.send(request("POST", "/v1/hold", port=gateway.port, body=b"{}"))
        time.sleep(0.3)
        started = time.monotonic()
        gateway.tell()
        gateway.tell()
        for client in streams:
            found = client.read()
            assert b'"code":"shutting_down"' in found
            assert b"[DONE]" not in found
            assert found.endswith(b"0\r\n\r\n")
        reply = held.reply()
        assert (reply.status, reply.code) == (503, "shutting_down")
        assert reply.headers["connection"] == "close"
        assert gateway.ended() == (0, "cut cut cut cut cut 0")
        assert 0.4 < time.monotonic() - started < 6


def test_a16_a_client_that_reads_nothing_does_not_keep_it() -> None:
    """Neither a stream that nobody reads nor a request that never becomes whole delays the end."""
    with child(0.3) as gateway, ExitStack() as stack:
        full = stack.enter_context(Client(gateway.port))
        full.send(request("POST", "/v1/stream", port=gateway.port, body=b'{"pieces": 900000}'))
        half = stack.enter_context(Client(gateway.port))
        half.send(request("POST", "/v1/echo", port=gateway.port, body=b'{"text": "hi"}')[:-3])
        time.sleep(0.5)
        started = time.monotonic()
        gateway.tell()
        code, said = gateway.ended()
        assert code == 0
        assert said in ("cut 0", "client_closed 0")
        assert time.monotonic() - started < 6
