"""
Any chat endpoint that speaks OpenAI's protocol: `POST {base_url}/chat/completions`, plain or streamed.

One call is one request: no retry, no redirect, no second address. The journal around it retries.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from touchstone.catalog.addresses import check_base_url, origin_of
from touchstone.catalog.base import Price
from touchstone.errors import AccessDenied, ModelError, SettingsError
from touchstone.models.base import ChatRequest, Completion, Reply
from touchstone.models.chat_line import Line, Terms
from touchstone.models.chat_reply import read_reply
from touchstone.models.chat_request import request_body
from touchstone.models.secret_key import SecretKey

if TYPE_CHECKING:
    from touchstone.models.relay import Relay

ADAPTER = "openai-compatible/1"
"""Name and version for the ledger; a change of how requests are written or replies are read raises the version."""


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
        self.paid = True
        self.account = f"{origin_of(self.base_url)}|{key_env or 'no key'}"
        """Address and name of the key; calls of one account share its limits."""
        self._key = SecretKey(
            self.base_url,
            key_env,
            required=key_env is not None if key_required is None else key_required,
            header=key_header,
        )
        self._place = f"{self.name} at {urlsplit(self.base_url).netloc}"
        self._line: Line | None = None

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
        body, text_bytes = self.write(request, stream=self.stream)
        try:
            return await self._line_here().ask(body, text_bytes)
        except ModelError as error:
            error.__cause__ = error.__context__ = None  # what lies behind may hold the request's headers
            raise

    def write(self, request: ChatRequest, *, stream: bool) -> tuple[bytes, int]:
        """
        The body of a request as this endpoint wants it, and how many bytes of text its messages hold.

        Raises:
            RequestRejected: it cannot be written down.
        """
        return request_body(
            request,
            self.served_name,
            stream=stream,
            stream_usage=self.stream_usage,
            max_tokens_field=self.max_tokens_field,
        )

    def read(self, reply: Reply) -> Completion:
        """
        What a reply says, priced.

        Raises:
            ModelError: it is no answer.
        """
        return read_reply(reply, place=self._place, price=self.price, requested=self.served_name)

    def relay(self) -> Relay:
        """
        Passes other requests on to the same server, with the same key and deadlines; for gateways.

        Raises:
            AccessDenied: the key is missing or cannot be used.
        """
        from touchstone.models.relay import Relay

        return Relay(self._line_here())

    async def close(self) -> None:
        """Close the connections; the next send would open new ones."""
        line, self._line = self._line, None
        if line is not None and line.loop is asyncio.get_running_loop():
            await line.close()

    def _line_here(self) -> Line:
        """The connections of the running loop, opened at first use."""
        if self._line is None or self._line.loop is not asyncio.get_running_loop():
            try:
                key = self._key.read()
            except SettingsError as error:
                values: dict[str, Any] = dict(error.values)
                raise AccessDenied(error.template, **values) from None
            terms = Terms(
                base_url=self.base_url,
                place=self._place,
                stream=self.stream,
                connect_s=self.connect_s,
                first_byte_s=self.first_byte_s,
                idle_s=self.idle_s,
                total_s=self.total_s,
                max_reply_bytes=self.max_reply_bytes,
                concurrency=self.concurrency,
                start_hint=self.start_hint,
            )
            self._line = Line(terms, key, self._key.headers(key))
        return self._line
