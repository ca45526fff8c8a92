"""`touchstone deploy`: serve what was chosen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from touchstone.language import _

if TYPE_CHECKING:
    from touchstone.workspace.deploy import Deployed


@errors_end_the_command
def deploy(
    decision: Annotated[
        str | None, typer.Option("--decision", help=_("Id of a stored comparison, or latest: what it chose is served."))
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            help=_("A model as a task file names it, served without a trial; or embedding/…, rerank/…, moderation/…"),
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help=_("What requests call it; made of the task's name by default."))
    ] = None,
    candidate: Annotated[
        str | None, typer.Option("--candidate", help=_("Another candidate of the comparison than the chosen one, …"))
    ] = None,
    because: Annotated[
        str | None, typer.Option("--because", help=_("… and why; it stands beside the evidence."))
    ] = None,
    percent: Annotated[
        int, typer.Option("--percent", min=0, max=100, help=_("Of the requests that the new version answers."))
    ] = 100,
    compute: Annotated[
        str | None, typer.Option("--compute", help=_("Run its weights as a process: transformers, llama-cpp, vllm, …"))
    ] = None,
    replicas: Annotated[int, typer.Option("--replicas", min=1, max=64, help=_("For --compute: processes."))] = 1,
    memory_gib: Annotated[
        float | None,
        typer.Option("--memory-gib", min=0.01, help=_("For --compute: a process that takes more is ended.")),
    ] = None,
    idle_stop_s: Annotated[
        float | None, typer.Option("--idle-stop-s", min=1, help=_("For --compute: end processes without work after."))
    ] = None,
    input_usd: Annotated[
        float | None, typer.Option("--input-usd", min=0, help=_("What a million input tokens are charged."))
    ] = None,
    output_usd: Annotated[
        float | None, typer.Option("--output-usd", min=0, help=_("What a million output tokens are charged."))
    ] = None,
    project: Annotated[
        str | None,
        typer.Option("--project", help=_("Only keys of this project may ask the new endpoint; all may by default.")),
    ] = None,
    good_until: Annotated[
        str | None,
        typer.Option("--good-until", help=_("A day from which its trial counts as expired, sooner than decided.")),
    ] = None,
    check: Annotated[
        int | None,
        typer.Option(
            "--check", min=0, help=_("Ask so many stored cases again; 20 by default where that costs nothing.")
        ),
    ] = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Make an endpoint of a measured recipe, or give one a further version; `touchstone serve` answers for it."""
    from touchstone.config import user_name
    from touchstone.deployment.base import ComputeSettings
    from touchstone.errors import SettingsError
    from touchstone.workspace.deploy import Order, deploy_decision, deploy_model
    from touchstone.workspace.deploy_said import check_finite, day_said, price_said

    if (decision is None) == (recipe is None):
        raise SettingsError("say what is served: --decision latest, or --recipe MODEL")
    check_finite(memory_gib=memory_gib, idle_stop_s=idle_stop_s, input_usd=input_usd, output_usd=output_usd)
    settings = (
        None
        if compute is None
        else ComputeSettings(kind=compute, replicas=replicas, memory_gib=memory_gib, idle_stop_s=idle_stop_s)
    )
    order = Order(
        name,
        candidate,
        because,
        percent,
        settings,
        price_said(input_usd, output_usd, "--input-usd, --output-usd"),
        check,
        project,
        day_said("--good-until", good_until),
    )
    with open_workspace(workspace) as place:
        if decision is not None:
            found = deploy_decision(place, decision, order, who=user_name())
        else:
            assert recipe is not None
            found = deploy_model(place, recipe, order, who=user_name())
    if json:
        answer_json(_json(found))
    else:
        _show(found, place.settings.workspace)


def _json(found: Deployed) -> bytes:
    import orjson

    return orjson.dumps(
        {
            "schema": "touchstone.deployed/1",
            "endpoint": found.endpoint.name,
            "version": found.version.number,
            "split": {str(number): percent for number, percent in found.endpoint.split.items()},
            "model": found.version.recipe.model,
            "strategy": found.version.recipe.strategy,
            "evidence": found.version.evidence.model_dump(mode="json") if found.version.evidence else None,
            "price": found.version.price.model_dump(mode="json") if found.version.price else None,
            "checked": None if found.agreement is None else found.agreement._asdict(),
            "outside": list(found.outside),
        }
    )


def _show(found: Deployed, workspace: Path) -> None:
    version, endpoint = found.version, found.endpoint
    answer(
        _("{endpoint}, version {version}: {model} by {strategy}").format(
            endpoint=endpoint.name,
            version=version.number,
            model=version.recipe.model,
            strategy=version.recipe.strategy,
        )
    )
    evidence = version.evidence
    if evidence is None:
        answer(_("  evidence: none; it was not measured"))
    else:
        answer(
            _(
                "  evidence: {comparison}, {scorer} {score:.1%} ({low:.1%} to {high:.1%}, n={cases:,}), measured {day}"
            ).format(
                comparison=evidence.comparison,
                scorer=evidence.scorer,
                score=evidence.score,
                low=evidence.low,
                high=evidence.high,
                cases=evidence.cases,
                day=evidence.measured_on,
            )
        )
        if evidence.expires_on is not None:
            answer(_("  good until {day}; measure again then").format(day=evidence.expires_on))
        if evidence.overruled is not None:
            answer(_("  the decision chose another: {reason}").format(reason=evidence.overruled))
    if found.agreement is not None and found.agreement.asked:
        answer(
            _("  checked: {same} of {asked} stored cases get the very same answer").format(
                same=found.agreement.same, asked=found.agreement.asked
            )
        )
    if version.price is None:
        answer(_("  price: unknown; keys with a budget may not ask it, give --input-usd and --output-usd"))
    shares = ", ".join(f"v{number} {percent} %" for number, percent in sorted(endpoint.split.items()))
    answer(_("  requests: {shares}").format(shares=shares))
    for path in found.outside:
        say(_("  {path} lies outside the task's folder and is read where it is").format(path=path))
    place = "" if str(workspace) == ".touchstone" else f" --workspace {workspace}"
    answer(_("Next:"))
    answer(f"  touchstone keys create --name me --endpoint {endpoint.name}{place}")
    answer(f"  touchstone serve{place}")
