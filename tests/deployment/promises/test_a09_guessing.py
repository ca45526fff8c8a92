"""A9, over HTTP: who guesses keys learns nothing from replies, and is slowed down by address."""

from __future__ import annotations

from tests.deployment.gateway.house import open_house, request

from touchstone.deployment.gateway.limits import DoorLimits

LIMITS = DoorLimits(failures_per_minute=5, stop_s=0.2, settle_s=0.5)


def test_a09_unknown_revoked_and_expired_keys_get_the_same_reply() -> None:
    """Status, headers and body are the same to the byte, but for the request's id; on a route of another scope too."""
    with open_house(DoorLimits(stop_s=0.2)) as house:
        found = set()
        for name in ("nobody", "gone", "old"):
            for path in ("/v1/models", "/metrics", "/v1/items/a"):
                reply = house.ask("GET", path, key=name)
                headers = {name: value for name, value in reply.headers.items() if name not in ("date", "x-request-id")}
                found.add((reply.status, tuple(headers.items()), reply.body))
        [(status, headers, body)] = found
        assert status == 401
        assert b"invalid_api_key" in body
        assert dict(headers)["www-authenticate"].startswith("Bearer")


def test_a09_wrong_keys_slow_down_their_address() -> None:
    """After so many wrong keys further ones are not looked at, whatever their route; the wait is named."""
    with open_house(LIMITS) as house:
        for _ in range(5):
            assert house.ask("GET", "/v1/models", key="nobody").status == 401
        before = house.keys.looked_up
        for path in ("/v1/models", "/metrics", "/v1/items/a"):
            reply = house.ask("GET", path, key="nobody2")
            assert (reply.status, reply.code) == (429, "too_many_wrong_keys")
            assert 1 <= int(reply.headers["retry-after"]) <= 12
        assert house.keys.looked_up == before


def test_a09_a_key_that_was_good_goes_on_meanwhile() -> None:
    """Whoever shares an address with a guesser and was let in before is let in still; a new key has to wait."""
    with open_house(LIMITS) as house:
        assert house.ask("GET", "/v1/models").status == 200
        for _ in range(5):
            house.ask("GET", "/v1/models", key="nobody")
        assert house.ask("GET", "/v1/models").status == 200
        assert house.ask("GET", "/v1/models", key="bob").status == 429


def test_a09_missing_keys_are_no_guesses() -> None:
    """Who sends none is told how, and slows nobody down."""
    with open_house(LIMITS) as house, house.client() as client:
        for _ in range(12):
            client.send(request("GET", "/v1/models", port=house.port, key=None))
            assert client.reply().code == "missing_api_key"
        assert house.ask("GET", "/v1/models", key="bob").status == 200


def test_a09_what_a_key_may_not_do_is_told_only_to_a_key_that_is_good() -> None:
    """403 comes after 401: the scopes of keys cannot be found out by guessing."""
    with open_house(LIMITS) as house:
        assert house.ask("GET", "/metrics", key="nobody").status == 401
        reply = house.ask("GET", "/metrics", key="ann")
        assert (reply.status, reply.code) == (403, "missing_scope")
