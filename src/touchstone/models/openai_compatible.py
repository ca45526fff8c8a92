"""
Any chat endpoint that speaks OpenAI's protocol: `POST {base_url}/chat/completions`, plain or streamed.

One call is one request: no retry, no redirect, no second address. The journal around it retries. A proxy from the
environment (`HTTPS_PROXY`, `NO_PROXY`) is used for addresses outside the private network; `~/.netrc` never is, because
it would replace the key.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
import orjson

from touchstone.catalog.addresses import check_base_url, is_loopback, is_near
from touchstone.catalog.base import Price
from touchstone.errors import AccessDenied, ModelError, NoReply, ProviderFailed, SettingsError, Unreachable
from touchstone.models.base import ChatRequest, Completion, Reply
from touchstone.models.chat_failure import Said, failure_of, retry_after_s, shown
from touchstone.models.chat_reply import read_reply
from touchstone.models.chat_request import request_body
from touchstone.models.secret_key import Redaction, SecretKey

ADAPTER = "openai-compatible/1"
"""Name and version for the ledger; a change of how requests are written or replies are read raises the version."""

KEPT_HEADERS = ("x-request-id", "request-id", "apim-request-id", "x-ms-region", "openai-processing-ms", "content-type")

KEEP_ALIVE_S = 4.0
"""Shorter than the 5 s of common servers: a request written into a closing connection would be in doubt."""

_DONE = re.compile(rb"data: ?\[DONE\]\s*\Z")
_AFTER_DONE_S = 1.0
"""How long the end of the transfer may take after the end of the stream was read."""


class OpenAICompatible:
    """
    A model behind an OpenAI-compatible endpoint.

    Args:
        served_name: The provider's name for the model.
        base_url: Up to and without `/chat/completions`.
        name: What people call it; the served name by default.
        key_env: Environment variable of the key, read at the first send and never kept where it can be printed.
        key_required: Whether a missing key is an error; by default it is when `key_env` is given.
        key_header: `bearer` for `Authorization: Bearer`, `api-key` for Azure's header.
        price: For the cost; None leaves costs unknown.
        stream: Whether replies are streamed, which is what measures the time to the first token.
        max_tokens_field: How this endpoint calls the limit on output tokens.
        stream_usage: Whether it understands `stream_options.include_usage`.
        connect_s, first_byte_s, idle_s, total_s: Deadlines, seconds (promises.md, F8).
        max_reply_bytes: Longer replies are cut off and count as truncated (F26).
        concurrency: Requests at once; the others wait here, and their waiting is no latency.
        start_hint: The command that starts a local server, for the error when nobody listens.

    Raises:
        SettingsError: the address or a number cannot be used.
    """

    def __init__(
        self,
        served_name: str,
        base_url: str,
        *,
        name: str | None = None,
        key_env: str | None = None,
        key_required: bool | None = None,
        key_header: Literal["bearer", "api-key"] = "bearer",
        price: Price | None = None,
        stream: bool = False,
        max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        stream_usage: bool = True,
        connect_s: float = 10.0,
        first_byte_s: float = 120.0,
        idle_s: float = 60.0,
        total_s: float = 600.0,
        max_reply_bytes: int = 8 * 1024 * 1024,
        concurrency: int = 64,
        start_hint: str | None = None,
    ) -> None:
        if not served_name:
            raise SettingsError("a model needs a served_name; name the model as its server calls it")
        for parameter, value in (
            ("connect_s", connect_s),
            ("first_byte_s", first_byte_s),
            ("idle_s", idle_s),
            ("total_s", total_s),
            ("max_reply_bytes", max_reply_bytes),
            ("concurrency", concurrency),
        ):
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise SettingsError(
                    "{parameter} of {model} is {value!r}; give a number above 0",
                    parameter=parameter,
                    model=served_name,
                    value=value,
                )
        self.served_name = served_name
        self.base_url = check_base_url(base_url)
        self.name = name or served_name
        self.price = price
        self.stream = stream
        self.max_tokens_field = max_tokens_field
        self.stream_usage = stream_usage
        self.connect_s = connect_s
        self.first_byte_s = first_byte_s
        self.idle_s = idle_s
        self.total_s = total_s
        self.max_reply_bytes = max_reply_bytes
        self.concurrency = concurrency
        self.start_hint = start_hint
        self.endpoint = f"{ADAPTER}|{self.base_url}|{served_name}|{'stream' if stream else 'plain'}"
        free = price is not None and not (price.input_usd or price.output_usd or price.per_call_usd)
        self.paid = not (free and is_loopback(self.base_url))
        self._key = SecretKey(
            self.base_url,
            key_env,
            required=key_env is not None if key_required is None else key_required,
            header=key_header,
        )
        self._place = f"{self.name} at {urlsplit(self.base_url).netloc}"
        self._line: _Line | None = None

    def __repr__(self) -> str:
        return f"OpenAICompatible({self.served_name!r}, {self.base_url!r})"

    def check(self) -> None:
        """
        Fail before anything is sent when the first send would: the key is missing, malformed or in danger.

        Raises:
            SettingsError: what to set.
        """
        self._key.read()

    async def send(self, request: ChatRequest) -> Reply:
        """
        Ask once, without retrying.

        A request that the provider's filter blocked is a reply (`status` is then not 200), not a failure.

        Raises:
            ModelError: as the tree in `errors.py` says.
        """
        body, text_bytes = request_body(
            request,
            self.served_name,
            stream=self.stream,
            stream_usage=self.stream_usage,
            max_tokens_field=self.max_tokens_field,
        )
        line = self._line_here()
        async with line.free:
            call = _Call(self, line)
            try:
                return await call.run(body, text_bytes)
            except ModelError as error:
                error.__cause__ = error.__context__ = None  # what lies behind may hold the request's headers
                raise

    def read(self, reply: Reply) -> Completion:
        """
        What a reply says, priced.

        Raises:
            ModelError: it is no answer.
        """
        return read_reply(reply, place=self._place, price=self.price)

    async def close(self) -> None:
        """Close the connections; the next send would open new ones."""
        line, self._line = self._line, None
        if line is not None and line.loop is asyncio.get_running_loop():
            await line.session.close()

    def _line_here(self) -> _Line:
        """The connections of the running loop, opened at first use."""
        loop = asyncio.get_running_loop()
        if self._line is None or self._line.loop is not loop:
            try:
                key = self._key.read()
            except SettingsError as error:
                values: dict[str, Any] = dict(error.values)
                raise AccessDenied(error.template, **values) from None
            self._line = _Line(self, loop, key)
        return self._line


class _Line:
    """What one event loop needs to talk to the endpoint."""

    def __init__(self, model: OpenAICompatible, loop: asyncio.AbstractEventLoop, key: str | None) -> None:
        self.loop = loop
        self.free = asyncio.Semaphore(model.concurrency)
        self.redact = Redaction(key)
        sent = aiohttp.TraceConfig()
        sent.on_request_headers_sent.append(_note_sent)
        proxy, proxy_auth = _proxy(model.base_url)
        # The key stands in the session, which only this origin's requests use; no redirect leads elsewhere.
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=model.concurrency, keepalive_timeout=KEEP_ALIVE_S, ttl_dns_cache=300),
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
            headers={
                "Content-Type": "application/json",
                "Accept": "text/event-stream" if model.stream else "application/json",
                # Replies are short, and unpacking them costs more than it saves.
                "Accept-Encoding": "identity",
                "User-Agent": "touchstone",
                **model._key.headers(key),
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            proxy=proxy,
            proxy_auth=proxy_auth,
            trace_configs=[sent],
        )


async def _note_sent(_session: Any, context: SimpleNamespace, _params: Any) -> None:
    context.trace_request_ctx.note_sent()


class _Call:
    """One request and the clocks that run over it."""

    def __init__(self, model: OpenAICompatible, line: _Line) -> None:
        self.model = model
        self.line = line
        self.begun = self.sent_at = time.perf_counter()
        self.sent = False
        self.received: list[bytes] = []
        self.limit: asyncio.Timeout | None = None

    def note_sent(self) -> None:
        """The connection stands and the request goes out: the clock of the latency starts here."""
        self.sent = True
        self.sent_at = time.perf_counter()
        self.allow(self.model.first_byte_s)

    def allow(self, seconds: float) -> None:
        """Move the deadline, never past the total one."""
        if self.limit is not None:
            left = self.model.total_s - (time.perf_counter() - self.begun)
            self.limit.reschedule(self.line.loop.time() + min(seconds, left))

    async def run(self, body: bytes, text_bytes: int) -> Reply:
        model = self.model
        try:
            async with asyncio.timeout(min(model.connect_s, model.total_s)) as self.limit:
                async with self.line.session.post(
                    f"{model.base_url}/chat/completions", data=body, allow_redirects=False, trace_request_ctx=self
                ) as response:
                    return await self._receive(response, text_bytes)
        except TimeoutError:
            raise self._too_slow() from None
        except aiohttp.ClientResponseError as error:
            # What answered does not speak HTTP.
            raise ProviderFailed(
                "{place}: the reply is no HTTP ({shown}); check base_url",
                place=model._place,
                shown=self.line.redact.text(shown(error.message)),
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._broken(error) from None

    async def _receive(self, response: aiohttp.ClientResponse, text_bytes: int) -> Reply:
        model = self.model
        streamed = model.stream and response.status == 200
        times: list[tuple[int, float]] = []
        size = 0
        tail = b""
        capped = done = False
        last = time.perf_counter()
        try:
            async for chunk in response.content.iter_any():
                last = time.perf_counter()
                self.received.append(chunk)
                size += len(chunk)
                if streamed:
                    times.append((size, last - self.sent_at))
                    tail = (tail + chunk)[-32:]
                    done = _DONE.search(tail) is not None
                if size > model.max_reply_bytes:
                    capped = True
                    response.close()
                    break
                self.allow(_AFTER_DONE_S if done else model.idle_s)
        except (asyncio.CancelledError, aiohttp.ClientError, OSError) as error:
            # After the end of the stream was read, how the connection ends is of no interest; unless we are cancelled.
            ours = not isinstance(error, asyncio.CancelledError) or (self.limit is not None and self.limit.expired())
            if not (done and ours):
                raise
            response.close()
        raw = self.line.redact.raw(b"".join(self.received)[: model.max_reply_bytes])
        headers = {
            name: self.line.redact.text(response.headers[name]) for name in KEPT_HEADERS if name in response.headers
        }
        reply = Reply(
            body=raw,
            streamed=streamed,
            latency_s=last - self.sent_at,
            chunk_times_s=tuple(times),
            headers=headers,
            status=response.status,
            request_bytes=text_bytes,
            capped=capped,
        )
        if response.status != 200:
            self._refuse(reply, response.headers)
        return reply

    def _refuse(self, reply: Reply, headers: Mapping[str, str]) -> None:
        """Raise what a status other than 200 means, unless the provider's filter blocked the request."""
        text = reply.body[:8192].decode("utf-8", "replace")
        try:
            said = Said(orjson.loads(reply.body))
        except orjson.JSONDecodeError:
            said = Said(text)
        if said.blocked and 400 <= reply.status < 500:
            return
        raise failure_of(
            said,
            reply.status,
            self.model._place,
            shown(self.line.redact.text(said.message or text)),
            retry_after_s(headers, time.time),
        )

    def _too_slow(self) -> ModelError:
        model = self.model
        if not self.sent:
            return Unreachable(
                "{place}: no connection within {seconds:g} s; nothing was sent",
                place=model._place,
                seconds=min(model.connect_s, model.total_s),
            )
        error = NoReply(
            "{place}: no complete reply after {seconds:.1f} s, {bytes} bytes had come; it may have been billed",
            place=model._place,
            seconds=time.perf_counter() - self.sent_at,
            bytes=sum(map(len, self.received)),
        )
        error.received = self.line.redact.raw(b"".join(self.received))
        return error

    def _broken(self, error: Exception) -> ModelError:
        model = self.model
        reason = shown(self.line.redact.text(_reason(error)))
        if not self.sent:
            if model.start_hint:
                return Unreachable(
                    "{place}: nobody answers ({reason}); is the server running? Start it with: {command}",
                    place=model._place,
                    reason=reason,
                    command=model.start_hint,
                )
            return Unreachable(
                "{place}: no connection ({reason}); check base_url and the network", place=model._place, reason=reason
            )
        lost = NoReply(
            "{place}: the connection broke after {bytes} bytes of the reply ({reason}); it may have been billed",
            place=model._place,
            bytes=sum(map(len, self.received)),
            reason=reason,
        )
        lost.received = self.line.redact.raw(b"".join(self.received))
        return lost


def _reason(error: Exception) -> str:
    """What the system said, without addresses or headers."""
    inner = getattr(error, "os_error", None) or error
    number = getattr(inner, "errno", None)
    if isinstance(number, int) and number > 0:
        return os.strerror(number)
    return getattr(inner, "strerror", None) or str(inner) or type(error).__name__


def _proxy(base_url: str) -> tuple[str | None, aiohttp.BasicAuth | None]:
    """The proxy that the environment names for an address, as every HTTP tool reads it; none for near addresses."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    named = getproxies_environment().get(parts.scheme)
    if named is None or is_near(base_url) or proxy_bypass(host):
        return None, None
    proxy = urlsplit(named if "://" in named else f"http://{named}")
    auth = aiohttp.BasicAuth(proxy.username, proxy.password or "") if proxy.username else None
    return proxy._replace(netloc=proxy.netloc.rpartition("@")[2]).geturl(), auth
