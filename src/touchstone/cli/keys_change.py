"""`touchstone keys create`, `rotate`, `revoke`, `expire`, `release`. Each is an act of the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

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
from touchstone.language import _

if TYPE_CHECKING:
    from touchstone.deployment.base import Key

_FLAGS = {
    "name": "--name",
    "scopes": "--scope",
    "endpoints": "--endpoint",
    "project": "--project",
    "owner": "--owner",
    "usd": "--max-usd",
    "window": "--per",
    "requests_per_minute": "--requests-per-minute",
    "tokens_per_minute": "--tokens-per-minute",
    "in_flight": "--in-flight",
    "expires_at": "--expires",
}
"""Fields of a key and the flags that fill them."""

KeyName = Annotated[str, typer.Argument(metavar="KEY", help=_("Number or name of a key."))]


@errors_end_the_command
def create(
    name: Annotated[str, typer.Option("--name", help=_("By which people know it."))],
    endpoint: Annotated[
        list[str] | None, typer.Option("--endpoint", help=_("Whom it may ask; again for more. All by default."))
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help=_("infer, files, metrics or admin; again for more. infer and files by default.")),
    ] = None,
    project: Annotated[str, typer.Option("--project", help=_("What its files, caches and reports belong to."))] = (
        "default"
    ),
    owner: Annotated[str | None, typer.Option("--owner", help=_("Whose key it is."))] = None,
    max_usd: Annotated[float | None, typer.Option("--max-usd", help=_("How much it may spend in a window."))] = None,
    per: Annotated[str, typer.Option("--per", help=_("The window: hour, day, week, month or ever, in UTC."))] = "month",
    requests_per_minute: Annotated[
        int | None, typer.Option("--requests-per-minute", help=_("How often it may ask."))
    ] = None,
    tokens_per_minute: Annotated[
        int | None, typer.Option("--tokens-per-minute", help=_("How many tokens it may use, in and out."))
    ] = None,
    in_flight: Annotated[int | None, typer.Option("--in-flight", help=_("How many requests at once."))] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help=_("When it ends: 90d, 12h, a day or a moment in UTC."))
    ] = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Make a key and show it, once."""
    from touchstone.workspace.govern import Govern, user_name
    from touchstone.workspace.key_words import key_draft, moment_said

    draft = key_draft(
        {
            "name": name,
            "scopes": scope or ["infer", "files"],
            "endpoints": endpoint or None,
            "project": project,
            "owner": owner,
            "limits": {
                "requests_per_minute": requests_per_minute,
                "tokens_per_minute": tokens_per_minute,
                "in_flight": in_flight,
            },
            "budget": None if max_usd is None else {"usd": max_usd, "window": per},
            "expires_at": None if expires is None else moment_said("--expires", expires),
        },
        _FLAGS,
    )
    with open_workspace(workspace) as place:
        govern = Govern(place)
        for unknown in govern.unknown_endpoints(draft.endpoints or ()):
            say(one_line(_("nothing is served under the name {name} yet").format(name=unknown)))
        key, secret = govern.keys.create(
            draft.name,
            who=user_name(),
            scopes=draft.scopes,
            endpoints=draft.endpoints,
            project=draft.project,
            owner=draft.owner,
            limits=draft.limits,
            budget=draft.budget,
            expires_at=draft.expires_at,
        )
    _give(key, secret, json)


@errors_end_the_command
def rotate(
    key: KeyName,
    grace: Annotated[str, typer.Option("--grace", help=_("How long the old one still works: 24h, 30m, 0s."))] = "24h",
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Make a key that takes the place of another, and spends from the same budget."""
    from touchstone.workspace.govern import Govern, user_name
    from touchstone.workspace.key_words import seconds_said

    grace_s = seconds_said("--grace", grace)
    with open_workspace(workspace) as place:
        keys = Govern(place).keys
        new, secret = keys.rotate(keys.named(key).id, grace_s=grace_s, who=user_name())
        old = keys.get(new.replaces or 0)
    if not json:
        say(_filled(old, _("key {id} ({name}) works until {moment} UTC")))
    _give(new, secret, json)


@errors_end_the_command
def revoke(
    key: KeyName,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """End a key for good."""
    from touchstone.workspace.govern import Govern, user_name

    with open_workspace(workspace) as place:
        keys = Govern(place).keys
        ended = keys.revoke(keys.named(key).id, who=user_name())
    _say(ended, json, _("key {id} ({name}) is revoked; a gateway that runs refuses it within a second"))


@errors_end_the_command
def expire(
    key: KeyName,
    at: Annotated[str, typer.Option("--at", help=_("90d, 12h, a day or a moment in UTC."))],
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Let a key end at a moment."""
    from touchstone.workspace.govern import Govern, user_name
    from touchstone.workspace.key_words import moment_said

    moment = moment_said("--at", at)
    with open_workspace(workspace) as place:
        keys = Govern(place).keys
        ending = keys.expire(keys.named(key).id, moment, who=user_name())
    _say(ending, json, _("key {id} ({name}) ends at {moment} UTC"))


@errors_end_the_command
def release(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help=_("Its id; `usage --in-doubt` lists them."))],
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Give back what a request counts as that was under way when the gateway ended."""
    import orjson

    from touchstone.deployment.govern.recovery import release as give_back
    from touchstone.workspace.govern import Govern, user_name

    with open_workspace(workspace) as place:
        usd = give_back(Govern(place).engine, request, who=user_name())
    if json:
        answer_json(orjson.dumps({"request": request, "usd": usd}))
        return
    answer(one_line(_("{usd} USD of request {request} are given back").format(usd=f"{usd:.6g}", request=request)))


def _give(key: Key, secret: str, json: bool) -> None:
    """Show a secret: alone on stdout, so that it can be put into a variable, and what to know on stderr."""
    if json:
        import orjson

        answer_json(orjson.dumps({"key": secret, "id": key.id, "name": key.name}))
        return
    answer(secret)
    line = _("This is key {id} ({name}). It is shown once and stored nowhere; keep it now.")
    say(one_line(line.format(id=key.id, name=key.name)))


def _say(key: Key, json: bool, line: str) -> None:
    if json:
        answer_json(key.model_dump_json().encode())
    else:
        answer(_filled(key, line))


def _filled(key: Key, line: str) -> str:
    moment = (key.expires_at or "")[:16].replace("T", " ")
    return one_line(line.format(id=key.id, name=key.name, moment=moment))
