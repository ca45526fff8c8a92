"""Acts of those who govern a site, each with its row in the audit log of the first project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.deployment.govern.audit import note_act
from touchstone.deployment.govern.state import writing
from touchstone.workspace.govern import Govern
from touchstone.workspace.workspace import Workspace


def note(
    workspace: Workspace,
    *,
    who: str,
    what: str,
    about: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """
    Add a row about people, projects or provider keys, after the act.

    People lie in a file of their own, so the act and its row are two transactions: a row may be missing after a crash,
    but there is none without its act.

    Args:
        workspace: The site's.
        what: Such as `person.add`.
    """
    with writing(Govern(workspace).engine) as connection:
        note_act(connection, who=who, what=what, about=about, before=before, after=after)
