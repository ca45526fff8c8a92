"""The door: one order of checks, one shape of refusals, one end for every request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from tests.deployment.gateway.house import House, open_house, request, secret

from touchstone.deployment.gateway.base import Incoming, Outgoing, Route
from touchstone.deployment.gateway.limits import DoorLimits

LIMITS = DoorLimits(body_bytes=20_000, stop_s=0.3, settle_s=1)
_LARGE_BYTES = 16 << 20
"""More than fits between a gateway and a client that does not read."""


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with open_house(LIMITS) as place:
        yield place


def test_a_request_is_answered_with_its_id(house: House) -> None:
    """A plain JSON request gets its reply, an id that it can be found by, and nothing to keep."""
    reply = house.ask("POST", "/v1/echo", b'{"text": "hi"}')
    assert reply.status == 200
    assert reply.json == {"text": "hi", "key": "ann"}
    assert reply.headers["x-request-id"].startswith("req_")
    assert reply.headers["cache-control"] == "no-store"
    assert "server" not in reply.headers
    assert "date" in reply.headers


def test_one_connection_serves_many_requests(house: House) -> None:
    """A connection is kept between requests."""
    with house.client() as client:
        for number in range(3):
            client.send(request("POST", "/v1/echo", port=house.port, body=b'{"text": "%d"}' % number))
            assert client.reply().json["text"] == str(number)


def test_chunked_bodies_are_read(house: House) -> None:
    """A body may come in chunks, cut anywhere."""
    head = request("POST", "/v1/echo", port=house.port, content_type="application/json", transfer_encoding="chunked")
    with house.client() as client:
        for piece in (head, b'9\r\n{"text": \r\n', b'5\r\n"a', b'b"}\r\n0\r', b"\n\r\n"):
            client.send(piece)
            time.sleep(0.01)
        assert client.reply().json["text"] == "ab"


def test_head_is_answered_like_get_without_a_body(house: House) -> None:
    """HEAD gets the headers of GET."""
    reply = house.ask("HEAD", "/healthz")
    assert reply.status == 200
    assert int(reply.headers["content-length"]) > 0


def test_a_stream_arrives_piece_by_piece(house: House) -> None:
    """A piece is sent when it is there, not when the reply is whole."""
    with house.client() as client:
        started = time.monotonic()
        body = b'{"pieces": 2, "pause_s": 1.0}'
        client.send(request("POST", "/v1/stream", port=house.port, body=body))
        client.until(b'"n":0}')
        assert time.monotonic() - started < 0.95
        rest = client.until(b"0\r\n\r\n")
        assert b"[DONE]" in rest


def test_the_iterator_of_a_stream_is_closed_when_the_client_goes(house: House) -> None:
    """Whoever goes in the middle of a stream ends it, and the meter gets to write it down."""
    house.handlers.ended.clear()
    with house.client() as client:
        client.send(request("POST", "/v1/stream", port=house.port, body=b'{"pieces": 9, "pause_s": 30}'))
        client.until(b'"n":0}')
    house.until(lambda: house.handlers.ended == ["client_closed"])
    house.until(lambda: house.door.in_flight == 0)
    assert house.door.admission.in_flight == 0


def test_a_stream_is_drained_where_its_handler_says_so(house: House) -> None:
    """With `drain_s` it is read to its end for nobody, but not for longer."""
    house.handlers.ended.clear()
    for body in (b'{"pieces": 9, "pause_s": 0.02, "drain_s": 5}', b'{"pieces": 9, "pause_s": 30, "drain_s": 0.1}'):
        with house.client() as client:
            client.send(request("POST", "/v1/stream", port=house.port, body=body))
            client.until(b'"n":0}')
        house.until(lambda: house.door.in_flight == 0)
    assert house.handlers.ended == ["done", "client_closed"]


class Pieces:
    """An iterator that is no generator: nobody closes it but the door."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        self.given = 0
        self.closed = False

    def __aiter__(self) -> Pieces:
        return self

    async def __anext__(self) -> bytes:
        self.given += 1
        if self.wanted == "fail" and self.given > 1:
            raise ValueError
        if self.wanted == "wait" and self.given > 1:
            await asyncio.sleep(30)
        if self.given > 3 and self.wanted == "end":
            raise StopAsyncIteration
        return b"x" * (1 if self.wanted != "flood" else 100_000)

    async def aclose(self) -> None:
        await asyncio.sleep(0.2)  # the meter writes it down
        self.closed = True


@pytest.mark.parametrize("wanted", ["end", "fail", "wait", "flood"])
def test_an_iterator_is_closed_however_it_ends(wanted: str) -> None:
    """At its end, at its failure, while it is waited for, and while the client takes nothing of what it gave."""
    pieces = Pieces(wanted)

    async def handler(_incoming: Incoming) -> Outgoing:
        return Outgoing(200, pieces)

    route = Route("POST", "/v1/x", "infer", handler, "X.", media="json")
    with open_house(LIMITS, routes=(route,)) as house:
        with house.client() as client:
            client.send(request("POST", "/v1/x", port=house.port, body=b"{}"))
            client.until(b"\r\n\r\n")
            house.until(lambda: pieces.given > 1)
        house.until(lambda: house.door.in_flight == 0)
        assert pieces.closed


