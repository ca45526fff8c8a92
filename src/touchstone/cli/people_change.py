"""`touchstone people add`, `list`, `role`, `remove` and `reset-link`. No password is ever an argument."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from touchstone.cli.options import Json, Language, WorkspaceFolder, answer, answer_json, errors_end_the_command, say
from touchstone.language import N_, _

if TYPE_CHECKING:
    from touchstone.workspace.people import People, Role

PersonName = Annotated[str, typer.Argument(help=_("The person's name."), metavar="NAME")]
Project = Annotated[str, typer.Option("--project", help=_("The project; `default` is the workspace itself."))]
SiteAddress = Annotated[
    str, typer.Option("--address", help=_("How browsers call the site, for the link; https://… behind a proxy."))
]


@errors_end_the_command
def add(
    name: PersonName,
    role: Annotated[str, typer.Option("--role", help=_("viewer, editor or admin."))] = "viewer",
    project: Project = "default",
    address: SiteAddress = "http://127.0.0.1:8321",
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Add somebody, and print the link by which they choose a password."""
    from touchstone.workspace.people import person_name

    with _people(workspace) as people:
        name = person_name(name)
        token = people.add(name, {_project(people, project): _role(role)})
        _note(workspace, "person.add", name, {"project": project, "role": role})
    _show_link(name, address, token, json=json)


@errors_end_the_command
def list_people(
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """List everybody."""
    import orjson

    from touchstone.reporting.text_tables import plain_table

    with _people(workspace) as people:
        found = people.all()
    if json:
        answer_json(
            orjson.dumps(
                [
                    {
                        "name": person.name,
                        "roles": dict(person.roles),
                        "has_password": person.has_password,
                        "issuer": person.issuer,
                        "created_at": person.created_at,
                    }
                    for person in found
                ]
            )
        )
        return
    if not found:
        answer(_("Nobody yet: whoever starts the site comes in by its link. Add somebody with: touchstone people add"))
        return
    answer(
        plain_table(
            (_("Name"), _("Roles"), _("Comes in by"), _("Since")),
            [
                (
                    person.name,
                    ", ".join(f"{project}: {role}" for project, role in sorted(person.roles.items())) or "–",
                    person.issuer or (_("password") if person.has_password else _("a link that was not used yet")),
                    person.created_at[:10],
                )
                for person in found
            ],
        )
    )


@errors_end_the_command
def role(
    name: PersonName,
    role: Annotated[str, typer.Argument(help=_("viewer, editor, admin, or none to take it away."), metavar="ROLE")],
    project: Project = "default",
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Say what somebody may do in a project from now on."""
    import orjson

    with _people(workspace) as people:
        people.set_role(name, _project(people, project), None if role == "none" else _role(role))
        _note(workspace, "person.role", name, {"project": project, "role": role})
    if json:
        answer_json(orjson.dumps({"name": name, "project": project, "role": role}))
    else:
        answer(_("{name} in {project}: {role}").format(name=name, project=project, role=role))


@errors_end_the_command
def remove(
    name: PersonName,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Take somebody out."""
    import orjson

    with _people(workspace) as people:
        people.remove(name)
        _note(workspace, "person.remove", name, None)
    if json:
        answer_json(orjson.dumps({"removed": name}))
    else:
        answer(_("{name} is out.").format(name=name))


@errors_end_the_command
def reset_link(
    name: PersonName,
    address: SiteAddress = "http://127.0.0.1:8321",
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Print a new link by which somebody chooses a password; earlier links end."""
    with _people(workspace) as people:
        token = people.invite(name)
        _note(workspace, "person.link", name, None)
    _show_link(name, address, token, json=json)


@contextmanager
def _people(workspace: Path | None) -> Iterator[People]:
    from touchstone.config import load_settings
    from touchstone.workspace.people import People

    people = People(load_settings(workspace).workspace)
    try:
        yield people
    finally:
        people.close()


def _project(people: People, name: str) -> str:
    from touchstone.errors import UnknownName
    from touchstone.workspace.projects import projects

    known = projects(people.file.parent)
    if name not in known:
        raise UnknownName(kind=N_("project"), name=name, known=known)
    return name


def _role(text: str) -> Role:
    from touchstone.errors import SettingsError
    from touchstone.workspace.people import ROLES

    for one in ROLES:
        if one == text:
            return one
    raise SettingsError("{role!r} is no role; there are {known}", role=text, known=", ".join(ROLES))


def _note(workspace: Path | None, what: str, name: str, after: dict[str, Any] | None) -> None:
    from touchstone.cli.options import open_workspace
    from touchstone.workspace.govern import user_name
    from touchstone.workspace.governed import note

    with open_workspace(workspace) as place:
        note(place, who=user_name(), what=what, about=f"person {name}", after=after)


def _show_link(name: str, address: str, token: str, *, json: bool) -> None:
    import orjson

    link = f"{address.rstrip('/')}/join/{token}"
    if json:
        answer_json(orjson.dumps({"name": name, "link": link}))
        return
    answer(link)
    say(_("Give this link to {name}: it works once, for three days, and is shown only now.").format(name=name))
