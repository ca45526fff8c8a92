"""Who visits a site in tests: a browser without scripts, a page in a real one, and the site itself on a socket."""

from __future__ import annotations

import asyncio
import http.client
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import ConsoleMessage, Error, Page, Request

from touchstone.config import Settings
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.gateway.server import listen
from touchstone.web.issuer import Issuer
from touchstone.web.server import LIMITS, SiteServer
from touchstone.web.sessions import Session, Sessions
from touchstone.web.site import Site
from touchstone.workspace.people import Role


@dataclass
class Reply:
    """What a page answered."""

    status: int
    path: str
    """Where it came from, after redirects."""
    text: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def words(self) -> str:
        """What is to be read, without tags, on one line."""
        plain = re.sub(r"<(script|style)\b.*?</\1>", " ", self.text, flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", plain)).split())


@dataclass
class Visitor:
    """A browser without scripts: keeps cookies, follows redirects, sends forms with their token."""

    address: str
    cookies: dict[str, str] = field(default_factory=dict)
    form_token: str = ""
    language: str = "en"

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """One request, as it is; redirects are not followed."""
        place = urlsplit(self.address)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {"Accept-Language": self.language, **({"Cookie": cookie} if cookie else {}), **(headers or {})}
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        raw = answer.read()
        for value in answer.headers.get_all("set-cookie") or ():
            name, _equals, rest = value.partition("=")
            kept = rest.partition(";")[0]
            self.cookies.pop(name, None)
            if kept and kept != '""':
                self.cookies[name] = kept
        connection.close()
        text = raw.decode("utf-8", "replace")
        found = re.search(r'name="form-token" content="([^"]*)"', text)
        if found:
            self.form_token = found[1]
        return Reply(answer.status, path, text, {key.lower(): value for key, value in answer.getheaders()}, raw)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """A page, after redirects."""
        reply = self.ask("GET", path, headers=headers)
        for _step in range(5):
            if reply.status not in (302, 303, 307):
                return reply
            reply = self.ask("GET", reply.headers["location"])
        raise AssertionError(f"{path} leads in a circle")

    def post(
        self,
        path: str,
        fields: Mapping[str, object] | None = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """A form of a page of ours; the page that it leads to."""
        if not self.form_token:
            self.get("/")
        pairs = [("form_token", self.form_token)]
        for name, value in (fields or {}).items():
            pairs += [(name, str(one)) for one in (value if isinstance(value, (list, tuple)) else [value])]
        kind, body = "application/x-www-form-urlencoded", urlencode(pairs).encode()
        if files is not None:
            edge = "edge-of-a-part"
            parts = [
                f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
                for name, value in pairs
            ]
            for name, (file_name, content) in files.items():
                head = f'--{edge}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
                parts.append(head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n")
            kind, body = f"multipart/form-data; boundary={edge}", b"".join(parts) + f"--{edge}--\r\n".encode()
        sent = {"Content-Type": kind, "Origin": self.address, "Sec-Fetch-Site": "same-origin", **(headers or {})}
        reply = self.ask("POST", path, body, sent)
        return self.get(reply.headers["location"]) if reply.status in (302, 303, 307) else reply


class RunningSite:
    """A site that listens on loopback, in a thread of its own."""

    def __init__(self, workspace: Path, *, limits: DoorLimits = LIMITS, issuer: Issuer | None = None) -> None:
        self.workspace = workspace
        self.limits = limits
        self.site = Site(Settings(workspace=workspace, workspace_from="test"), Sessions(workspace))
        self.site.issuer = issuer
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self.server: SiteServer
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with SiteServer(self.site, listen("127.0.0.1", 0), limits=self.limits) as self.server:
            self._ready.set()
            await self._stop.wait()

    @property
    def address(self) -> str:
        """The site, as `http://127.0.0.1:…`."""
        return self.server.address

    def visitor(self, language: str = "en") -> Visitor:
        """Somebody who came in by the single-use link."""
        visitor = Visitor(self.address, language=language)
        visitor.get(self.server.new_link().removeprefix(self.address))
        return visitor

    def member(self, name: str, roles: Mapping[str, Role]) -> Visitor:
        """Somebody with these roles who has signed in; made where absent, without a password, which takes a while."""
        people = self.site.sessions.people
        if name not in {person.name for person in people.all()}:
            people.add(name, roles)
        token = self.site.sessions.open(Session(name, next(iter(roles), "default"), is_local=False))
        return Visitor(self.address, cookies={f"{self.server.pages.cookie}_session": token})

    def close(self) -> None:
        """Stop, and release the stores."""
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self.site.close()


class Seen:
    """An open page of a site, with what it asked of others and complained about."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.elsewhere: list[str] = []
        """Requests that left the site; a test that ends with one fails."""
        self.complaints: list[str] = []
        """Errors of scripts and breaches of the content policy."""
        page.on("request", self._asked)
        page.on("console", self._said)
        page.on("pageerror", self._failed)

    def look_away(self) -> None:
        """What happens from now on is nobody's."""
        self.page.remove_listener("request", self._asked)
        self.page.remove_listener("console", self._said)
        self.page.remove_listener("pageerror", self._failed)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.elsewhere.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _failed(self, error: Error) -> None:
        self.complaints.append(str(error))
