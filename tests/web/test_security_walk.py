"""Every route, by every method, for every role; and two projects that cannot see each other (R5, R9, A22)."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest
from tests.web.visiting import RunningSite
from tests.web.walking import SHARED, crawl

from touchstone.web.base import Answer, Ask, Role, Route, Scope, Send
from touchstone.web.paths import Table
from touchstone.web.routes import all_routes
from touchstone.web.sessions import Session, form_token_of
from touchstone.workspace.projects import make_project

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "WHATEVER")
MAY: Mapping[str, tuple[str, ...]] = {
    "nobody": ("public",),
    "viewer": ("public", "view"),
    "editor": ("public", "view", "edit"),
    "admin": ("public", "view", "edit", "admin"),
    "governor": ("public", "view", "edit", "admin", "site"),
}
"""What each may use; written down here once more, so that a change of it is a change of two places."""
VISITS = {"/language", "/theme", "/project", "/sign-out", "/sign-out/everywhere"}
"""POST routes that change nothing but the reader's own session."""
DERIVES = {"/decisions/{comparison}/answers-index", "/safety/try"}
"""POST routes that look at a text or index what a viewer may read anyway; they cost no money and change no answer."""
COMES_IN = {"/sign-in", "/join/{link}"}
"""POST routes for those who are not signed in."""

_CARD = """
id = "canary/of-alpha"
name = "Canary of alpha"
lab = "canary"
tasks = ["chat"]
output_types = ["text"]
weights = "open"
[summary]
en = "canary-of-alpha"
zh = "canary-of-alpha"
[[sources]]
name = "ourselves"
url = "https://models.example.com/canary"
as_of = "2026-01-01"
facts = ["weights"]
"""


# Every route × method × role ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningSite, Mapping[str, str], list[str]]]:
    """A site whose pages only note that they were asked, and a session's token for each role in `support`."""
    folder = tmp_path_factory.mktemp("guarded") / "workspace"
    folder.mkdir()
    make_project(folder, "support")
    site = RunningSite(folder)
    people, sessions = site.site.sessions.people, site.site.sessions
    people.add("governor", {"default": "admin"})
    tokens = {"governor": sessions.open(Session("governor", "default", is_local=False))}
    roles: tuple[Role, ...] = ("viewer", "editor", "admin")
    for role in roles:
        people.add(role, {"support": role})
        tokens[role] = sessions.open(Session(role, "support", is_local=False))
    asked: list[str] = []

    def noted(ask: Ask) -> Answer:
        asked.append(ask.path)
        return Send(b"", "text/plain")

    site.server.pages.table = Table([replace(route, page=noted) for route in all_routes()])

    async def at_once(work: Callable[[], Any]) -> Any:
        return work()  # no thread for each of thousands of pages that do nothing

    site.server.pages._in_thread = at_once  # type: ignore[method-assign]
    yield site, tokens, asked
    site.close()


def filled(path: str) -> str:
    """A route's path with something in each of its braces."""
    return re.sub(r"\{[^}]*\}", "x1", path)


async def request(site: RunningSite, method: str, path: str, token: str | None) -> int:
    """The status of one request, straight to the application: thousands of connections would take a minute."""
    place = urlsplit(site.address)
    cookie = f"{site.server.pages.cookie}_session={token}" if token else ""
    headers = [
        (b"host", place.netloc.encode()),
        (b"origin", site.address.encode()),
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"cookie", cookie.encode()),
        (b"x-form-token", form_token_of(token or "").encode()),
    ]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers,
        "client": ("127.0.0.1", 1), "server": (place.hostname, place.port),
    }  # fmt: skip
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await site.server.pages(scope, receive, send)  # type: ignore[arg-type]  # ASGI's own dictionaries
    return int(said[0]["status"])


async def test_every_route_asks_for_its_scope(guarded: tuple[RunningSite, Mapping[str, str], list[str]]) -> None:
    """R5: a page is asked by exactly those who may use it, by exactly its methods; nobody else gets further."""
    site, tokens, asked = guarded
    wrong: list[str] = []
    routes = all_routes()
    methods_of: dict[str, dict[str, str]] = {}
    for route in routes:
        for method in route.methods:
            methods_of.setdefault(route.path, {})[method] = route.scope
    for path, known in methods_of.items():
        for method in METHODS:
            scope = known.get("GET" if method == "HEAD" else method)
            for who, may in MAY.items():
                asked.clear()
                status = await request(site, method, filled(path), tokens.get(who))
                if scope is None:
                    right, expected = status == 405 and not asked, "405"
                elif scope in may:
                    right, expected = status == 200 and len(asked) == 1, "200"
                elif who == "nobody":
                    right, expected = status == 303 and not asked, "303"
                else:
                    right, expected = status == 403 and not asked, "403"
                if not right:
                    wrong.append(f"{method} {path} for {who}: {status}, not {expected}; asked: {asked}")
    assert wrong == []


def test_every_route_declares_a_scope() -> None:
    """R5: a route without a known scope fails here; what changes something is neither public nor for whoever looks."""
    for route in all_routes():
        assert isinstance(route, Route)
        assert route.scope in get_args(Scope), route.path
        assert set(route.methods) <= {"GET", "POST"}, route.path
        if "POST" in route.methods and route.path not in VISITS | DERIVES | COMES_IN:
            assert route.scope in ("edit", "admin", "site"), f"POST {route.path} is for {route.scope}"
        if route.scope == "public":
            assert route.path in COMES_IN | {
                "/static/{digest}/{name}", "/enter/{link}", "/sign-in/issuer", "/sign-in/issuer/back",
            }, route.path  # fmt: skip


