"""R5: every route, with every method, as everybody; whom the table does not let in is kept out, before all else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest
from tests.deployment.gateway.house import House, open_house, request

from touchstone.deployment.base import Scope
from touchstone.deployment.gateway.base import GatewayError, Incoming, Outgoing, Route
from touchstone.deployment.gateway.limits import DoorLimits

SCOPES: dict[str, tuple[str, ...]] = {
    "ann": ("infer", "files"),
    "bob": ("infer", "files"),
    "meter": ("metrics",),
    "admin": ("admin",),
    "files": ("files",),
}
STRANGERS = (None, "nobody", "gone", "old")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with open_house(DoorLimits(failures_per_minute=100_000, stop_s=0.2, settle_s=0.5)) as place:
        yield place


def path_of(route: Route) -> str:
    path = route.path
    for name in route.names:
        path = path.replace("{" + name + "}", "support")
    return path


def expected(route: Route, who: str | None) -> int | None:
    """The status of whoever is kept out; None where they are let in."""
    if route.access == "open":
        return None
    if who is None or who not in SCOPES:
        return 401
    return None if route.access in (*SCOPES[who], "any") or route.access == "any" else 403


def test_r05_every_route_with_every_method_as_everybody(house: House) -> None:
    """Walked over one connection: the table alone says who is let in, and no handler ran for anybody else."""
    table: dict[str, dict[str, Route]] = {}
    for route in house.door.routes:
        table.setdefault(path_of(route), {})[route.method] = route
    walked = 0
    house.loop.call_soon_threadsafe(house.handlers.release.set)
    for path, methods in table.items():
        for method in METHODS:
            route = methods.get("GET" if method == "HEAD" else method)
            for who in (*STRANGERS, *SCOPES):
                walked += 1
                with house.client() as client:
                    kind = "multipart/form-data; boundary=x" if route is not None and route.media == "multipart" else ""
                    more = {"content_type": kind} if kind else {}
                    client.send(request(method, path, port=house.port, key=who, body=b"{}", **more))
                    status = client.reply(has_body=method != "HEAD").status
                if route is None:
                    assert status == 405, (method, path, who)
                elif (wanted := expected(route, who)) is not None:
                    assert status == wanted, (method, path, who)
                else:
                    kept_out = status in (401, 403, 405, 421) or (status == 404 and "/v1/models/" not in path)
                    assert not kept_out, (method, path, who)
    assert walked > 900
    scopes = {route.access for route in house.door.routes}
    assert scopes >= {"open", *get_args(Scope)}


def test_r05_nobody_is_kept_out_after_something_has_happened() -> None:
    """A stranger's request ends before its body is read, a key is counted or a handler is called."""
    touched: list[str] = []

    async def handler(incoming: Incoming) -> Outgoing:
        touched.append("ran")
        raise GatewayError("not_found")

    for access in (*get_args(Scope), "any"):
        route = Route("POST", "/v1/x", access, handler, "X.", media="json")
        with open_house(DoorLimits(stop_s=0.2, settle_s=0.5), routes=(route,)) as house, house.client() as client:
            # The body never comes: whoever waited for it would not answer.
            client.send(request("POST", "/v1/x", port=house.port, key="nobody", body=b"{}")[:-2])
            assert client.reply().status == 401
            assert house.door.admission.in_flight == 0
    assert touched == []


def test_r05_paths_that_are_in_no_table_are_nobodys(house: House) -> None:
    """What is not in the table is not found, for whom it may be."""
    for who in (*STRANGERS, *SCOPES):
        for path in ("/", "/admin", "/v1", "/docs", "/redoc", "/metrics/", "/v1/models/a/b", "/favicon.ico"):
            assert house.ask("GET", path, key=who).status == 404, (path, who)
