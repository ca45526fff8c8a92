"""
Any server with an OpenAI-compatible `/v1/models`: what it serves right now.

Shape: https://platform.openai.com/docs/api-reference/models/list, `data` with objects of `id`, `created`, `owned_by`;
some servers send the bare list. The length of the context is documented by vLLM (`max_model_len`), Groq
(`context_window`) and Mistral (`max_context_length`) only.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from touchstone.catalog.addresses import check_base_url, is_near, origin_of
from touchstone.catalog.base import Provider
from touchstone.catalog.outbound import Door
from touchstone.catalog.providers import base_url_of, key_may_travel
from touchstone.catalog.source_base import Copy, Fields, Gathering, using_up, validators, wrong_shape
from touchstone.catalog.source_json import read_json, without_key
from touchstone.config import secret
from touchstone.errors import SettingsError

_CONTEXT = ("max_model_len", "context_window", "max_context_length", "context_length")


class V1Models:
    """
    One server's list.

    Args:
        base_url: Its address, ending in `/v1` as a rule.
        provider: What the entries' provider is called; by default the host.
        key_env: Environment variable that holds the key; None when none is needed.
        key_required: Whether there is no use in asking without it.
        key_header: How the key is sent.
        named: Whether the user named the address (or a preset on the user's own machine is meant).
    """

    def __init__(
        self,
        base_url: str,
        *,
        provider: str | None = None,
        key_env: str | None = None,
        key_required: bool = False,
        key_header: str = "bearer",
        named: bool = True,
    ) -> None:
        self.base_url = check_base_url(base_url)
        self.provider = provider or urlsplit(self.base_url).netloc
        self.name = _file_name(self.provider)
        self.key_env = key_env
        self.key_required = key_required
        self.key_header = key_header
        self.named = named

    @classmethod
    def of(cls, preset: Provider, base_url: str | None = None) -> V1Models:
        """The list of a preset, at its own address or at another that the user names."""
        own = base_url is None and preset.base_url is not None and base_url_of(preset) == preset.base_url
        return cls(
            base_url or base_url_of(preset),
            provider=preset.id,
            key_env=preset.key_env,
            key_required=preset.key_required,
            key_header=preset.key_header,
            named=preset.local or not own,
        )

    async def ask(self, door: Door, old: Copy | None, now: str) -> Copy | None:
        """See `Source.ask`."""
        url = f"{self.base_url}/models"
        key = self._key()
        headers = {}
        if key is not None:
            headers = {"api-key": key} if self.key_header == "api-key" else {"Authorization": f"Bearer {key}"}
        etag, last_modified = validators(old, url)
        answer = await door.ask(url, headers=headers, etag=etag, last_modified=last_modified)
        if answer.unchanged:
            return None
        gathered = Gathering(self.name, url, now)
        said = without_key(read_json(answer.body, self.name, door.limits), key)
        models = said.get("data") if isinstance(said, dict) else said
        if not isinstance(models, list):
            raise wrong_shape(self.name, "an object with the list data")
        for model in using_up(models):
            gathered.keep(self.provider, model.get("id") if isinstance(model, dict) else None, model, _read)
        echoed = key is not None and key in (answer.etag or "")
        return gathered.copy(etag=None if echoed else answer.etag, last_modified=answer.last_modified)

    def _key(self) -> str | None:
        """
        The key, None when there is none to send.

        Raises:
            SettingsError: it is needed and not set, is no key, or belongs to another host.
        """
        origin = origin_of(self.base_url)
        key = (secret(self.key_env, origin=origin) or "").strip() if self.key_env else ""
        if not key:
            if self.key_required:
                raise SettingsError(
                    "{origin} needs a key; put it into the environment variable {variable}",
                    origin=origin,
                    variable=self.key_env or "named by key_env",
                )
            return None
        if not key.isascii() or any(c.isspace() or not c.isprintable() for c in key):
            raise SettingsError(
                "the key in {variable} has characters that no key has, such as a space or a line break; set it again",
                variable=self.key_env,
            )
        if self.key_env is not None and not key_may_travel(self.key_env, self.base_url):
            raise SettingsError(
                "the key in {variable} belongs to another host than {origin}; name the variable of that host's key",
                variable=self.key_env,
                origin=origin,
            )
        if self.base_url.startswith("http:") and not is_near(self.base_url):
            raise SettingsError(
                "the key in {variable} would travel to {origin} unencrypted; use https, or unset the variable",
                variable=self.key_env,
                origin=origin,
            )
        return key


def _file_name(provider: str) -> str:
    """Two providers never share one, however alike their names are once only plain letters are left."""
    plain = re.sub("[^a-z0-9]+", "-", provider.lower())[:40].strip("-")
    if plain == provider:
        return f"v1-{plain}"
    return "-".join(part for part in ("v1", plain, sha256(provider.encode()).hexdigest()[:8]) if part)


def _read(fields: Fields) -> None:
    value: Any = fields.get("name")
    if isinstance(value, str):
        fields.text("name", "name")
    for key in _CONTEXT:
        if "context_tokens" not in fields.facts:
            fields.count(key, "context_tokens")
