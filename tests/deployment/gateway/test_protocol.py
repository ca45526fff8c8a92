"""A connection: what happens to it besides requests and replies that are as they should be."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.deployment.gateway.house import open_house, request
from uvicorn.config import Config
from uvicorn.server import ServerState

from touchstone.deployment.gateway.arrivals import Arrivals, network_of
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.gateway.protocol import StrictProtocol

LIMITS = DoorLimits(stop_s=0.2, settle_s=0.5)


@pytest.mark.parametrize("uvloop", [True, False])
def test_a_client_that_still_sends_gets_to_read_why_it_was_refused(uvloop: bool) -> None:
    """A reply that comes before the body has ended is not lost to a reset, although the connection is closed."""
    with open_house(LIMITS, uvloop=uvloop) as house, house.client() as client:
        size = 3_000_000
        head = request("POST", "/v1/echo", port=house.port, key=None, content_length=str(size), connection="close")
        client.send(head)
        time.sleep(0.1)  # the refusal is on its way before the first byte of the body
        client.socket.sendall(b"x" * size)  # a client that cannot send does not look for a reply either
        assert b'"code":"missing_api_key"' in client.read()


def test_an_early_reply_does_not_end_the_connection() -> None:
    """What was sent with a refused request is read and thrown away, and the next request is answered."""
    with open_house(LIMITS) as house, house.client() as client:
        client.send(request("POST", "/v1/echo", port=house.port, body=b"x" * 100_000, key=None))
        assert client.reply().code == "missing_api_key"
        client.send(request("GET", "/healthz", port=house.port))
        assert client.reply().status == 200


def test_whoever_waits_to_be_told_is_told_before_it_sends() -> None:
    """`Expect: 100-continue` is answered when the body is wanted, and never when the request is refused before."""
    body = b'{"text": "hi"}'
    with open_house(LIMITS) as house:
        for key, first in (("ann", b"HTTP/1.1 100 Continue"), ("nobody", b"HTTP/1.1 401")):
            with house.client() as client:
                whole = request("POST", "/v1/echo", port=house.port, body=body, key=key, expect="100-continue")
                client.send(whole[: -len(body)])
                assert client.until(b"\r\n\r\n").startswith(first)
                if key == "ann":
                    client.send(body)
                    assert client.reply().json["text"] == "hi"


def test_an_offer_of_another_protocol_is_not_taken_up() -> None:
    """`Upgrade` (Java's client offers HTTP/2 that way) is answered in HTTP/1.1, once, and nothing after it is read."""
    body = b'{"text": "hi"}'
    with open_house(LIMITS) as house:
        raw = request("POST", "/v1/echo", port=house.port, body=body, connection="Upgrade", upgrade="h2c")
        reply = house.say(raw + request("GET", "/healthz", port=house.port))
        assert reply.status == 200
        assert reply.headers["connection"] == "close"
        assert reply.raw.count(b"HTTP/1.1") == 1


def test_a_body_that_comes_with_such_an_offer_is_read_whole() -> None:
    """It may come in pieces; what follows it is nobody's, and an upgrade of a body in chunks is no request."""
    body = b'{"text": "hi"}'
    with open_house(LIMITS) as house:
        offer = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c"}
        raw = request("POST", "/v1/echo", port=house.port, body=body, **offer)
        with house.client() as client:
            for piece in (raw[:-9], raw[-9:-3], raw[-3:] + b"GET / HTTP/1.1\r\n\r\n"):
                client.send(piece)
                time.sleep(0.02)
            found = client.read()
            assert b'"text":"hi"' in found
            assert found.count(b"HTTP/1.1") == 1
        with house.client() as client:
            client.send(request("GET", "/healthz", port=house.port, connection="Upgrade", upgrade="h2c"))
            assert client.reply().status == 200
            assert client.closed
        chunked = request(
            "POST", "/v1/echo", port=house.port, connection="Upgrade", upgrade="h2c", transfer_encoding="chunked"
        )
        assert house.say(chunked + b"0\r\n\r\n").code == "bad_framing"


def test_a_request_that_does_not_wait_for_the_last_reply_is_not_answered() -> None:
    """Two requests at once are one that is answered and one that is not read: replies can never be taken for others."""
    with open_house(LIMITS) as house:
        raw = request("POST", "/v1/echo", port=house.port, body=b'{"text": "one"}')
        reply = house.say(raw + request("POST", "/v1/echo", port=house.port, body=b'{"text": "two"}'))
        assert reply.status == 200
        assert reply.raw.count(b"HTTP/1.1") == 1
        assert b"two" not in reply.raw


def test_nothing_is_written_into_a_stream() -> None:
    """Bytes that make no sense while a stream runs end the connection after it, not within it."""
    with open_house(LIMITS) as house, house.client() as client:
        client.send(request("POST", "/v1/stream", port=house.port, body=b'{"pieces": 3, "pause_s": 0.1}'))
        client.until(b'"n":0}')
        client.send(b"\x00\x01 no HTTP\r\n\r\n")
        rest = client.read()
        assert b"[DONE]" in rest
        assert rest.endswith(b"0\r\n\r\n")
        assert b"HTTP/1.1" not in rest


def test_a_client_that_takes_nothing_is_let_go() -> None:
    """A stream whose client reads nothing is ended, and its handler with it."""
    limits = DoorLimits(stalled_s=0.2, stop_s=0.2, settle_s=0.5)
    with open_house(limits) as house, house.client() as client:
        client.send(request("POST", "/v1/stream", port=house.port, body=b'{"pieces": 400000}'))
        house.until(lambda: house.door.in_flight == 1)
        house.until(lambda: house.door.in_flight == 0, timeout_s=10)
        assert house.handlers.ended == ["client_closed"]


class Full:
    """A transport whose client takes as much as a test says."""

    def __init__(self) -> None:
        self.waiting = 100
        self.aborted = False

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.aborted = True

    def get_extra_info(self, _name: str) -> None:
        return None

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return self.aborted

    write = pause_reading = resume_reading = close = get_extra_info


async def test_a_client_that_takes_little_is_kept_until_it_takes_nothing() -> None:
    """A slow line is no attack as long as something moves within the time."""
    config = Config(lambda: None, http=StrictProtocol, ws="none", lifespan="off", log_config=None)
    config.load()
    protocol = StrictProtocol(config, ServerState(), Arrivals(DoorLimits(stalled_s=0.05)))
    full = Full()
    protocol.connection_made(full)  # type: ignore[arg-type]  # all of a transport that is used
    protocol.pause_writing()
    for _ in range(6):
        full.waiting -= 1
        await asyncio.sleep(0.03)
        assert not full.aborted
    await asyncio.sleep(0.15)
    assert full.aborted
    protocol.connection_lost(None)


def test_nothing_is_said_after_a_reply() -> None:
    """A body that cannot be read any more, after its request was refused, ends the connection without a word."""
    with open_house(LIMITS) as house, house.client() as client:
        head = request("POST", "/v1/echo", port=house.port, key=None, transfer_encoding="chunked")
        client.send(head + b"1\r\nx\r\n")
        assert client.reply().code == "missing_api_key"
        client.send(b"zz\r\n")
        assert client.read() == b""


def test_connections_are_counted_out_again() -> None:
    """However a connection ends, it is counted no longer."""
    with open_house(LIMITS) as house:
        house.ask("GET", "/healthz")
        house.say(b"nonsense\r\n\r\n")
        with house.client() as client:
            client.send(b"GET / HT")
        house.until(lambda: house.gateway.arrivals.total == 0)
        assert not house.gateway.arrivals.by_address


def test_whose_address_it_is() -> None:
    """An IPv4 address counts alone, an IPv6 address with its /64, one in the other's clothes as what it is."""
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2::5") == "2001:db8:1:2::/64"
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("") == ""
