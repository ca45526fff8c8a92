"""`touchstone endpoints policy`: how an endpoint behaves beside its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

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

Many = list[str] | None


@errors_end_the_command
def policy(
    name: Annotated[str, typer.Argument(metavar="NAME", help=_("The endpoint."))],
    file: Annotated[
        Path | None, typer.Option("--file", help=_("Take the whole policy from this YAML or JSON file."))
    ] = None,
    fail_over: Annotated[
        Many, typer.Option("--fail-over", help=_("Endpoints to ask when it fails before its first byte; none: -."))
    ] = None,
    sampling: Annotated[
        str | None, typer.Option("--sampling", help=_("measured, or client: whose temperature counts."))
    ] = None,
    max_output_tokens: Annotated[
        int | None, typer.Option("--max-output-tokens", min=1, help=_("For requests that name no limit."))
    ] = None,
    on_disconnect: Annotated[
        str | None, typer.Option("--on-disconnect", help=_("cancel, or drain: whether a reply is read to its end."))
    ] = None,
    on_key_end: Annotated[
        str | None,
        typer.Option("--on-key-end", help=_("finish, or cut: what becomes of running replies when their key ends.")),
    ] = None,
    cache_s: Annotated[
        int | None, typer.Option("--cache-s", min=0, help=_("Answer the same request from the store; 0 ends it."))
    ] = None,
    keep_content_days: Annotated[
        int | None, typer.Option("--keep-content-days", min=0, help=_("Keep prompts and answers; 0 keeps none."))
    ] = None,
    image_host: Annotated[
        Many, typer.Option("--image-host", help=_("A host whose images may be named by URL."))
    ] = None,
    pii: Annotated[str | None, typer.Option("--pii", help=_("Personal data: off, mask or block."))] = None,
    injection: Annotated[
        str | None, typer.Option("--injection", help=_("Texts that give orders: off, flag or block."))
    ] = None,
    blocked: Annotated[Many, typer.Option("--blocked", help=_("A phrase that ends a request; none: -."))] = None,
    moderation: Annotated[
        str | None, typer.Option("--moderation", help=_("An endpoint that is asked whether a text may pass; none: -."))
    ] = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Show the policy, changed by the flags that are given; a gateway that runs takes it over within a second."""
    from touchstone.config import user_name
    from touchstone.workspace.endpoints import change_policy, policy_text, read_policy, standing

    changes: dict[str, Any] = {
        "fail_over": _list(fail_over),
        "sampling": sampling,
        "max_output_tokens": max_output_tokens,
        "on_disconnect": on_disconnect,
        "on_key_end": on_key_end,
        "cache_s": cache_s,
        "keep_content_days": keep_content_days,
        "image_hosts": _list(image_host),
    }
    safety: dict[str, Any] = {
        "pii": pii,
        "injection": injection,
        "blocked": _list(blocked),
        "moderation": moderation,
    }
    given = {key: value for key, value in changes.items() if value is not None}
    looked_for = {key: value for key, value in safety.items() if value is not None}
    with open_workspace(workspace) as place:
        if file is not None:
            wanted = read_policy(file)
            found = change_policy(place, name, wanted, given, looked_for, user_name())
        elif given or looked_for:
            found = change_policy(place, name, None, given, looked_for, user_name())
        else:
            from datetime import UTC, datetime

            found = standing(place, name, datetime.now(UTC).date()).endpoint.policy
    if json:
        answer_json(found.model_dump_json().encode())
    else:
        answer(policy_text(found))


def _list(given: Many) -> tuple[str, ...] | None:
    """None where nothing was said; `-` alone empties a list."""
    return None if given is None else tuple(one for one in given if one != "-")
