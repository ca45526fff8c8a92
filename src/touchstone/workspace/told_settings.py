"""Each setting, its value as it may be shown, and where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from touchstone.catalog.addresses import origin_of
from touchstone.catalog.providers import base_url_of, providers
from touchstone.config import Settings, secret
from touchstone.errors import SettingsError
from touchstone.language import N_, current_language
from touchstone.workspace.provider_keys import ProviderKeys


@dataclass(frozen=True)
class Told:
    """One setting."""

    name: str
    value: str | None
    """None for what is not set."""
    source: str
    """`default`, a flag, the name of an environment variable, or a file in the workspace."""
    is_secret: bool = False
    """Whether only that it is set is told."""


def told_settings(settings: Settings) -> Sequence[Told]:
    """All of them; no secret is among the values."""
    return [*_own(settings), *_providers(settings)]


def _own(settings: Settings) -> Iterator[Told]:
    yield Told(N_("workspace"), str(settings.workspace), settings.workspace_from)
    if settings.store_url is None:
        yield Told(N_("store"), str(settings.workspace / "touchstone.sqlite"), N_("default"))
    else:
        yield Told(N_("store"), _without_password(settings.store_url), "TOUCHSTONE_STORE")
    allowed = settings.allow_network_store
    source = "TOUCHSTONE_ALLOW_NETWORK_STORE" if allowed else N_("default")
    yield Told(N_("store on a network file system"), N_("allowed") if allowed else N_("not allowed"), source)
    named = next((name for name in ("TOUCHSTONE_LANG", "LC_ALL", "LC_MESSAGES", "LANG") if secret(name)), N_("default"))
    yield Told(N_("language"), current_language(), named)
    yield _secret(N_("alerts"), "TOUCHSTONE_ALERT_WEBHOOK")
    file = settings.workspace / "sign-in.yaml"
    yield Told(
        N_("single sign-on"), N_("set") if file.exists() else None, "sign-in.yaml" if file.exists() else N_("default")
    )
    yield _secret(N_("client secret of single sign-on"), "TOUCHSTONE_OIDC_SECRET")


def _secret(name: str, variable: str) -> Told:
    there = secret(variable) is not None
    return Told(name, N_("set") if there else None, variable if there else N_("default"), is_secret=True)


def _providers(settings: Settings) -> Iterator[Told]:
    kept = {one.provider.id: one for one in ProviderKeys(settings.workspace).all()}
    for provider in providers():
        if provider.base_url_env and secret(provider.base_url_env):
            try:
                value: str | None = origin_of(base_url_of(provider))
            except SettingsError:
                value = None
            yield Told(f"{provider.name}: address", value, provider.base_url_env)
        key = kept.get(provider.id)
        if key is not None and key.source != "none":
            source = str(provider.key_env) if key.source == "environment" else "provider-keys.json"
            yield Told(f"{provider.name}: key", N_("set"), source, is_secret=True)


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return "?"
