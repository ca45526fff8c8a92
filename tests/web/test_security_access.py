"""Who comes in, how, for how long, and what the browser is given (R4, R5, R8)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.web.visiting import Reply, RunningSite, Visitor

from touchstone.errors import SettingsError
from touchstone.web.bind import check_bind
from touchstone.web.guesses import BY_ADDRESS, BY_NAME, WHILE_S, Guesses
from touchstone.web.paths import is_own_path
from touchstone.web.sessions import IDLE_S, LONGEST_S, Session, Sessions
from touchstone.workspace.projects import make_project

WORDS = "correct horse battery"


@pytest.fixture(scope="module")
def peopled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site with two projects, an admin who has a password, and a viewer of one project."""
    folder = tmp_path_factory.mktemp("peopled") / "workspace"
    folder.mkdir()
    make_project(folder, "support")
    site = RunningSite(folder)
    people = site.site.sessions.people
    people.set_password(people.add("anna", {"default": "admin"}), WORDS)
    people.add("vera", {"support": "viewer"})
    yield site
    site.close()


def sign_in(site: RunningSite, name: str = "anna", password: str = WORDS, **more: str) -> tuple[Visitor, Reply]:
    """The form of the sign-in page, as it is sent; redirects are not followed."""
    visitor = Visitor(site.address)
    return visitor, raw(visitor, "/sign-in", {"name": name, "password": password, **more})


def raw(visitor: Visitor, path: str, fields: dict[str, str]) -> Reply:
    """A form of a page of ours; where it leads to is not opened."""
    from urllib.parse import urlencode

    return visitor.ask(
        "POST",
        path,
        urlencode(fields).encode(),
        {"Content-Type": "application/x-www-form-urlencoded", "Origin": visitor.address},
    )


# Coming in ------------------------------------------------------------------------------------------------------------


def test_a_password_opens_and_a_wrong_one_does_not(peopled: RunningSite) -> None:
    """Whoever knows it comes in; the answer to a wrong one is the same for a name that nobody has."""
    visitor, reply = sign_in(peopled)
    assert (reply.status, reply.headers["location"]) == (303, "/")
    assert visitor.get("/settings").status == 200
    wrong, unknown = sign_in(peopled, password="wrong password")[1], sign_in(peopled, name="zoe")[1]
    assert wrong.status == unknown.status == 401
    assert wrong.text.replace("anna", "zoe") == unknown.text


def test_a_link_to_set_a_password_works_once(peopled: RunningSite) -> None:
    """Whoever is invited chooses a password and is in; the link is over, and so are the person's other sessions."""
    people = peopled.site.sessions.people
    before = peopled.member("vera", {"support": "viewer"})
    assert before.get("/settings").status == 200
    link = f"/join/{people.invite('vera')}"
    visitor = Visitor(peopled.address)
    assert "vera" in visitor.get(link).words
    assert raw(visitor, link, {"password": "0123456789", "again": "9876543210"}).status == 422
    assert raw(visitor, link, {"password": "short", "again": "short"}).status == 422
    assert raw(visitor, link, {"password": "0123456789", "again": "0123456789"}).status == 303
    assert "support" in visitor.get("/settings").words
    assert Visitor(peopled.address).get(link).status == 404
    assert raw(Visitor(peopled.address), link, {"password": "0123456789", "again": "0123456789"}).status == 404
    assert "Sign in" in before.get("/settings").words


def test_the_link_of_this_machine_works_once(tmp_path: Path) -> None:
    """A login link in somebody's history opens nothing (R8)."""
    sessions = Sessions(tmp_path)
    link = sessions.new_link()
    assert sessions.enter(link, "me") is not None
    assert sessions.enter(link, "me") is None
    assert sessions.enter("", "me") is None
    sessions.close()


def test_no_session_is_given_beforehand(peopled: RunningSite) -> None:
    """A token that somebody planted in a browser is not the one that signs in (session fixation)."""
    planted = "x" * 43
    visitor = Visitor(peopled.address, cookies={f"{peopled.server.pages.cookie}_session": planted})
    assert raw(visitor, "/sign-in", {"name": "anna", "password": WORDS}).status == 303
    token = visitor.cookies[f"{peopled.server.pages.cookie}_session"]
    assert token != planted
    assert peopled.site.sessions.viewer(planted) is None
    assert peopled.site.sessions.viewer(token) is not None


def test_signing_in_ends_the_session_before(peopled: RunningSite) -> None:
    """Who signs in as somebody else in the same browser leaves no session behind."""
    visitor = peopled.member("vera", {"support": "viewer"})
    before = visitor.cookies[f"{peopled.server.pages.cookie}_session"]
    visitor.get("/sign-in")
    reply = visitor.post("/sign-in", {"name": "anna", "password": WORDS})
    assert reply.status == 200
    peopled.site.sessions.forget()
    assert peopled.site.sessions.viewer(before) is None


