"""What a hostile page or client can send to the pages, over real sockets (A5 to A8, A23; R6, R7, R26)."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.web.visiting import RunningSite, Visitor

from touchstone.deployment.gateway.limits import DoorLimits

_BODY = b"to=dark"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site with short patience."""
    limits = DoorLimits(
        header_s=0.4, body_s=0.6, connections=40, connections_per_address=24, body_bytes=1 << 20, keep_alive_s=5
    )
    running = RunningSite(tmp_path_factory.mktemp("wire") / "workspace", limits=limits)
    yield running
    running.close()


@pytest.fixture
def talk(site: RunningSite) -> Callable[..., bytes]:
    """Sends bytes as they are and returns everything that comes back."""

    def send(*pieces: bytes, pause_s: float = 0.0, patience_s: float = 5.0) -> bytes:
        place = urlsplit(site.address)
        with socket.create_connection((place.hostname or "", place.port or 0), timeout=patience_s) as line:
            for piece in pieces:
                line.sendall(piece)
                time.sleep(pause_s)
            found = b""
            try:
                while piece := line.recv(65536):
                    found += piece
            except (TimeoutError, ConnectionResetError):
                pass
            return found

    return send


def head(site: RunningSite, method: bytes = b"GET", target: bytes = b"/sign-in", *more: bytes) -> bytes:
    """A request as it is written."""
    host = b"Host: " + urlsplit(site.address).netloc.encode()
    return b"\r\n".join([method + b" " + target + b" HTTP/1.1", host, *more, b"Connection: close", b"", b""])


def status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1]) if reply else 0


# A23: a page of somebody else in the browser of somebody who is signed in ---------------------------------------------


def test_a23_another_name_for_our_address(site: RunningSite) -> None:
    """DNS rebinding: the attacker's name leads to our address, and is refused before anything is read."""
    visitor = site.visitor()
    for host in (
        "evil.example",
        f"evil.example:{urlsplit(site.address).port}",
        "127.0.0.1.evil.example",
        "127.0.0.1:1",
    ):
        for method in ("GET", "POST"):
            reply = visitor.ask(method, "/theme" if method == "POST" else "/", None, {"Host": host})
            assert reply.status == 421
            assert "set-cookie" not in reply.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
        {},
    ],
)
def test_a23_a_form_of_another_page(site: RunningSite, headers: dict[str, str]) -> None:
    """A cross-site POST with our cookie and even our token changes nothing; nor does one that hides its origin."""
    visitor = site.visitor()
    visitor.get("/")
    body = b"to=dark&form_token=" + visitor.form_token.encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert visitor.ask("POST", "/theme", body, {**kind, **headers}).status == 403
    assert 'data-theme="dark"' not in visitor.get("/").text


@pytest.mark.parametrize("kind", ["text/plain", "", "text/html", "application/xml", "application/octet-stream"])
def test_a23_a_simple_request_is_not_read(site: RunningSite, kind: str) -> None:
    """Bodies that a page may send anywhere without being asked (text/plain) are no forms here."""
    visitor = site.visitor()
    visitor.get("/")
    body = b'{"to": "dark", "form_token": "' + visitor.form_token.encode() + b'"}'
    reply = visitor.ask("POST", "/theme", body, {"Content-Type": kind, "Origin": site.address})
    assert reply.status == 415


def test_a23_a_json_request_needs_the_token_too(site: RunningSite) -> None:
    """JSON is read from our own pages, with the session's token in a header."""
    visitor = site.visitor()
    visitor.get("/")
    sent = {"Content-Type": "application/json", "Origin": site.address}
    assert visitor.ask("POST", "/theme", b'{"to": "dark"}', sent).status == 403
    assert visitor.ask("POST", "/theme", b'{"to": "dark"}', {**sent, "X-Form-Token": visitor.form_token}).status == 303


def test_a23_nobody_else_may_read_an_answer(site: RunningSite) -> None:
    """No header lets a script of another origin read a page, or a page of it frame one."""
    visitor = site.visitor()
    reply = visitor.ask("GET", "/", headers={"Origin": "https://evil.example"})
    assert not [name for name in reply.headers if name.startswith("access-control")]
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"
    preflight = visitor.ask("OPTIONS", "/theme", headers={"Origin": "https://evil.example"})
    assert preflight.status == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_a23_no_websocket_opens(site: RunningSite, talk: Callable[..., bytes]) -> None:
    """A handshake, ours or a stranger's, is never taken up."""
    for origin in (b"https://evil.example", site.address.encode()):
        asked = head(site).replace(
            b"Connection: close",
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: " + origin,
        )
        reply = talk(asked)
        assert status(reply) != 101
        assert b"sec-websocket-accept" not in reply.lower()


# R6: one reading of an address ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [b"//settings", b"/settings/../settings", b"/%73ettings", b"/settings/", b"/settings;x", b"/./settings",
     b"/SETTINGS", b"/settings%00", b"/settings%2f", b"/settings#x", b"/set\\tings"],
)  # fmt: skip
def test_r6_an_address_is_what_was_sent(site: RunningSite, talk: Callable[..., bytes], target: bytes) -> None:
    """No other spelling leads to a page; the decision is made on the raw path."""
    visitor = site.visitor()
    cookie = b"Cookie: " + "; ".join(f"{k}={v}" for k, v in visitor.cookies.items()).encode()
    reply = talk(head(site, b"GET", target, cookie))
    assert status(reply) in (400, 404)


