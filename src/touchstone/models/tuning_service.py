"""
A provider that fine-tunes: files and jobs in OpenAI's protocol (`/files`, `/fine_tuning/jobs`).

One address, one key, no redirect. Nothing is retried here; whoever calls knows what may be asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

import aiohttp
import orjson
from pydantic import Field, ValidationError

from touchstone.catalog.addresses import check_base_url, origin_of
from touchstone.catalog.providers import base_url_of, find_provider, key_may_travel, provider_names
from touchstone.errors import ModelError, NoReply, ProviderFailed, SettingsError, Unreachable
from touchstone.models.chat_failure import Said, failure_of, retry_after_s, shown
from touchstone.models.chat_line import _proxy, socket_to_model
from touchstone.models.resolve import OWN_ENDPOINT
from touchstone.models.secret_key import Redaction, SecretKey
from touchstone.noun import Noun

_MOST_REPLY_BYTES = 8 * 2**20
_ENDED = ("succeeded", "failed", "cancelled")


class TuningJob(Noun):
    """Where a job of the provider's stands; fields that nobody needs are left out."""

    id: str = Field(min_length=1, max_length=500)
    status: str
    """validating_files, queued, running, succeeded, failed, cancelled."""
    training_file: str | None = None
    fine_tuned_model: str | None = None
    """What the trained model is called; None until there is one."""
    trained_tokens: int | None = None
    """Billable tokens; None until it is done."""
    reason: str | None = None
    """Why it failed."""

    @property
    def ended(self) -> bool:
        """Whether nothing further will happen."""
        return self.status in _ENDED


class TuningService:
    """
    One provider's account.

    Args:
        base_url: Of its API, `https://api.openai.com/v1`.
        key_env: Environment variable of the key; None where none is needed.
        key_header: How the key travels.
        total_s: For one request, an upload included.

    Raises:
        SettingsError: the address cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key_env: str | None = None,
        key_header: Literal["bearer", "api-key"] = "bearer",
        total_s: float = 600.0,
    ) -> None:
        self.base_url = check_base_url(base_url)
        self.total_s = total_s
        self._key = SecretKey(self.base_url, key_env, required=key_env is not None, header=key_header)
        self._redact = Redaction(None)
        self._session: aiohttp.ClientSession | None = None

    @property
    def origin(self) -> str:
        """Whose account it is."""
        return origin_of(self.base_url)

    def check(self) -> None:
        """Raises `SettingsError` where the first request would fail for want of a key."""
        self._key.read()

    async def upload(self, name: str, body: bytes) -> str:
        """The id of a file that was sent for training. Raises `ModelError`."""
        form = aiohttp.FormData()
        form.add_field("purpose", "fine-tune")
        form.add_field("file", body, filename=name, content_type="application/jsonl")
        found = await self._ask("POST", "/files", data=form)
        if not isinstance(found.get("id"), str):
            raise ProviderFailed("{place}: the file got no id", place=self.origin)
        return str(found["id"])

    async def create(self, model: str, training_file: str, **more: Any) -> TuningJob:
        """Begin a job; it costs money. `more` are further fields of the request. Raises `ModelError`."""
        return _job(
            await self._ask("POST", "/fine_tuning/jobs", json={"model": model, "training_file": training_file, **more}),
            self.origin,
        )

    async def look(self, job: str) -> TuningJob:
        """Where a job stands. Raises `ModelError`."""
        return _job(await self._ask("GET", f"/fine_tuning/jobs/{_safe(job)}"), self.origin)

    async def cancel(self, job: str) -> TuningJob:
        """Stop a job; what it did until then is billed. Raises `ModelError`."""
        return _job(await self._ask("POST", f"/fine_tuning/jobs/{_safe(job)}/cancel"), self.origin)

    async def recent(self, most: int = 100) -> tuple[TuningJob, ...]:
        """The latest jobs of the account. Raises `ModelError`."""
        found = await self._ask("GET", f"/fine_tuning/jobs?limit={most}")
        data = found.get("data")
        return tuple(_job(one, self.origin) for one in data) if isinstance(data, list) else ()

    async def events(self, job: str, most: int = 50) -> tuple[str, ...]:
        """What the provider told of a job, oldest first. Raises `ModelError`."""
        found = await self._ask("GET", f"/fine_tuning/jobs/{_safe(job)}/events?limit={most}")
        data = found.get("data")
        said = [shown(str(one.get("message", ""))) for one in data if isinstance(one, dict)] if data else []
        return tuple(reversed(said))

    async def close(self) -> None:
        """Release the connections; may be called twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(self, method: str, path: str, **given: Any) -> Mapping[str, Any]:
        session = self._session or self._open()
        try:
            async with session.request(method, f"{self.base_url}{path}", allow_redirects=False, **given) as response:
                body = await response.content.read(_MOST_REPLY_BYTES)
                status, headers = response.status, dict(response.headers)
        except aiohttp.ClientConnectorError:
            raise Unreachable("{place}: no connection; check base_url and the network", place=self.origin) from None
        except (TimeoutError, aiohttp.ClientError, OSError, asyncio.IncompleteReadError):
            raise NoReply("{place}: the request was sent and no whole reply came", place=self.origin) from None
        text = self._redact.text(body[:8192].decode("utf-8", "replace"))
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError:
            found = text
        if not 200 <= status < 300:
            import time

            said = Said(found)
            raise failure_of(
                said,
                status,
                self.origin,
                shown(self._redact.text(said.message or text)),
                retry_after_s(headers, time.time),
            )
        if not isinstance(found, dict):
            raise ProviderFailed("{place}: the reply is no JSON object ({shown})", place=self.origin, shown=shown(text))
        return found

    def _open(self) -> aiohttp.ClientSession:
        key = self._key.read()
        self._redact = Redaction(key)
        proxy, proxy_auth = _proxy(self.base_url)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=socket_to_model),
            timeout=aiohttp.ClientTimeout(total=self.total_s, sock_connect=10.0),
            headers={"User-Agent": "touchstone", "Accept-Encoding": "identity", **self._key.headers(key)},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            proxy=proxy,
            proxy_auth=proxy_auth,
        )
        return self._session