def test_guessing_ends_soon(tmp_path: Path) -> None:
    """A name and an address have so many failures within a while; then nothing is looked at, not even the right one."""
    now = [0.0]
    guesses = Guesses(now=lambda: now[0])
    for number in range(BY_NAME):
        assert guesses.wait_s(f"10.0.0.{number}", "anna") == 0
        guesses.failed(f"10.0.0.{number}", "anna")
    assert guesses.wait_s("10.9.9.9", "anna") == pytest.approx(WHILE_S)
    assert guesses.wait_s("10.9.9.9", "vera") == 0
    for number in range(BY_ADDRESS):
        guesses.failed("10.1.1.1", f"name{number}")
    assert guesses.wait_s("10.1.1.1", "somebody new") > 0
    now[0] += WHILE_S + 1
    assert guesses.wait_s("10.1.1.1", "anna") == 0


def test_the_form_says_when_there_was_too_much_guessing(peopled: RunningSite) -> None:
    """429 with the seconds to wait, and no password is looked at."""
    for _ in range(BY_NAME):
        peopled.site.guesses.failed("10.0.0.1", "victim")
    reply = sign_in(peopled, name="Victim")[1]
    assert reply.status == 429
    assert 0 < int(reply.headers["retry-after"]) <= WHILE_S


@pytest.mark.parametrize(
    "target",
    [
        *("https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil", "/\t/evil.example", "", "tasks"),
        *("javascript:alert(1)", "/a\r\nX-Evil: 1", "/a b", "/\u2044evil", "/" + "a" * 3000),
    ],
)
def test_a_path_of_ours_is_no_other_host(target: str) -> None:
    """What a browser could take for another host, or drop on its way to one, is no path of ours."""
    assert not is_own_path(target)
    assert is_own_path("/tasks?x=1&y=%2F")


def test_no_page_sends_a_browser_elsewhere(peopled: RunningSite) -> None:
    """`to=` and `back=` are paths of ours or nothing."""
    reply = sign_in(peopled, to="//evil.example")[1]
    assert (reply.status, reply.headers["location"]) == (303, "/")
    visitor = peopled.member("vera", {"support": "viewer"})
    visitor.get("/")
    reply = raw(visitor, "/theme", {"to": "dark", "back": "/\\evil.example", "form_token": visitor.form_token})
    assert (reply.status, reply.headers["location"]) == (303, "/")


def test_who_is_not_signed_in_comes_back_to_the_page(peopled: RunningSite) -> None:
    """The page that was asked for is shown once somebody has signed in, also when its address has signs of its own."""
    visitor = Visitor(peopled.address)
    reply = visitor.ask("GET", "/jobs/a&to=//evil.example")
    assert reply.headers["location"] == "/sign-in?to=/jobs/a%26to%3D//evil.example"
    assert 'name="to" value="/jobs/a&amp;to=//evil.example"' in visitor.get(reply.headers["location"]).text


# Staying and going ----------------------------------------------------------------------------------------------------


def test_the_cookie_is_for_the_server_alone(peopled: RunningSite) -> None:
    """HttpOnly and SameSite, for this host only; Secure where the browser came over TLS (R8)."""
    visitor = Visitor(peopled.address)
    reply = raw(visitor, "/sign-in", {"name": "anna", "password": WORDS})
    cookie = next(part for part in reply.headers["set-cookie"].split(",") if "_session=" in part).lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "domain=" not in cookie
    assert "max-age" not in cookie
    peopled.server.pages.secure = True
    try:
        reply = raw(Visitor(peopled.address), "/sign-in", {"name": "anna", "password": WORDS})
        assert "; secure" in reply.headers["set-cookie"].lower()
    finally:
        peopled.server.pages.secure = False


def test_the_token_stands_on_no_page(peopled: RunningSite) -> None:
    """Neither pages nor addresses hold the session's token; forms hold another one, made from it."""
    visitor = peopled.member("anna", {"default": "admin"})
    token = visitor.cookies[f"{peopled.server.pages.cookie}_session"]
    for path in ("/", "/settings", "/settings/people", "/jobs"):
        page = visitor.get(path)
        assert token not in page.text
        assert "form_token" in page.text


def test_a_restart_signs_nobody_out(tmp_path: Path) -> None:
    """Sessions lie in the workspace; whoever opens it again knows them (and only their digests)."""
    first = Sessions(tmp_path)
    token = first.open(Session("me", "default", is_local=True))
    first.close()
    assert token.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    second = Sessions(tmp_path)
    viewer = second.viewer(token)
    assert viewer is not None
    assert viewer.name == "me"
    second.close()


def test_sessions_end(tmp_path: Path) -> None:
    """One that is not used ends after half a day, and any after a week."""
    now = [1_800_000_000.0]
    sessions = Sessions(tmp_path, now=lambda: now[0])
    idle, busy = (sessions.open(Session("me", "default", is_local=True)) for _ in range(2))
    for _step in range(int(LONGEST_S / (IDLE_S / 2)) - 1):
        now[0] += IDLE_S / 2
        sessions.forget()
        assert sessions.viewer(busy) is not None
    assert sessions.viewer(idle) is None
    now[0] += IDLE_S / 2
    sessions.forget()
    assert sessions.viewer(busy) is None
    sessions.close()


