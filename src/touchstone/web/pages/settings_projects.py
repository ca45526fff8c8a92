"""Projects: a list, a new one, another name, and into the trash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from touchstone.errors import SettingsError, StoreError
from touchstone.language import _
from touchstone.web.base import Answer, Ask, Move, NotHere, Route, Show
from touchstone.web.pages.playground_view import let_go
from touchstone.web.pages.settings import tabs
from touchstone.workspace.governed import note
from touchstone.workspace.project_moves import delete_project, rename_project, trash, what_runs
from touchstone.workspace.projects import DEFAULT_PROJECT, folder_of, is_project, make_project


def list_projects(ask: Ask) -> Answer:
    """The projects that the person may open."""
    return _projects(ask)


def create(ask: Ask) -> Answer:
    """A new project, empty; whoever makes it governs it."""
    name = ask.form.text("name", longest=200)
    workspace = ask.site.settings.workspace
    try:
        if is_project(workspace, name):
            raise SettingsError("there is a project {name} already; choose another name", name=name)
        make_project(workspace, name)
    except SettingsError as error:
        return _projects(ask, name, error.text(_))
    if not ask.viewer.is_local:
        ask.site.sessions.people.set_role(ask.viewer.name, name, "admin")
        ask.site.sessions.forget()
    _note(ask, "project.create", name)
    return Move("/settings/projects", _("The project {name} is there; it is empty.").format(name=name))


def _projects(ask: Ask, name: str = "", problem: str = "") -> Answer:
    workspace = ask.site.settings.workspace
    values = {
        "tabs": tabs(ask, "/settings/projects"),
        "name": name,
        "problem": problem,
        "first": DEFAULT_PROJECT,
        "trash": trash(workspace) if ask.may("site") else (),
        "projects_folder": workspace / "projects",
    }
    return Show("settings/projects.html.j2", values, status=422 if problem else 200)


def one(ask: Ask) -> Answer:
    """What can become of a project."""
    return _one(ask, _named(ask), {})


def rename(ask: Ask) -> Answer:
    """Another name; people keep their roles, and whoever looks at the project goes on looking at it."""
    project, name = _named(ask), ask.form.text("name", longest=200)
    sessions = ask.site.sessions
    given = sessions.people.roles_in(project)
    try:
        with _moved(ask, project):
            rename_project(ask.site.settings.workspace, project, name)
            # Whatever roles there were under a name that nobody had are nobody's.
            sessions.people.set_roles_in(name, given)
            sessions.people.set_roles_in(project, {})
            sessions.people.show_instead(project, name)
    except (SettingsError, StoreError) as error:
        return _one(ask, project, {"name": error.text(_)}, name=name)
    sessions.forget()
    _note(ask, "project.rename", project, {"name": name})
    return Move(
        "/settings/projects", _("The project {project} is called {name} now.").format(project=project, name=name)
    )


def delete(ask: Ask) -> Answer:
    """Into the trash, once its name was typed."""
    project, sure = _named(ask), ask.form.text("sure", longest=200)
    if sure != project:
        return _one(
            ask, project, {"sure": _("Type the name exactly as it stands here: {project}").format(project=project)}
        )
    people = ask.site.sessions.people
    given = people.roles_in(project)
    try:
        with _moved(ask, project):
            # First of all: whoever makes a project of this name later begins without these people.
            people.set_roles_in(project, {})
            try:
                place = delete_project(ask.site.settings.workspace, project)
            except BaseException:
                people.set_roles_in(project, given)
                raise
    except (SettingsError, StoreError) as error:
        return _one(ask, project, {"sure": error.text(_)}, sure=sure)
    ask.site.sessions.forget()
    _note(ask, "project.delete", project, {"trash": place.name})
    return Move(
        "/settings/projects",
        _("The project {project} lies in the trash: {place}. Nothing in it was deleted.").format(
            project=project, place=place
        ),
    )


@contextmanager
def _moved(ask: Ask, project: str) -> Iterator[None]:
    """Nothing of a project is open on the site while the block lasts."""
    with ask.site.closed(project, own=int(ask.viewer.project == project)):
        let_go(ask.site, project)
        yield


def _one(ask: Ask, project: str, problems: Mapping[str, str], *, name: str = "", sure: str = "") -> Answer:
    values = {
        "tabs": tabs(ask, "/settings/projects"),
        "project": project,
        "runs": () if problems else what_runs(folder_of(ask.site.settings.workspace, project)),
        "problems": {"name": "", "sure": "", **problems},
        "name": name or project,
        "sure": sure,
    }
    return Show("settings/project.html.j2", values, status=422 if problems else 200)


def _named(ask: Ask) -> str:
    # In a field and not in the address: who governs nothing learns at no address which projects there are.
    project = (ask.form if ask.method == "POST" else ask.query).text("project", longest=200)
    if project == DEFAULT_PROJECT or not is_project(ask.site.settings.workspace, project):
        raise NotHere
    return project


def _note(ask: Ask, what: str, project: str, after: dict[str, Any] | None = None) -> None:
    place = ask.site.workspace(DEFAULT_PROJECT)
    note(place, who=ask.viewer.name, what=what, about=f"project {project}", after=after)


routes = (
    Route("/settings/projects", list_projects, "view"),
    Route("/settings/projects", create, "site", methods=("POST",)),
    Route("/settings/projects/one", one, "site"),
    Route("/settings/projects/rename", rename, "site", methods=("POST",)),
    Route("/settings/projects/delete", delete, "site", methods=("POST",)),
)
