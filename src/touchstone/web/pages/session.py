"""Coming in, going out, and what a reader chooses for all pages: language, theme, project."""

from __future__ import annotations

import logging
import math

from touchstone.config import secret, user_name
from touchstone.errors import SettingsError, TouchstoneError
from touchstone.language import LANGUAGES, _, ngettext
from touchstone.web.base import Answer, Ask, Move, NotHere, Route, Show
from touchstone.web.issuer import SECRET
from touchstone.web.oidc import SignInFailed, begin, finish
from touchstone.web.paths import is_own_path
from touchstone.web.sessions import Session
from touchstone.workspace.people import SHORTEST_PASSWORD
from touchstone.workspace.projects import DEFAULT_PROJECT

_THEMES = ("auto", "light", "dark")
_LOG = logging.getLogger("touchstone.web")


def enter(ask: Ask) -> Answer:
    """The single-use link of this machine: opens a session once."""
    token = ask.site.sessions.enter(ask.params["link"], user_name())
    if token is None:
        return _sign_in(ask, used=True, status=401)
    return _came_in(ask, token, "/")


def sign_in(ask: Ask) -> Answer:
    """Says how to come in."""
    return _sign_in(ask, to=_own(ask.query.text("to", "/", longest=4_000)))


def with_password(ask: Ask) -> Answer:
    """Come in by name and password."""
    name, password = ask.form.text("name", longest=200).lower(), ask.form.raw("password", longest=2_000)
    to, guesses, sessions = _own(ask.form.text("to", "/", longest=4_000)), ask.site.guesses, ask.site.sessions
    wait_s = guesses.wait_s(ask.address, name)
    if wait_s > 0:
        minutes = math.ceil(wait_s / 60)
        problem = ngettext(
            "Too many attempts failed. Wait {minutes} minute and try again.",
            "Too many attempts failed. Wait {minutes} minutes and try again.",
            minutes,
        ).format(minutes=minutes)
        return _sign_in(ask, to=to, name=name, problem=problem, status=429, wait_s=math.ceil(wait_s))
    if not sessions.people.knows(name, password):
        guesses.failed(ask.address, name)
        # No name: people type their passwords into the wrong field.
        _LOG.warning("a sign-in failed, from %s", ask.address)
        problem = _("That is not the password of anybody with this name.")
        return _sign_in(ask, to=to, name=name, problem=problem, status=401)
    guesses.succeeded(ask.address, name)
    return _open(ask, name, to)


def to_issuer(ask: Ask) -> Answer:
    """Go to the issuer of single sign-on."""
    issuer = ask.site.issuer
    if issuer is None:
        raise NotHere
    ticket, flow = ask.site.flows.begin(_own(ask.query.text("to", "/", longest=4_000)))
    try:
        place = begin(issuer, flow, _redirect_uri(ask))
    except TouchstoneError as error:
        return _not_vouched(ask, error)
    ask.cookies["flow"] = ticket
    return Move(place)


def from_issuer(ask: Ask) -> Answer:
    """Back from the issuer, with a code."""
    issuer = ask.site.issuer
    if issuer is None:
        raise NotHere
    try:
        flow = ask.site.flows.take(ask.flow, ask.query.text("state", longest=500))
        code = ask.query.text("code", longest=8_000)
        if not code:
            raise SignInFailed(code="denied")
        vouched = finish(
            issuer,
            flow,
            code=code,
            said_issuer=ask.query.text("iss", longest=2_000) or None,
            redirect_uri=_redirect_uri(ask),
            secret=secret(SECRET),
        )
    except TouchstoneError as error:
        return _not_vouched(ask, error)
    person = ask.site.sessions.people.vouched_for(issuer.issuer, vouched.subject, vouched.name, vouched.roles)
    ask.cookies["flow"] = ""
    return _open(ask, person.name, flow.back_to)


def choose_password(ask: Ask) -> Answer:
    """A link by which an admin invited somebody: they choose a password."""
    name = ask.site.sessions.people.invited(ask.params["link"])
    if name is None:
        return _sign_in(ask, used=True, status=404)
    return _password_form(name)