def test_sign_out_everywhere(peopled: RunningSite) -> None:
    """One click ends all sessions of a person and nobody else's; signing out here ends one."""
    one, two, three = (peopled.member("vera", {"support": "viewer"}) for _ in range(3))
    other = peopled.member("anna", {"default": "admin"})
    one.post("/sign-out")
    assert "Sign in" in one.get("/settings").words
    assert two.get("/settings").path == "/settings"
    two.post("/sign-out/everywhere")
    for gone in (two, three):
        assert "Sign in" in gone.get("/settings").words
    assert other.get("/settings").path == "/settings"


def test_sign_out_ends_the_session_of_this_port(peopled: RunningSite) -> None:
    """Browsers send the cookies of a host to all its ports; a neighbour's is not taken for ours."""
    visitor = peopled.member("vera", {"support": "viewer"})
    visitor.cookies = {"touchstone_1_session": "of another site", **visitor.cookies}
    visitor.post("/sign-out")
    assert "Sign in" in visitor.get("/settings").words


def test_a_role_that_is_taken_is_gone_within_a_second(peopled: RunningSite) -> None:
    """Roles are looked up at every request, also where another process changed them."""
    people = peopled.site.sessions.people
    visitor = peopled.member("eddy", {"default": "editor", "support": "viewer"})
    visitor.post("/project", {"to": "support"})
    assert visitor.get("/settings").path == "/settings"
    people.set_role("eddy", "support", None)
    peopled.site.sessions.forget()
    assert "default" in visitor.get("/settings").words
    people.remove("eddy")
    peopled.site.sessions.forget()
    assert "Sign in" in visitor.get("/settings").words


def test_nobody_opens_a_project_without_a_role(peopled: RunningSite) -> None:
    """A project of others is not there, by whatever name one asks."""
    visitor = peopled.member("vera", {"support": "viewer"})
    for name in ("default", "unknown", "../support", ""):
        assert visitor.post("/project", {"to": name}).status == 404
    assert "Switch" not in visitor.get("/").words


def test_a_stream_ends_with_its_session(peopled: RunningSite) -> None:
    """Who signs out, or loses the role, hears nothing further of a stream that was open."""
    import asyncio
    import http.client
    from collections.abc import AsyncIterator
    from urllib.parse import urlsplit

    from touchstone.web.base import Answer, Ask, Event, Follow, Route
    from touchstone.web.paths import Table

    async def ticks() -> AsyncIterator[Event]:
        while True:
            yield Event("tick")
            await asyncio.sleep(0.05)

    def page(_ask: Ask) -> Answer:
        return Follow(ticks())

    before = peopled.server.pages.table
    peopled.server.pages.table = Table([*before.routes, Route("/ticks", page, "edit")])
    try:
        visitor = peopled.member("tina", {"support": "editor"})
        place = urlsplit(peopled.address)
        line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
        line.request("GET", "/ticks", headers={"Cookie": "; ".join(f"{k}={v}" for k, v in visitor.cookies.items())})
        reply = line.getresponse()
        assert reply.readline() == b"data: tick\n"
        peopled.site.sessions.people.set_role("tina", "support", "viewer")
        peopled.site.sessions.forget()
        assert reply.read().count(b"tick") < 40, "the stream went on"
        line.close()
    finally:
        peopled.server.pages.table = before


# Where it listens -----------------------------------------------------------------------------------------------------


def test_other_machines_need_people_and_names(tmp_path: Path) -> None:
    """R4: beyond loopback the start fails without somebody who governs, and without the names of the site."""
    assert check_bind("127.0.0.1", (), has_people=False) == ("127.0.0.1", True)
    for host in ("0.0.0.0", "::"):
        with pytest.raises(SettingsError, match="--allow-host"):
            check_bind(host, (), has_people=True)
        with pytest.raises(SettingsError, match="people add"):
            check_bind(host, ("touchstone.example.com",), has_people=False)
        with pytest.raises(SettingsError, match=r"has a \*"):
            check_bind(host, ("*.example.com",), has_people=True)
        assert check_bind(host, ("touchstone.example.com",), has_people=True) == (host, False)


def test_a_session_of_this_machine_is_none_where_others_come(tmp_path: Path) -> None:
    """Who came in by the link of loopback does not stay an admin once the site is open to others."""
    sessions = Sessions(tmp_path)
    token = sessions.open(Session("me", "default", is_local=True))
    sessions.close()
    opened = Sessions(tmp_path, local=False)
    assert opened.viewer(token) is None
    assert opened.enter(opened.new_link(), "me") is None
    opened.close()
    shutil.rmtree(tmp_path)
