"""Coming in, going out, and what a reader chooses for all pages: language, theme, project."""

from __future__ import annotations

from touchstone.config import user_name
from touchstone.language import LANGUAGES, _
from touchstone.web.base import Answer, Ask, Move, NotHere, Route, Show

_THEMES = ("auto", "light", "dark")


def enter(ask: Ask) -> Answer:
    """The single-use link of this machine: opens a session once."""
    token = ask.site.sessions.enter(ask.params["link"], user_name())
    if token is None:
        return Show("sign_in.html.j2", {"used": True}, status=401)
    ask.cookies["session"] = token
    return Move("/")


def sign_in(_ask: Ask) -> Answer:
    """Says how to come in."""
    return Show("sign_in.html.j2", {"used": False})


def sign_out(ask: Ask) -> Answer:
    """End the session."""
    ask.site.sessions.end(_token(ask))
    ask.cookies["session"] = ""
    return Move("/sign-in")


def language(ask: Ask) -> Answer:
    """Read in another language from now on."""
    ask.cookies["lang"] = ask.form.choice("to", LANGUAGES, "en")
    return Move(_back(ask))


def theme(ask: Ask) -> Answer:
    """Light, dark, or as the system says."""
    ask.cookies["theme"] = ask.form.choice("to", _THEMES, "auto")
    return Move(_back(ask))


def project(ask: Ask) -> Answer:
    """Show another project of the same person's."""
    wanted = ask.form.text("to")
    if wanted not in ask.viewer.projects:
        raise NotHere
    ask.site.sessions.switch(_token(ask), wanted)
    return Move("/", _("This is project {project} now.").format(project=wanted))


def _token(ask: Ask) -> str:
    name = next((pair for pair in ask.headers.get("cookie", "").split(";") if "_session=" in pair), "")
    return name.strip().partition("=")[2]


def _back(ask: Ask) -> str:
    """The page that the form stood on; only a path of ours."""
    path = ask.form.text("back", "/", longest=2_000)
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


routes = (
    Route("/enter/{link}", enter, "public"),
    Route("/sign-in", sign_in, "public"),
    Route("/sign-out", sign_out, "view", methods=("POST",)),
    Route("/language", language, "view", methods=("POST",)),
    Route("/theme", theme, "view", methods=("POST",)),
    Route("/project", project, "view", methods=("POST",)),
)
