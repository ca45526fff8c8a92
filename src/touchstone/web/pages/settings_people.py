"""Members of a project, and the people of the site."""

from __future__ import annotations

from typing import Any

from touchstone.errors import SettingsError, UnknownName
from touchstone.language import N_, _
from touchstone.web.base import Answer, Ask, Move, Route, Show
from touchstone.web.pages.settings import tabs
from touchstone.workspace.governed import note
from touchstone.workspace.people import ROLES, People, Role, person_name
from touchstone.workspace.projects import DEFAULT_PROJECT, projects

ROLE_WORDS = {
    "viewer": N_("viewer: looks"),
    "editor": N_("editor: looks, changes and spends"),
    "admin": N_("admin: governs the project"),
}


# Members of the project that is shown ---------------------------------------------------------------------------------


def members(ask: Ask) -> Answer:
    """Who may do what in this project."""
    return _members(ask)


def set_member(ask: Ask) -> Answer:
    """What somebody may do in this project from now on."""
    name, role = ask.form.text("name", longest=200).lower(), ask.form.choice("role", (*ROLES, "none"), "viewer")
    try:
        _people(ask).set_role(name, ask.viewer.project, _role(role))
    except UnknownName:
        # Who else is known to the site is none of this project's business.
        problem = _("Nobody of this site is called {name}; whoever governs it can add them.").format(name=name)
        return _members(ask, name, problem)
    except SettingsError as error:
        return _members(ask, name, error.text(_))
    ask.site.sessions.forget()
    _note(ask, "person.role", f"person {name}", {"project": ask.viewer.project, "role": role})
    return Move("/settings/members", _("That holds from the next page that {name} opens.").format(name=name))


def _members(ask: Ask, name: str = "", problem: str = "") -> Answer:
    here = ask.viewer.project
    values = {
        "tabs": tabs(ask, "/settings/members"),
        "members": [(person.name, person.roles[here]) for person in _people(ask).all() if here in person.roles],
        "roles": ROLE_WORDS,
        "name": name,
        "problem": problem,
    }
    return Show("settings/members.html.j2", values, status=422 if problem else 200)


# People of the site ---------------------------------------------------------------------------------------------------


def list_people(ask: Ask) -> Answer:
    """Everybody, with their roles in all projects."""
    return _everybody(ask)


def add_person(ask: Ask) -> Answer:
    """Somebody new, and the link by which they set a password; it is shown this once."""
    said = ask.form.text("name", longest=200)
    project = ask.form.choice("project", projects(ask.site.settings.workspace), DEFAULT_PROJECT)
    role = ask.form.choice("role", ROLES, "viewer")
    try:
        name = person_name(said)
        token = _people(ask).add(name, {project: _role(role) or "viewer"})
    except SettingsError as error:
        return _everybody(ask, name=said, problem=error.text(_))
    _note(ask, "person.add", f"person {name}", {"project": project, "role": role})
    return _everybody(ask, link=(name, token))


def new_link(ask: Ask) -> Answer:
    """A new link by which somebody sets a password; earlier links end."""
    name = ask.form.text("name", longest=200)
    try:
        token = _people(ask).invite(name)
    except SettingsError as error:
        return _everybody(ask, problem=error.text(_))
    _note(ask, "person.link", f"person {name}")
    return _everybody(ask, link=(name, token))


def set_role(ask: Ask) -> Answer:
    """What somebody may do in one project."""
    name, role = ask.form.text("name", longest=200), ask.form.choice("role", (*ROLES, "none"), "viewer")
    project = ask.form.choice("project", projects(ask.site.settings.workspace), DEFAULT_PROJECT)
    try:
        _people(ask).set_role(name, project, _role(role))
    except SettingsError as error:
        return _everybody(ask, problem=error.text(_))
    ask.site.sessions.forget()
    _note(ask, "person.role", f"person {name}", {"project": project, "role": role})
    return Move("/settings/people", _("That holds from the next page that {name} opens.").format(name=name))


def remove_person(ask: Ask) -> Answer:
    """Take somebody out."""
    name = ask.form.text("name", longest=200)
    try:
        _people(ask).remove(name)
    except SettingsError as error:
        return _everybody(ask, problem=error.text(_))
    ask.site.sessions.forget()
    _note(ask, "person.remove", f"person {name}")
    return Move("/settings/people", _("{name} is out; every session has ended.").format(name=name))


def _everybody(ask: Ask, *, name: str = "", problem: str = "", link: tuple[str, str] | None = None) -> Answer:
    values = {
        "tabs": tabs(ask, "/settings/people"),
        "people": _people(ask).all(),
        "projects": projects(ask.site.settings.workspace),
        "roles": ROLE_WORDS,
        "name": name,
        "problem": problem,
        "link": None if link is None else (link[0], f"{ask.site.address}/join/{link[1]}"),
    }
    return Show("settings/people.html.j2", values, status=422 if problem else 200)


def _people(ask: Ask) -> People:
    return ask.site.sessions.people


def _role(text: str) -> Role | None:
    return next((role for role in ROLES if role == text), None)


def _note(ask: Ask, what: str, about: str, after: dict[str, Any] | None = None) -> None:
    note(ask.site.workspace(DEFAULT_PROJECT), who=ask.viewer.name, what=what, about=about, after=after)


routes = (
    Route("/settings/members", members, "admin"),
    Route("/settings/members", set_member, "admin", methods=("POST",)),
    Route("/settings/people", list_people, "site"),
    Route("/settings/people", add_person, "site", methods=("POST",)),
    Route("/settings/people/link", new_link, "site", methods=("POST",)),
    Route("/settings/people/role", set_role, "site", methods=("POST",)),
    Route("/settings/people/remove", remove_person, "site", methods=("POST",)),
)
