"""`touchstone serve`: answer requests of keys, until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from touchstone.cli.options import (
    Json,
    Language,
    WorkspaceFolder,
    answer_json,
    errors_end_the_command,
    open_workspace,
    say,
)
from touchstone.errors import SettingsError
from touchstone.language import _


@errors_end_the_command
def serve(
    host: Annotated[
        str,
        typer.Option(
            "--host", help=_("Address to listen on; one that other machines reach needs a key and --allow-host.")
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help=_("Port; 0 takes a free one."))] = 8080,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help=_("A name by which requests may call the gateway; may be repeated.")),
    ] = None,
    log: Annotated[
        Path | None, typer.Option("--log", help=_("Write the log here, one JSON object a line; stderr by default."))
    ] = None,
    spans: Annotated[
        bool, typer.Option("--spans", help=_("Send OpenTelemetry spans to OTEL_EXPORTER_OTLP_ENDPOINT (extra otel)."))
    ] = False,
    in_flight: Annotated[
        int | None, typer.Option("--in-flight", min=1, help=_("Requests of all keys at the same time; 2048."))
    ] = None,
    per_address: Annotated[
        int | None, typer.Option("--per-address", min=1, help=_("Connections of one address; 2048."))
    ] = None,
    max_body_mib: Annotated[
        float | None, typer.Option("--max-body-mib", min=0.001, max=1024, help=_("Largest body of a request; 4."))
    ] = None,
    stop_seconds: Annotated[
        float | None,
        typer.Option("--stop-seconds", min=0.1, max=3600, help=_("What runs may go on for so long at the end; 30.")),
    ] = None,
    alert_webhook_env: Annotated[
        str | None,
        typer.Option(
            "--alert-webhook-env",
            help=_("Variable that holds the address which is told when budgets run out; TOUCHSTONE_ALERT_WEBHOOK."),
        ),
    ] = None,
    keep_rows_days: Annotated[
        int | None,
        typer.Option("--keep-rows-days", min=0, help=_("Keep rows of requests; 400, 0 keeps all.")),
    ] = None,
    keep_safety_days: Annotated[
        int | None, typer.Option("--keep-safety-days", min=1, help=_("Keep what guards decided; 90."))
    ] = None,
    content_mib: Annotated[
        float | None, typer.Option("--content-mib", min=0, help=_("Prompts and answers that are kept, in all; 1024."))
    ] = None,
    replies_mib: Annotated[
        float | None, typer.Option("--replies-mib", min=0, help=_("Kept replies and copies for scoring, in all; 1024."))
    ] = None,
    file_mib: Annotated[
        float | None, typer.Option("--file-mib", min=0.001, help=_("Largest file that a key may store; 200."))
    ] = None,
    project_mib: Annotated[
        float | None, typer.Option("--project-mib", min=0.001, help=_("All files of a project together; 4096."))
    ] = None,
    project_files: Annotated[
        int | None, typer.Option("--project-files", min=1, help=_("How many files a project may have; 2000."))
    ] = None,
    keep_files_days: Annotated[
        int | None, typer.Option("--keep-files-days", min=1, help=_("Keep files, results of batches too; 30."))
    ] = None,
    batch_lines: Annotated[
        int | None, typer.Option("--batch-lines", min=1, help=_("Requests of one batch; 50000."))
    ] = None,
    project_batches: Annotated[
        int | None, typer.Option("--project-batches", min=1, help=_("Batches of a project that have not ended; 50."))
    ] = None,
    lines_at_once: Annotated[
        int | None, typer.Option("--lines-at-once", min=1, help=_("Requests of all batches at the same time; 16."))
    ] = None,
    keep_batches_days: Annotated[
        int | None, typer.Option("--keep-batches-days", min=1, help=_("Batches that ended can be looked at; 90."))
    ] = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Answer requests until SIGTERM or Ctrl-C; what runs then may end, and everything is written down."""
    import orjson

    from touchstone.config import alert_webhook
    from touchstone.deployment.gateway.limits import DoorLimits
    from touchstone.deployment.govern.batches import BatchLimits
    from touchstone.deployment.govern.files import FileLimits
    from touchstone.deployment.govern.retention import Retention
    from touchstone.workspace.serve import ServeOptions
    from touchstone.workspace.serve import serve as run

    limits = DoorLimits.model_validate(
        _said(
            in_flight=in_flight,
            connections_per_address=per_address,
            body_bytes=_bytes(max_body_mib),
            stop_s=stop_seconds,
        )
    )
    if keep_rows_days is not None and 0 < keep_rows_days < _MONTH_DAYS:
        raise SettingsError(
            "--keep-rows-days is {days}; a budget may last a month, so write 0 or at least {least}",
            days=keep_rows_days,
            least=_MONTH_DAYS,
        )
    kept = _said(safety_days=keep_safety_days, content_bytes=_bytes(content_mib), replies_bytes=_bytes(replies_mib))
    if keep_rows_days is not None:
        kept["charges_days"] = keep_rows_days or None
    files = _said(
        file_bytes=_bytes(file_mib),
        project_bytes=_bytes(project_mib),
        project_files=project_files,
        keep_days=keep_files_days,
    )
    batches = _said(
        lines=batch_lines, unfinished=project_batches, lines_at_once=lines_at_once, keep_days=keep_batches_days
    )

    def listening(address: str) -> None:
        if json:
            answer_json(orjson.dumps({"url": f"{address}/v1"}))
        say(_("serving on {address}/v1; Ctrl-C stops").format(address=address))

    with open_workspace(workspace) as place:
        run(
            place,
            ServeOptions(
                host=host,
                port=port,
                allowed_hosts=tuple(allow_host or ()),
                log=log,
                spans=spans,
                limits=limits,
                webhook=alert_webhook(alert_webhook_env),
                retention=Retention.model_validate(kept),
                files=FileLimits.model_validate(files),
                batches=BatchLimits.model_validate(batches),
            ),
            listening=listening,
        )


_MONTH_DAYS = 32
"""The least that rows of requests are kept, see `Retention`."""


def _said(**given: int | float | None) -> dict[str, int | float | None]:
    """What was said on the command line; the rest keeps its default."""
    return {name: value for name, value in given.items() if value is not None}


def _bytes(mib: float | None) -> int | None:
    return None if mib is None else int(mib * 1024 * 1024)
