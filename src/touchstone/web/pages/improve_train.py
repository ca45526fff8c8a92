"""Training in the browser: what there is, a forecast before anything begins, and each training live."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from touchstone.errors import SettingsError, UserError
from touchstone.language import N_, _
from touchstone.strategies.trained import clock
from touchstone.training.run import can_train
from touchstone.web.base import Answer, Ask, Follow, Move, Route, Show
from touchstone.web.pages import improve_run
from touchstone.web.pages.improve_base import load, views
from touchstone.web.pages.improve_run import card_address, way_words
from touchstone.web.pages.jobs import STATES as JOB_STATES
from touchstone.web.pages.tasks_base import by_field, told
from touchstone.workspace.tasks import OwnTask, own_task, own_tasks
from touchstone.workspace.train import TrainOptions, forecast_training, ready_to_train, train_options
from touchstone.workspace.trainings import StoredTraining, find_training, trainings

ABOUT = "/improve/training"
_PATIENCE_S = 30.0

BASES = {
    "starter/s": N_("starter/s, the smallest that ships"),
    "starter/m": N_("starter/m, the middle one"),
    "starter/l": N_("starter/l, the largest"),
}
KINDS = {
    "full": N_("Fine-tune all weights"),
    "lora": N_("Fine-tune adapters (LoRA)"),
    "pretrain": N_("Train a small network from nothing"),
}
FAMILIES = {
    "decoder-only": N_("decoder-only: writes text"),
    "encoder-only": N_("encoder-only: names a label"),
    "encoder-decoder": N_("encoder-decoder: reads, then writes"),
}
STATES = {
    "finished": N_("finished"),
    "running": N_("running"),
    "kept": N_("interrupted; a checkpoint is kept"),
    "begun": N_("interrupted before its first checkpoint"),
}
_NUMBERS: Mapping[str, tuple[float, float, bool]] = {
    "epochs": (0.01, 10_000.0, False),
    "learning_rate": (1e-8, 0.99, False),
    "batch_tokens": (16, 10_000_000, True),
    "train_cases": (1, 10_000_000, True),
    "max_hours": (0.001, 10_000.0, False),
    "memory_gb": (0.1, 100_000.0, False),
    "rank": (1, 1_024, True),
    "usd_per_hour": (0.0, 10_000.0, False),
}
"""Fields that are numbers: smallest, largest, whether whole."""


def listing(ask: Ask) -> Answer:
    """Every training of the project, with its checkpoints and its card."""
    jobs = [view for view in ask.jobs.about(ABOUT, 50) if view.job.verb == "train"]
    return Show(
        "improve/trainings.html.j2",
        {
            "views": views(ABOUT),
            "rows": [(one, one.steps[-1] if one.steps else None) for one in trainings(ask.folder)],
            "jobs": jobs,
            "job_states": JOB_STATES,
            "states": STATES,
            "way_words": way_words,
            "card_address": card_address,
            "can_train": can_train(),
            "clock": clock,
            "tasks": own_tasks(ask.folder),
        },
    )


def one(ask: Ask) -> Answer:
    """One training: its curve, its settings, what it left."""
    found = find_training(ask.folder, ask.params["digest"])
    return Show(
        "improve/training.html.j2",
        {
            "one": found,
            "last": found.steps[-1] if found.steps else None,
            "chart": improve_run.chart(found.steps, found.card or found.digest[:12]),
            "states": STATES,
            "way_words": way_words,
            "card_address": card_address,
            "clock": clock,
        },
    )


# A new one -----------------------------------------------------------------------------------------------------------


def new(ask: Ask) -> Answer:
    """What to train, and what it would take."""
    return _new(ask, {}, with_forecast=False)


def _new(ask: Ask, problems: dict[str, str], *, with_forecast: bool, status: int = 200) -> Show:
    typed = ask.form if ask.form else ask.query
    tasks = own_tasks(ask.folder)
    named = typed.text("task", longest=200)
    chosen = next((one for one in tasks if one.name == named), None) or next(iter(tasks), None)
    found: dict[str, Any] = {"forecast": None, "real": (), "findings": (), "notices": (), "rows": 0}
    if with_forecast and chosen is not None and not problems:
        try:
            found = _forecast(ask, chosen, typed)
        except UserError as error:
            problems["forecast"] = told(error)
            status = 422
        except TimeoutError:
            problems["forecast"] = _("The forecast takes too long here; ask for it with touchstone train --forecast.")
            status = 422
    names = ("way", "base", "name", "family", *_NUMBERS)
    return Show(
        "improve/train.html.j2",
        {
            **found,
            "views": views(ABOUT),
            "tasks": [(one.name, one.title) for one in tasks if one.task is not None],
            "task": "" if chosen is None else chosen.name,
            "now": by_field({name: typed.text(name, longest=300) for name in names if name in typed}),
            "bases": [*((name, _(words)) for name, words in BASES.items()), *_own_bases(ask).items()],
            "kinds": KINDS,
            "families": FAMILIES,
            "problems": by_field(problems),
            "can_train": can_train(),
            "clock": clock,
            "translate": _,
        },
        status=status,
    )


def _own_bases(ask: Ask) -> dict[str, str]:
    """Models that were trained here, to train further; their folders are ours to name."""
    return {one.digest: _trained_name(one) for one in trainings(ask.folder) if one.state == "finished"}


def _trained_name(one: StoredTraining) -> str:
    return _("{name}, trained here on {day}").format(name=one.card or one.digest[:12], day=one.began[:10])


def _forecast(ask: Ask, own: OwnTask, typed: Any) -> dict[str, Any]:
    notices: list[str] = []
    options, usd_per_hour = _options(ask, typed, own)

    async def look() -> dict[str, Any]:
        ready = await ready_to_train(
            load(own.path), ask.workspace.ledger, options, workspace=ask.folder, notice=notices.append
        )
        expected, real = await forecast_training(ready, measure=False, usd_per_hour=usd_per_hour)
        return {
            "forecast": expected,
            "real": real,
            "findings": [_(one.template).format(**one.values) for one in ready.findings],
            "notices": notices,
            "rows": len(ready.lesson.rows.examples),
        }

    return asyncio.run(asyncio.wait_for(look(), _PATIENCE_S))


def _options(ask: Ask, typed: Any, own: OwnTask) -> tuple[TrainOptions, float | None]:
    """What the form wants, as a training takes it. Raises `SettingsError`."""
    way, base, name, given, usd = _asked(ask, typed, own)
    return train_options(way, base, name, given), usd


def _asked(ask: Ask, typed: Any, own: OwnTask) -> tuple[str, str | None, str, dict[str, Any], float | None]:
    """(way, base, name, parameters, USD an hour) of the form; what does not go with the way is left out."""
    way = typed.choice("way", KINDS, "full")
    known = {**BASES, **_own_bases(ask)}
    chosen = typed.choice("base", known, "starter/s")
    base = None if way == "pretrain" else chosen if chosen in BASES else f"folder:{_weights_of(ask, chosen)}"
    given: dict[str, Any] = {}
    for name, (low, high, whole) in _NUMBERS.items():
        value = typed.whole(name, low=int(low), high=int(high)) if whole else typed.number(name, low=low, high=high)
        if value is not None:
            given[name] = value
    usd = given.pop("usd_per_hour", None)
    if way != "lora":
        given.pop("rank", None)
    if way == "pretrain" and typed.text("family"):
        given["family"] = typed.choice("family", FAMILIES, "decoder-only")
    return way, base, typed.text("name", longest=100) or own.title, given, usd


def _weights_of(ask: Ask, digest: str) -> str:
    """Where the weights of a training of ours are."""
    from touchstone.strategies.trained import TRAINED
    from touchstone.training.run import stored_training

    found = find_training(ask.folder, digest)
    trained = stored_training(ask.folder / TRAINED / found.digest)
    if trained is None:
        raise SettingsError("training {digest} has left no model yet; go on with it first", digest=digest[:12])
    return str(trained.folder.absolute())


def begin(ask: Ask) -> Answer:
    """Say what it would take; or begin it as a job, which goes on without the page and without the site."""
    if ask.form.text("act") == "forecast":
        return _new(ask, {}, with_forecast=True)
    problems: dict[str, str] = {}
    if not can_train():
        problems["form"] = _("The extra `train` is not installed on this machine, so nothing can be trained here.")
        return _new(ask, problems, with_forecast=False, status=422)
    own = own_task(ask.folder, ask.form.text("task", longest=200))
    words: list[str] = []
    options: TrainOptions | None = None
    try:
        way, base, name, given, usd = _asked(ask, ask.form, own)
        options = train_options(way, base, name, given)
        words = [f"--way={way}", f"--name={options.name}", *([f"--base={base}"] if base is not None else [])]
        words += [f"--{key.replace('_', '-')}={value}" for key, value in given.items()]
        words += [f"--usd-per-hour={usd:.12g}"] if usd is not None else []
    except SettingsError as error:
        problems["form"] = error.text(_)
    if options is None or problems:
        return _new(ask, problems, with_forecast=False, status=422)
    job = ask.jobs.start(
        "train", *words, "--", str(own.path.absolute()),
        title=_("Train own/{name}").format(name=options.name), about=ABOUT, who=ask.viewer.name, language=ask.language,
    )  # fmt: skip
    return Move(f"{ABOUT}/runs/{job.id}")


# One that is at work -------------------------------------------------------------------------------------------------


def live(ask: Ask) -> Answer:
    """A training as it goes on: loss, speed, memory, time left."""
    improve_run.own_run(ask, ABOUT)
    values = improve_run.facts(ask.jobs, ask.params["job"])
    return Show("improve/training_run.html.j2", values, block="standing")


def events(ask: Ask) -> Answer:
    """The same as it changes, until it ends."""
    improve_run.own_run(ask, ABOUT)
    return Follow(improve_run.followed(ask, "improve/training_run.html.j2", {}))


def stop(ask: Ask) -> Answer:
    """Stop it at its next step; the checkpoint is kept."""
    improve_run.own_run(ask, ABOUT)
    view = ask.jobs.stop(ask.params["job"])
    said = _("It keeps a checkpoint and stops; go on from there whenever you like.") if view.is_live else ""
    return Move(f"{ABOUT}/runs/{view.job.id}", said)


def go_on(ask: Ask) -> Answer:
    """Go on from the last checkpoint."""
    improve_run.own_run(ask, ABOUT)
    job = ask.jobs.go_on(ask.params["job"], language=ask.language)
    return Move(f"{ABOUT}/runs/{job.id}")


routes = (
    Route("/improve/training", listing, "view"),
    Route("/improve/training/new", new, "edit"),
    Route("/improve/training/new", begin, "edit", methods=("POST",)),
    Route("/improve/training/done/{digest}", one, "view"),
    Route("/improve/training/runs/{job}", live, "view"),
    Route("/improve/training/runs/{job}/events", events, "view"),
    Route("/improve/training/runs/{job}/stop", stop, "edit", methods=("POST",)),
    Route("/improve/training/runs/{job}/go-on", go_on, "edit", methods=("POST",)),
)
