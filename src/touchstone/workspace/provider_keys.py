"""
Keys of providers that were typed on the pages: written, used, tested and deleted, but never shown again (R12).

They lie in one file beside the store, readable by its owner alone, each bound to the scheme, host and port of its
provider's address. A variable of the environment goes before them.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import orjson

from touchstone.catalog.addresses import is_near, origin_of
from touchstone.catalog.base import Provider
from touchstone.catalog.outbound import Door, Limits
from touchstone.catalog.providers import base_url_of, find_provider, providers
from touchstone.catalog.source_failed import SourceFailed
from touchstone.config import KEPT_KEYS, read_kept_keys, secret
from touchstone.errors import SettingsError
from touchstone.storage.copies import sync

_LONGEST = 4_096
_ANY_TYPE = ("application/json", "text/json", "text/plain", "text/html")
_LIMITS = Limits(connect_s=5.0, idle_s=15.0, total_s=20.0)

Source = Literal["environment", "pages", "none"]
Said = Literal["accepted", "refused", "no_list", "busy", "failed", "unreachable"]
"""What a provider's own host said to a key: a code, never its words."""


@dataclass(frozen=True)
class ProviderKey:
    """How things stand with one provider's key; the key itself is nowhere in it."""

    provider: Provider
    origin: str | None
    """Where the key may go; None where the provider's address is not known yet."""
    source: Source
    set_at: str | None
    """When it was typed; None for a variable, whose date nobody knows."""
    problem: SettingsError | None = None
    """Why the address cannot be used."""

    @property
    def place(self) -> str | None:
        """The origin as people write it, without the port that goes without saying."""
        return None if self.origin is None else re.sub(r"(?<=^https:)(.*):443$", r"\1", self.origin)


@dataclass(frozen=True)
class KeyTest:
    """What came back when a key was tried."""

    said: Said
    host: str
    status: int | None
    """The HTTP status; None where it did not come to one."""


class ProviderKeys:
    """
    The kept keys of one site.

    Args:
        workspace: The site's workspace.
    """

    def __init__(self, workspace: Path) -> None:
        self.file = workspace / KEPT_KEYS

    def all(self) -> Sequence[ProviderKey]:
        """Every provider that takes a key, those with one first."""
        found = [self._standing(provider) for provider in providers() if provider.key_env is not None]
        return sorted(found, key=lambda one: (one.source == "none", one.provider.name.lower()))

    def one(self, provider: str) -> ProviderKey:
        """One provider's. Raises `UnknownName`, and `SettingsError` for a provider without keys."""
        found = find_provider(provider)
        if found.key_env is None:
            raise SettingsError("{provider} takes no key", provider=found.name)
        return self._standing(found)

    def keep(self, provider: str, key: str) -> None:
        """
        Keep a key for the address that its provider has now.

        Raises:
            UnknownName: there is no such provider.
            SettingsError: the text is no key, the address is not known or a key must not travel to it.
        """
        standing = self.one(provider)
        key = key.strip()
        if not key or len(key) > _LONGEST or not key.isascii() or any(c.isspace() or not c.isprintable() for c in key):
            raise SettingsError("that is no key: a key has no space, no line break and only plain letters and signs")
        if standing.origin is None:
            raise standing.problem or SettingsError("the address of {provider} is not known", provider=provider)
        if standing.origin.startswith("http:") and not is_near(standing.origin):
            raise SettingsError("a key would travel to {origin} unencrypted; use https", origin=standing.origin)
        variable = str(standing.provider.key_env)
        others = self._others(variable, standing.origin)
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        self._write([*others, {"variable": variable, "origin": standing.origin, "key": key, "set_at": moment}])

    def forget(self, provider: str) -> None:
        """Delete a kept key; one that is not there is no error."""
        standing = self.one(provider)
        self._write(self._others(str(standing.provider.key_env), standing.origin))

    def test(self, provider: str) -> KeyTest:
        """
        Ask the provider's own host for its list of models, with the key; nothing else is sent, and nothing is bought.

        Raises:
            SettingsError: there is no key, or its address may not be asked.
        """
        standing = self.one(provider)
        if standing.origin is None:
            raise standing.problem or SettingsError("the address of {provider} is not known", provider=provider)
        variable = str(standing.provider.key_env)
        key = (secret(variable) or self._key_for(variable, standing.origin) or "").strip()
        if not key:
            raise SettingsError("{provider} has no key yet", provider=standing.provider.name)
        base_url = base_url_of(standing.provider)
        header = {"api-key": key} if standing.provider.key_header == "api-key" else {"Authorization": f"Bearer {key}"}
        door = Door(near=(base_url,) if is_near(base_url) else (), limits=_LIMITS)
        host = standing.origin.partition("://")[2]
        try:
            asyncio.run(door.ask(base_url + "/models", accept=_ANY_TYPE, headers=header))
        except SourceFailed as error:
            return KeyTest(_said(error.status), host, error.status)
        return KeyTest("accepted", host, 200)

    def _standing(self, provider: Provider) -> ProviderKey:
        variable = str(provider.key_env)
        try:
            origin: str | None = origin_of(base_url_of(provider))
            problem = None
        except SettingsError as error:
            origin, problem = None, error
        if secret(variable):
            return ProviderKey(provider, origin, "environment", None, problem)
        kept = next((one for one in self._kept() if one["variable"] == variable and one["origin"] == origin), None)
        return ProviderKey(provider, origin, "pages" if kept else "none", kept["set_at"] if kept else None, problem)

    def _key_for(self, variable: str, origin: str) -> str | None:
        return next(
            (one["key"] for one in self._kept() if one["variable"] == variable and one["origin"] == origin), None
        )

    def _others(self, variable: str, origin: str | None) -> list[dict[str, str]]:
        """Every kept key but one; two providers may share a variable, each with an address of its own."""
        return [one for one in self._kept() if (one["variable"], one["origin"]) != (variable, origin)]

    def _kept(self) -> list[dict[str, str]]:
        return read_kept_keys(self.file) if self.file.exists() else []

    def _write(self, entries: Sequence[dict[str, str]]) -> None:
        """Replace the file as a whole; it is closed to others before the first byte is in it."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        part = self.file.with_name(f"{KEPT_KEYS}.{secrets.token_hex(4)}")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as opened:
                opened.write(orjson.dumps(list(entries)))
            sync(part)
            part.replace(self.file)
        finally:
            part.unlink(missing_ok=True)


def _said(status: int | None) -> Said:
    if status is None:
        return "unreachable"
    if status == 200:
        return "accepted"  # it let the key in; what it then said is not looked at here
    if status in (401, 403):
        return "refused"
    if status in (404, 405):
        return "no_list"
    return "busy" if status == 429 else "failed"
