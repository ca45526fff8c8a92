"""How an endpoint behaves beside its recipe, and what is looked for in texts: a form, and the same as YAML."""

from __future__ import annotations

from typing import Any

from touchstone.deployment.base import Policy
from touchstone.errors import TouchstoneError
from touchstone.language import _
from touchstone.web.base import Answer, Ask, Move, Route, Show
from touchstone.web.pages.serving_base import by_field, found, tabs
from touchstone.workspace.endpoints import change_policy, policy_of_text, policy_text, registry

_LONGEST = 100_000
_BESIDE = frozenset(
    {
        "pii_kinds", "blocked", "allowed", "max_output_tokens", "cache_s", "keep_content_days", "first_byte_s",
        "idle_s", "fail_over", "image_hosts",
    }
)  # fmt: skip
"""Fields that have room for a problem beside them; all others are told above the form."""


def page(ask: Ask) -> Answer:
    """The policy as it is."""
    return _page(ask, found(ask).endpoint.policy)


def _page(ask: Ask, policy: Policy, *, status: int = 200, **more: Any) -> Answer:
    stands = found(ask)
    others = [one.name for one in registry(ask.workspace, "").all() if one.name != stands.endpoint.name]
    values = {
        "stands": stands,
        "endpoint": stands.endpoint,
        "tabs": tabs(stands.endpoint.name, "/policy"),
        "now": _fields(policy),
        "text": policy_text(policy),
        "others": others,
        "judges": [(one, one) for one in others],
        "problems": by_field({}),
        **more,
    }
    return Show("endpoints/policy.html.j2", values, status=status)


def _fields(policy: Policy) -> dict[str, Any]:
    safety = policy.safety
    return {
        **policy.model_dump(mode="json", exclude={"safety"}),
        "fail_over": "\n".join(policy.fail_over),
        "image_hosts": "\n".join(policy.image_hosts),
        **safety.model_dump(mode="json"),
        "blocked": "\n".join(safety.blocked),
        "allowed": "\n".join(safety.allowed),
        "pii_kinds": " ".join(safety.pii_kinds),
        "ways": safety.ways,
    }


def save(ask: Ask) -> Answer:
    """Take what the form says."""
    name, form = found(ask).endpoint.name, ask.form
    try:
        changes: dict[str, Any] = {
            "fail_over": _lines(ask, "fail_over"),
            "image_hosts": _lines(ask, "image_hosts"),
            "sampling": form.choice("sampling", ("measured", "client"), "measured"),
            "max_output_tokens": form.whole("max_output_tokens", 1_024, low=1),
            "on_disconnect": form.choice("on_disconnect", ("cancel", "drain"), "cancel"),
            "on_key_end": form.choice("on_key_end", ("finish", "cut"), "finish"),
            "cache_s": form.whole("cache_s", 0) or 0,
            "keep_content_days": form.whole("keep_content_days", 0, high=36_500) or 0,
            "first_byte_s": form.number("first_byte_s", 120.0, low=0.001, high=86_400),
            "idle_s": form.number("idle_s", 60.0, low=0.001, high=86_400),
        }
        ways = [way for way in ("in", "out") if way in form.all("ways")]
        safety: dict[str, Any] = {
            "pii": form.choice("pii", ("off", "mask", "block"), "off"),
            "pii_kinds": tuple(form.text("pii_kinds", longest=2_000).split()),
            "injection": form.choice("injection", ("off", "flag", "block"), "off"),
            "media": form.choice("media", ("pass", "block"), "pass"),
            "when_down": form.choice("when_down", ("closed", "open"), "closed"),
            "moderation": form.text("moderation", "-", longest=100),
            "presidio": form.flag("presidio"),
            "blocked": _lines(ask, "blocked"),
            "allowed": _lines(ask, "allowed"),
            "ways": ways or ["in", "out"],
        }
        change_policy(ask.workspace, name, None, changes, safety, ask.viewer.name)
    except TouchstoneError as error:
        key = str(error.values.get("field", error.values.get("key", ""))).rpartition(".")[2].partition(" ")[0]
        now = {field: form.raw(field) for field in _fields(Policy())} | {"ways": form.all("ways")}
        return _page(
            ask,
            found(ask).endpoint.policy,
            status=422,
            now=now,
            problems=by_field({key if key in _BESIDE else "form": error.text(_)}),
        )
    return _done(name)


def save_text(ask: Ask) -> Answer:
    """Take the whole policy as it is written."""
    name = found(ask).endpoint.name
    text = ask.form.raw("text", longest=_LONGEST)
    try:
        change_policy(ask.workspace, name, policy_of_text(text), {}, {}, ask.viewer.name)
    except TouchstoneError as error:
        problems = by_field({"text": error.text(_)})
        return _page(ask, found(ask).endpoint.policy, status=422, text=text, problems=problems)
    return _done(name)


def _done(name: str) -> Answer:
    return Move(
        f"/endpoints/{name}/policy", _("Saved.") + " " + _("A gateway that runs takes it over within a second.")
    )


def _lines(ask: Ask, field: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in ask.form.raw(field, longest=_LONGEST).splitlines() if line.strip())


routes = (
    Route("/endpoints/{name}/policy", page, "view"),
    Route("/endpoints/{name}/policy", save, "admin", methods=("POST",)),
    Route("/endpoints/{name}/policy/text", save_text, "admin", methods=("POST",)),
)
