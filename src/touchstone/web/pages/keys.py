"""Keys: who may ask, whom, how fast and for how much. A key itself is shown once, in the answer to the form."""

from __future__ import annotations

from typing import Any

from touchstone.deployment.base import Key
from touchstone.deployment.govern.alerts import told
from touchstone.deployment.govern.balance import standing
from touchstone.errors import TouchstoneError, UnknownName
from touchstone.language import N_, _
from touchstone.web.base import Answer, Ask, Move, NotHere, Route, Show
from touchstone.web.pages.serving_base import STATES, WINDOWS, govern_of, problem_at, typed
from touchstone.workspace.endpoints import registry
from touchstone.workspace.gateway_state import PORT, gateway_state
from touchstone.workspace.key_words import key_draft, moment_said, seconds_said

SCOPES = {
    "infer": N_("ask endpoints"),
    "files": N_("keep files and batches"),
    "metrics": N_("read the metrics"),
    "admin": N_("administer"),
}
"""What a key may do."""

_TYPED = (
    "name", "project", "owner", "max_usd", "per", "requests_per_minute", "tokens_per_minute", "in_flight", "expires",
)  # fmt: skip
_CALLED = {
    "name": "name", "scopes": "scopes", "endpoints": "endpoints", "project": "project", "owner": "owner",
    "usd": "max_usd", "window": "per", "requests_per_minute": "requests_per_minute",
    "tokens_per_minute": "tokens_per_minute", "in_flight": "in_flight", "expires_at": "expires",
}  # fmt: skip
"""Fields of a key, and the fields of the form that fill them."""
_SHOWN = 100
"""Keys on one page."""


def listing(ask: Ask) -> Answer:
    """All keys, live ones first, with what is left of their budgets."""
    govern = govern_of(ask)
    every = govern.keys.list()
    states = {key.id: govern.keys.state(key) for key in every}
    only = ask.query.choice("show", ("live", "all"), "live")
    wanted = [key for key in reversed(every) if only == "all" or states[key.id] == "live"]
    first = ask.query.whole("from", 0, high=10_000_000) or 0
    shown = wanted[first : first + _SHOWN]
    values = {
        "keys": [(key, standing(govern.engine, key)) for key in shown],
        "states": states,
        "words": STATES,
        "windows": WINDOWS,
        "only": only,
        "count": len(wanted),
        "ended": sum(state != "live" for state in states.values()),
        "before": f"/keys?show={only}&from={max(0, first - _SHOWN)}" if first else None,
        "after": f"/keys?show={only}&from={first + _SHOWN}" if first + _SHOWN < len(wanted) else None,
    }
    return Show("keys/list.html.j2", values)


def form(ask: Ask) -> Answer:
    """What a new key may do."""
    return _form(ask)


def _form(ask: Ask, error: TouchstoneError | None = None) -> Answer:
    posted = ask.method == "POST"
    source = ask.form if posted else ask.query
    start = {"project": ask.viewer.project, "per": "month", "max_usd": "", "name": ""}
    problems = dict.fromkeys(("form", *_CALLED.values()), "")
    if error is not None:
        problems |= problem_at(error, {name: name for name in _CALLED.values() if name not in ("scopes", "per")})
    values = {
        "now": typed(ask, _TYPED, start),
        "scopes": SCOPES,
        "given": source.all("scopes") if posted else ("infer", "files"),
        "names": [one.name for one in registry(ask.workspace, "").all()],
        "chosen": source.all("endpoints"),
        "windows": WINDOWS,
        "problems": problems,
    }
    return Show("keys/new.html.j2", values, status=200 if error is None else 422)


def make(ask: Ask) -> Answer:
    """A new key; this answer is the only place where it ever stands."""
    govern = govern_of(ask)
    try:
        draft = _draft(ask)
        key, secret = govern.keys.create(
            draft.name,
            who=ask.viewer.name,
            scopes=draft.scopes,
            endpoints=draft.endpoints,
            project=draft.project,
            owner=draft.owner,
            limits=draft.limits,
            budget=draft.budget,
            expires_at=draft.expires_at,
        )
    except TouchstoneError as error:
        return _form(ask, error)
    return _shown(ask, key, secret)