@pytest.mark.parametrize(
    "method", [b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"CONNECT", b"PROPFIND", b"GETX"]
)
def test_r7_methods_are_allowed_by_name(site: RunningSite, talk: Callable[..., bytes], method: bytes) -> None:
    """GET, HEAD and POST; whatever else there is or will be is refused."""
    assert status(talk(head(site, method))) in (400, 405)


# R26: deadlines and caps ----------------------------------------------------------------------------------------------


def test_r26_a_head_has_a_deadline(site: RunningSite, talk: Callable[..., bytes]) -> None:
    """A header that drips is answered 408 and ended; the site answers others meanwhile."""
    began = time.monotonic()
    reply = talk(b"GET / HTTP/1.1\r\n", b"Host: x\r\n", b"A: b\r\n", b"C: d\r\n", pause_s=0.15)
    assert status(reply) == 408
    assert time.monotonic() - began < 4
    assert status(talk(head(site))) == 200


def test_r26_a_body_has_a_deadline(site: RunningSite, talk: Callable[..., bytes]) -> None:
    """A body that never comes ends too."""
    visitor = site.visitor()
    cookie = b"Cookie: " + "; ".join(f"{k}={v}" for k, v in visitor.cookies.items()).encode()
    kind = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100"
    origin = b"Origin: " + site.address.encode()
    reply = talk(head(site, b"POST", b"/theme", cookie, origin, kind), b"to=")
    assert status(reply) == 408


def test_r26_a_head_has_a_size(site: RunningSite, talk: Callable[..., bytes]) -> None:
    """One header of 1 MB, and thousands of small ones, are refused."""
    assert status(talk(head(site, b"GET", b"/sign-in", b"X: " + b"a" * 1_000_000))) == 431
    assert status(talk(head(site, b"GET", b"/sign-in", *[b"X%d: 1" % n for n in range(300)]))) == 431
    assert status(talk(head(site, b"GET", b"/" + b"a" * 40_000))) in (414, 431)


def test_r26_a_body_has_a_size(site: RunningSite) -> None:
    """By what it says and by what comes; a route that takes files takes larger ones."""
    visitor = site.visitor()
    visitor.get("/")
    big = b"form_token=" + visitor.form_token.encode() + b"&to=" + b"a" * (1 << 21)
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": site.address}
    with suppress(BrokenPipeError, ConnectionResetError):  # the site need not wait for all of it
        assert visitor.ask("POST", "/theme", big, kind).status == 413
    assert 'data-theme="dark"' not in visitor.get("/").text


@pytest.mark.parametrize(
    "lines",
    [
        (b"Content-Length: 7", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 7", b"Content-Length: 8"),
        (b"Content-Length: +7",),
        (b"Transfer-Encoding: gzip, chunked",),
        (b"Transfer-Encoding : chunked",),
    ],
)
def test_a7_a_body_has_one_length(site: RunningSite, talk: Callable[..., bytes], lines: tuple[bytes, ...]) -> None:
    """What two programs could cut differently is refused."""
    assert status(talk(head(site, b"POST", b"/theme", *lines) + _BODY)) in (400, 501)


def test_a7_two_hosts_are_none(site: RunningSite, talk: Callable[..., bytes]) -> None:
    """Nor is no host, nor an address instead of a path."""
    host = b"Host: " + urlsplit(site.address).netloc.encode()
    assert status(talk(head(site, b"GET", b"/sign-in", host))) == 400
    assert status(talk(b"GET /sign-in HTTP/1.1\r\nConnection: close\r\n\r\n")) == 400
    assert status(talk(head(site, b"GET", site.address.encode() + b"/sign-in"))) == 400


def test_a5_an_address_has_so_many_connections(site: RunningSite) -> None:
    """Who opens more is told so; who is signed in works on once they are gone."""
    place = urlsplit(site.address)
    lines = [socket.create_connection((place.hostname or "", place.port or 0), timeout=5) for _ in range(30)]
    try:
        said = lines[-1].recv(4096)
        assert status(said) in (429, 503)
    finally:
        for line in lines:
            line.close()
    deadline = time.monotonic() + 5
    while site.server.arrivals.total and time.monotonic() < deadline:
        time.sleep(0.02)
    assert Visitor(site.address).get("/sign-in").status == 200


def test_r14_a_failing_page_says_nothing_of_its_inside(site: RunningSite, tmp_path: Path) -> None:
    """The text of an exception of ours reaches nobody."""
    from dataclasses import replace

    from touchstone.web.paths import Table

    def fails(_ask: object) -> None:
        raise RuntimeError("secret sk-inside of /etc/passwd")

    before = site.server.pages.table
    routes = [replace(r, page=fails) if r.path == "/settings" and "GET" in r.methods else r for r in before.routes]
    site.server.pages.table = Table(routes)
    try:
        reply = site.visitor().get("/settings")
    finally:
        site.server.pages.table = before
    assert reply.status == 500
    assert "sk-inside" not in reply.text
    assert "RuntimeError" not in reply.text
