"""`touchstone decide`: choose again from what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from touchstone.cli.compare import show
from touchstone.cli.options import Json, Language, MarkdownFile, WorkspaceFolder, errors_end_the_command, open_workspace
from touchstone.language import _, current_language


@errors_end_the_command
def decide(
    comparison: Annotated[
        str, typer.Argument(metavar="COMPARISON", help=_("Id of a stored comparison, or latest."))
    ] = "latest",
    goal: Annotated[str | None, typer.Option("--goal", help=_("best, or cheapest-within: 0.02"))] = None,
    min_score: Annotated[
        float | None, typer.Option("--min-score", min=0.0, max=1.0, help=_("Lower bound of the score."))
    ] = None,
    max_usd_per_month: Annotated[
        float | None, typer.Option("--max-usd-per-month", min=0.0, help=_("At the volume of the task."))
    ] = None,
    max_usd_per_case: Annotated[
        float | None, typer.Option("--max-usd-per-case", min=0.0, help=_("Mean cost of one case."))
    ] = None,
    max_p95_latency_s: Annotated[
        float | None, typer.Option("--max-p95-latency-s", min=0.0, help=_("95th percentile of the latency, seconds."))
    ] = None,
    max_refused_share: Annotated[
        float | None, typer.Option("--max-refused-share", min=0.0, max=1.0, help=_("Share of the cases declined."))
    ] = None,
    licence: Annotated[str | None, typer.Option("--licence", help=_("open or open_weights"))] = None,
    self_hostable: Annotated[
        bool | None, typer.Option("--self-hostable/--any-hosting", help=_("Only what can run on your own machines."))
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help=_("Drop a constraint of the task, such as min_score; again for more.")),
    ] = None,
    requests_per_month: Annotated[
        float | None, typer.Option("--requests-per-month", min=0.0, help=_("Your volume, for the cost per month."))
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help=_("Write the HTML report here."))] = None,
    markdown: MarkdownFile = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Apply other constraints, another goal or another volume to stored trials; nobody is asked."""
    from touchstone.workspace.base import Demands, Files

    demands = Demands(
        goal=goal,
        min_score=min_score,
        max_usd_per_month=max_usd_per_month,
        max_usd_per_case=max_usd_per_case,
        max_p95_latency_s=max_p95_latency_s,
        max_refused_share=max_refused_share,
        licence=licence,
        self_hostable=self_hostable,
        requests_per_month=requests_per_month,
        without=tuple(without or ()),
    )
    with open_workspace(workspace) as place:
        data = place.decide(comparison, demands)
        files = place.write_files(
            data, Files(report=report, markdown=markdown), language=current_language(), default_report=False
        )
    show(data, files, json=json, measured=False)
