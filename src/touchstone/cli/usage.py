"""`touchstone usage`: what was asked, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from touchstone.cli.options import (
    Json,
    Language,
    WorkspaceFolder,
    answer,
    answer_json,
    errors_end_the_command,
    open_workspace,
    say,
)
from touchstone.language import N_, _

if TYPE_CHECKING:
    from touchstone.deployment.govern.recovery import Doubt
    from touchstone.deployment.govern.usage_report import Part, UsageRow
    from touchstone.workspace.govern import Govern

_HEADS = {
    "key": N_("Key"),
    "project": N_("Project"),
    "endpoint": N_("Endpoint"),
    "version": N_("Version"),
    "model": N_("Model"),
    "kind": N_("Kind"),
    "status": N_("Status"),
    "day": N_("Day"),
}


@errors_end_the_command
def usage(
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            help=_("key, project, endpoint, version, model, kind, status or day; again for more. key by default."),
        ),
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help=_("A day or a moment in UTC."))] = None,
    until: Annotated[str | None, typer.Option("--until", help=_("The last day, or a moment in UTC."))] = None,
    key: Annotated[str | None, typer.Option("--key", help=_("Number or name of a key."))] = None,
    project: Annotated[str | None, typer.Option("--project", help=_("Of one project only."))] = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", help=_("Of one endpoint only."))] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help=_("Write the rows as CSV here."))] = None,
    chart: Annotated[
        Path | None,
        typer.Option("--chart", help=_("Draw USD a day into this SVG file, a line for each row without its day.")),
    ] = None,
    in_doubt: Annotated[
        bool, typer.Option("--in-doubt", help=_("List requests that were under way when the gateway ended."))
    ] = False,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Requests, tokens and USD, by key, project, endpoint, version, model or day."""
    import orjson

    from touchstone.deployment.govern.usage_report import usage as sums
    from touchstone.deployment.govern.usage_report import usage_csv
    from touchstone.workspace.govern import Govern, write_text

    with open_workspace(workspace) as place:
        govern = Govern(place)
        if in_doubt:
            _give_doubts(govern, project, json)
            return
        parts = _parts(by or ["key"])
        wanted: dict[str, Any] = {
            "since": since,
            "until": until,
            "key": None if key is None else govern.keys.named(key).id,
            "project": project,
            "endpoint": endpoint,
        }
        rows = sums(govern.engine, parts, **wanted)
        if chart is not None:
            from touchstone.workspace.usage_chart import usage_chart

            lines: list[Part] = [part for part in parts if part != "day"]
            days = sums(govern.engine, ("day", *lines), **wanted)
            write_text("--chart", chart, usage_chart(days, lines))
            say(_("Written: {path}").format(path=chart))
    if csv is not None:
        write_text("--csv", csv, usage_csv(rows, parts))
        say(_("Written: {path}").format(path=csv))
    if json:
        answer_json(orjson.dumps([row.model_dump(mode="json") for row in rows]))
        return
    answer(_table(rows, parts) if rows else _("Nothing was asked here yet."))


def _parts(by: Sequence[str]) -> tuple[Part, ...]:
    from touchstone.deployment.govern.usage_report import PARTS
    from touchstone.errors import UnknownName

    wanted = [part for one in by for part in one.split(",")]
    for part in wanted:
        if part not in PARTS:
            raise UnknownName(kind=N_("part of a report"), name=part, known=PARTS)
    return tuple(dict.fromkeys(wanted))  # type: ignore[arg-type]  # looked at one line above


def _table(rows: Sequence[UsageRow], parts: Sequence[Part]) -> str:
    from touchstone.reporting.numbers import count, money
    from touchstone.reporting.text_tables import printed, table_of_texts

    heads = [
        *(_(_HEADS[part]) for part in parts),
        _("Requests"), _("Input tokens"), _("Output tokens"), _("USD"), _("Failed"), _("Refused"), _("Cached"),
        _("In doubt"), _("Without price"), _("Estimated"),
    ]  # fmt: skip
    cells = [
        [
            *(row.parts[part] for part in parts),
            count(row.requests), count(row.input_tokens), count(row.output_tokens), money(row.usd), count(row.failed),
            count(row.refused), count(row.cached), count(row.in_doubt), count(row.unpriced), count(row.estimated),
        ]
        for row in rows
    ]  # fmt: skip
    return printed([table_of_texts(heads, cells, numbers=range(len(parts), len(heads)))], None, None)


def _give_doubts(govern: Govern, project: str | None, json: bool) -> None:
    from dataclasses import asdict

    import orjson

    from touchstone.deployment.govern.recovery import doubts
    from touchstone.reporting.text_tables import plain_table

    found = doubts(govern.engine, project=project)
    if json:
        answer_json(orjson.dumps([asdict(one) for one in found]))
        return
    if not found:
        answer(_("No request is in doubt."))
        return
    heads = (_("Request"), _("Attempt"), _("Key"), _("Endpoint"), _("Model"), _("USD"), _("Begun"))
    answer(plain_table(heads, [_doubt(one) for one in found]))
    say(_("Each counts as spent at the most it can have cost; give one back with: touchstone keys release REQUEST"))


def _doubt(one: Doubt) -> tuple[str, ...]:
    from touchstone.reporting.numbers import money

    begun = one.started_at[:16].replace("T", " ")
    return (one.request, str(one.attempt), str(one.key), one.endpoint, one.model, money(one.usd), begun)
