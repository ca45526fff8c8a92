"""A6: bodies by declared and by counted bytes, a million messages, depth bombs, headers of a megabyte."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.deployment.gateway.house import House, open_house, request

from touchstone.deployment.gateway.limits import DoorLimits

LIMITS = DoorLimits(body_bytes=1000, bodies_bytes=100_000, stop_s=0.2, settle_s=0.5)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with open_house(LIMITS) as place:
        yield place


def chunked(house: House, *chunks: bytes) -> bytes:
    head = request("POST", "/v1/echo", port=house.port, content_type="application/json", transfer_encoding="chunked")
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


def test_a06_what_is_declared_too_large_is_refused_before_it_is_sent(house: House) -> None:
    """413 comes at the end of the headers; not a byte of the body has to be sent for it."""
    with house.client() as client:
        client.send(
            request("POST", "/v1/echo", port=house.port, content_type="application/json", content_length="1001")
        )
        reply = client.reply()
    assert (reply.status, reply.code) == (413, "body_too_large")
    assert house.handlers.ran == []


def test_a06_what_is_declared_far_too_large_ends_the_connection(house: House) -> None:
    """Nobody reads a terabyte to throw it away."""
    with house.client() as client:
        head = request("POST", "/v1/echo", port=house.port, content_type="application/json", content_length="9" * 12)
        client.send(head)
        reply = client.reply()
        assert (reply.status, reply.headers["connection"]) == (413, "close")
        assert client.closed


def test_a06_a_length_that_is_no_length_is_refused(house: House) -> None:
    """More digits than any file has bytes are no length."""
    head = request("POST", "/v1/echo", port=house.port, content_type="application/json", content_length="9" * 19)
    assert house.say(head).status == 400


def test_a06_chunks_are_counted(house: House) -> None:
    """A body without a length is refused at the byte that is one too many."""
    with house.client() as client:
        client.send(chunked(house, b"x" * 600, b"x" * 401))
        reply = client.reply()
    assert (reply.status, reply.code) == (413, "body_too_large")


def test_a06_what_is_around_chunks_is_counted_too(house: House) -> None:
    """Extensions of chunks are no body, and yet they end."""
    head = request("POST", "/v1/echo", port=house.port, content_type="application/json", transfer_encoding="chunked")
    with house.client() as client:
        client.send(head + b"1;")
        for _ in range(12):
            client.send(b"x" * 100_000)
        assert b'"code":"body_too_large"' in client.read()
    house.until(lambda: house.door.in_flight == 0)


def test_a06_headers_end_at_16_kib(house: House) -> None:
    """One header of a megabyte, many small ones, and a long address are all refused while they arrive."""
    start = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    for raw in (
        start + b"X: " + b"x" * 1_000_000,
        start + b"".join(b"X-%d: %s\r\n" % (number, b"x" * 900) for number in range(20)),
        b"GET /" + b"x" * 1_000_000,
    ):
        assert b'"code":"headers_too_large"' in house.say(raw).body, raw[:60]
    exact = request("GET", "/healthz", port=house.port, x_fill="x" * 15_000)
    with house.client() as client:
        client.send(exact)
        assert client.reply().status == 200
        client.send(exact.replace(b"x" * 15_000, b"x" * 16_384))
        assert client.reply().status == 431


def test_a06_headers_are_counted(house: House) -> None:
    """So are names: each header becomes objects."""
    many = "".join(f"x{number}: y\r\n" for number in range(101))
    raw = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n{many}\r\n".encode()
    assert house.say(raw).code == "too_many_headers"


def test_a06_depth_bombs_are_refused_before_they_are_parsed() -> None:
    """A body of the largest size that is nested as deeply as can be takes no time and no stack."""
    with open_house(DoorLimits(stop_s=0.2, settle_s=0.5)) as house:
        for body in (b"[" * 90_000, b'{"a":' * 90_000, b"[" * 40_000 + b"]" * 40_000):
            assert house.ask("POST", "/v1/echo", body).code == "too_deep"
        for body in (b"[" * 4_000_000, b"[" * 2_000_000 + b"]" * 2_000_000):
            assert house.ask("POST", "/v1/echo", body).code == "too_many_values"


def test_a06_a_million_messages_are_refused() -> None:
    """Four megabytes of small objects would become a hundred in memory."""
    with open_house(DoorLimits(stop_s=0.2, settle_s=0.5)) as house:
        body = b'{"messages": [' + b"{}," * 1_000_000 + b"{}]}"
        assert house.ask("POST", "/v1/echo", body).code == "too_many_values"


def test_a06_all_bodies_together_have_an_end() -> None:
    """Bodies that wait in memory are counted over all requests; who is too many is told to come again."""
    limits = DoorLimits(body_bytes=1000, bodies_bytes=1500, stop_s=0.2, settle_s=0.5)
    with open_house(limits) as house, house.client() as client:
        client.send(request("POST", "/v1/hold", port=house.port, body=b" " * 1000))
        house.until(lambda: house.handlers.held == 1)
        reply = house.ask("POST", "/v1/echo", b" " * 900)
        assert (reply.status, reply.code) == (503, "overloaded")
        assert house.ask("POST", "/v1/echo", b'{"text": "hi"}').status == 200
        house.loop.call_soon_threadsafe(house.handlers.release.set)
        client.reply()
        assert house.ask("POST", "/v1/echo", b'{"text": "%s"}' % (b"x" * 900)).status == 200


def test_a06_a_large_upload_is_not_held_in_memory() -> None:
    """A route that reads pieces takes its own cap, and nothing of it counts as memory."""
    limits = DoorLimits(body_bytes=1000, bodies_bytes=1500, stop_s=0.2, settle_s=0.5)
    with open_house(limits) as house:
        kind = "multipart/form-data; boundary=x"
        for size, status in ((3_000_000, 200), ((8 << 20) + 1, 413)):
            reply = house.ask("POST", "/v1/files", b"x" * size, key="files", content_type=kind)
            assert reply.status == status
