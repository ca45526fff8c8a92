"""A8, on the way in: one credential in one place, and of all other headers only those on a list are read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.deployment.gateway.house import House, open_house, request, secret

from touchstone.deployment.gateway.base import READABLE
from touchstone.deployment.gateway.limits import DoorLimits

BODY = b'{"text": "hi"}'


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with open_house(DoorLimits(stop_s=0.2, settle_s=0.5)) as place:
        yield place


def test_a08_two_different_credentials_are_none(house: House) -> None:
    """Whichever of two keys somebody means, nobody guesses; no key is looked up and no handler runs."""
    house.handlers.ran.clear()
    before = house.keys.looked_up
    for headers in ({"x_api_key": secret("bob")}, {"api_key": secret("bob")}, {"x_api_key": "sk-other"}):
        assert house.ask("POST", "/v1/echo", BODY, **headers).code == "two_credentials"
    twice = request("POST", "/v1/echo", port=house.port, body=BODY).replace(
        b"authorization:", b"authorization: Bearer " + secret("bob").encode() + b"\r\nauthorization:"
    )
    with house.client() as client:
        client.send(twice)
        assert client.reply().code == "two_credentials"
    assert house.ask("POST", f"/v1/echo?api_key={secret('ann')}", BODY).code == "key_in_query"
    assert house.keys.looked_up == before
    assert house.handlers.ran == []


def test_a08_the_same_credential_twice_is_one(house: House) -> None:
    """Clients that send a key in two headers are served, since there is nothing to guess."""
    assert house.ask("POST", "/v1/echo", BODY, x_api_key=secret("ann")).status == 200


def test_a08_other_places_of_credentials_count_for_nothing(house: House) -> None:
    """Basic authentication, cookies and headers of other services let nobody in."""
    for headers in (
        {"x_api_key": secret("ann")},
        {"api_key": secret("ann")},
        {"cookie": f"key={secret('ann')}"},
        {"proxy_authorization": f"Bearer {secret('ann')}"},
        {"x_forwarded_authorization": f"Bearer {secret('ann')}"},
        {"authorization": f"Basic {secret('ann')}"},
    ):
        assert house.ask("POST", "/v1/echo", BODY, key=None, **headers).code == "missing_api_key", headers


def test_a08_handlers_read_headers_of_a_list(house: House) -> None:
    """What is on the list arrives; nothing else can be asked for, so nothing else can be passed on."""
    house.ask("POST", "/v1/see", b"{}", user_agent="me", traceparent="00-1", idempotency_key="i")
    assert house.handlers.headers[-1] == {"user-agent": "me", "traceparent": "00-1", "idempotency-key": "i"}
    forbidden = {"authorization", "cookie", "host", "connection", "openai-organization", "openai-project", "x-api-key"}
    assert not READABLE & forbidden
    assert not any(name.startswith(("x-forwarded", "x-touchstone", "proxy-", "forwarded")) for name in READABLE)


def test_a08_who_somebody_is_cannot_be_said_in_a_header(house: House) -> None:
    """Headers by which other systems name addresses, users and tenants change nothing here."""
    headers = {"x_forwarded_for": "203.0.113.9", "x_real_ip": "203.0.113.9", "openai_organization": "org"}
    reply = house.ask("POST", "/v1/echo", BODY, forwarded="for=203.0.113.9;host=evil.example", **headers)
    assert reply.status == 200
    line = next(line for line in house.log if line.get("request") == reply.headers["x-request-id"])
    assert line["address"] == "127.0.0.1"
    assert b"203.0.113.9" not in b"".join(house.lines)