def service_of(reference: str, parameters: Mapping[str, Any]) -> tuple[TuningService, str]:
    """
    (who fine-tunes the model that a task file names, what the provider calls it).

    Raises:
        SettingsError: it is no model of a provider that could.
    """
    kind, _slash, rest = reference.partition("/")
    served_name = str(parameters.get("served_name") or rest)
    if kind in provider_names():
        provider = find_provider(kind)
        own = base_url_of(provider)
        base_url = check_base_url(str(parameters.get("base_url") or own))
        key_env = parameters.get("key_env", provider.key_env)
        if base_url != own and "key_env" not in parameters and key_env and not key_may_travel(key_env, base_url):
            key_env = None
        return TuningService(base_url, key_env=key_env, key_header=provider.key_header), served_name
    own_url: Any = parameters.get("base_url")
    if kind != OWN_ENDPOINT or not own_url:
        raise SettingsError("{model} is no model of a provider that fine-tunes", model=reference)
    key_env = parameters.get("key_env")
    if key_env is not None and not key_may_travel(key_env, str(own_url)):
        raise SettingsError(
            "the key in {variable} belongs to another host than {origin}; use a variable of its own for this one",
            variable=key_env,
            origin=origin_of(str(own_url)),
        )
    return TuningService(str(own_url), key_env=key_env), served_name


def _job(found: Mapping[str, Any], place: str) -> TuningJob:
    error = found.get("error")
    said = error.get("message") if isinstance(error, dict) else None
    fields = {name: found.get(name) for name in ("id", "status", "training_file", "fine_tuned_model", "trained_tokens")}
    try:
        return TuningJob.model_validate({**fields, "reason": shown(str(said)) if said else None})
    except ValidationError as error:
        raise ProviderFailed("{place}: the reply is no fine-tuning job", place=place) from error


def _safe(job: str) -> str:
    """An id as a part of a path. Raises `ModelError` where it is none."""
    if not job or not all(sign.isalnum() or sign in "-_.:" for sign in job) or set(job) == {"."}:
        raise ModelError("{job!r} is no id of a fine-tuning job", job=job[:80])
    return job
