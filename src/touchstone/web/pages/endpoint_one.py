"""One endpoint: its versions and their evidence, who answers how much, one question, and how programs ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextvars import copy_context
from typing import Any

from touchstone.deployment.base import Endpoint
from touchstone.deployment.endpoints.registry import Registry
from touchstone.deployment.govern.usage_report import days_until, usage
from touchstone.errors import SettingsError, TouchstoneError, UnknownName
from touchstone.language import _
from touchstone.web.base import Answer, Ask, Event, Follow, Move, Route, Send, Show
from touchstone.web.pages.serving_base import found, gateway_facts, govern_of, price_words, shares, tabs, today
from touchstone.web.render import part
from touchstone.workspace.endpoint_ask import (
    AskedOnce,
    ask_gateway,
    ask_recipe,
    kind_of,
    main_version,
    may_ask_recipe,
    samples,
)
from touchstone.workspace.endpoints import process_logs, registry, remove_endpoint
from touchstone.workspace.gateway_state import PORT, gateway_state

_DAYS = 30
_KEPT_S = 30.0
_LOOK_S = 1.0
_LINES = 200
LONGEST = 50_000
"""Characters of a question."""


def overview(ask: Ask) -> Answer:
    """What it serves, on which evidence."""
    return _overview(ask)


def _overview(ask: Ask, *, status: int = 200, **more: Any) -> Answer:
    stands = found(ask)
    endpoint = stands.endpoint
    engine, since = govern_of(ask).engine, days_until(time.time(), _DAYS)
    rows = ask.site.kept(
        ("versions", ask.viewer.project, endpoint.name),
        _KEPT_S,
        lambda: usage(engine, ("version",), since=since, endpoint=endpoint.name),
    )
    state = gateway_state(ask.workspace)
    question = more.get("question") or _("My parcel has not arrived.")
    base_url = state.base_url or f"http://127.0.0.1:{PORT}/v1"
    values: dict[str, Any] = {
        "stands": stands,
        "endpoint": endpoint,
        "tabs": tabs(endpoint.name, ""),
        "asked": {row.parts["version"]: row for row in rows},
        "shares": shares,
        "price_words": price_words,
        "gateway": state,
        "base_url": base_url,
        "samples": samples(endpoint, base_url, question),
        "kind": kind_of(endpoint),
        "main": main_version(endpoint),
        "may_ask_recipe": may_ask_recipe(endpoint),
        "runs_here": any(one.compute is not None for one in endpoint.versions),
        "today": today(),
        "answered": None,
        "question": "",
        "problem": "",
        "wrong_split": "",
        **more,
    }
    return Show("endpoints/one.html.j2", values, block="answer", status=status)


def ask_it(ask: Ask) -> Answer:
    """One question: through the gateway with a key, or through the recipe where that costs nothing."""
    endpoint = found(ask).endpoint
    text = ask.form.raw("text", longest=LONGEST).strip()
    try:
        answered = _answered(ask, endpoint, text)
    except TouchstoneError as error:
        return _overview(ask, status=422, question=text, problem=error.text(_))
    return _overview(ask, question=text, answered=answered)


def _answered(ask: Ask, endpoint: Endpoint, text: str) -> AskedOnce:
    if not text:
        raise SettingsError("write a question first")
    if ask.form.choice("how", ("gateway", "recipe"), "gateway") == "recipe":
        return ask_recipe(ask.workspace, endpoint, text)
    address = gateway_state(ask.workspace).address
    if address is None:
        raise SettingsError("the gateway does not run; start it on the page of endpoints")
    return ask_gateway(address, endpoint, ask.form.text("key", longest=200), text)


# The desired state ----------------------------------------------------------------------------------------------------


def split(ask: Ask) -> Answer:
    """Share the requests out between versions."""
    endpoint = found(ask).endpoint
    try:
        wanted = {one.number: ask.form.whole(f"share_{one.number}", 0, high=100) or 0 for one in endpoint.versions}
        registry(ask.workspace, ask.viewer.name).split(endpoint.name, wanted)
    except SettingsError as error:
        return _overview(ask, status=422, wrong_split=error.text(_))
    return _back(ask, _("The requests are shared out anew."))


def roll_back(ask: Ask) -> Answer:
    """Go back to the shares before the last change."""
    return _change(ask, lambda known, name: known.roll_back(name), _("The shares are those before the last change."))


def state(ask: Ask) -> Answer:
    """Answer nobody any more, or again."""
    if ask.form.choice("to", ("running", "stopped"), "running") == "stopped":
        return _change(ask, lambda known, name: known.set_state(name, "stopped"), _("It answers nobody any more."))
    return _change(ask, lambda known, name: known.set_state(name, "running"), _("It answers again."))


def scale(ask: Ask) -> Answer:
    """With how many processes what runs here is served."""
    replicas = ask.form.whole("replicas", 1, low=1, high=64) or 1
    return _change(ask, lambda known, name: known.scale(name, replicas), _("The number of processes is changed."))


def restart(ask: Ask) -> Answer:
    """Start new processes, then end the old ones."""
    return _change(ask, lambda known, name: known.restart(name), _("New processes are started, then the old ones end."))


def remove(ask: Ask) -> Answer:
    """Take it out."""
    name = found(ask).endpoint.name
    if ask.form.text("name", longest=100) != name:
        return Move(f"/endpoints/{name}", _("Nothing was removed: its name was not written."), "warning")
    try:
        remove_endpoint(ask.workspace, name, ask.viewer.name)
    except SettingsError as error:
        return Move(f"/endpoints/{name}", error.text(_), "warning")
    return Move("/endpoints", _("{name} is removed; its charges and its trial stay.").format(name=name))


def _change(ask: Ask, change: Callable[[Registry, str], Endpoint], said: str) -> Answer:
    name = found(ask).endpoint.name
    try:
        change(registry(ask.workspace, ask.viewer.name), name)
    except SettingsError as error:
        return Move(f"/endpoints/{name}", error.text(_), "warning")
    return _back(ask, said)


def _back(ask: Ask, said: str) -> Answer:
    return Move(
        f"/endpoints/{ask.params['name']}", said + " " + _("A gateway that runs takes it over within a second.")
    )


# Logs -----------------------------------------------------------------------------------------------------------------


def logs(ask: Ask) -> Answer:
    """What its processes printed, as it comes."""
    stands = found(ask)
    values = _logged(ask, stands.endpoint) | {
        "tabs": tabs(stands.endpoint.name, "/logs"),
        "runs_here": any(one.compute is not None for one in stands.endpoint.versions),
    }
    return Show("endpoints/logs.html.j2", values | {"stands": stands} | gateway_facts(ask), block="printed")


def logs_text(ask: Ask) -> Answer:
    """The same as a file."""
    endpoint = found(ask).endpoint
    printed = process_logs(ask.workspace, endpoint.name, _version(ask), 100_000)
    text = "".join(f"# {title}\n" + "".join(f"{line}\n" for line in lines) for title, lines in printed)
    return Send(text.encode(), "text/plain; charset=utf-8", file_name=f"{endpoint.name}.log.txt")


def logs_events(ask: Ask) -> Answer:
    """The last lines whenever there are new ones."""
    return Follow(_follow(ask, found(ask).endpoint))


def _version(ask: Ask) -> int | None:
    return ask.query.whole("version", None, low=1, high=1_000_000)


def _logged(ask: Ask, endpoint: Endpoint) -> dict[str, Any]:
    version = _version(ask)
    lines = ask.query.whole("lines", _LINES, low=1, high=5_000) or _LINES
    return {
        "endpoint": endpoint,
        "version": version,
        "lines": lines,
        "printed": process_logs(ask.workspace, endpoint.name, version, lines),
    }


async def _follow(ask: Ask, endpoint: Endpoint) -> AsyncIterator[Event]:
    loop, seen = asyncio.get_running_loop(), None

    def look() -> list[tuple[str, tuple[str, ...]]]:
        try:
            return _logged(ask, endpoint)["printed"]  # type: ignore[no-any-return]  # as the line above made it
        except UnknownName:
            return []

    while True:
        context = copy_context()
        printed = await loop.run_in_executor(ask.site.workers, lambda: context.run(look))  # noqa: B023 - awaited here
        if printed != seen:
            seen = printed
            values = {"endpoint": endpoint, "printed": printed, "ask": ask}
            yield Event(await asyncio.to_thread(part, "endpoints/logs.html.j2", "printed", values))
        await asyncio.sleep(_LOOK_S)


routes = (
    Route("/endpoints/{name}", overview, "view"),
    Route("/endpoints/{name}/ask", ask_it, "edit", methods=("POST",)),
    Route("/endpoints/{name}/split", split, "edit", methods=("POST",)),
    Route("/endpoints/{name}/roll-back", roll_back, "edit", methods=("POST",)),
    Route("/endpoints/{name}/state", state, "edit", methods=("POST",)),
    Route("/endpoints/{name}/scale", scale, "edit", methods=("POST",)),
    Route("/endpoints/{name}/restart", restart, "edit", methods=("POST",)),
    Route("/endpoints/{name}/remove", remove, "admin", methods=("POST",)),
    Route("/endpoints/{name}/logs", logs, "view"),
    Route("/endpoints/{name}/logs/text", logs_text, "view"),
    Route("/endpoints/{name}/logs/events", logs_events, "view"),
)