def set_password(ask: Ask) -> Answer:
    """Set the password, end all sessions of the person, and come in."""
    people = ask.site.sessions.people
    name = people.invited(ask.params["link"])
    if name is None:
        return _sign_in(ask, used=True, status=404)
    password = ask.form.raw("password", longest=2_000)
    if password != ask.form.raw("again", longest=2_000):
        return _password_form(name, _("These are two different passwords; write the same twice."))
    try:
        done = people.set_password(ask.params["link"], password)
    except SettingsError as error:
        return _password_form(name, error.text(_))
    if done is None:
        return _sign_in(ask, used=True, status=404)
    ask.site.sessions.forget()
    return _open(ask, done, "/")


def sign_out(ask: Ask) -> Answer:
    """End the session."""
    ask.site.sessions.end(ask.session)
    ask.cookies["session"] = ""
    return Move("/sign-in")


def sign_out_everywhere(ask: Ask) -> Answer:
    """End all sessions of the person, on every machine."""
    ask.site.sessions.end_all(ask.session)
    ask.cookies["session"] = ""
    return Move("/sign-in")


def language(ask: Ask) -> Answer:
    """Read in another language from now on."""
    ask.cookies["lang"] = ask.form.choice("to", LANGUAGES, "en")
    return Move(_own(ask.form.text("back", "/")))


def theme(ask: Ask) -> Answer:
    """Light, dark, or as the system says."""
    ask.cookies["theme"] = ask.form.choice("to", _THEMES, "auto")
    return Move(_own(ask.form.text("back", "/")))


def project(ask: Ask) -> Answer:
    """Show another project of the same person's."""
    wanted = ask.form.text("to")
    if wanted not in ask.viewer.projects:
        raise NotHere
    ask.site.sessions.switch(ask.session, wanted)
    return Move("/", _("This is project {project} now.").format(project=wanted))


def _sign_in(
    ask: Ask, *, used: bool = False, to: str = "/", name: str = "", problem: str = "", status: int = 200,
    wait_s: int | None = None,
) -> Answer:  # fmt: skip
    everybody = ask.site.sessions.people.all()
    return Show(
        "sign_in.html.j2",
        {
            "used": used,
            "to": to,
            "name": name,
            "problem": problem,
            "has_people": any(person.has_password or person.issuer is None for person in everybody),
            "has_link": ask.site.sessions.local and not everybody,
            "issuer": ask.site.issuer,
        },
        status=status,
        headers={} if wait_s is None else {"retry-after": str(wait_s)},
    )


def _password_form(name: str, problem: str = "") -> Answer:
    values = {"name": name, "problem": problem, "least": SHORTEST_PASSWORD}
    return Show("password.html.j2", values, status=422 if problem else 200)


def _open(ask: Ask, name: str, to: str) -> Answer:
    """A new session for somebody whom we know; the one that the browser had before is over."""
    if not ask.site.sessions.people.roles_of(name):
        words = _("You are known here, and have no role in any project yet; ask an admin of this site for one.")
        return _sign_in(ask, problem=words, status=403)
    return _came_in(ask, ask.site.sessions.open(Session(name, DEFAULT_PROJECT, is_local=False)), to)


def _came_in(ask: Ask, token: str, to: str) -> Answer:
    if ask.session:
        ask.site.sessions.end(ask.session)
    ask.cookies["session"] = token
    return Move(to)


def _not_vouched(ask: Ask, error: TouchstoneError) -> Answer:
    # The code tells the site's log what did not fit; the page says nothing that an attacker does not know.
    _LOG.warning("a single sign-on failed: %s", getattr(error, "code", type(error).__name__))
    return _sign_in(ask, problem=error.text(_), status=401)


def _redirect_uri(ask: Ask) -> str:
    return f"{ask.site.address}/sign-in/issuer/back"


def _own(path: str) -> str:
    """A page of ours to go back to; anything else is the first one."""
    return path if is_own_path(path) else "/"


routes = (
    Route("/enter/{link}", enter, "public"),
    Route("/sign-in", sign_in, "public"),
    Route("/sign-in", with_password, "public", methods=("POST",), body_bytes=16_384),
    Route("/sign-in/issuer", to_issuer, "public"),
    Route("/sign-in/issuer/back", from_issuer, "public"),
    Route("/join/{link}", choose_password, "public"),
    Route("/join/{link}", set_password, "public", methods=("POST",), body_bytes=16_384),
    Route("/sign-out", sign_out, "view", methods=("POST",)),
    Route("/sign-out/everywhere", sign_out_everywhere, "view", methods=("POST",)),
    Route("/language", language, "view", methods=("POST",)),
    Route("/theme", theme, "view", methods=("POST",)),
    Route("/project", project, "view", methods=("POST",)),
)
