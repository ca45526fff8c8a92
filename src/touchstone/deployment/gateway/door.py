"""
The ASGI application: every request goes through the same door, in the same order (R5).

Route by the raw path, host, origin, key, scope, a seat among what is in flight, content type and declared size: only
then does a handler run, and the body is read when it asks for it. Whatever happens, a request ends with a reply in one
shape, its seat is given back, its iterator is closed, and one line of the log says so.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from touchstone.deployment.base import Key
from touchstone.deployment.gateway.admission import Admission, Seat, WrongKeys
from touchstone.deployment.gateway.base import (
    EVENTS,
    ClientGone,
    Connection,
    FindsKeys,
    GatewayError,
    Incoming,
    Outgoing,
    Route,
)
from touchstone.deployment.gateway.body import BodyReader, Message, Receive
from touchstone.deployment.gateway.entrance import Head, Hosts, check_body, check_origin, find_secret, read_head
from touchstone.deployment.gateway.failures import Refusal, as_failure, event_of, reply_of
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.gateway.observe import Observer
from touchstone.deployment.gateway.protocol import EXTENSION
from touchstone.deployment.gateway.routes import Routes

Send = Callable[[Message], Awaitable[None]]

_SAY_S = 1.0
"""For how long a client may take to read that its reply was cut."""
_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))


class _Running:
    """A request that is being answered."""

    __slots__ = (
        "closing",
        "cut",
        "error",
        "gone",
        "incoming",
        "key",
        "request",
        "route",
        "seat",
        "sent_bytes",
        "status",
        "task",
    )

    def __init__(self, request: str) -> None:
        self.request = request
        self.task: asyncio.Task[Any] | None = None
        self.route: Route | None = None
        self.key: Key | None = None
        self.seat: Seat | None = None
        self.incoming: Incoming | None = None
        self.status: int | None = None
        self.error: str | None = None
        self.sent_bytes = 0
        self.closing = False
        """Whether its iterator is being closed, which nothing interrupts."""
        self.gone = False
        """Whether the client has gone."""
        self.cut: str | None = None
        """The code that says why the gateway ends it: it stops and cannot wait any longer, or its key has ended."""

    def lose(self) -> None:
        """The client has gone."""
        self.gone = True
        if self.incoming is not None:
            self.incoming.disconnected.set()


class Door:
    """
    Lets requests in and answers them.

    Args:
        routes: The whole table.
        keys: Knows keys by their secrets.
        limits: How much, how long, how many.
        observer: Counts and writes the log.
        hosts: By which names the gateway may be addressed; known once it listens.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        keys: FindsKeys,
        *,
        limits: DoorLimits,
        observer: Observer,
        hosts: Hosts | None = None,
    ) -> None:
        self.routes = Routes(tuple(routes))
        self.limits = limits
        self.hosts = hosts or Hosts((), ())
        self.observer = observer
        self.stopping = False
        """Whether new requests are refused."""
        self._keys = keys
        self._clock = time.monotonic
        self.admission = Admission(limits, self._clock)
        self._wrong = WrongKeys(limits.failures_per_minute, self._clock)
        self._running: set[_Running] = set()
        observer.watch(in_flight=lambda: len(self._running))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        started = self._clock()
        connection: Connection = scope["extensions"][EXTENSION]
        running = _Running("req_" + os.urandom(12).hex())
        running.task = asyncio.current_task()
        self._running.add(running)
        connection.on_lost = running.lose
        try:
            outgoing = await self._ask(running, scope, receive, connection, started)
            await self._answer(running, outgoing, send)
        except ClientGone:
            running.gone = True
        except BaseException:
            running.error = running.error or "internal_error"
            raise
        finally:
            connection.on_lost = None
            if running.seat is not None:
                running.seat.leave()
            self._running.discard(running)
            self.observer.finished(
                request=running.request,
                method=scope["method"],
                route=running.route,
                address=scope["client"][0] if scope["client"] else "",
                key=running.key,
                status=running.status,
                sent_bytes=running.sent_bytes,
                seconds=self._clock() - started,
                gone=running.gone,
                error=running.error,
                incoming=running.incoming,
            )

    async def _ask(
        self, running: _Running, scope: Message, receive: Receive, connection: Connection, started: float
    ) -> Outgoing:
        """The handler's reply, or the reply that refuses the request."""
        try:
            route, incoming = await self._enter(running, scope, receive, connection, started)
            return await route.handler(incoming)
        except ClientGone:
            raise
        except asyncio.CancelledError:
            if not running.cut:
                raise
            _take_back_cancel(running)
            return self._refused(running, GatewayError(running.cut, close=True))
        except Exception as error:  # noqa: BLE001 - the last place where an error can become a reply
            return self._refused(running, error)

    def _refused(self, running: _Running, error: Exception) -> Outgoing:
        return reply_of(self._note(running, error))

    def _note(self, running: _Running, error: Exception) -> Refusal:
        failure = as_failure(error)
        running.error = failure.code
        self.observer.refused(failure.code, request=running.request, error=error)
        return failure

    async def _enter(
        self, running: _Running, scope: Message, receive: Receive, connection: Connection, started: float
    ) -> tuple[Route, Incoming]:
        """Everything that comes before a handler; nothing here has an effect but counting, or reads of the body."""
        raw: bytes = scope["raw_path"]
        query: bytes = scope["query_string"]
        method: str = scope["method"]
        methods, values = self.routes.find(raw)
        head = read_head(scope["headers"])
        check_origin(head, self.hosts, safe=method in ("GET", "HEAD", "OPTIONS"))
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            if not methods:
                raise GatewayError("not_found")
            allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])
            raise GatewayError("method_not_allowed", headers=((b"allow", allowed.encode("ascii")),))
        running.route = route
        if self.stopping and route.access != "open":
            raise GatewayError("shutting_down", close=True)
        address = scope["client"][0] if scope["client"] else ""
        if route.access != "open":
            running.key = await self._authenticate(head, query, address, route)
            running.seat = self.admission.enter(running.key, aside=not route.asks)
        limit = route.body_bytes or self.limits.body_bytes
        declared = check_body(head, route, limit)
        if route.body_bytes is not None or route.body_s is not None:
            connection.allow_body(limit, route.body_s or self.limits.body_s)
        incoming = Incoming(
            method,
            raw.decode("ascii"),
            values=values,
            query=query,
            headers=head.found,
            request=running.request,
            address=address,
            received_at=started,
            reader=BodyReader(receive, limit, declared, running.seat),
            limits=self.limits,
            key=running.key,
            visit=running.seat,
        )
        running.incoming = incoming
        if running.gone:
            raise ClientGone
        if query and any(name not in route.query for name in incoming.query):
            raise GatewayError("unknown_parameter")
        return route, incoming

    async def _authenticate(self, head: Head, query: bytes, address: str, route: Route) -> Key:
        secret = find_secret(head, query)
        self._wrong.check(address, secret)
        key = await self._keys.found(secret)
        if key is None:
            self._wrong.was_wrong(address, secret)
            raise GatewayError("invalid_api_key")
        self._wrong.was_good(secret)
        if route.access != "any" and route.access not in key.scopes:
            raise GatewayError("missing_scope", scope=route.access)
        return key

    async def _answer(self, running: _Running, outgoing: Outgoing, send: Send) -> None:
        body = outgoing.body
        running.status = outgoing.status
        headers: list[tuple[bytes, bytes]] = [
            (b"content-type", outgoing.content_type),
            (b"x-request-id", running.request.encode("ascii")),
            *_ALWAYS,
            *outgoing.headers,
        ]
        if running.seat is not None:
            headers += running.seat.headers
        if not isinstance(body, bytes):
            await self._stream(running, outgoing, headers, send)
            return
        headers.append((b"content-length", b"%d" % len(body)))
        running.sent_bytes = len(body)
        await send({"type": "http.response.start", "status": outgoing.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _stream(
        self, running: _Running, outgoing: Outgoing, headers: Sequence[tuple[bytes, bytes]], send: Send
    ) -> None:
        """Send what comes as it comes; whatever happens, the iterator is closed before this returns."""
        assert not isinstance(outgoing.body, bytes)
        assert running.incoming is not None
        assert running.task is not None
        iterator, task = outgoing.body, running.task
        loop = asyncio.get_running_loop()
        last = b""
        timers: list[asyncio.Handle] = []

        def stop() -> None:
            # By way of the loop: a task that cancels itself is hit at some later wait, not at this one.
            timers.append(
                loop.call_soon(task.cancel)
                if outgoing.drain_s is None
                else loop.call_later(outgoing.drain_s, task.cancel)
            )

        try:
            if not running.gone:
                await send({"type": "http.response.start", "status": outgoing.status, "headers": headers})
            running.incoming.disconnected.call(stop)
            async for piece in iterator:
                running.sent_bytes += len(piece)
                if not running.gone:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                elif outgoing.drain_s is None:
                    break
        except asyncio.CancelledError:
            if not (running.cut or running.gone):
                raise
            _take_back_cancel(running)
            if running.cut:
                last = event_of(self._note(running, GatewayError(running.cut)))
        except Exception as error:  # noqa: BLE001 - a reply has begun, so that the error can only end it
            last = event_of(self._note(running, error))
        finally:
            running.incoming.disconnected.forget(stop)
            for timer in timers:
                timer.cancel()
            running.closing = True
            await _close(iterator)
        if not running.gone:
            # A stream that cannot say why it ends ends without its last chunk, which no client takes for whole.
            whole = not last or outgoing.content_type == EVENTS
            if whole:
                # Whoever reads no further is not waited for: the connection then ends without the event.
                with suppress(TimeoutError):
                    async with asyncio.timeout(_SAY_S if running.cut else None):
                        await send({"type": "http.response.body", "body": last})

    # Stopping -------------------------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Requests that are being answered, on open routes too."""
        return len(self._running)

    def stop(self) -> None:
        """Take in nothing further; what runs goes on."""
        self.stopping = True

    def cut(self) -> None:
        """End what still runs: streams with an error event, other requests with a refusal."""
        for running in tuple(self._running):
            self._cut(running, "shutting_down")

    async def end_with_keys(self) -> None:
        """
        Cut what runs for keys that were revoked or have expired, where its endpoint's policy says so (A10).

        The store is asked only while something runs that would be cut. Raises `StoreError` where nobody can tell.
        """
        found: dict[int, list[_Running]] = {}
        for running in self._running:
            incoming = running.incoming
            if running.key is not None and not running.cut and incoming is not None and incoming.ends_with_key():
                found.setdefault(running.key.id, []).append(running)
        for number in await self._keys.ended(tuple(found)) if found else ():
            for running in found[number]:
                if running in self._running:
                    self._cut(running, "key_ended")

    def _cut(self, running: _Running, code: str) -> None:
        # One that is just being closed writes down what it used; the time to settle is for that.
        if not (running.cut or running.closing) and running.task is not None:
            running.cut = code
            if running.incoming is not None:
                running.incoming.cut = code
            running.task.cancel()


async def _close(iterator: Any) -> None:
    close = getattr(iterator, "aclose", None)
    if close is not None:
        await close()


def _take_back_cancel(running: _Running) -> None:
    assert running.task is not None
    while running.task.cancelling():
        running.task.uncancel()
