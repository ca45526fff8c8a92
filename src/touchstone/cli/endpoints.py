"""`touchstone endpoints …`: what is served, and how its requests are shared out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from touchstone.cli.endpoints_policy import policy
from touchstone.cli.endpoints_run import logs, manifest
from touchstone.cli.help_page import Command, Group
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

if TYPE_CHECKING:
    from touchstone.deployment.base import Endpoint
    from touchstone.deployment.endpoints.registry import Registry
    from touchstone.workspace.endpoints import Standing

Name = Annotated[str, typer.Argument(metavar="NAME", help=_("The endpoint."))]


def group(verb: str | None = None) -> typer.Typer:
    """
    The verbs below `endpoints`.

    Args:
        verb: The one that is needed, where that is known; anything else gives all of them.
    """
    app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

    @app.callback()
    def start(lang: Language = None) -> None:
        """What stands before the verb."""

    commands: dict[str, tuple[Callable[..., None], str]] = {
        "list": (list_all, _("Every endpoint, its versions and how they share the requests.")),
        "show": (show, _("One endpoint with the evidence of each version.")),
        "split": (split, _("Share the requests out between versions, such as 1=90 2=10.")),
        "rollback": (rollback, _("Go back to the shares before the last change.")),
        "shadow": (shadow, _("Ask a version too, without answering anybody; its answers are kept to be scored.")),
        "scale": (scale, _("With how many processes what runs here is served.")),
        "stop": (stop, _("Answer nobody any more; the endpoint stays.")),
        "start": (start_again, _("Answer again.")),
        "restart": (restart, _("Start new processes, then end the old ones.")),
        "logs": (logs, _("What its processes printed.")),
        "policy": (policy, _("How it behaves beside its recipe: fail-over, cache, sampling, safety.")),
        "manifest": (manifest, _("Write files for Kubernetes, KServe, docker compose or systemd.")),
        "remove": (remove, _("Take it out; its charges and its trial stay.")),
    }
    for name in [verb] if verb in commands else commands:
        command, words = commands[name]
        app.command(name, cls=Command, help=words)(command)
    return app


@errors_end_the_command
def list_all(
    project: Annotated[
        str | None, typer.Option("--project", help=_("Only those that keys of this project may ask."))
    ] = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """List endpoints."""
    from touchstone.workspace.endpoints import as_json, standings

    with open_workspace(workspace) as place:
        found = standings(place, _today(), project)
    if json:
        answer_json(as_json(found))
    elif not found:
        answer(_("There is no endpoint yet; make one with: touchstone deploy --decision latest"))
    else:
        for one in found:
            _line(one)


@errors_end_the_command
def show(name: Name, json: Json = False, workspace: WorkspaceFolder = None, lang: Language = None) -> None:  # noqa: ARG001 - read before the help texts are made
    """Show one endpoint."""
    from touchstone.workspace.endpoints import as_json, standing

    with open_workspace(workspace) as place:
        found = standing(place, name, _today())
    if json:
        answer_json(as_json([found]))
    else:
        _card(found)


@errors_end_the_command
def split(
    name: Name,
    shares: Annotated[list[str], typer.Argument(metavar="VERSION=PERCENT…", help=_("Together 100."))],
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Share the requests out."""
    from touchstone.errors import SettingsError

    wanted: dict[int, int] = {}
    for share in shares:
        number, equals, percent = share.removeprefix("v").partition("=")
        if not equals or not number.isdecimal() or not percent.removesuffix("%").isdecimal():
            raise SettingsError("{share!r} is no share; write VERSION=PERCENT, such as 2=10", share=share)
        wanted[int(number)] = int(percent.removesuffix("%"))
    _change(name, workspace, lambda found: found.split(name, wanted))


@errors_end_the_command
def rollback(name: Name, workspace: WorkspaceFolder = None, lang: Language = None) -> None:  # noqa: ARG001 - read before the help texts are made
    """Go back to the shares before the last change."""
    _change(name, workspace, lambda found: found.roll_back(name))


