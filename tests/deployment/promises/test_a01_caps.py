"""A1: what is in flight has caps, of a key and overall; who is too many is told when to come again; nobody waits."""

from __future__ import annotations

import time
from contextlib import ExitStack

from tests.deployment.gateway.house import key, open_house, request

from touchstone.deployment.base import Limits
from touchstone.deployment.gateway.limits import DoorLimits

FEW = DoorLimits(in_flight=6, in_flight_per_key=4, stop_s=0.3, settle_s=0.5)
SLOW = key("slow", 8, limits=Limits(requests_per_minute=3, tokens_per_minute=100, in_flight=2))


def test_a01_one_key_cannot_take_everything() -> None:
    """Over its cap a key gets 429 with `Retry-After`, at once; another key is let in meanwhile."""
    with open_house(FEW) as house, ExitStack() as stack:
        for _ in range(4):
            client = stack.enter_context(house.client())
            client.send(request("POST", "/v1/hold", port=house.port, body=b"{}"))
        house.until(lambda: house.handlers.held == 4)
        started = time.monotonic()
        reply = house.ask("POST", "/v1/hold", b"{}")
        assert time.monotonic() - started < 1
        assert (reply.status, reply.code) == (429, "too_many_in_flight")
        assert int(reply.headers["retry-after"]) >= 1
        assert house.ask("POST", "/v1/echo", b'{"text": "hi"}', key="bob").status == 200


def test_a01_all_together_have_a_cap() -> None:
    """Over the cap of all keys the answer is 503 with `Retry-After`; when somebody ends, the next is let in."""
    with open_house(FEW) as house, ExitStack() as stack:
        clients = [stack.enter_context(house.client()) for _ in range(6)]
        for number, client in enumerate(clients):
            name = "ann" if number < 4 else "bob"
            client.send(request("POST", "/v1/hold", port=house.port, body=b"{}", key=name))
        house.until(lambda: house.handlers.held == 6)
        reply = house.ask("POST", "/v1/echo", b'{"text": "hi"}', key="bob")
        assert (reply.status, reply.code) == (503, "overloaded")
        assert int(reply.headers["retry-after"]) >= 1
        assert house.ask("GET", "/healthz", key=None).status == 200
        house.loop.call_soon_threadsafe(house.handlers.release.set)
        assert {client.reply().status for client in clients} == {200}
        house.until(lambda: house.door.admission.in_flight == 0)
        assert house.ask("POST", "/v1/echo", b'{"text": "hi"}', key="bob").status == 200


def test_a01_streams_count_until_they_end() -> None:
    """A stream holds its place until its last byte, or until its client has gone."""
    with open_house(FEW) as house, ExitStack() as stack:
        for _ in range(4):
            client = stack.enter_context(house.client())
            client.send(request("POST", "/v1/stream", port=house.port, body=b'{"pause_s": 30}'))
            client.until(b'"n":0}')
        assert house.ask("POST", "/v1/echo", b'{"text": "hi"}').status == 429
        stack.close()
        house.until(lambda: house.door.admission.in_flight == 0)
        assert house.ask("POST", "/v1/echo", b'{"text": "hi"}').status == 200


def test_a01_requests_and_tokens_a_minute_are_told_as_openai_tells_them() -> None:
    """Each reply says what is left; over the limit it is 429 with the time after which there is something again."""
    with open_house(FEW, keys=(SLOW,)) as house:
        reply = house.ask("POST", "/v1/tokens", b'{"take": 60, "used": 60}', key="slow")
        assert reply.headers["x-ratelimit-limit-requests"] == "3"
        assert reply.headers["x-ratelimit-remaining-requests"] == "2"
        assert reply.headers["x-ratelimit-remaining-tokens"] == "40"
        reply = house.ask("POST", "/v1/tokens", b'{"take": 60, "used": 60}', key="slow")
        assert (reply.status, reply.code) == (429, "tokens_per_minute")
        assert 10 <= int(reply.headers["retry-after"]) <= 12
        assert house.ask("POST", "/v1/tokens", b'{"take": 101, "used": 0}', key="slow").status == 400
        reply = house.ask("POST", "/v1/tokens", b'{"take": 1, "used": 0}', key="slow")
        assert (reply.status, reply.code) == (429, "requests_per_minute")
        assert 10 <= int(reply.headers["retry-after"]) <= 20


def test_a01_a_crowd_is_answered_or_told_at_once() -> None:
    """Of 300 requests at the same time each gets a reply; what is in flight never passes the cap."""
    with open_house(FEW) as house, ExitStack() as stack:
        clients = [stack.enter_context(house.client()) for _ in range(300)]
        for client in clients:
            client.send(request("POST", "/v1/stream", port=house.port, body=b'{"pieces": 2, "pause_s": 0.01}'))
        statuses = [client.until(b"\r\n").split(b" ")[1] for client in clients]
        assert set(statuses) <= {b"200", b"429", b"503"}
        assert statuses.count(b"200") >= 4
        house.until(lambda: house.door.in_flight == 0)
        assert house.door.admission.in_flight == 0
