"""
Requests that are passed on: any path of an OpenAI-compatible server, whole or as it comes.

A gateway's way to a provider. A body is always built anew by whoever asks (promises.md, A7), and what comes back is
bytes: nothing is interpreted here but failures. Connections, key, deadlines and redaction are those of `chat_line`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

import aiohttp

from touchstone.errors import ContentFiltered, ModelError
from touchstone.models.chat_line import KEPT_HEADERS, Call, Line
from touchstone.models.exchange import Exchange

_MOST_OF_A_REFUSAL = 65_536
"""Bytes of an error that are looked at."""
_ENDS = (asyncio.CancelledError, aiohttp.ClientError, OSError, ModelError)
"""How a request can end before its reply does; `TimeoutError` is an `OSError`."""


class Passed(NamedTuple):
    """A whole reply."""

    body: bytes
    stream: Passing
    """It as it came; closed."""
    seconds: float

    @property
    def headers(self) -> Mapping[str, str]:
        """The few that are kept; never a credential."""
        return self.stream.headers


class Relay:
    """
    Passes requests on to the server of one line.

    Args:
        line: Whom to ask; its key goes along, and nothing of the client's request does but the body.
    """

    def __init__(self, line: Line) -> None:
        self.line = line

    async def ask(
        self, path: str, body: bytes | aiohttp.FormData, *, headers: Mapping[str, str] | None = None
    ) -> Passed:
        """
        One request and its whole reply.

        Args:
            path: Below the base URL, such as `/embeddings`.
            body: JSON, or a form with files; a form brings its own content type.
            headers: Further headers that are ours, such as a trace's.

        Raises:
            ModelError: as the tree in `errors.py` says.
        """
        stream = await self.open(path, body, headers=headers, accept="application/json")
        try:
            pieces: list[bytes] = []
            while piece := await stream.more():
                pieces.append(piece)
            # As a whole: a key may stand across two pieces.
            whole = self.line.redact.raw(b"".join(pieces))
        finally:
            await stream.close()
        return Passed(whole, stream, time.perf_counter() - stream.sent_at)

    async def open(
        self,
        path: str,
        body: bytes | aiohttp.FormData,
        *,
        headers: Mapping[str, str] | None = None,
        accept: str = "text/event-stream",
    ) -> Passing:
        """
        One request; returns when the head of its reply has come.

        The caller closes what is returned, in the task that opened it.

        Raises:
            ModelError: as the tree in `errors.py` says.
        """
        passing = Passing(self.line, accept, headers or {})
        await passing.begin(path, body)
        return passing


class Passing:
    """A reply as it comes, and the clocks that run over it. Left by `close`, however it ended."""

    def __init__(self, line: Line, accept: str, headers: Mapping[str, str]) -> None:
        self.line = line
        self.size = 0
        """Bytes received so far."""
        self.capped = False
        """Whether it was longer than allowed, so that we ended it."""
        self._call = Call(line)
        self._accept = accept
        self._further = headers
        self._response: aiohttp.ClientResponse | Exchange | None = None
        self._open = False

    @property
    def sent_at(self) -> float:
        """When the request went out, by `time.perf_counter`."""
        return self._call.sent_at

    @property
    def headers(self) -> Mapping[str, str]:
        """The few headers of the reply that are kept, the key taken out of them; made when somebody asks."""
        given: Mapping[str, str] = self._response.headers if self._response is not None else {}
        return {name: self.line.redact.text(given[name]) for name in KEPT_HEADERS if name in given}

    async def begin(self, path: str, body: bytes | aiohttp.FormData) -> None:
        """Send, and wait for the head of the reply. Raises `ModelError`."""
        line, call = self.line, self._call
        task = asyncio.current_task()
        line.calls[task] = call
        call.deadline.__enter__()
        self._open = True
        try:
            self._response = response = await self._post(path, body)
            if not 200 <= response.status < 300:
                said = line.redact.raw(await response.content.read(_MOST_OF_A_REFUSAL))
                refusal = line.refusal(said, response.status, response.headers)
                raise refusal or ContentFiltered("{place}: the provider's filter blocked it", place=line.terms.place)
            call.deadline.allow(line.terms.idle_s)
        except _ENDS as error:
            self._raise(error)
        finally:
            line.calls.pop(task, None)

    async def _post(self, path: str, body: bytes | aiohttp.FormData) -> aiohttp.ClientResponse | Exchange:
        line = self.line
        if isinstance(body, bytes) and not self._further and not line.by_proxy:
            return await line.way(path, self._accept).post(body)
        data = body if isinstance(body, bytes) else body()
        # A form names its own boundary, so what the session says of JSON must not stand.
        kind = {} if isinstance(data, bytes) else {"Content-Type": data.headers["Content-Type"]}
        return await line.session.post(
            f"{line.terms.base_url}{path}",
            data=data,
            headers={"Accept": self._accept, **self._further, **kind},
            allow_redirects=False,
        )

    def __aiter__(self) -> Passing:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes, the key taken out of them. Raises `ModelError` where they break off."""
        piece = await self.more()
        if not piece:
            raise StopAsyncIteration
        return self.line.redact.raw(piece)

    async def more(self) -> bytes:
        """The next bytes as they came; none at the end. Raises `ModelError` where they break off."""
        response, call, terms = self._response, self._call, self.line.terms
        assert response is not None, "begin was called"
        if self.capped:
            return b""
        try:
            piece = await response.content.readany()
            self.size += len(piece)
            if self.size > terms.max_reply_bytes:
                self.capped = True
                response.close()
                return b""
            if piece:
                call.deadline.allow(terms.idle_s)
            return piece
        except _ENDS as error:
            self._raise(error)

    def _raise(self, error: BaseException) -> NoReturn:
        """End it, and raise what that means in our words; a cancellation by others stays one."""
        late = self._end(error)
        if late or isinstance(error, TimeoutError):
            raise self._call.too_slow() from None
        if isinstance(error, aiohttp.ClientError | OSError):
            raise self._call.broken(error) from None
        if isinstance(error, ModelError):
            error.__cause__ = error.__context__ = None  # what lies behind may hold the request's headers
        raise error

    def _end(self, error: BaseException | None) -> bool:
        """Stop the clocks and the connection; returns whether a deadline of ours had passed."""
        if self._response is not None:
            self._response.close()  # of a reply that was read to its end, the connection is free already
        if not self._open:
            return False
        self._open = False
        try:
            self._call.deadline.__exit__(None if error is None else type(error), error, None)
        except TimeoutError:
            return True
        return False

    async def close(self) -> None:
        """End the request, if it still runs; may be called twice."""
        self._end(None)
