"""
The application: from a raw request to a page, in one order (R5).

Host → path and method → origin → session → scope → body → form token → page. Nothing of a body is read before it is
known who sent it and that they may; what is not in the table of routes is not there.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from touchstone.deployment.gateway.arrivals import network_of
from touchstone.deployment.gateway.protocol import EXTENSION
from touchstone.errors import SettingsError, StoreBusy, TouchstoneError, UnknownName, UserError
from touchstone.language import LANGUAGES, N_, _, language_code, set_language
from touchstone.web import policy
from touchstone.web.base import (
    Answer,
    Ask,
    Event,
    Follow,
    Move,
    NotAllowed,
    NotHere,
    PageError,
    Route,
    Show,
    Viewer,
)
from touchstone.web.bodies import MOST_FIELDS, Refused, read_body
from touchstone.web.forms import Form
from touchstone.web.journey import places
from touchstone.web.paths import Table
from touchstone.web.render import render
from touchstone.web.sessions import form_token_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope
    from starlette.types import Send as Reply

    from touchstone.deployment.gateway.entrance import Hosts
    from touchstone.web.site import Site

_THEMES = ("auto", "light", "dark")
_QUERY_BYTES = 8_192
_SLOWEST = 256 * 1024
"""Bytes a second at which a large file must come at least."""
_HEARTBEAT_S = 15.0
_NOBODY = Viewer(name="", role="viewer", project="default", projects=(), form_token="")
_LOG = logging.getLogger("touchstone.web")
_COOKIE_NAME = re.compile(r"[A-Za-z0-9_]+")


class Pages:
    """
    The ASGI application.

    Args:
        site: What the pages share.
        table: All routes.
        hosts: By which names it may be called; exact.
        cookie: What this site's cookies begin with. Browsers send the cookies of a host to all its ports.
        secure: Whether browsers reach it over TLS alone, so that cookies never travel without.
    """

    def __init__(
        self, site: Site, table: Table, hosts: Hosts, *, cookie: str = "touchstone", secure: bool = False
    ) -> None:
        assert _COOKIE_NAME.fullmatch(cookie)
        self.site = site
        self.table = table
        self.hosts = hosts
        self.cookie = cookie
        self.secure = secure
        self.stopping = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Reply) -> None:
        """Answer one request."""
        if scope["type"] != "http":  # no WebSocket, and no lifespan: the server opens and closes the site
            return
        # In a context of its own until the last byte is sent: events are worded while they go out.
        await asyncio.get_running_loop().create_task(self._reply(scope, receive, send), context=copy_context())

    async def _reply(self, scope: Scope, receive: Receive, send: Reply) -> None:
        response = await self._answer(Request(scope, receive))
        for key, value in policy.HEADERS.items():
            response.headers.setdefault(key, value)
        await response(scope, receive, send)

    # From the request to the page -----------------------------------------------------------------------------------

    async def _answer(self, request: Request) -> Response:
        set_language(self._language(request))
        viewer: Viewer | None = None
        form = Form()
        try:
            self._check_host(request)
            raw_path = request.scope["raw_path"].decode("latin-1")
            token = request.cookies.get(f"{self.cookie}_session")
            viewer = self.site.sessions.viewer(token)
            route, params = self._route(request.method, raw_path, viewer)
            if request.method == "POST":
                self._check_origin(request)
            if route.scope != "public" and viewer is None:
                return self._sign_in(request, raw_path)
            if viewer is not None and not viewer.may(route.scope):
                raise NotAllowed
            if request.method == "POST":
                self._allow_body(request, route)
                form = await self._form(request, route, token)
            ask = self._ask(request, raw_path, viewer or _NOBODY, params, form)
            answer = await self._in_thread(lambda: self._made(route, ask))
            return await self._response(answer, ask, route)
        except TouchstoneError as error:
            return await self._failed(request, viewer, error)
        except (ClientDisconnect, ConnectionError):
            return Response(status_code=400)
        except Exception as error:  # noqa: BLE001 - a fault of ours in one page is no reason to stop the others
            # What is inside stays inside: a page that fails says so, and the log names the kind and the place (R14).
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            where = "" if trace is None else f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
            _LOG.error("%s at %s", type(error).__name__, where)
            return await self._failed(
                request, viewer, TouchstoneError("this page failed; the log of the site says where")
            )
        finally:
            form.close()

    def _made(self, route: Route, ask: Ask) -> Answer:
        with self.site.visit(ask.viewer.project):
            return route.page(ask)

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(self.site.workers, lambda: context.run(work))

    def _language(self, request: Request) -> str:
        said = request.query_params.get("lang") or request.cookies.get(f"{self.cookie}_lang")
        if said in LANGUAGES:
            return str(said)
        wanted = request.headers.get("accept-language", "")[:200].split(",")[0]
        return language_code(wanted)

    def _check_host(self, request: Request) -> None:
        named = request.headers.getlist("host")
        if len(named) != 1 or not self.hosts.allows(named[0]):
            raise Refused(N_("This site is not called by that name; see `touchstone ui --allow-host`."), status=421)

    def _check_origin(self, request: Request) -> None:
        origin = request.headers.get("origin")
        allowed = origin is not None and self.hosts.allows_origin(origin)
        if not policy.is_our_page(origin, request.headers.get("sec-fetch-site"), allowed):
            raise Refused(N_("That was not sent by a page of this site; nothing was changed."), status=403)

    def _route(self, method: str, raw_path: str, viewer: Viewer | None) -> tuple[Route, Mapping[str, str]]:
        if method not in policy.METHODS:
            raise Refused(N_("Pages are read and forms are sent; nothing else is answered here."), status=405)
        found = self.table.find(raw_path)
        for route, params in found:
            if method in route.methods or (method == "HEAD" and "GET" in route.methods):
                return route, params
        if found:
            raise Refused(N_("Pages are read and forms are sent; nothing else is answered here."), status=405)
        # Whoever is not signed in does not learn which addresses there are.
        if viewer is None:
            return Route("/", lambda _ask: Move("/sign-in"), "view", methods=(method,)), {}
        raise NotHere

    def _sign_in(self, request: Request, raw_path: str) -> Response:
        if request.headers.get("hx-request"):
            return Response(status_code=401, headers={"hx-redirect": "/sign-in"})
        if request.method == "POST":
            return RedirectResponse("/sign-in", status_code=303)
        query = "" if raw_path == "/" else "?to=" + quote(raw_path, safe="/")
        return RedirectResponse("/sign-in" + query, status_code=303)

    def _allow_body(self, request: Request, route: Route) -> None:
        """Tell the connection how much it may take, and for how long, now that it is known what for."""
        connection = (request.scope.get("extensions") or {}).get(EXTENSION)
        if connection is not None and route.body_bytes > connection.limits.body_bytes:
            connection.allow_body(route.body_bytes, connection.limits.body_s + route.body_bytes / _SLOWEST)

    async def _form(self, request: Request, route: Route, token: str | None) -> Form:
        fields, uploads = await read_body(request, route)
        given = request.headers.get("x-form-token") or next((v for k, v in fields if k == "form_token"), "")
        form = Form(((key, value) for key, value in fields if key != "form_token"), uploads)
        known = token is not None and self.site.sessions.viewer(token) is not None
        if known and not policy.same_token(given, form_token_of(token or "")):
            form.close()
            raise Refused(N_("That form is of another session; load the page again and send it once more."), status=403)
        return form

    def _ask(self, request: Request, raw_path: str, viewer: Viewer, params: Mapping[str, str], form: Form) -> Ask:
        raw_query = request.scope["query_string"][:_QUERY_BYTES].decode("latin-1")
        theme = request.cookies.get(f"{self.cookie}_theme", "auto")
        return Ask(
            site=self.site,
            viewer=viewer,
            method=request.method,
            path=raw_path,
            params=params,
            query=Form(parse_qsl(raw_query, keep_blank_values=True, max_num_fields=MOST_FIELDS)),
            form=form,
            headers=request.headers,
            language=self._language(request),
            theme=theme if theme in _THEMES else "auto",
            is_fragment=request.headers.get("hx-request") == "true" and request.headers.get("hx-boosted") != "true",
            session=request.cookies.get(f"{self.cookie}_session", ""),
            flow=request.cookies.get(f"{self.cookie}_flow", ""),
            address=network_of(request.client.host) if request.client else "",
            origin=self._origin(request),
        )

    def _origin(self, request: Request) -> str:
        """How the browser calls this site; what it says is one of the names that were allowed."""
        said = request.headers.get("origin", "")
        return said if said and self.hosts.allows_origin(said) else ""

    # From the answer to the response --------------------------------------------------------------------------------

    async def _response(self, answer: Answer, ask: Ask, route: Route) -> Response:
        if isinstance(answer, Show):
            text, said = await self._in_thread(lambda: self._shown(answer, ask))
            response = Response(text, answer.status, dict(answer.headers), "text/html; charset=utf-8")
            if said:
                response.delete_cookie(f"{self.cookie}_say")
            return response
        if isinstance(answer, Move):
            return self._moved(answer, ask)
        if isinstance(answer, Follow):
            return StreamingResponse(
                self._events(answer, ask.session, route),
                media_type="text/event-stream",
                headers={"x-accel-buffering": "no"},
            )
        headers = dict(answer.headers)
        if answer.file_name is not None:
            safe = re.sub(r"[^A-Za-z0-9._-]", "-", answer.file_name)
            headers["content-disposition"] = f'attachment; filename="{safe}"'
        return Response(answer.body, answer.status, headers, answer.media_type)

    def _shown(self, answer: Show, ask: Ask) -> tuple[str, bool]:
        said = _told(ask.headers.get("cookie", ""), f"{self.cookie}_say")
        whole = not (answer.block and ask.is_fragment)
        layout = {
            "places": places(ask),
            "told": said if whole else None,
            "scripts": ("htmx.min.js", "hx-sse.min.js", "site.js"),
        }
        return render(answer, ask, {"layout": layout}), bool(said and whole)

    def _moved(self, answer: Move, ask: Ask) -> Response:
        # Behind a proxy that speaks TLS the browser sends these cookies over TLS only.
        secure = ask.origin.startswith("https:") or self.secure
        if ask.headers.get("hx-request") == "true" and ask.method == "POST":
            response = Response(status_code=200, headers={"hx-redirect": answer.path})
        else:
            response = RedirectResponse(answer.path, status_code=303)
        if answer.say:
            packed = base64.urlsafe_b64encode(orjson.dumps({"say": answer.say[:600], "tone": answer.tone})).decode()
            response.set_cookie(f"{self.cookie}_say", packed, max_age=60, httponly=True, samesite="lax", secure=secure)
        for key, value in ask.cookies.items():
            response.set_cookie(
                f"{self.cookie}_{key}", value, **{**_COOKIES[key], **({} if value else {"max_age": 0})}, secure=secure
            )
        return response

    async def _events(self, answer: Follow, session: str, route: Route) -> Any:
        iterator = answer.events.__aiter__()
        pending: asyncio.Task[Event] | None = None
        stopped = asyncio.ensure_future(self.stopping.wait())
        try:
            # Asked again each time: whoever signed out or lost a role hears nothing further.
            while not self.stopping.is_set() and self._may_hear(session, route):
                pending = pending or asyncio.ensure_future(iterator.__anext__())
                done, _waiting = await asyncio.wait(
                    {pending, stopped}, timeout=_HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED
                )
                if pending not in done:
                    if not done:
                        yield b": still here\n\n"
                    continue
                try:
                    event = pending.result()
                except StopAsyncIteration:
                    return
                pending = None
                if self._may_hear(session, route):
                    yield _event(event)
        finally:
            stopped.cancel()
            if pending is not None:
                pending.cancel()
            closing = getattr(iterator, "aclose", None)
            if closing is not None and (pending is None or pending.done()):
                await closing()

    def _may_hear(self, session: str, route: Route) -> bool:
        viewer = self.site.sessions.viewer(session)
        return route.scope == "public" or (viewer is not None and viewer.may(route.scope))

    async def _failed(self, request: Request, viewer: Viewer | None, error: TouchstoneError) -> Response:
        status = error.status if isinstance(error, PageError) else _status_of(error)
        ask = self._ask(request, request.scope["raw_path"].decode("latin-1"), viewer or _NOBODY, {}, Form())
        show = Show("error.html.j2", {"status": status, "reason": error.text(_)}, block="error", status=status)
        if viewer is None or isinstance(error, Refused):
            text = render(Show("plain_error.html.j2", show.values), ask, {})
            return Response(text, status, media_type="text/html; charset=utf-8")
        text, _said = await self._in_thread(lambda: self._shown(show, ask))
        return Response(text, status, {"x-touchstone-error": "1"}, "text/html; charset=utf-8")


_COOKIES: Mapping[str, Mapping[str, Any]] = {
    "session": {"httponly": True, "samesite": "lax", "path": "/"},
    "flow": {"httponly": True, "samesite": "lax", "path": "/", "max_age": 600},
    "lang": {"httponly": True, "samesite": "lax", "path": "/", "max_age": 31_536_000},
    "theme": {"httponly": True, "samesite": "lax", "path": "/", "max_age": 31_536_000},
}


def _status_of(error: TouchstoneError) -> int:
    if isinstance(error, UnknownName):
        return 404
    if isinstance(error, StoreBusy):
        return 409
    return 400 if isinstance(error, (UserError, SettingsError)) else 500


def _event(event: Event) -> bytes:
    lines = [f"event: {event.name}"] if event.name != "message" else []
    if event.id is not None:
        lines.append(f"id: {event.id}")
    lines += [f"data: {line}" for line in event.html.splitlines() or [""]]
    return ("\n".join(lines) + "\n\n").encode()


def _told(cookies: str, wanted: str) -> Mapping[str, str] | None:
    """The sentence that the last form left for this page; our own cookie, and text all the same."""
    for pair in cookies.split(";"):
        name, _equals, value = pair.strip().partition("=")
        if name == wanted and value:
            try:
                found = orjson.loads(base64.urlsafe_b64decode(value.strip('"')))
                return {"say": str(found["say"])[:600], "tone": "warning" if found["tone"] == "warning" else "done"}
            except (ValueError, KeyError, TypeError):
                return None
    return None
