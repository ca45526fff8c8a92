"""`touchstone compare`: the main job."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    one_line,
    open_workspace,
    say,
)
from touchstone.errors import SettingsError
from touchstone.language import _, current_language

if TYPE_CHECKING:
    from touchstone.reporting.base import ReportData
    from touchstone.workspace.base import Files


@errors_end_the_command
def compare(
    task_file: Annotated[Path, typer.Argument(metavar="TASKFILE", help=_("The task file, or the folder it is in."))],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=_("Check everything and show the plan; ask nobody."))
    ] = False,
    max_usd: Annotated[
        float | None, typer.Option("--max-usd", min=0.0, help=_("Cap on the money of this run, judges included."))
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help=_("Call every candidate on every case; no race ends calls early."))
    ] = False,
    repeat: Annotated[int, typer.Option("--repeat", min=1, max=100, help=_("Independent answers per case."))] = 1,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help=_("Ask again where calls had failed; without it a failure stays."))
    ] = False,
    new: Annotated[
        bool,
        typer.Option("--new", help=_("Begin anew although an unfinished run of this task began with something else.")),
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help=_("Use stored replies only; ask nobody."))] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help=_("Write the HTML report here; by default into the workspace."))
    ] = None,
    markdown: MarkdownFile = None,
    junit: JunitFile = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Plan, measure, decide, report."""
    from touchstone.config import progress_file
    from touchstone.reporting.live import LiveTable
    from touchstone.workspace.base import CompareOptions, Files
    from touchstone.workspace.workspace import check_places

    if max_usd is not None and not math.isfinite(max_usd):
        raise SettingsError("a cap of {max_usd} caps nothing; name an amount of USD", max_usd=max_usd)
    options = CompareOptions(
        max_usd=max_usd, repeats=repeat, offline=offline, full=full, new=new, retry_failed=retry_failed
    )
    files = Files(report=report, markdown=markdown, junit=junit)
    check_places(files)
    with open_workspace(workspace) as place:
        task = place.load_task(task_file)
        if dry_run:
            try:
                plan = place.plan(task, options, notice=lambda line: say(one_line(line)))
            except KeyboardInterrupt:
                say(_("interrupted; nobody was asked"))
                raise typer.Exit(130) from None
            if json:
                answer_json(plan.model_dump_json().encode())
            else:
                for line in plan.lines(_):
                    answer(one_line(line))
            return
        with LiveTable(kept=progress_file()) as live:
            data = place.compare(task, options, progress=live.update, notice=lambda line: say(one_line(line)))
        files = place.write_files(data, files, language=current_language())
    show(data, files, json=json)


_ENDINGS: dict[str, Callable[[], str]] = {
    "budget": lambda: _("the money cap stopped the run; raise it with --max-usd and run the same command to go on"),
    "cancel": lambda: _("interrupted; what was answered is kept, the same command goes on from there"),
    "offline": lambda: _("offline: what was never asked stays open; the same command without --offline asks for it"),
    "store": lambda: _("there was no room left in the store; make room and run the same command to go on"),
    "lanes": lambda: _("some accounts cannot be asked, see above; mend that and run the same command to go on"),
}
_EXIT_CODES = {"budget": 3, "cancel": 130, "lanes": 2, "store": 1}


def show(data: ReportData, files: Files, *, json: bool, measured: bool = True) -> None:
    """
    Print a finished comparison and end with the exit code it deserves.

    Args:
        measured: Whether this very command asked the candidates; a stored run that had stopped is no failure of
            deciding again.
    """
    from touchstone.reporting.result import to_json
    from touchstone.reporting.tables import final_text

    comparison = data.comparison.model_copy(update={"report": str(files.report) if files.report else None})
    if json:
        answer_json(to_json(comparison))
    else:
        answer(final_text(data))
        for label, path in (
            (_("Report"), files.report),
            (_("Markdown"), files.markdown),
            (_("JUnit"), files.junit),
        ):
            if path is not None:
                answer(_("{label}: {path}").format(label=label, path=path))
    if measured:
        show_ending(data)
    if comparison.gate is not None and not comparison.gate.passed:
        for check in comparison.gate.checks:
            if not check.passed:
                say(one_line(check.text.text(_)))
        raise typer.Exit(100)


def show_ending(data: ReportData) -> None:
    """Say why a run that just ended is not finished or says nothing, and end with the exit code of that."""
    if data.ending is not None:
        say(_ENDINGS[data.ending]())
        if data.ending in _EXIT_CODES:
            raise typer.Exit(_EXIT_CODES[data.ending])
    if all(candidate.estimate is None for candidate in data.comparison.candidates):
        say(_("no candidate has a single score; what failed stands above and in the report"))
        raise typer.Exit(1)
