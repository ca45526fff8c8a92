"""`touchstone doctor`: what works on this machine and what does not."""

from __future__ import annotations

from typing import Annotated

import typer

from touchstone.cli.options import Json, Language, WorkspaceFolder, answer, answer_json, errors_end_the_command
from touchstone.language import N_, _

STATES = {"works": N_("works"), "absent": N_("not installed"), "look": N_("look at it"), "problem": N_("mend it")}
"""Words for how a thing stands."""


@errors_end_the_command
def doctor(
    check_store: Annotated[bool, typer.Option("--check-store", help=_("Also read every page of the store."))] = False,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Look at extras, fonts, room, clock, store, and files that run at every start of Python; asks nobody."""
    import orjson

    from touchstone.config import load_settings
    from touchstone.reporting.text_tables import plain_table
    from touchstone.workspace.doctor import examine

    found = examine(load_settings(workspace), whole_store=check_store)
    if json:
        answer_json(
            orjson.dumps(
                [{"area": one.area, "name": one.name, "state": one.state, "text": one.text()} for one in found]
            )
        )
    else:
        answer(
            plain_table(
                (_("What"), _("State"), _("Found")),
                [(one.title(_), _(STATES[one.state]), one.text(_)) for one in found],
            )
        )
    if any(one.state == "problem" for one in found):
        raise typer.Exit(1)
