"""Where the gateway listens, and by which names it is called (R4)."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.deployment.gateway.house import open_house, request

from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.gateway.server import check_bind, hosts_for, listen, more_files
from touchstone.errors import SettingsError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_loopback_needs_nothing(host: str) -> None:
    """What only this machine reaches may be served without names and before there is a key."""
    _address, local = check_bind(host, (), has_keys=False)
    assert local


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1"])
def test_other_addresses_need_names_and_a_key(host: str) -> None:
    """Each alone is not enough, and a star is no name (R4)."""
    for names, has_keys, words in (
        ((), True, "--allow-host"),
        (("models.example",), False, "keys create"),
        (("*",), True, "has a *"),
        (("*.example",), True, "has a *"),
    ):
        with pytest.raises(SettingsError, match=words.replace("*", r"\*")):
            check_bind(host, names, has_keys=has_keys)
    assert check_bind(host, ("models.example",), has_keys=True)[1] is False


@given(st.text(max_size=30))
def test_any_host_is_an_address_or_a_mistake(host: str) -> None:
    """Whatever stands behind --host: nothing but loopback is taken without a key."""
    if any(character.isalpha() for character in host):
        return  # a name would be looked up
    try:
        assert check_bind(host, (), has_keys=False)[1]
    except SettingsError as error:
        assert "--host" in str(error)  # noqa: PT017 - either may happen


def test_names_by_which_it_is_called() -> None:
    """On loopback its own names go, with its port; elsewhere only those that were said, never an address."""
    here = hosts_for("127.0.0.1", 8080, (), local=True)
    for name in ("127.0.0.1:8080", "localhost:8080", "[::1]:8080", "localhost"):
        assert here.allows(name), name
    there = hosts_for("0.0.0.0", 8080, ("models.example", "[2001:db8::1]"), local=False)
    for name in ("models.example", "models.example:8080", "[2001:db8::1]:8080"):
        assert there.allows(name), name
    for name in ("0.0.0.0:8080", "127.0.0.1:8080", "localhost:8080", "192.0.2.1:8080", "models.example:9090"):
        assert not there.allows(name), name


def test_names_that_were_said_are_answered() -> None:
    """A name of --allow-host is one of its names, and loopback stays one."""
    with open_house(DoorLimits(stop_s=0.2), allowed_hosts=("models.example",)) as house:
        for name in ("models.example", f"models.example:{house.port}", f"127.0.0.1:{house.port}"):
            assert house.ask("GET", "/healthz", host=name).status == 200
        assert house.ask("GET", "/healthz", host="other.example").status == 421


def test_a_port_that_is_taken_is_named() -> None:
    """The mistake says which port, why, and what to write instead."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {port}.*--port"):
            listen("127.0.0.1", port)


def test_it_may_have_many_files() -> None:
    """As many sockets as the system gives: thousands of connections do not fit into the usual 1,024."""
    import resource

    more_files()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == resource.RLIM_INFINITY or soft >= min(16_384, hard)


def test_who_is_ready_says_so_until_it_stops() -> None:
    """`/readyz` follows what it is told; `/healthz` does not."""
    with open_house(DoorLimits(stop_s=0.2)) as house:
        assert house.ask("GET", "/readyz", key=None).status == 200
        house.ready = False
        reply = house.ask("GET", "/readyz", key=None)
        assert (reply.status, reply.code) == (503, "not_ready")
        assert house.ask("GET", "/healthz", key=None).status == 200


def test_while_it_stops_nothing_new_is_taken() -> None:
    """A connection that is being used gets to hear so, and is closed."""
    with open_house(DoorLimits(stop_s=3, settle_s=0.5)) as house, house.client() as client:
        client.send(request("POST", "/v1/stream", port=house.port, body=b'{"pieces": 4, "pause_s": 0.2}'))
        client.until(b'"n":0}')
        house.loop.call_soon_threadsafe(house.end.set)
        house.until(lambda: house.door.stopping)
        with pytest.raises(ConnectionError):
            house.client()
        rest = client.read()
        assert b"[DONE]" in rest


def test_models_are_those_of_the_key() -> None:
    """A list in OpenAI's shape; one that a key may not see is as unknown as one that there is not."""
    with open_house(DoorLimits(stop_s=0.2)) as house:
        model = {"id": "support", "object": "model", "created": 1, "owned_by": "touchstone"}
        assert house.ask("GET", "/v1/models").json == {"object": "list", "data": [model]}
        assert house.ask("GET", "/v1/models/support").json == model
        assert house.ask("GET", "/v1/models", key="bob").json == {"object": "list", "data": []}
        hidden = house.ask("GET", "/v1/models/support", key="bob")
        unknown = house.ask("GET", "/v1/models/other", key="bob")
        assert (hidden.status, hidden.body) == (unknown.status, unknown.body)
        assert hidden.code == "model_not_found"