async def test_an_unknown_address_tells_strangers_nothing(
    guarded: tuple[RunningSite, Mapping[str, str], list[str]],
) -> None:
    """Who is not signed in is sent to the sign-in page by every address, known or not."""
    site, tokens, _asked = guarded
    assert await request(site, "GET", "/nothing/here", None) == 303
    assert await request(site, "GET", "/nothing/here", tokens["viewer"]) == 404


# Two projects ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tenants(measured_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site with the project `alpha`, in which things were done, and the project `beta`, in which nothing was."""
    folder = tmp_path_factory.mktemp("tenants") / "workspace"
    folder.mkdir()
    make_project(folder, "beta")
    shutil.copytree(measured_once, folder / "projects" / "alpha")
    card = folder / "projects" / "alpha" / "catalog" / "cards" / "canary" / "of-alpha.toml"
    card.parent.mkdir(parents=True)
    card.write_text(_CARD)
    site = RunningSite(folder)
    site.site.sessions.people.add("governor", {"default": "admin"})
    yield site
    site.close()


@pytest.fixture(scope="module")
def inside(tenants: RunningSite) -> Mapping[str, str]:
    """What alpha's own admin finds there, by address."""
    tenants.site.jobs("alpha").start("settings", title="canary-of-alpha", who="ada")
    return crawl(tenants.member("ada", {"alpha": "admin"}))


def test_two_projects_do_not_see_each_other(tenants: RunningSite, inside: Mapping[str, str]) -> None:
    """
    R9, A22: with real ids of alpha, a member of beta finds nothing at any route, whatever the method.

    Ids come from a walk through alpha by its own admin. Routes that the walk did not meet are asked with every id that
    it did meet, so that a new route is in this test from its first day.
    """
    outsider, governor = tenants.member("bob", {"beta": "admin"}), tenants.member("governor", {"default": "admin"})
    table = Table(all_routes())
    ids: dict[str, set[str]] = {}
    for address in inside:
        for route, params in table.find(urlsplit(address).path):
            if not route.path.startswith(SHARED):
                for name, value in params.items():
                    ids.setdefault(name, set()).add(value)
    assert ids, "the walk met no id of alpha; it cannot show anything"
    everything = sorted({value for values in ids.values() for value in values})[:12]
    outsider.get("/")
    wrong: list[str] = []
    for route in all_routes():
        if "{" not in route.path or route.path.startswith(SHARED):
            continue
        names = re.findall(r"\{([a-z_]+)", route.path)
        tries = [
            {name: (sorted(ids.get(name, ())) or everything)[turn % len(sorted(ids.get(name, ())) or everything)]
             for name in names}
            for turn in range(2)
        ]  # fmt: skip
        for params in tries:
            path = re.sub(r"\{([a-z_]+)[^}]*\}", lambda found: params[found[1]], route.path)  # noqa: B023 - used at once
            for method in route.methods:
                # Whoever governs the site has no role in alpha; once a path is enough to show it.
                for who in (outsider, governor) if params is tries[0] else (outsider,):
                    if not who.form_token:
                        who.get("/")
                    body, headers = None, {}
                    if method == "POST":
                        body = b"form_token=" + who.form_token.encode()
                        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": who.address}
                    reply = who.ask(method, path, body, headers)
                    if reply.status != 404:
                        wrong.append(f"{method} {path}: {reply.status} {reply.headers.get('location', '')}")
    assert sorted(set(wrong)) == []


def test_nothing_of_one_project_stands_on_a_page_of_another(tenants: RunningSite, inside: Mapping[str, str]) -> None:
    """Lists, sums and data of beta hold no id and no name of alpha, also where a query asks with such an id."""
    outsider, table = tenants.member("bob", {"beta": "admin"}), Table(all_routes())
    outside = crawl(outsider, most=60)
    ids = {
        value
        for address in inside
        for route, params in table.find(urlsplit(address).path)
        if not route.path.startswith(SHARED)
        for value in params.values()
        if len(value) >= 8
    } - {
        value
        for address in outside
        for _route, params in table.find(urlsplit(address).path)
        for value in params.values()
    }
    assert ids
    told = {
        address: sorted(one for one in ids | {"canary-of-alpha"} if one in text) for address, text in outside.items()
    }
    assert {address: found for address, found in told.items() if found} == {}
    queries = sorted(address for address in inside if "?" in address and not address.startswith(SHARED))[:20]
    for address in queries:
        page = outsider.get(address)
        # The address itself may stand on the page, as what was asked for.
        text = page.text.replace(address, "").replace(address.replace("&", "&amp;"), "")
        assert "canary-of-alpha" not in text
        assert page.status in (200, 400, 404, 422), f"{address}: {page.status}"


def test_a_card_of_one_project_is_in_no_other_catalog(tenants: RunningSite) -> None:
    """What ships is everybody's; a team's own models are found by the team alone, by address and by search."""
    insider, outsider = tenants.member("ada", {"alpha": "admin"}), tenants.member("bob", {"beta": "admin"})
    found = {who: visitor.get("/catalog/canary/of-alpha").status for who, visitor in
             (("insider", insider), ("outsider", outsider))}  # fmt: skip
    assert found == {"insider": 200, "outsider": 404}
    assert "canary/of-alpha" in insider.get("/catalog?q=canary").text
    assert "canary/of-alpha" not in outsider.get("/catalog?q=canary").text