def _draft(ask: Ask) -> Key:
    form = ask.form
    usd = form.number("max_usd", low=0, high=1e12)
    expires = form.text("expires", longest=40)
    return key_draft(
        {
            "name": form.text("name", longest=200),
            "scopes": form.all("scopes", most=10) or ("infer", "files"),
            "endpoints": form.all("endpoints", most=200) or None,
            "project": form.text("project", ask.viewer.project, longest=200),
            "owner": form.text("owner", longest=200) or None,
            "limits": {
                "requests_per_minute": form.whole("requests_per_minute", low=1),
                "tokens_per_minute": form.whole("tokens_per_minute", low=1),
                "in_flight": form.whole("in_flight", low=1),
            },
            "budget": None if usd is None else {"usd": usd, "window": form.choice("per", WINDOWS, "month")},
            "expires_at": moment_said("expires", expires) if expires else None,
        },
        _CALLED,
    )


def _shown(ask: Ask, key: Key, secret: str, old: Key | None = None) -> Answer:
    state = gateway_state(ask.workspace)
    name = key.endpoints[0] if key.endpoints else next((one.name for one in registry(ask.workspace, "").all()), None)
    values = {
        "key": key,
        "secret": secret,
        "old": old,
        "gateway": state,
        "base_url": state.base_url or f"http://127.0.0.1:{PORT}/v1",
        "endpoint": name if "infer" in key.scopes else None,
        "unknown": govern_of(ask).unknown_endpoints(key.endpoints or ()),
    }
    return Show("keys/made.html.j2", values)


def one(ask: Ask) -> Answer:
    """What a key may do, and how its budget stands; never the key."""
    return _one(ask)


def _one(ask: Ask, problem: str = "", field: str = "") -> Answer:
    govern, key = govern_of(ask), _key(ask)
    stands = standing(govern.engine, key)
    family = () if stands is None else (key.id, *stands.shared_with)
    purse = min(family, default=key.id)
    values: dict[str, Any] = {
        "key": key,
        "state": govern.keys.state(key),
        "words": STATES,
        "windows": WINDOWS,
        "scopes": SCOPES,
        "budget": stands,
        "alerts": told(govern.engine, key=purse, limit=20),
        "follower": next((other for other in govern.keys.list() if other.replaces == key.id), None),
        "problem": problem,
        "field": field,
    }
    return Show("keys/one.html.j2", values, status=422 if problem else 200)


def rotate(ask: Ask) -> Answer:
    """A new key in place of this one; shown once."""
    govern, key = govern_of(ask), _key(ask)
    follower = next((other for other in govern.keys.list() if other.replaces == key.id), None)
    if follower is not None:
        # The page was loaded again: a second new key is nothing that anybody wanted.
        said = _("Key {id} was replaced by key {new} already.").format(id=key.id, new=follower.id)
        return Move(f"/keys/{key.id}", said, "warning")
    try:
        grace_s = seconds_said("grace", ask.form.text("grace", "24h", longest=20))
        new, secret = govern.keys.rotate(key.id, grace_s=grace_s, who=ask.viewer.name)
    except TouchstoneError as error:
        return _one(ask, error.text(_), "grace")
    return _shown(ask, new, secret, govern.keys.get(key.id))


def revoke(ask: Ask) -> Answer:
    """End it for good."""
    key = _key(ask)
    govern_of(ask).keys.revoke(key.id, who=ask.viewer.name)
    return Move(f"/keys/{key.id}", _("The key is revoked; a gateway that runs refuses it within a second."))


def expire(ask: Ask) -> Answer:
    """Let it end at a moment."""
    key = _key(ask)
    try:
        moment = moment_said("at", ask.form.text("at", longest=40))
        govern_of(ask).keys.expire(key.id, moment, who=ask.viewer.name)
    except TouchstoneError as error:
        return _one(ask, error.text(_), "at")
    said = _("The key ends at {moment} UTC.").format(moment=moment[:16].replace("T", " "))
    return Move(f"/keys/{key.id}", said)


def _key(ask: Ask) -> Key:
    number = ask.params["key"]
    try:
        if not number.isascii() or not number.isdecimal() or len(number) > 15:
            raise NotHere
        return govern_of(ask).keys.get(int(number))
    except UnknownName:
        raise NotHere from None


routes = (
    Route("/keys", listing, "view"),
    Route("/keys/new", form, "admin"),
    Route("/keys/new", make, "admin", methods=("POST",)),
    Route("/keys/{key}", one, "view"),
    Route("/keys/{key}/rotate", rotate, "admin", methods=("POST",)),
    Route("/keys/{key}/revoke", revoke, "admin", methods=("POST",)),
    Route("/keys/{key}/expire", expire, "admin", methods=("POST",)),
)
