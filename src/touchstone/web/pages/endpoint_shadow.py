"""A shadow version: asked too, answering nobody, and held against the version that answers."""

from __future__ import annotations

from touchstone.errors import SettingsError
from touchstone.language import _
from touchstone.web.base import Answer, Ask, Move, Route, Show
from touchstone.web.pages.serving_base import found, tabs
from touchstone.workspace.endpoints import registry
from touchstone.workspace.shadow_scores import shadow_scores

_KEPT_S = 20.0
_SHOWN = 50
"""Pairs that are listed."""


def page(ask: Ask) -> Answer:
    """Which version is the shadow, and how its answers compare."""
    stands = found(ask)
    endpoint, workspace = stands.endpoint, ask.workspace
    scores = ask.site.kept(
        ("shadow", ask.viewer.project, endpoint.name), _KEPT_S, lambda: shadow_scores(workspace, endpoint)
    )
    only = ask.query.choice("show", ("different", "all"), "different")
    rows = [
        (group, [pair for pair in group.pairs if only == "all" or pair.same is not True][:_SHOWN]) for group in scores
    ]
    values = {
        "stands": stands,
        "endpoint": endpoint,
        "tabs": tabs(endpoint.name, "/shadow"),
        "scores": rows,
        "only": only,
        "candidates": [one.number for one in endpoint.versions if one.number not in endpoint.split],
    }
    return Show("endpoints/shadow.html.j2", values)


def change(ask: Ask) -> Answer:
    """Begin or end it."""
    name = found(ask).endpoint.name
    version = ask.form.whole("version", None, low=1, high=1_000_000)
    percent = ask.form.whole("percent", 100, low=1, high=100) or 100
    try:
        registry(ask.workspace, ask.viewer.name).shadow(name, version, percent)
    except SettingsError as error:
        return Move(f"/endpoints/{name}/shadow", error.text(_), "warning")
    said = (
        _("No version is asked beside the others any more.")
        if version is None
        else _("Version {version} is asked too, and answers nobody.").format(version=version)
    )
    return Move(f"/endpoints/{name}/shadow", said)


routes = (
    Route("/endpoints/{name}/shadow", page, "view"),
    Route("/endpoints/{name}/shadow", change, "edit", methods=("POST",)),
)
