"""`touchstone train`: fine-tune or train from nothing as a job of its own."""

from __future__ import annotations

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
    one_line,
    open_workspace,
    say,
)
from touchstone.language import _

if TYPE_CHECKING:
    from touchstone.training.forecast import Forecast, RealSize
    from touchstone.workspace.train import ReadyToTrain, TrainedModel, TrainOptions


@errors_end_the_command
def train(
    task_file: Annotated[Path, typer.Argument(metavar="TASKFILE", help=_("The task file, or the folder it is in."))],
    base: Annotated[
        str | None,
        typer.Option(
            "--base", help=_("What to begin with: starter/s, starter/m, starter/l, or folder:PATH of weights.")
        ),
    ] = None,
    way: Annotated[
        str | None,
        typer.Option(
            "--way",
            help=_("lora: adapters; full: all weights, the default of small networks; pretrain: from nothing."),
        ),
    ] = None,
    family: Annotated[
        str | None,
        typer.Option("--family", help=_("From nothing: decoder-only, encoder-only or encoder-decoder.")),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help=_("What the result is called in the catalog: own/NAME."))
    ] = None,
    rank: Annotated[int | None, typer.Option("--rank", min=1, help=_("Of the adapters."))] = None,
    epochs: Annotated[float | None, typer.Option("--epochs", help=_("How often every row is seen."))] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help=_("The highest; by default what fits way and size."))
    ] = None,
    batch_tokens: Annotated[int | None, typer.Option("--batch-tokens", help=_("Tokens of a step."))] = None,
    train_cases: Annotated[
        int | None, typer.Option("--train-cases", min=1, help=_("Learn from so many cases, drawn; all by default."))
    ] = None,
    max_hours: Annotated[
        float | None, typer.Option("--max-hours", help=_("Stop after so long; the same command goes on."))
    ] = None,
    memory_gb: Annotated[
        float | None, typer.Option("--memory-gb", help=_("Most memory of the process that trains."))
    ] = None,
    general: Annotated[
        Path | None,
        typer.Option(
            "--general", help=_("Cases of another kind with their answers, asked before and after: what is forgotten.")
        ),
    ] = None,
    forecast_only: Annotated[
        bool, typer.Option("--forecast", help=_("Say what it will take, and train nothing."))
    ] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help=_("Time a few steps first, so that time and money are better known."))
    ] = False,
    usd_per_hour: Annotated[
        float | None, typer.Option("--usd-per-hour", min=0.0, help=_("What an hour of the machine costs."))
    ] = None,
    h100_usd_per_hour: Annotated[
        float | None,
        typer.Option(
            "--h100-usd-per-hour", min=0.0, help=_("What an hour of an H100 costs, for real sizes from nothing.")
        ),
    ] = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Forecast, train, write a card, put it into the catalog."""
    import asyncio  # here, because it takes as long to load as a quick command takes to answer

    from touchstone.workspace.train import train_options

    given = {
        "rank": rank, "epochs": epochs, "learning_rate": learning_rate, "batch_tokens": batch_tokens,
        "train_cases": train_cases, "max_hours": max_hours, "memory_gb": memory_gb, "family": family,
        "general": None if general is None else str(general.resolve()),
    }  # fmt: skip
    with open_workspace(workspace) as place:
        task = place.load_task(task_file)
        options = train_options(
            way, base, name or task.file.task, {key: one for key, one in given.items() if one is not None}
        )
        folder = place.settings.workspace
        try:
            asyncio.run(
                _run(task, place.ledger, options, folder, forecast_only, measure, usd_per_hour, h100_usd_per_hour, json)
            )
        except KeyboardInterrupt:
            say(_("interrupted; the last checkpoint is kept, and the same command goes on from there"))
            raise typer.Exit(130) from None


async def _run(
    task: Any,
    ledger: Any,
    options: TrainOptions,
    folder: Path,
    forecast_only: bool,
    measure: bool,
    usd_per_hour: float | None,
    h100_usd_per_hour: float | None,
    json: bool,
) -> None:
    from touchstone.workspace.train import forecast_training, ready_to_train, train

    ready = await ready_to_train(task, ledger, options, workspace=folder, notice=lambda line: say(one_line(line)))
    expected, real = await forecast_training(
        ready, measure=measure, usd_per_hour=usd_per_hour, h100_usd_per_hour=h100_usd_per_hour
    )
    for finding in ready.findings:
        say(one_line(_(finding.template).format(**finding.values)))
    for line in forecast_lines(expected, real, ready):
        (say if json or not forecast_only else answer)(one_line(line))
    made = None
    if not forecast_only:
        made = await train(ready, workspace=folder)
    if json:
        answer_json(_as_json(ready, expected, real, made))
    elif made is not None:
        for line in result_lines(made, usd_per_hour):
            answer(one_line(line))


def forecast_lines(expected: Forecast, real: tuple[RealSize, ...], ready: ReadyToTrain) -> list[str]:
    """What a training will take, for people."""
    from touchstone.strategies.trained import clock

    about = _("about {time}") if expected.from_what == "stated" else "{time}"
    memory = expected.memory
    lines = [
        _("Forecast for {name}: {rows:,} rows, {parameters:,} parameters, {trained:,} of them learn").format(
            name=ready.options.name,
            rows=len(ready.lesson.rows.examples),
            parameters=expected.parameters,
            trained=expected.trained_parameters,
        ),
        _(
            "  memory up to {total:,.0f} MB: weights {weights:,.0f}, gradients {gradients:,.0f}, optimiser "
            "{optimiser:,.0f}, activations {activations:,.0f}, scores {scores:,.0f}, libraries {runtime:,.0f}"
        ).format(
            total=memory.total / 1e6,
            **{key: value / 1e6 for key, value in memory.model_dump().items()},
        ),
        _("  tokens about {tokens:,}, operations {flops:.2g}, time on {device}: {time}").format(
            tokens=expected.tokens,
            flops=expected.flops,
            device=_(expected.device),
            time=_("unknown") if expected.seconds is None else about.format(time=clock(expected.seconds)),
        ),
    ]
    if expected.usd is not None:
        lines.append(_("  money about {usd:.4f} USD").format(usd=expected.usd))
    if expected.fits is False:
        lines.append(_("  that is more memory than this machine has; lower --batch-tokens or take a smaller model"))
    for one in real:
        words = _(
            "  a network of {name} parameters from nothing: {tokens:.2g} tokens, {hours:,.0f} hours of one "
            "{device}{usd}"
        )
        usd = "" if one.usd is None else _(", {usd:,.0f} USD").format(usd=one.usd)
        lines.append(
            words.format(name=one.name, tokens=one.tokens, hours=one.device_hours, device=_(one.device), usd=usd)
        )
    return lines


def result_lines(made: TrainedModel, usd_per_hour: float | None) -> list[str]:
    """What came out, for people."""
    from touchstone.strategies.trained import clock

    trained = made.trained
    lines = [
        _("Trained {id} in {time} on {device}: loss {first:.3f} to {last:.3f}").format(
            id=made.id,
            time=clock(trained.seconds),
            device=trained.device,
            first=trained.steps[0].loss,
            last=trained.steps[-1].loss,
        )
    ]
    if trained.held_back_loss is not None:
        before = _("not measured") if trained.held_back_loss_before is None else f"{trained.held_back_loss_before:.3f}"
        lines.append(
            _("Loss on cases held back: {before} before, {after:.3f} after").format(
                before=before, after=trained.held_back_loss
            )
        )
    if made.general is not None:
        told = made.general.finding(made.id)
        lines.append(_(told.template).format(**told.values))
    if usd_per_hour is not None:
        lines.append(_("Money: {usd:.4f} USD").format(usd=trained.seconds / 3600 * usd_per_hour))
    entry = ", ".join(f"{key}: {value}" for key, value in made.entry.items())
    return [
        *lines,
        _("Weights: {path}").format(path=trained.folder),
        _("Card: {path}").format(path=made.card),
        _("Loss curve: {path}").format(path=made.page),
        _("As a candidate: - {{{entry}}}").format(entry=entry),
    ]


def _as_json(ready: ReadyToTrain, expected: Forecast, real: tuple[RealSize, ...], made: TrainedModel | None) -> bytes:
    import orjson

    return orjson.dumps(
        {
            "schema": "touchstone.training/1",
            "name": ready.options.name,
            "rows": len(ready.lesson.rows.examples),
            "left_out_for_test": ready.lesson.rows.in_test,
            "findings": [one.model_dump(mode="json") for one in ready.findings],
            "forecast": {**expected.model_dump(mode="json"), "memory_bytes": expected.memory.total},
            "real_sizes": [one.model_dump(mode="json") for one in real],
            "training": None if made is None else made.model_dump(mode="json"),
        }
    )
