"""Endpoints: what is served, and the gateway that answers for all of them."""

from __future__ import annotations

import time
from typing import Any

from touchstone.deployment.govern.usage_report import UsageRow, days_until, usage
from touchstone.errors import TouchstoneError
from touchstone.language import _
from touchstone.web.base import Answer, Ask, Move, Route, Send, Show
from touchstone.web.pages import endpoint_one, endpoint_policy, endpoint_shadow, endpoints_new
from touchstone.web.pages.serving_base import by_field, gateway_facts, govern_of, price_words, problem_at, shares, today
from touchstone.workspace.endpoints import MANIFESTS, standings, write_manifest
from touchstone.workspace.gateway_state import ABOUT, check_port, gateway_job, gateway_state

_DAYS = 30
_KEPT_S = 30.0
_FILES = {
    "kubernetes": "gateway.yaml",
    "kserve": "gateway.yaml",
    "compose": "compose.yaml",
    "systemd": "gateway.service",
}


def listing(ask: Ask) -> Answer:
    """Every endpoint, and how the gateway stands."""
    return Show("endpoints/list.html.j2", {**_listed(ask), **gateway_facts(ask), "problems": by_field({})})


def _listed(ask: Ask) -> dict[str, Any]:
    engine = govern_of(ask).engine
    since = days_until(time.time(), _DAYS)
    rows = ask.site.kept(
        ("endpoint usage", ask.viewer.project), _KEPT_S, lambda: usage(engine, ("endpoint",), since=since)
    )
    asked: dict[str, UsageRow] = {row.parts["endpoint"]: row for row in rows}
    return {
        "found": standings(ask.workspace, today()),
        "asked": asked,
        "shares": shares,
        "price_words": price_words,
    }


def gateway(ask: Ask) -> Answer:
    """The gateway by itself: its card is sent alone to pages that watch it."""
    return Show("endpoints/gateway.html.j2", {**gateway_facts(ask), "problems": by_field({})}, block="card")


def start(ask: Ask) -> Answer:
    """Serve on this machine alone, in a process of its own that outlives these pages."""
    try:
        port = ask.form.whole("port", 8080, low=1, high=65_535) or 8080
        if gateway_state(ask.workspace).is_running:
            return Move("/endpoints", _("The gateway runs already."), "warning")
        job = gateway_job(ask.workspace, ask.jobs)
        if job is not None and job.is_live:
            return Move("/endpoints", _("The gateway is starting already."), "warning")
        check_port(port)
    except TouchstoneError as error:
        facts = {**_listed(ask), **gateway_facts(ask), "port": ask.form.text("port")[:20]}
        problems = problem_at(error, {"port": "port"})
        return Show(
            "endpoints/list.html.j2", {**facts, "problems": by_field({"port": next(iter(problems.values()))})},
            status=422,
        )  # fmt: skip
    ask.jobs.start(
        "serve",
        "--host=127.0.0.1",
        f"--port={port}",
        title=_("The gateway, port {port}").format(port=port),
        about=ABOUT,
        who=ask.viewer.name,
        language=ask.language,
    )
    return Move("/endpoints", _("The gateway starts; it goes on when this site ends."))


def stop(ask: Ask) -> Answer:
    """Stop it: what runs may end, and everything is written down."""
    job = gateway_job(ask.workspace, ask.jobs)
    if job is None or not job.is_live:
        return Move("/endpoints", _("No gateway runs that was started here."), "warning")
    ask.jobs.stop(job.job.id)
    return Move("/endpoints", _("The gateway takes no new requests; what runs may end."))


def manifest(ask: Ask) -> Answer:
    """Files for other people's machinery, made of a form; `download` gives the file."""
    query = ask.query
    values: dict[str, Any] = {"query": query, "kinds": MANIFESTS, "text": "", "problem": ""}
    if query.text("hosts"):
        try:
            kind = query.choice("kind", MANIFESTS, "kubernetes")
            values["text"] = write_manifest(
                ask.workspace,
                kind,
                name=query.text("name", "touchstone", longest=100),
                hosts=query.text("hosts", longest=2_000).split(),
                memory_gib=query.number("memory_gib", low=0.1, high=100_000),
                processors=query.number("processors", 2.0, low=0.1, high=1_024) or 2.0,
                accelerators=query.whole("accelerators", 0, high=64) or 0,
                secrets=query.text("secrets", longest=4_000).split(),
                image=query.text("image", "touchstone:latest", longest=500),
                port=query.whole("port", 8080, low=1_024, high=65_535) or 8080,
            )
        except TouchstoneError as error:
            values["problem"] = error.text(_)
        if values["text"] and query.flag("download"):
            return Send(values["text"].encode(), "text/plain; charset=utf-8", file_name=_FILES[kind])
    return Show("endpoints/manifest.html.j2", values, status=422 if values["problem"] else 200)


routes = (
    Route("/endpoints", listing, "view"),
    # No endpoint can be called `-`, so these hide none.
    Route("/endpoints/-/gateway", gateway, "view"),
    Route("/endpoints/-/gateway/start", start, "edit", methods=("POST",)),
    Route("/endpoints/-/gateway/stop", stop, "edit", methods=("POST",)),
    Route("/endpoints/-/manifest", manifest, "view"),
    *endpoints_new.routes,
    *endpoint_one.routes,
    *endpoint_shadow.routes,
    *endpoint_policy.routes,
)