def test_closing_an_iterator_is_not_cut_short() -> None:
    """Neither the client that goes at the very end nor the gateway that stops interrupts what is written down."""
    for wanted in ("end", "wait"):
        pieces = Pieces(wanted)

        async def handler(_incoming: Incoming, pieces: Pieces = pieces) -> Outgoing:
            return Outgoing(200, pieces)

        route = Route("POST", "/v1/x", "infer", handler, "X.", media="json")
        with open_house(LIMITS, routes=(route,)) as house:
            with house.client() as client:
                client.send(request("POST", "/v1/x", port=house.port, body=b"{}"))
                client.until(b"\r\nx\r\n")
                time.sleep(0.05)
            time.sleep(0.05)
            house.loop.call_soon_threadsafe(house.door.cut)
            house.until(lambda: house.door.in_flight == 0)
            assert pieces.closed, wanted


def test_a_reply_is_cut_when_its_key_has_ended() -> None:
    """With an error event and no end mark, where the request asked for it; others are left alone (A10)."""
    wanted = b'{"pieces": 200, "pause_s": 0.02, "ends_with_key": true}'
    with open_house(LIMITS) as house, house.client() as mine, house.client() as other:
        mine.send(request("POST", "/v1/stream", port=house.port, body=wanted))
        other.send(request("POST", "/v1/stream", port=house.port, body=b'{"pieces": 80, "pause_s": 0.02}'))
        for client in (mine, other):
            client.until(b'{"n":3}')
        del house.keys.by_secret[secret("ann")]
        found = mine.until(b"0\r\n\r\n")
        assert b'"code":"key_ended"' in found
        assert b"[DONE]" not in found
        assert b"[DONE]" in other.until(b"0\r\n\r\n")
        house.until(lambda: house.door.in_flight == 0)
    assert house.handlers.ended == ["cut", "done"]


def test_whoever_reads_no_further_is_not_waited_for() -> None:
    """A client that takes nothing of what it was sent keeps no seat once its reply was cut (A10)."""
    wanted = b'{"pieces": 9000, "pad": 65536, "ends_with_key": true}'
    with open_house(LIMITS) as house, house.client() as client:
        client.send(request("POST", "/v1/stream", port=house.port, body=wanted))
        house.until(lambda: house.handlers.held == 1)
        time.sleep(0.3)
        assert house.door.in_flight == 1
        del house.keys.by_secret[secret("ann")]
        house.until(lambda: house.door.in_flight == 0, 10)
        assert house.handlers.ended == ["cut"]
        assert not client.read().endswith(b"0\r\n\r\n")


def test_a_whole_reply_that_is_being_sent_is_sent() -> None:
    """It was paid: the end of its key takes nothing of it away (A10)."""

    async def handler(incoming: Incoming) -> Outgoing:
        incoming.ends_with_key = lambda: True
        return Outgoing(200, bytes(_LARGE_BYTES))

    route = Route("POST", "/v1/x", "infer", handler, "X.", media="json")
    with open_house(LIMITS, routes=(route,)) as house, house.client() as client:
        client.send(request("POST", "/v1/x", port=house.port, body=b"{}"))
        client.until(b"\r\n\r\n")
        del house.keys.by_secret[secret("ann")]
        time.sleep(0.6)
        size = len(client.waiting)
        while size < _LARGE_BYTES and (piece := client.socket.recv(1 << 20)):
            size += len(piece)
        assert size == _LARGE_BYTES


def test_a_door_that_stops_lets_nobody_in() -> None:
    """A request that comes by a connection from before is refused; whether it lives can still be asked."""
    with open_house(LIMITS) as house:
        house.door.stop()
        reply = house.ask("GET", "/v1/models")
        assert (reply.status, reply.code, reply.headers["connection"]) == (503, "shutting_down", "close")
        assert house.ask("GET", "/healthz").status == 200


def test_a_stream_that_fails_ends_with_an_error_event_and_no_done(house: House) -> None:
    """What goes wrong after the first byte is an event with a code; the end mark does not come (A13)."""
    with house.client() as client:
        client.send(request("POST", "/v1/stream", port=house.port, body=b'{"pieces": 3, "fail_at": 1}'))
        found = client.until(b"0\r\n\r\n")
    assert b'"code":"internal_error"' in found
    assert b"[DONE]" not in found
    assert b"nobody may see" not in found


def test_a_stream_of_other_bytes_that_fails_is_left_incomplete(house: House) -> None:
    """Where nothing can be said any more, the last chunk does not come, so that nobody takes it for whole."""
    with house.client() as client:
        client.send(request("POST", "/v1/stream", port=house.port, body=b'{"plain": true, "fail_at": 1}'))
        assert not client.read().endswith(b"0\r\n\r\n")


