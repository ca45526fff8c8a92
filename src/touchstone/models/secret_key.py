"""A provider's key: read when it is first needed, held for one origin, shown to nobody."""

from __future__ import annotations

import base64
import re
from typing import Literal
from urllib.parse import quote

from touchstone.catalog.addresses import is_near, origin_of
from touchstone.config import secret
from touchstone.errors import SettingsError

_HIDDEN = "[key]"
_LOOKS_LIKE_A_KEY = re.compile(r"(?i)\b(bearer\s+)[^\s\"',}]+|\b(sk-)[A-Za-z0-9_-]{6,}")


class SecretKey:
    """
    The key for one base URL, under one environment variable.

    Neither `repr` nor `vars` of anything holds the key itself: it lives in a closure.
    """

    def __init__(
        self, base_url: str, key_env: str | None, *, required: bool, header: Literal["bearer", "api-key"]
    ) -> None:
        self.base_url = base_url
        self.key_env = key_env
        self.required = required
        self.header = header

    def __repr__(self) -> str:
        return f"SecretKey({self.key_env!r} for {origin_of(self.base_url)})"

    def read(self) -> str | None:
        """
        The key, None when none is needed.

        Raises:
            SettingsError: it is needed and not set, has characters that no key has, or would travel unencrypted.
        """
        key = secret(self.key_env, origin=origin_of(self.base_url)) if self.key_env else None
        if key is None:
            if self.required:
                raise SettingsError(
                    "{origin} needs a key; put it into the environment variable {variable}",
                    origin=origin_of(self.base_url),
                    variable=self.key_env or "named by key_env",
                )
            return None
        key = key.strip()
        if not key or not key.isascii() or any(c.isspace() or not c.isprintable() for c in key):
            raise SettingsError(
                "the key in {variable} has characters that no key has, such as a space or a line break; set it again",
                variable=self.key_env,
            )
        if self.base_url.startswith("http:") and not is_near(self.base_url):
            raise SettingsError(
                "the key in {variable} would travel to {origin} unencrypted; use https, or unset the variable",
                variable=self.key_env,
                origin=origin_of(self.base_url),
            )
        return key

    def headers(self, key: str | None) -> dict[str, str]:
        """The one header that carries the key."""
        if key is None:
            return {}
        return {"api-key": key} if self.header == "api-key" else {"Authorization": f"Bearer {key}"}


class Redaction:
    """
    Takes one key, in every spelling a server may echo it in, and whatever looks like one, out of texts and bytes.

    A server that spells the key out over several events of a stream is beyond it: no such piece is the key.
    """

    def __init__(self, key: str | None) -> None:
        spellings = set()
        if key:
            spellings = {key, quote(key, safe=""), key.replace("/", "\\/"), base64.b64encode(key.encode()).decode()}
            for digits in ("04x", "04X"):  # .NET's JSON writes `+` and its like as escapes
                spellings.add("".join(c if c.isalnum() or c in "-_." else f"\\u{ord(c):{digits}}" for c in key))
        ordered = sorted(spellings, key=len, reverse=True)

        def text(value: str) -> str:
            for spelling in ordered:
                value = value.replace(spelling, _HIDDEN)
            return _LOOKS_LIKE_A_KEY.sub(lambda found: (found[1] or found[2]) + _HIDDEN, value)

        def raw(value: bytes) -> bytes:
            for spelling in ordered:
                value = value.replace(spelling.encode(), _HIDDEN.encode())
            return value

        # Closures rather than attributes, so that `vars` of a model shows no key.
        self.text = text
        self.raw = raw
