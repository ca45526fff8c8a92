"""`touchstone audit`: who did what, and what it was before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from touchstone.cli.options import (
    Json,
    Language,
    WorkspaceFolder,
    answer,
    answer_json,
    errors_end_the_command,
    open_workspace,
)
from touchstone.language import _

if TYPE_CHECKING:
    from touchstone.deployment.govern.audit import Act


@errors_end_the_command
def audit(
    about: Annotated[str | None, typer.Option("--about", help=_("Only what was done to this: 'key 3'."))] = None,
    who: Annotated[str | None, typer.Option("--who", help=_("Only what this actor did."))] = None,
    what: Annotated[str | None, typer.Option("--what", help=_("Only acts of this kind: key.create."))] = None,
    since: Annotated[str | None, typer.Option("--since", help=_("A day or a moment in UTC."))] = None,
    until: Annotated[str | None, typer.Option("--until", help=_("The last day, or a moment in UTC."))] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help=_("At most so many, the newest."))] = 50,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Administrative acts, newest first."""
    import orjson

    from touchstone.workspace.govern import Govern

    with open_workspace(workspace) as place:
        found = Govern(place).acts(about=about, who=who, what=what, since=since, until=until, limit=limit)
    if json:
        answer_json(orjson.dumps([act.model_dump(mode="json") for act in found]))
        return
    if not found:
        answer(_("No administrative act was written down yet."))
        return
    from touchstone.reporting.text_tables import plain_table

    answer(
        plain_table(
            (_("When (UTC)"), _("Who"), _("What"), _("About"), _("Change")),
            [(act.at[:19].replace("T", " "), act.who, act.what, act.about, _change(act)) for act in found],
        )
    )


def _change(act: Act) -> str:
    """The fields that are different afterwards."""
    from touchstone.deployment.govern.audit import differences, written

    if act.before is None or act.after is None:
        return _("made") if act.before is None else _("taken out")
    return "; ".join(f"{one.field}: {written(one.before)} → {written(one.after)}" for one in differences(act))
