"""
What a page is asked, and what it may answer.

A page is a function from an `Ask` to an `Answer`. It runs in a worker thread, so it may read the store; who asks, in
which project and language, has been settled before it is called.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from touchstone.errors import TouchstoneError
from touchstone.language import N_

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from touchstone.catalog.catalog import Catalog
    from touchstone.web.forms import Form
    from touchstone.web.site import Site
    from touchstone.workspace.jobs import Jobs
    from touchstone.workspace.workspace import Workspace

Scope = Literal["public", "view", "edit", "admin", "site"]
"""
Who may use a route: anybody; whoever may look; whoever may change and spend; whoever governs the project; whoever
governs the site, which is an admin of its first project.
"""

Role = Literal["viewer", "editor", "admin"]
"""What a person may do in a project."""

MAY: Mapping[Role, frozenset[Scope]] = {
    "viewer": frozenset({"public", "view"}),
    "editor": frozenset({"public", "view", "edit"}),
    "admin": frozenset({"public", "view", "edit", "admin"}),
}
"""What each role may use; a scope that is not named here is nobody's."""

BODY_BYTES = 1 << 20
"""The largest form, where a route says nothing else."""


@dataclass(frozen=True)
class Viewer:
    """Who asks."""

    name: str
    role: Role
    project: str
    """Whose workspace is shown; every read and write goes through it."""
    projects: Sequence[str]
    """Others that the same person may open, and this one."""
    form_token: str
    """What every form of this session carries; a page of somebody else cannot know it."""
    is_local: bool = False
    """Whether the single-use link of this machine opened the session, so that there is no password."""
    governs: bool = False
    """Whether the person governs the site, beside this project."""

    def may(self, scope: Scope) -> bool:
        """Whether the person may use routes of this scope."""
        return scope in MAY[self.role] or (scope == "site" and self.governs)


@dataclass
class Ask:
    """A request that may be answered."""

    site: Site
    viewer: Viewer
    method: str
    path: str
    """The raw path, as it was sent."""
    params: Mapping[str, str]
    """What stood in the braces of the route's path; text of a stranger, never a path of a file."""
    query: Form
    form: Form
    """Fields and files of a form or of a JSON object; empty for GET."""
    headers: Mapping[str, str]
    language: str
    theme: str
    """`light`, `dark` or `auto`."""
    is_fragment: bool = False
    """Whether a script of ours asks for a part of the page; the same address without it gives the whole page."""
    cookies: dict[str, str] = field(default_factory=dict)
    """What the browser is to keep from now on: `session`, `lang`, `theme` or `flow`; empty text takes it away."""
    session: str = ""
    """The token of the session; empty where nobody is signed in. Never put on a page."""
    flow: str = ""
    """What the browser was given when a single sign-on began."""
    address: str = ""
    """Where the request came from, for limits on guessing."""
    origin: str = ""
    """`scheme://host` by which the browser calls this site, where it said so."""

    @property
    def workspace(self) -> Workspace:
        """The project's workspace, for this thread."""
        return self.site.workspace(self.viewer.project)

    @property
    def folder(self) -> Path:
        """The folder of the project's workspace."""
        return self.site.folder(self.viewer.project)

    def catalog(self) -> AbstractContextManager[Catalog]:
        """The project's catalog, for one reader at a time: `with ask.catalog() as catalog`."""
        return self.site.catalog(self.viewer.project)

    @property
    def jobs(self) -> Jobs:
        """Long work of the project."""
        return self.site.jobs(self.viewer.project)

    def may(self, scope: Scope) -> bool:
        """Whether who asks may use routes of this scope."""
        return self.viewer.may(scope)


@dataclass(frozen=True)
class Show:
    """
    A page, made of a template.

    Args:
        template: Below `web/templates`, for instance `catalog/search.html.j2`; it extends `layout.html.j2`.
        block: The block that is sent alone where a script of ours asked for a part.
    """

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    block: str | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Move:
    """Somewhere else, after a form was taken (303), with a sentence that is shown there once."""

    path: str
    say: str = ""
    tone: Literal["done", "warning"] = "done"


@dataclass(frozen=True)
class Send:
    """Bytes: a download where a file name is given, else shown by the browser."""

    body: bytes
    media_type: str
    file_name: str | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """One server-sent event; `html` is a part of a page, made safe already."""

    html: str
    name: str = "message"
    id: str | None = None


@dataclass(frozen=True)
class Follow:
    """Events for as long as they come; `Last-Event-ID` is a header of the ask."""

    events: AsyncIterator[Event]


Answer = Show | Move | Send | Follow
Page = Callable[[Ask], Answer]


@dataclass(frozen=True)
class Route:
    """One address, and who may use it."""

    path: str
    """With `{name}` for one segment, and `{name:path}` at its end for the rest."""
    page: Page
    scope: Scope
    methods: tuple[str, ...] = ("GET",)
    """GET also answers HEAD."""
    body_bytes: int = BODY_BYTES


class PageError(TouchstoneError):
    """What is told on a page of its own, with a status."""

    status = 400


class NotHere(PageError):
    """There is no such thing in this project, or who asks may not know of it."""

    status = 404

    def __init__(self, what: str = N_("There is nothing at this address."), **values: object) -> None:
        super().__init__(what, **values)


class NotAllowed(PageError):
    """Who asks may look, but not do this."""

    status = 403

    def __init__(
        self, what: str = N_("Your role in this project does not allow that; ask one of its admins."), **values: object
    ) -> None:
        super().__init__(what, **values)
