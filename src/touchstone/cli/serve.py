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
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Answer requests until SIGTERM or Ctrl-C; what runs then may end, and everything is written down."""
    import orjson

    from touchstone.deployment.gateway.limits import DoorLimits
    from touchstone.workspace.serve import ServeOptions
    from touchstone.workspace.serve import serve as run

    given = {
        "in_flight": in_flight,
        "connections_per_address": per_address,
        "body_bytes": None if max_body_mib is None else int(max_body_mib * 1024 * 1024),
        "stop_s": stop_seconds,
    }
    limits = DoorLimits.model_validate({name: value for name, value in given.items() if value is not None})

    def listening(address: str) -> None:
        if json:
            answer_json(orjson.dumps({"url": f"{address}/v1"}))
        say(_("serving on {address}/v1; Ctrl-C stops").format(address=address))

    with open_workspace(workspace) as place:
        run(
            place,
            ServeOptions(
                host=host, port=port, allowed_hosts=tuple(allow_host or ()), log=log, spans=spans, limits=limits
            ),
            listening=listening,
        )
