"""`touchstone ui`: the pages, until it is told to stop."""

from __future__ import annotations

from typing import Annotated

import typer

from touchstone.cli.options import Json, Language, WorkspaceFolder, answer_json, errors_end_the_command, say
from touchstone.language import _, current_language


@errors_end_the_command
def ui(
    host: Annotated[
        str,
        typer.Option(
            "--host",
            help=_("Address to listen on; one that other machines reach needs people, see `touchstone people`."),
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help=_("Port; 0 takes a free one."))] = 8321,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help=_("A name by which browsers may call the site; may be repeated.")),
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help=_("Print the link and open no browser."))] = False,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Serve the pages until SIGTERM or Ctrl-C; work that was begun goes on without them."""
    import orjson

    from touchstone.config import load_settings
    from touchstone.web.server import Listening, SiteOptions, serve_pages

    def listening(found: Listening) -> None:
        if json:
            answer_json(orjson.dumps({"url": found.address, "link": found.link}))
        if found.link is not None:
            say(_("open {link}").format(link=found.link))
            say(_("the link works once; the pages are at {address}; Ctrl-C stops").format(address=found.address))
        else:
            say(_("the pages are at {address}; people sign in there; Ctrl-C stops").format(address=found.address))
        if not found.is_local and not found.address.startswith("https:"):
            say(_("passwords travel as they are typed unless a proxy before this site speaks TLS"))
        if not no_open and not json and found.is_local:
            import webbrowser

            webbrowser.open(found.link or found.address)

    serve_pages(
        load_settings(workspace),
        SiteOptions(host=host, port=port, allowed_hosts=tuple(allow_host or ()), language=current_language()),
        listening=listening,
    )
