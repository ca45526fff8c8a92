"""`touchstone improve`: every way of improving in one table, and which one pays."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from touchstone.cli.compare import show_ending
from touchstone.cli.options import (
    Json,
    Language,
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
    from touchstone.reporting.improve_nouns import Improvement
    from touchstone.workspace.base import CompareOptions
    from touchstone.workspace.taskfile import Task
    from touchstone.workspace.workspace import Workspace


@errors_end_the_command
def improve(
    task_file: Annotated[Path, typer.Argument(metavar="TASKFILE", help=_("The task file, or the folder it is in."))],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=_("Show which ways would be tried, why, and at what price; ask nobody."))
    ] = False,
    train: Annotated[
        bool, typer.Option("--train", help=_("Fine-tune here, even where fine-tuned weights lie ready."))
    ] = False,
    max_usd: Annotated[
        float | None, typer.Option("--max-usd", min=0.0, help=_("Cap on the money of this run, building included."))
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help=_("Call every candidate on every case; no race ends calls early."))
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help=_("Ask again where calls had failed; without it a failure stays."))
    ] = False,
    new: Annotated[
        bool,
        typer.Option("--new", help=_("Begin anew although an unfinished run of this task began with something else.")),
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help=_("Use stored replies only; ask nobody."))] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help=_("Write the page here; by default into the workspace."))
    ] = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Plan the ways, measure them beside each other, show the ladder."""
    from touchstone.workspace.base import CompareOptions, Files
    from touchstone.workspace.workspace import check_places

    if max_usd is not None and not math.isfinite(max_usd):
        raise SettingsError("a cap of {max_usd} caps nothing; name an amount of USD", max_usd=max_usd)
    check_places(Files(report=html))
    options = CompareOptions(max_usd=max_usd, offline=offline, full=full, new=new, retry_failed=retry_failed)
    with open_workspace(workspace) as place:
        task = place.load_task(task_file)
        if dry_run:
            show_plan(place, task, options, train=train, json=json)
            return
        shown = run(place, task, options, command=f"touchstone improve {task.path}", train=train, html=html)
    if json:
        answer_json(shown.found.model_dump_json(by_alias=True).encode())
    else:
        show(shown)
    show_ending(shown.last)


def run(
    place: Workspace,
    task: Task,
    options: CompareOptions,
    *,
    command: str,
    train: bool = False,
    html: Path | None = None,
) -> Shown:
    """Measure, and write the page and the report."""
    from touchstone.config import progress_file
    from touchstone.reporting.improve_page import improve_page
    from touchstone.reporting.live import LiveTable
    from touchstone.reporting.page_html import html_page
    from touchstone.workspace import improve as front
    from touchstone.workspace.base import Files
    from touchstone.workspace.workspace import write_text

    planned = front.plan(task, place.ledger, options, train=train)
    with LiveTable(kept=progress_file()) as live:
        found, data, last = front.improve(
            planned,
            place,
            options,
            command=command,
            progress=live.update,
            notice=lambda line: say(one_line(line)),
        )
    files = place.write_files(data, Files(), language=current_language())
    ladder = html or place.settings.workspace / "reports" / f"{data.comparison.comparison_id}-improve.html"
    write_text(ladder, html_page(improve_page(found)))
    return Shown(found, data, last, ladder, files.report)


class Shown(NamedTuple):
    """What a run gives."""

    found: Improvement
    data: ReportData
    last: ReportData
    ladder: Path
    report: Path | None


def show(shown: Shown) -> None:
    """The ladder, and where the files are."""
    from touchstone.reporting.improve_page import improve_page
    from touchstone.reporting.page_terminal import terminal_page

    answer(terminal_page(improve_page(shown.found)))
    answer(_("{label}: {path}").format(label=_("Ladder"), path=shown.ladder))
    answer(_("{label}: {path}").format(label=_("Report"), path=shown.report))


def show_plan(place: Workspace, task: Task, options: CompareOptions, *, train: bool, json: bool) -> None:
    """Which ways would be tried and what it would cost; nobody is asked."""
    from touchstone.workspace import improve as front

    planned = front.plan(task, place.ledger, options, train=train)

    def notice(line: str) -> None:
        say(one_line(line))

    priced = place.plan(planned.task, options, notice=notice)
    after = None
    if planned.section.updated is not None:
        after = place.plan(front.after_the_change(planned), options, notice=notice)
    if json:
        import orjson

        found = {"plan": planned.plan.model_dump(mode="json"), "price": priced.model_dump(mode="json")}
        if after is not None:
            found["price_after_the_change"] = after.model_dump(mode="json")
        answer_json(orjson.dumps(found))
        return
    from touchstone.reporting.improve_plan_page import plan_page
    from touchstone.reporting.page_terminal import terminal_page

    answer(terminal_page(plan_page(planned.plan)))
    for line in priced.lines(_):
        answer(one_line(line))
    if after is not None:
        answer("")
        answer(_("Once more after the facts changed; what is asked both times is paid once:"))
        for line in after.lines(_):
            answer(one_line(line))