@errors_end_the_command
def shadow(
    name: Name,
    version: Annotated[int | None, typer.Argument(metavar="VERSION", help=_("Which one; none ends it."))] = None,
    percent: Annotated[int, typer.Option("--percent", min=1, max=100, help=_("Of the requests."))] = 100,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Ask a version too, without answering anybody."""
    _change(name, workspace, lambda found: found.shadow(name, version, percent))


@errors_end_the_command
def scale(
    name: Name,
    replicas: Annotated[int, typer.Argument(metavar="PROCESSES", min=1, max=64)],
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """With how many processes what runs here is served."""
    _change(name, workspace, lambda found: found.scale(name, replicas))


@errors_end_the_command
def stop(name: Name, workspace: WorkspaceFolder = None, lang: Language = None) -> None:  # noqa: ARG001 - read before the help texts are made
    """Answer nobody any more."""
    _change(name, workspace, lambda found: found.set_state(name, "stopped"))


@errors_end_the_command
def start_again(name: Name, workspace: WorkspaceFolder = None, lang: Language = None) -> None:  # noqa: ARG001 - read before the help texts are made
    """Answer again."""
    _change(name, workspace, lambda found: found.set_state(name, "running"))


@errors_end_the_command
def restart(name: Name, workspace: WorkspaceFolder = None, lang: Language = None) -> None:  # noqa: ARG001 - read before the help texts are made
    """Start new processes, then end the old ones."""
    _change(name, workspace, lambda found: found.restart(name))


@errors_end_the_command
def remove(name: Name, workspace: WorkspaceFolder = None, lang: Language = None) -> None:  # noqa: ARG001 - read before the help texts are made
    """Take an endpoint out."""
    from touchstone.config import user_name
    from touchstone.workspace.endpoints import remove_endpoint

    with open_workspace(workspace) as place:
        remove_endpoint(place, name, user_name())
    answer(_("{name} is removed").format(name=name))


def _change(name: str, workspace: Path | None, change: Callable[[Registry], Endpoint]) -> None:
    """One change of the desired state; a gateway that runs takes it over within a second."""
    from touchstone.config import user_name
    from touchstone.workspace.endpoints import registry, standing

    with open_workspace(workspace) as place:
        change(registry(place, user_name()))
        _line(standing(place, name, _today()))


def _today() -> date:
    return datetime.now(UTC).date()


def _line(found: Standing) -> None:
    endpoint = found.endpoint
    shares = ", ".join(f"v{number} {percent} %" for number, percent in sorted(endpoint.split.items()))
    words = [endpoint.name, _("running") if endpoint.state == "running" else _("stopped"), shares]
    if endpoint.project is not None:
        words.append(_("project {project}").format(project=endpoint.project))
    if endpoint.shadow is not None:
        words.append(
            _("shadow v{version} {percent} %").format(version=endpoint.shadow, percent=endpoint.shadow_percent)
        )
    serving = [number for number in found.expired if number in endpoint.split]
    if serving:
        versions = ", ".join(f"v{number}" for number in serving)
        words.append(_("evidence of {versions} has expired; measure again").format(versions=versions))
    answer("  ".join(words))


def _card(found: Standing) -> None:
    _line(found)
    for version in found.endpoint.versions:
        answer(
            _("  v{number}: {model} by {strategy}, made {created} by {who}").format(
                number=version.number,
                model=version.recipe.model,
                strategy=version.recipe.strategy,
                created=version.created_at[:16].replace("T", " "),
                who=version.created_by,
            )
        )
        evidence = version.evidence
        if evidence is None:
            answer(_("    evidence: none; it was not measured"))
            continue
        answer(
            _("    evidence: {candidate} in comparison {comparison}").format(
                candidate=evidence.candidate, comparison=evidence.comparison
            )
        )
        answer(
            _("    {scorer} {score:.1%} ({low:.1%} to {high:.1%}, n={cases:,}), measured {day}").format(
                scorer=evidence.scorer,
                score=evidence.score,
                low=evidence.low,
                high=evidence.high,
                cases=evidence.cases,
                day=evidence.measured_on,
            )
        )
        if evidence.expires_on is not None:
            words = _("    expired on {day}") if version.number in found.expired else _("    good until {day}")
            answer(words.format(day=evidence.expires_on))
        if evidence.overruled is not None:
            answer(_("    the decision chose another: {reason}").format(reason=evidence.overruled))
    for process in found.processes:
        answer(
            _("  process v{version}.{replica}: {state} since {since}, {restarts} restarts").format(
                version=process.version,
                replica=process.replica,
                state=process.state,
                since=process.since[:19].replace("T", " "),
                restarts=process.restarts,
            )
        )
