"""Settings: what is set and where from, prices and their dates, storage, and what works on this machine."""

from __future__ import annotations

from touchstone.language import N_, _
from touchstone.web.base import Answer, Ask, Move, Route, Show
from touchstone.workspace.doctor import examine
from touchstone.workspace.price_facts import REFRESHED, price_facts
from touchstone.workspace.storage_facts import copies, parts
from touchstone.workspace.told_settings import told_settings

STATES = {
    "works": (N_("works"), "good"),
    "absent": (N_("not installed"), ""),
    "look": (N_("look at it"), "bad"),
    "problem": (N_("mend it"), "bad"),
}
AREAS = {
    "store": N_("The store"),
    "machine": N_("This machine"),
    "extras": N_("Extras"),
    "python": N_("Python, and what runs at its start"),
}
_LOOKED_AT_S = 30.0


def overview(ask: Ask) -> Answer:
    """Who you are here, and each setting with where it came from."""
    told = told_settings(ask.site.settings) if ask.may("site") else ()
    return Show("settings/overview.html.j2", {"tabs": tabs(ask, "/settings"), "told": told})


def prices(ask: Ask) -> Answer:
    """Which prices are used, how old they are, and the team's own."""
    folder = ask.folder
    facts = ask.site.kept(("prices", ask.viewer.project), _LOOKED_AT_S, lambda: price_facts(folder))
    values = {"tabs": tabs(ask, "/settings/prices"), "facts": facts, "may_refresh": REFRESHED}
    return Show("settings/prices.html.j2", values)


def refresh(ask: Ask) -> Answer:
    """Ask a source for its prices as they are now, in a process of its own."""
    source = ask.form.choice("source", REFRESHED, REFRESHED[0])
    job = ask.jobs.start(
        "catalog",
        "refresh",
        "--take",
        "--",
        source,
        title=_("Prices of {source}").format(source=source),
        about="/settings/prices",
        who=ask.viewer.name,
        language=ask.language,
    )
    return Move(f"/jobs/{job.id}")


def storage(ask: Ask) -> Answer:
    """How much room everything takes, and which copies of the store there are."""
    folder = ask.folder
    found = ask.site.kept(("storage", ask.viewer.project), _LOOKED_AT_S, lambda: (parts(folder), copies(folder)))
    values = {"tabs": tabs(ask, "/settings/storage"), "parts": found[0], "copies": found[1]}
    return Show("settings/storage.html.j2", values)


def check_storage(ask: Ask) -> Answer:
    """Read every page of the store, in a process of its own."""
    job = ask.jobs.start(
        "doctor",
        "--check-store",
        title=_("Check of the whole store"),
        about="/settings/storage",
        who=ask.viewer.name,
        language=ask.language,
    )
    return Move(f"/jobs/{job.id}")


def doctor(ask: Ask) -> Answer:
    """What works here and what does not."""
    found = ask.site.kept("doctor", _LOOKED_AT_S, lambda: examine(ask.site.settings))
    values = {
        "tabs": tabs(ask, "/settings/doctor"),
        "areas": [(words, [one for one in found if one.area == area]) for area, words in AREAS.items()],
        "states": STATES,
    }
    return Show("settings/doctor.html.j2", values)


def tabs(ask: Ask, here: str) -> list[tuple[str, str, bool]]:
    """The places of the settings that this person may open."""
    known = (
        ("/settings", N_("Overview"), "view"),
        ("/settings/keys", N_("Provider keys"), "view"),
        ("/settings/prices", N_("Prices"), "view"),
        ("/settings/projects", N_("Projects"), "view"),
        ("/settings/members", N_("Members"), "admin"),
        ("/settings/people", N_("People"), "site"),
        ("/settings/storage", N_("Storage"), "admin"),
        ("/settings/doctor", N_("Doctor"), "site"),
    )
    return [(path, _(words), path == here) for path, words, scope in known if ask.may(scope)]  # type: ignore[arg-type]


routes = (
    Route("/settings", overview, "view"),
    Route("/settings/prices", prices, "view"),
    Route("/settings/prices", refresh, "edit", methods=("POST",)),
    Route("/settings/storage", storage, "admin"),
    Route("/settings/storage", check_storage, "admin", methods=("POST",)),
    Route("/settings/doctor", doctor, "site"),
)
