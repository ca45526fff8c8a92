"""Provider keys: set, tested on request, deleted; never shown again (R12)."""

from __future__ import annotations

from touchstone.catalog.providers import find_provider
from touchstone.errors import SettingsError, TouchstoneError
from touchstone.language import N_, _
from touchstone.web.base import Answer, Ask, Move, NotHere, Route, Show
from touchstone.web.pages.settings import tabs
from touchstone.workspace.governed import note
from touchstone.workspace.projects import DEFAULT_PROJECT
from touchstone.workspace.provider_keys import ProviderKeys

SAID = {
    "accepted": N_("{host} took the key."),
    "refused": N_("{host} refused the key (HTTP {status}); set another one."),
    "no_list": N_(
        "{host} answered (HTTP {status}) but has no list of models, so it does not tell whether the key is good."
    ),
    "busy": N_("{host} asks to wait (HTTP {status}); try again in a minute."),
    "failed": N_("{host} failed (HTTP {status}); try again later."),
    "unreachable": N_("{host} could not be reached; nothing was learned about the key."),
}
"""What is told of a test: a code of ours, never the words of whoever answered."""


def listing(ask: Ask) -> Answer:
    """Every provider, and whether it has a key."""
    return _page(ask)


def keep(ask: Ask) -> Answer:
    """Keep a key for a provider's own address."""
    provider = _provider(ask)
    try:
        _keys(ask).keep(provider, ask.form.raw("key", longest=8_192))
    except SettingsError as error:
        return _page(ask, provider, error.text(_))
    _note(ask, "provider_key.set", provider)
    return Move("/settings/keys", _("The key is kept. It is not shown again; setting another one replaces it."))


def forget(ask: Ask) -> Answer:
    """Delete a key that was typed here."""
    provider = _provider(ask)
    _keys(ask).forget(provider)
    _note(ask, "provider_key.delete", provider)
    return Move("/settings/keys", _("The key is deleted."))


def test(ask: Ask) -> Answer:
    """Ask the provider's own host whether it takes the key."""
    provider = _provider(ask)
    try:
        found = _keys(ask).test(provider)
    except TouchstoneError as error:
        return _page(ask, provider, error.text(_))
    words = _(SAID[found.said]).format(host=found.host, status=found.status)
    return Move("/settings/keys", words, "done" if found.said == "accepted" else "warning")


def _page(ask: Ask, provider: str = "", problem: str = "") -> Answer:
    values = {
        "tabs": tabs(ask, "/settings/keys"),
        "keys": _keys(ask).all(),
        "provider": provider,
        "problem": problem,
    }
    return Show("settings/keys.html.j2", values, status=422 if problem else 200)


def _keys(ask: Ask) -> ProviderKeys:
    """Keys are the site's: they belong to whoever pays, and every project uses them."""
    return ProviderKeys(ask.site.settings.workspace)


def _provider(ask: Ask) -> str:
    try:
        return find_provider(ask.form.text("provider", longest=100)).id
    except TouchstoneError:
        raise NotHere from None


def _note(ask: Ask, what: str, provider: str) -> None:
    note(ask.site.workspace(DEFAULT_PROJECT), who=ask.viewer.name, what=what, about=f"provider {provider}")


routes = (
    Route("/settings/keys", listing, "view"),
    Route("/settings/keys", keep, "site", methods=("POST",), body_bytes=65_536),
    Route("/settings/keys/delete", forget, "site", methods=("POST",), body_bytes=65_536),
    Route("/settings/keys/test", test, "site", methods=("POST",), body_bytes=65_536),
)
