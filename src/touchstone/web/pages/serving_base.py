"""What the pages of endpoints, keys and usage share: who is meant, tabs, and problems beside their fields."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from touchstone.deployment.base import Endpoint, Version
from touchstone.errors import TouchstoneError, UnknownName
from touchstone.language import N_, _
from touchstone.reporting import numbers
from touchstone.web.base import Ask, NotHere
from touchstone.workspace.endpoints import Standing, standing
from touchstone.workspace.gateway_state import gateway_job, gateway_state, suggested_port
from touchstone.workspace.govern import Govern

WINDOWS = {
    "hour": N_("an hour"),
    "day": N_("a day"),
    "week": N_("a week"),
    "month": N_("a month"),
    "ever": N_("ever"),
}
"""How long a budget lasts, behind a number of USD."""

STATES = {"live": N_("live"), "revoked": N_("revoked"), "expired": N_("expired")}
"""How a key stands."""


def today() -> date:
    """The day, in UTC."""
    return datetime.now(UTC).date()


def found(ask: Ask) -> Standing:
    """The endpoint of the address. Raises `NotHere` where there is none of this project."""
    try:
        return standing(ask.workspace, ask.params["name"], today())
    except UnknownName:
        raise NotHere from None


def govern_of(ask: Ask) -> Govern:
    """Keys, usage and audit log of the project."""
    return Govern(ask.workspace)


def tabs(name: str, here: str) -> list[tuple[str, str, bool]]:
    """The views of one endpoint."""
    rows = [("", _("Overview")), ("/shadow", _("Shadow")), ("/policy", _("Policy")), ("/logs", _("Logs"))]
    return [(f"/endpoints/{name}{path}", words, path == here) for path, words in rows]


def shares(split: Mapping[int, int] | None) -> str:
    """Which version answers how many of the requests."""
    return ", ".join(f"v{number} {percent} %" for number, percent in sorted((split or {}).items()))


def price_words(version: Version) -> str:
    """What requests of a version are charged."""
    price = version.price
    if price is None:
        return _("unknown")
    if not (price.input_usd or price.output_usd or price.per_call_usd or price.tiers):
        return _("nothing")
    per_call = f" + {numbers.money(price.per_call_usd)}" if price.per_call_usd else ""
    return _("{input} in, {output} out a million tokens").format(
        input=numbers.money(price.input_usd), output=numbers.money(price.output_usd)
    ) + (_("{usd} a call").format(usd=per_call) if per_call else "")


def serving(endpoint: Endpoint) -> tuple[int, ...]:
    """Versions that answer requests."""
    return tuple(sorted(endpoint.split))


def gateway_facts(ask: Ask) -> dict[str, Any]:
    """What the card of the gateway shows: how it stands, the job that serves, and what it said where it did not."""
    state = gateway_state(ask.workspace)
    job = gateway_job(ask.workspace, ask.jobs)
    live = job is not None and job.is_live
    stands = "stopped"
    if job is not None and job.state == "stopping":
        stands = "stopping"
    elif state.is_running and state.address is not None:
        stands = "running"
    elif state.is_running or live:
        stands = "starting"
    elif job is not None and job.state in ("refused", "failed", "interrupted"):
        stands = "failed"
    said = ask.jobs.said(job.job.id).strip().splitlines() if job is not None and stands == "failed" else []
    return {
        "gateway": state,
        "stands": stands,
        "gateway_job": job,
        "said": said[-1] if said else "",
        "port": suggested_port(ask.jobs) if stands in ("stopped", "failed") else None,
    }


def problem_at(error: TouchstoneError, fields: Mapping[str, str]) -> Mapping[str, str]:
    """
    What is wrong, by the field beside which it stands; under `form` where no field is named.

    Args:
        fields: Names under which errors know fields, to the fields.
    """
    named = str(error.values.get("field", error.values.get("flag", "")))
    return by_field({fields.get(named, named if named in fields.values() else "form"): error.text(_)})


def by_field(problems: Mapping[str, str]) -> Mapping[str, str]:
    """What is wrong by its field, and nothing for every other field."""
    return defaultdict(str, problems)


def typed(ask: Ask, names: tuple[str, ...], otherwise: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """What was typed into a form, to show it again; `otherwise` before anything was."""
    if ask.method != "POST":
        return defaultdict(str, otherwise or {})
    return defaultdict(str, {name: ask.form.raw(name) for name in names})
