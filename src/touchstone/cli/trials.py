"""`touchstone trials`: what was measured so far."""

from __future__ import annotations

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


@errors_end_the_command
def trials(
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """List stored comparisons, newest first."""
    import orjson

    with open_workspace(workspace) as place:
        found = place.comparisons()
    if json:
        answer_json(orjson.dumps([item.model_dump(mode="json") for item in found]))
        return
    if not found:
        answer(_("Nothing was measured here yet; start with: touchstone demo"))
        return
    from touchstone.reporting.text_tables import plain_table

    answer(
        plain_table(
            (_("Comparison"), _("Date"), _("Task"), _("Cases"), _("Candidates"), _("Decision")),
            [
                (
                    item.id,
                    item.created[:16].replace("T", " "),
                    item.task,
                    item.counted(_),
                    str(item.candidates),
                    item.sentence(_),
                )
                for item in found
            ],
        )
    )
