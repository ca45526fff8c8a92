"""
The presets: which providers are known by name and how to reach them.

All of them are asked through their OpenAI-compatible endpoint, Anthropic and Gemini included: one adapter, no vendor
SDK. What that costs: no control over Anthropic's prompt caching, no native thinking blocks, and schemas that Anthropic
does not enforce. Someone who needs those brings a model plug-in of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from urllib.parse import urlsplit

from touchstone.catalog.addresses import check_base_url, origin_of
from touchstone.catalog.base import Provider
from touchstone.catalog.shipped_tables import read_shipped
from touchstone.config import secret
from touchstone.errors import SettingsError, UnknownName

OLLAMA_PORT = 11434
"""Ollama's own default for an `OLLAMA_HOST` without a port."""


@cache
def providers() -> tuple[Provider, ...]:
    """Every preset, in the order of the file."""
    return tuple(Provider.model_validate(table) for table in read_shipped("providers.toml")["provider"])


@cache
def _by_name() -> dict[str, Provider]:
    return {name: provider for provider in providers() for name in (provider.id, *provider.aliases)}


def provider_names() -> tuple[str, ...]:
    """Every id and alias, sorted."""
    return tuple(sorted(_by_name()))


def find_provider(name: str) -> Provider:
    """
    The preset with this id or alias.

    Raises:
        UnknownName: there is none; the closest are named.
    """
    try:
        return _by_name()[name]
    except KeyError:
        raise UnknownName(kind="provider", name=name, known=_by_name()) from None


def base_url_of(provider: Provider, environment: Mapping[str, str] | None = None) -> str:
    """
    Where a preset is reached: its environment variable when that is set, else its own address.

    Args:
        provider: The preset.
        environment: Variables to read; the process's own by default.

    Raises:
        SettingsError: the variable holds no usable address, or it is needed and not set.
    """
    # Read like a secret, because people put passwords into addresses; one that does is refused below.
    said = secret(provider.base_url_env, environment) if provider.base_url_env else None
    if said is None:
        if provider.base_url is None:
            raise SettingsError(
                "{provider} has an address of your own; set {variable} to it, or base_url in the task file",
                provider=provider.name,
                variable=provider.base_url_env,
            )
        return provider.base_url
    address = _ollama_address(said) if provider.base_url_env == "OLLAMA_HOST" else said.strip()
    address = check_base_url(address)
    return address + provider.base_url_env_path if urlsplit(address).path in ("", "/openai") else address


def key_may_travel(key_env: str, base_url: str, environment: Mapping[str, str] | None = None) -> bool:
    """
    Whether the key in a variable may be sent to an address.

    A hosted preset's key belongs to that preset's hosts and to where its own variable points, whatever a task file
    written by somebody else may say. A variable that is no hosted preset's belongs wherever the user says.

    Args:
        key_env: The variable.
        base_url: The address.
        environment: Variables to read; the process's own by default.
    """
    owners = [provider for provider in providers() if provider.key_env == key_env and not provider.local]
    origin = origin_of(base_url)
    host = urlsplit(base_url).hostname or ""
    for owner in owners:
        homes = {owner.base_url} if owner.base_url else set()
        if owner.base_url_env and secret(owner.base_url_env, environment):
            homes.add(base_url_of(owner, environment))
        if any(origin == origin_of(home) for home in homes):
            return True
        known = any(host == end or (end.startswith(".") and host.endswith(end)) for end in owner.key_hosts)
        if known and base_url.startswith("https:"):
            return True
    return not owners


def _ollama_address(said: str) -> str:
    """An `OLLAMA_HOST`, which may lack scheme, host or port and may be the address the server listens on."""
    text = said.strip().strip("\"'")
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "http", text
    host, slash, path = rest.partition("/")
    # `:11434` and `0.0.0.0` say where the server listens; a client on the same machine finds it at loopback.
    name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not colon:
        name, port = host, "" if found else str(OLLAMA_PORT)
    if name in ("", "0.0.0.0", "[::]"):  # noqa: S104 - read, not bound
        name = "127.0.0.1"
    return f"{scheme}://{name}{':' + port if port else ''}{slash}{path}".rstrip("/")
