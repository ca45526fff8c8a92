"""From a decision to an endpoint, or from a model that nobody measured."""

from __future__ import annotations

from typing import Any

from touchstone import plugins
from touchstone.deployment.base import ComputeSettings
from touchstone.errors import SettingsError, TouchstoneError, UnknownName
from touchstone.language import _
from touchstone.reporting.base import ReportData
from touchstone.web.base import Answer, Ask, Move, NotHere, Route, Show
from touchstone.web.pages.serving_base import problem_at, typed
from touchstone.workspace.base import Demands
from touchstone.workspace.deploy import (
    Deployed,
    Order,
    deploy_decision,
    deploy_model,
    endpoint_name,
)
from touchstone.workspace.deploy_said import day_said, price_said
from touchstone.workspace.endpoints import change_policy, registry
from touchstone.workspace.task_text import check_reach

_TYPED = (
    "candidate", "because", "name", "percent", "project", "compute", "replicas", "memory_gib", "idle_stop_s",
    "input_usd", "output_usd", "good_until", "check_cases", "recipe", "pii", "injection", "sampling",
)  # fmt: skip
_SHOWN = 50
"""Comparisons to choose from."""
_KEPT_S = 60.0
_TAKEN = frozenset({"new"})
"""Names that are addresses of pages; an endpoint of such a name could not be looked at."""
_FIELDS = {name: name for name in _TYPED if name not in ("project", "compute", "pii", "injection", "sampling")}
"""Fields that have room for a problem beside them; all others are told above the form."""


def form(ask: Ask) -> Answer:
    """What is to be served; with `decision=ID` what that one chose, or another of its candidates."""
    return _form(ask, ask.query.text("decision", longest=100))


def _form(ask: Ask, decision: str, error: TouchstoneError | None = None) -> Answer:
    data = _decided(ask, decision) if decision else None
    problems = dict.fromkeys(("form", *_TYPED), "")
    if isinstance(error, SettingsError) and "percent" in error.values:
        problems["percent"] = error.text(_)
    elif error is not None:
        problems |= problem_at(error, _FIELDS)
    chosen = data.comparison.decision.chosen if data is not None else None
    start = {
        "candidate": ask.query.text("candidate", chosen or "", longest=500),
        "name": endpoint_name(data.comparison.task.name) if data is not None else "",
        "percent": "100",
        "recipe": ask.query.text("recipe", longest=300),
        "replicas": "1",
        "sampling": "measured",
        "pii": "off",
        "injection": "off",
    }
    values: dict[str, Any] = {
        "data": data,
        "decision": decision,
        "chosen": chosen,
        "comparisons": () if data is not None else ask.workspace.comparisons()[:_SHOWN],
        "now": typed(ask, _TYPED, start),
        "problems": problems,
        "computes": [(one, one) for one in plugins.names("computes")],
        "existing": {one.name: max(v.number for v in one.versions) for one in registry(ask.workspace, "").all()},
    }
    return Show("endpoints/new.html.j2", values, status=200 if error is None else 422)


def _decided(ask: Ask, decision: str) -> ReportData:
    """The decision of a stored comparison under its own demands; kept a while, for it reads every cell."""
    workspace = ask.workspace
    try:
        return ask.site.kept(
            ("to deploy", ask.viewer.project, decision), _KEPT_S, lambda: workspace.decide(decision, Demands())
        )
    except UnknownName:
        raise NotHere from None


def make(ask: Ask) -> Answer:
    """Serve it."""
    decision = ask.form.text("decision", longest=100)
    if decision:
        _decided(ask, decision)
    try:
        deployed = _deploy(ask, decision)
        name = deployed.endpoint.name
        if ask.may("admin"):
            _set_policy(ask, name)
    except TouchstoneError as error:
        return _form(ask, decision, error)
    said = _("{name}, version {version}, is deployed.").format(name=name, version=deployed.version.number)
    if deployed.agreement is not None and deployed.agreement.asked:
        said += " " + _("{same} of {asked} stored cases get the very same answer.").format(
            same=deployed.agreement.same, asked=deployed.agreement.asked
        )
    return Move(f"/endpoints/{name}", said)


def _deploy(ask: Ask, decision: str) -> Deployed:
    order = _order(ask)
    if decision:
        return deploy_decision(ask.workspace, decision, order, who=ask.viewer.name)
    recipe = ask.form.text("recipe", longest=300)
    if not recipe:
        raise SettingsError(
            "{field} is empty; choose a comparison, or name a model as a task file does", field="recipe"
        )
    if not ask.viewer.is_local:
        kind, _slash, rest = recipe.partition("/")
        if kind in ("embedding", "local") or (kind == "moderation" and rest != "rules"):
            raise SettingsError(
                "{field} is {value!r}, which names files of this machine; whoever runs this site can deploy it",
                field="recipe",
                value=recipe,
            )
        check_reach({"candidates": [recipe]}, near=ask.may("admin"))
    return deploy_model(ask.workspace, recipe, order, who=ask.viewer.name)


def _order(ask: Ask) -> Order:
    form = ask.form
    name = form.text("name", longest=64) or None
    if name is not None:
        if name != endpoint_name(name):
            raise SettingsError(
                "{field} is {value!r}; use small letters, digits, dots and dashes, such as {example}",
                field="name",
                value=name,
                example=endpoint_name(name),
            )
        if name in _TAKEN:
            raise SettingsError(
                "{field} is {value!r}, which is the address of a page; choose another", field="name", value=name
            )
    compute = form.choice("compute", ("", *plugins.names("computes")), "")
    settings = (
        ComputeSettings(
            kind=compute,
            replicas=form.whole("replicas", 1, low=1, high=64) or 1,
            memory_gib=form.number("memory_gib", low=0.01, high=100_000),
            idle_stop_s=form.number("idle_stop_s", low=1, high=31_536_000),
        )
        if compute
        else None
    )
    input_usd = form.number("input_usd", low=0, high=1e6)
    output_usd = form.number("output_usd", low=0, high=1e6)
    if (input_usd is None) != (output_usd is None):
        raise SettingsError(
            "{field} is empty; give both prices or none", field="input_usd" if input_usd is None else "output_usd"
        )
    return Order(
        name=name,
        candidate=form.text("candidate", longest=500) or None,
        because=form.text("because", longest=2_000) or None,
        percent=_percent(ask),
        compute=settings,
        price=price_said(input_usd, output_usd, "given on the page"),
        check_cases=form.whole("check_cases", None, high=1_000),
        project=ask.viewer.project if form.flag("project") else None,
        good_until=day_said("good_until", form.text("good_until", longest=20) or None),
    )


def _percent(ask: Ask) -> int:
    percent = ask.form.whole("percent", 100, high=100)
    return 100 if percent is None else percent


def _set_policy(ask: Ask, name: str) -> None:
    """What the form says of the policy, where it is another than the endpoint has."""
    policy = registry(ask.workspace, "").find(name).policy
    sampling = ask.form.choice("sampling", ("measured", "client"), policy.sampling)
    safety = {
        "pii": ask.form.choice("pii", ("off", "mask", "block"), policy.safety.pii),
        "injection": ask.form.choice("injection", ("off", "flag", "block"), policy.safety.injection),
    }
    if sampling != policy.sampling or any(getattr(policy.safety, key) != value for key, value in safety.items()):
        change_policy(ask.workspace, name, None, {"sampling": sampling}, safety, ask.viewer.name)


routes = (
    Route("/endpoints/new", form, "edit"),
    Route("/endpoints/new", make, "edit", methods=("POST",)),
)
