"""A7: a request that can be read in more ways than one is refused, and its connection ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.deployment.gateway.house import Client, House, open_house, request, secret

from touchstone.deployment.gateway.limits import DoorLimits

LIMITS = DoorLimits(header_s=1, body_s=1, stop_s=0.2, settle_s=0.5)
HOST = b"Host: 127.0.0.1\r\n"
KEY = b"Authorization: Bearer " + secret("ann").encode() + b"\r\nContent-Type: application/json\r\n"
POST = b"POST /v1/echo HTTP/1.1\r\n" + HOST + KEY
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
INNER = b"POST /v1/echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with open_house(LIMITS) as place:
        yield place


AMBIGUOUS = {
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + INNER,
    "chunks and length": CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + INNER,
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + INNER,
    "twice the same length": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + INNER,
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}" + INNER,
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "a negative length": POST + b"Content-Length: -2\r\n\r\n{}",
    "a hexadecimal length": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "an empty length": POST + b"Content-Length: \r\n\r\n{}",
    "a length beyond numbers": POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "a length with a space before its colon": POST + b"Content-Length : 2\r\n\r\n{}",
    "chunks of another name": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks twice": CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks in chunks": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "an encoding before chunks": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "an encoding that is none": POST + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
    "chunks after a tab": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks with a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": CHUNKED.replace(b"1.1", b"1.0", 1) + b"\r\n0\r\n\r\n",
    "a chunk without a number": CHUNKED + b"\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk with 0x": CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk with a sign": CHUNKED + b"\r\n+2\r\n{}\r\n0\r\n\r\n",
    "a chunk with a space": CHUNKED + b"\r\n2 \r\n{}\r\n0\r\n\r\n",
    "a chunk that is longer than it says": CHUNKED + b"\r\n2\r\n{}xx\r\n0\r\n\r\n",
    "a chunk ended by a line feed": CHUNKED + b"\r\n2\n{}\r\n0\r\n\r\n",
    "a chunk larger than numbers": CHUNKED + b"\r\nfffffffffffffffff\r\n{}",
    "an extension ended by a line feed": CHUNKED + b"\r\n2;a=b\n{}\r\n0\r\n\r\n",
    "a trailer": CHUNKED + b"\r\n2\r\n{}\r\n0\r\nAuthorization: Bearer other\r\n\r\n",
    "bare line feeds": b"GET /healthz HTTP/1.1\nHost: 127.0.0.1\n\n",
    "one bare line feed": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\nX: y\r\n\r\n",
    "a bare line feed at the end": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\n",
    "a bare carriage return": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\rX: y\r\n\r\n",
    "a folded header": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: y\r\n Z: z\r\n\r\n",
    "a header without a name": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n: y\r\n\r\n",
    "a zero byte": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\x00b\r\n\r\n",
    "a space before the first header": b"GET /healthz HTTP/1.1\r\n X: y\r\nHost: 127.0.0.1\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
    "twice the same host": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a host with a path": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1/v1\r\n\r\n",
    "a host with a user": b"GET /healthz HTTP/1.1\r\nHost: evil@127.0.0.1\r\n\r\n",
    "a host with a scheme": b"GET /healthz HTTP/1.1\r\nHost: http://127.0.0.1\r\n\r\n",
    "a host with a space": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1 evil.example\r\n\r\n",
    "a host with a list": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1, evil.example\r\n\r\n",
    "a host that is encoded": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1%2f\r\n\r\n",
    "a host beyond ASCII": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\xe2\x80\xa4\r\n\r\n",
    "an empty host": b"GET /healthz HTTP/1.1\r\nHost: \r\n\r\n",
    "an absolute target": b"GET http://evil.example/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "an absolute target of ours": b"GET http://127.0.0.1/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target with two slashes": b"GET //evil.example/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target with a fragment": b"GET /healthz#x HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target beyond ASCII": b"GET /healthz\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "an authority": b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "no version": b"GET /healthz\r\n\r\n",
    "another version": b"GET /healthz HTTP/2.0\r\n" + HOST + b"\r\n",
    "a version to come": b"GET /healthz HTTP/1.2\r\n" + HOST + b"\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method that is none": b"FETCH /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method in small letters": b"get /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "a handshake of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_a07_what_can_be_read_in_two_ways_is_refused(house: House, what: str) -> None:
    """400 in our shape, then the connection is closed; no handler ran, and nothing that followed was answered."""
    house.handlers.ran.clear()
    reply = house.say(AMBIGUOUS[what])
    assert reply.status == 400, reply.raw
    assert set(reply.json["error"]) == {"message", "type", "param", "code"}
    assert reply.headers["connection"] == "close"
    assert reply.raw.count(b"content-length:") == 1
    assert house.handlers.ran in ([], ["echo"])
    # What was refused while it was read may only now be begun, and would be counted to the next case.
    house.run(asyncio.sleep(0))
    house.until(lambda: house.door.in_flight == 0)


def test_a07_the_same_without_the_mistake_is_answered(house: House) -> None:
    """What the cases above are made of is good as it is."""
    assert house.say(POST + b'Content-Length: 13\r\nConnection: close\r\n\r\n{"text": "a"}').json["text"] == "a"
    assert house.say(CHUNKED + b'Connection: close\r\n\r\nd\r\n{"text": "a"}\r\n0\r\n\r\n').json["text"] == "a"
    assert house.say(b"GET /healthz HTTP/1.0\r\n" + HOST + b"\r\n").status == 200


def test_a07_a_trailer_is_never_a_header(house: House) -> None:
    """A credential in a trailer makes nobody of a request that has none: uvicorn would add it to the headers."""
    head = request("POST", "/v1/echo", port=house.port, key=None, content_type="application/json").replace(
        b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    trailer = b"authorization: Bearer " + secret("ann").encode()
    reply = house.say(head + b'd\r\n{"text": "a"}\r\n0\r\n' + trailer + b"\r\n\r\n")
    assert reply.code in ("trailers", "missing_api_key")
    assert b'"text"' not in reply.raw


def test_a07_only_its_own_bytes_are_a_body(house: House) -> None:
    """What follows a body is a request of its own, which needs its own key."""
    with house.client() as client:
        client.send(POST + b'Content-Length: 13\r\n\r\n{"text": "a"}')
        assert client.reply().json["text"] == "a"
        client.send(INNER.replace(b"\r\n\r\n", b"\r\nContent-Type: application/json\r\n\r\n"))
        assert client.reply().code == "missing_api_key"


PARTS = (
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\x00", b"0", b"5", b"/", b"abcde", b"chunked", b"Content-Length: 5",
    b"Transfer-Encoding: chunked", b"GET /healthz HTTP/1.1", b"Host: 127.0.0.1", b"HTTP/1.1",
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(st.sampled_from(PARTS) | st.binary(max_size=6), min_size=1, max_size=12))
def test_a07_no_bytes_make_it_fail(house: House, parts: list[bytes]) -> None:
    """Whatever comes is answered with 2xx or 4xx, or the connection is closed; never 5xx, never silence for long."""
    with Client(house.port, timeout_s=5) as client:
        client.send(b"".join(parts))
        client.socket.shutdown(1)
        raw = client.read()
    assert not raw or raw.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4")), raw
