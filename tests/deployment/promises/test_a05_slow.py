"""A5: whoever sends slowly has deadlines of the gateway's own, and one address cannot have all connections."""

from __future__ import annotations

import time

import pytest
from tests.deployment.gateway.house import open_house, request

from touchstone.deployment.gateway.limits import DoorLimits

FAST = DoorLimits(header_s=0.3, body_s=0.4, keep_alive_s=0.5, stop_s=0.2, settle_s=0.5, connections_per_address=3)


def test_a05_a_slow_header_is_ended() -> None:
    """A header that comes byte by byte ends when its time is over, however often a byte comes."""
    with open_house(FAST) as house, house.client() as client:
        started = time.monotonic()
        for byte in request("GET", "/healthz", port=house.port)[:200]:
            client.send(bytes([byte]))
            time.sleep(0.02)
            if time.monotonic() - started > 0.5:
                break
        assert b'"code":"header_timeout"' in client.read()
        assert time.monotonic() - started < 5


def test_a05_a_slow_header_is_ended_on_a_connection_that_was_used() -> None:
    """The second request of a connection has the deadline of the first."""
    with open_house(FAST) as house, house.client() as client:
        client.send(request("GET", "/healthz", port=house.port))
        client.reply()
        client.send(b"GET /healthz HTTP/1.1\r\nHo")
        assert client.reply().code == "header_timeout"
        assert client.closed


def test_a05_a_slow_body_is_ended_and_its_handler_told() -> None:
    """A body that stops in the middle ends its request with 408, and its seat is free again."""
    with open_house(FAST) as house, house.client() as client:
        client.send(request("POST", "/v1/echo", port=house.port, body=b'{"text": "hi"}')[:-3])
        reply = client.reply()
        assert (reply.status, reply.code) == (408, "body_timeout")
        assert client.closed
        house.until(lambda: house.door.in_flight == 0)
        assert house.door.admission.bodies_bytes == 0


def test_a05_a_body_that_trickles_is_ended() -> None:
    """The deadline is for the whole body: bytes that trickle in do not move it."""
    with open_house(FAST) as house, house.client() as client:
        head = request("POST", "/v1/echo", port=house.port, content_type="application/json", content_length="900")
        started = time.monotonic()
        client.send(head)
        while time.monotonic() - started < 0.6:
            client.send(b"x")
            time.sleep(0.03)
        assert b'"code":"body_timeout"' in client.read()


@pytest.mark.parametrize("filler", [b"", b"\r\n\r\n\r\n"])
def test_a05_a_connection_that_asks_nothing_is_closed(filler: bytes) -> None:
    """Whoever connects and says nothing, or empty lines only, is let go."""
    with open_house(FAST) as house, house.client() as client:
        started = time.monotonic()
        while filler and time.monotonic() - started < 0.5:
            client.send(filler)
            time.sleep(0.03)
        client.read()
        assert time.monotonic() - started < 5


def test_a05_an_idle_connection_is_closed() -> None:
    """A connection without a further request is closed after a while."""
    with open_house(FAST) as house, house.client() as client:
        started = time.monotonic()
        client.send(request("GET", "/healthz", port=house.port))
        client.reply()
        assert client.closed
        assert 0.5 <= time.monotonic() - started < 5


def test_a05_a_route_may_allow_more_time() -> None:
    """Large uploads have a deadline of their route's own."""
    with open_house(FAST) as house, house.client() as client:
        kind = "multipart/form-data; boundary=x"
        whole = request("POST", "/v1/files", port=house.port, key="files", body=b"x" * 10, content_type=kind)
        client.send(whole[:-5])
        time.sleep(0.7)
        client.send(whole[-5:])
        assert client.reply().json == {"bytes": 10}


def test_a05_one_address_has_so_many_connections() -> None:
    """One connection more than allowed is told so and closed; the others go on, and a place that is free is given."""
    with open_house(FAST) as house:
        first = [house.client() for _ in range(3)]
        for client in first:
            client.send(request("GET", "/healthz", port=house.port))
            assert client.reply().status == 200
        with house.client() as client:
            found = client.reply()
            assert (found.status, found.code) == (429, "too_many_connections")
            assert found.headers["retry-after"] == "1"
            assert client.closed
        first[0].send(request("GET", "/healthz", port=house.port))
        assert first[0].reply().status == 200
        for client in first:
            client.close()
        house.until(lambda: house.gateway.arrivals.total == 0)
        assert house.ask("GET", "/healthz").status == 200


def test_a05_all_together_have_so_many_connections() -> None:
    """Over the cap of the whole server the answer is 503."""
    limits = DoorLimits(connections=1, stop_s=0.2, settle_s=0.5)
    with open_house(limits) as house, house.client() as one:
        one.send(request("GET", "/healthz", port=house.port))
        assert one.reply().status == 200
        with house.client() as client:
            assert client.reply().code == "no_connection_left"
