"""`touchstone endpoints logs` and `manifest`: processes here, and files for other people's machinery."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from touchstone.cli.options import Language, WorkspaceFolder, answer, errors_end_the_command, open_workspace
from touchstone.language import _


@errors_end_the_command
def logs(
    name: Annotated[str, typer.Argument(metavar="NAME", help=_("The endpoint."))],
    version: Annotated[int | None, typer.Option("--version", min=1, help=_("Of one version only."))] = None,
    lines: Annotated[int, typer.Option("--lines", min=1, max=100_000, help=_("The last so many of each."))] = 50,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """What the processes of an endpoint printed, the newest at the end."""
    from touchstone.workspace.endpoints import process_logs

    with open_workspace(workspace) as place:
        found = process_logs(place, name, version, lines)
    if not found:
        answer(_("No process of {name} has printed anything here.").format(name=name))
    for title, printed in found:
        answer(title)
        for line in printed:
            answer(f"  {line}")


@errors_end_the_command
def manifest(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=_("kubernetes, kserve, compose or systemd."))],
    host: Annotated[
        list[str],
        typer.Option("--host", help=_("A name by which it is called, such as models.internal; again for more.")),
    ],
    name: Annotated[str, typer.Option("--name", help=_("Of the service."))] = "touchstone",
    memory_gib: Annotated[
        float | None,
        typer.Option("--memory-gib", min=0.1, help=_("Of the gateway and its processes; reckoned by default.")),
    ] = None,
    processors: Annotated[float, typer.Option("--processors", min=0.1, help=_("Processor cores."))] = 2.0,
    accelerators: Annotated[int, typer.Option("--accelerators", min=0, help=_("GPUs."))] = 0,
    secret: Annotated[
        list[str] | None, typer.Option("--secret", help=_("A variable with a provider's key; again for more."))
    ] = None,
    image: Annotated[str, typer.Option("--image", help=_("A container image with the package installed."))] = (
        "touchstone:latest"
    ),
    port: Annotated[int, typer.Option("--port", min=1024, max=65535, help=_("Where it listens."))] = 8080,
    out: Annotated[Path | None, typer.Option("--out", help=_("Write it here instead of printing it."))] = None,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Write what a cluster, docker compose or systemd needs to run this workspace's gateway."""
    from touchstone.errors import SettingsError
    from touchstone.workspace.endpoints import MANIFESTS, write_manifest
    from touchstone.workspace.workspace import write_text

    if kind not in MANIFESTS:
        raise SettingsError("{kind!r} is no manifest; there are {known}", kind=kind, known=", ".join(MANIFESTS))
    with open_workspace(workspace) as place:
        text = write_manifest(
            place,
            kind,
            name=name,
            hosts=host,
            memory_gib=memory_gib,
            processors=processors,
            accelerators=accelerators,
            secrets=secret or (),
            image=image,
            port=port,
        )
    if out is None:
        answer(text.rstrip())
    else:
        write_text(out, text)
        answer(str(out))