def test_a_handler_that_fails_tells_its_id_and_nothing_else(house: House) -> None:
    """The text of an exception reaches neither the client nor the log; the log knows where it happened (R14)."""
    reply = house.ask("POST", "/v1/fail", b"{}")
    assert (reply.status, reply.code) == (500, "internal_error")
    assert b"nobody" not in reply.raw
    failure = [line for line in house.log if line["event"] == "failure"][-1]
    assert failure["request"] == reply.headers["x-request-id"]
    assert failure["error"] == "ValueError"
    assert "fail" in failure["at_code"][-1]
    assert secret("ann").encode() not in b"".join(house.lines)
    assert b"nobody may see" not in b"".join(house.lines)


def test_paths_are_bytes(house: House) -> None:
    """A path that is encoded, dotted or doubled is another path, so that no rule can be talked round (R6)."""
    for path in ("/v1/models/", "/v1//models", "/v1/%6dodels", "/v1/x/../models", "/v1/models;a", "/V1/models", "/"):
        assert house.ask("GET", path).code == "not_found", path
    assert house.ask("GET", "/v1/items/a%2Fb", key="files").code == "not_found"
    assert house.ask("GET", "/v1/items/a.b-c_1", key="files").json["id"] == "a.b-c_1"


def test_a_method_that_a_path_has_not_is_refused_with_those_it_has(house: House) -> None:
    """Methods are allowed, never forbidden: all others are refused, also OPTIONS, since no other site is served."""
    for method in ("POST", "PUT", "PATCH", "OPTIONS", "TRACE", "DELETE"):
        reply = house.ask(method, "/v1/models", b"{}")
        assert (reply.status, reply.code) == (405, "method_not_allowed"), method
        assert reply.headers["allow"] == "GET, HEAD"
        assert "access-control-allow-origin" not in reply.headers


def test_the_query_is_what_the_route_says(house: House) -> None:
    """Parameters that a route does not name, twice the same, or broken ones are refused."""
    assert house.ask("GET", "/v1/items/a?limit=3", key="files").json["limit"] == "3"
    assert house.ask("GET", "/v1/items/a?other=3", key="files").code == "unknown_parameter"
    for query in ("limit=1&limit=2", "limit=%ff", "&&&", "limit"):
        assert house.ask("GET", f"/v1/items/a?{query}", key="files").code == "invalid_query", query


def test_bodies_have_the_type_of_their_route(house: House) -> None:
    """JSON routes take JSON and nothing encoded; a form of another site is none (R7)."""
    body = b'{"text": "hi"}'
    assert house.ask("POST", "/v1/echo", body, content_type="application/json; charset=utf-8").status == 200
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "json"):
        assert house.ask("POST", "/v1/echo", body, content_type=kind).status == 415, kind
    assert house.ask("POST", "/v1/echo", body, content_encoding="gzip").status == 415


def test_json_is_looked_at_before_it_is_parsed(house: House) -> None:
    """Deep nesting, `NaN`, broken text and bytes that are no UTF-8 are refused with a code."""
    for body, code in (
        (b"[" * 65 + b"]" * 65, "too_deep"),
        (b"[" * 9000, "too_deep"),
        (b"{", "invalid_json"),
        (b"NaN", "invalid_json"),
        (b'{"text": "\xff"}', "invalid_json"),
        (b"", "invalid_json"),
    ):
        assert house.ask("POST", "/v1/echo", body).code == code, body[:20]


def test_a_handler_is_told_that_the_client_has_gone(house: House) -> None:
    """A reply that nobody waits for any more is logged as such, and its seat is free again."""
    with house.client() as client:
        client.send(request("POST", "/v1/hold", port=house.port, body=b"{}"))
        house.until(lambda: house.handlers.held == 1)
    house.loop.call_soon_threadsafe(house.handlers.release.set)
    house.until(lambda: house.door.in_flight == 0)
    house.loop.call_soon_threadsafe(house.handlers.release.clear)
    line = next(line for line in house.log if line.get("route") == "/v1/hold")
    assert line["client_gone"] is True


def test_another_site_cannot_make_a_browser_send_requests(house: House) -> None:
    """Whatever changes something and comes from a page of another site is refused (R7)."""
    body = b'{"text": "hi"}'
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": f"http://127.0.0.1:{house.port + 1}"},
    ):
        assert house.ask("POST", "/v1/echo", body, **headers).code == "cross_site", headers
    for headers in ({"sec_fetch_site": "same-origin"}, {"origin": f"http://127.0.0.1:{house.port}"}):
        assert house.ask("POST", "/v1/echo", body, **headers).status == 200


def test_only_names_of_ours_are_answered(house: House) -> None:
    """A name that was made to point here is not ours (R7)."""
    for host in ("evil.example", f"evil.example:{house.port}", "127.0.0.1:1", "127.0.0.2", f"x127.0.0.1:{house.port}"):
        assert house.ask("GET", "/healthz", host=host).code == "host_not_allowed", host
    for host in (f"localhost:{house.port}", f"LOCALHOST:{house.port}", "127.0.0.1", f"[::1]:{house.port}"):
        assert house.ask("GET", "/healthz", host=host).status == 200, host
