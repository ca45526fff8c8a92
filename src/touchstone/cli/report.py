"""`touchstone report`: show a stored comparison and write it down again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from touchstone.cli.options import (
    Json,
    JunitFile,
    Language,
    MarkdownFile,
    WorkspaceFolder,
    answer,
    answer_json,
    errors_end_the_command,
    open_workspace,
)
from touchstone.language import _, current_language


@errors_end_the_command
def report(
    comparison: Annotated[
        str, typer.Argument(metavar="COMPARISON", help=_("Id of a stored comparison, or latest."))
    ] = "latest",
    out: Annotated[
        Path | None, typer.Option("--out", help=_("The HTML file to write; in the workspace by default."))
    ] = None,
    markdown: MarkdownFile = None,
    junit: JunitFile = None,
    memo: Annotated[
        Path | None, typer.Option("--memo", help=_("Write a memo to forward here, as .html or .pdf (extra pdf)."))
    ] = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """The same stored rows give the same report, in either language."""
    from touchstone.reporting.result import to_json
    from touchstone.reporting.tables import final_text
    from touchstone.workspace.base import Demands, Files

    with open_workspace(workspace) as place:
        data = place.decide(comparison, Demands())
        if memo is not None:
            place.write_memo(data, memo)
        files = place.write_files(data, Files(report=out, markdown=markdown, junit=junit), language=current_language())
    if json:
        answer_json(to_json(data.comparison.model_copy(update={"report": str(files.report)})))
        return
    answer(final_text(data))
    written = (
        (_("Report"), files.report),
        (_("Memo"), memo),
        (_("Markdown"), files.markdown),
        (_("JUnit"), files.junit),
    )
    for label, path in written:
        if path is not None:
            answer(_("{label}: {path}").format(label=label, path=path))
