"""The card of what was trained: for the catalog, and as a page beside the weights with the whole loss curve."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from touchstone.catalog.model import Model
from touchstone.catalog.own import OwnCard, write_card
from touchstone.catalog.own_folder import OwnFolder, file_name
from touchstone.catalog.trained import OwnScore, Training, card_of_trained
from touchstone.models.local.weights_kind import read_config
from touchstone.training.base import Trained, TrainingJob

CARD = "card.md"

_NAMED = re.compile(r"^training ([0-9a-f]{16}) of ")
"""How the source of a card names the training, so that what measures its weights finds the card."""

_TASKS = {"decoder-only": ("chat",), "encoder-only": ("classification",), "encoder-decoder": ("text-generation",)}


def hyperparameters(job: TrainingJob) -> dict[str, str | int | float | bool]:
    """What of a job stands on a card."""
    found: dict[str, str | int | float | bool] = {
        "way": job.way,
        "epochs": job.loop.epochs,
        "learning_rate": job.loop.learning_rate,
        "batch_tokens": job.loop.batch_tokens,
        "row_tokens": job.longest,
    }
    if job.way == "lora":
        found |= {"rank": job.lora.rank, "alpha": job.lora.alpha}
    if job.sizes is not None:
        found |= {name: value for name, value in job.sizes.model_dump().items() if name != "context_tokens"}
        found |= {"vocabulary": job.vocabulary}
    return found


def card_of(
    own_id: str,
    name: str,
    trained: Trained,
    job: TrainingJob,
    *,
    data_digest: str,
    ended: str,
    base: Model | None = None,
) -> Model:
    """
    The catalog's card of a model that was trained here.

    Args:
        own_id: Its id, `own/support-intents`.
        name: What people call it.
        trained: What came out.
        job: What went in.
        data_digest: Of the rows.
        ended: The day, ISO 8601.
        base: The card of the model it began with, or what `base_card` says; None from nothing.
    """
    training = Training(
        data_digest=data_digest[:16],
        cases=trained.rows,
        seed=job.loop.seed,
        hyperparameters=hyperparameters(job),
        loss=trained.held_back_loss,
        ended=ended,
    )
    classifies = job.family == "encoder-only"
    model = card_of_trained(
        own_id,
        name,
        training,
        base=base,
        tasks=None if base is not None and base.tasks else _TASKS[job.family],
        output_types=("scores",) if classifies else ("text",),
    )
    given = model.model_dump(mode="json", exclude_defaults=True)
    # The first source states what went in; with the digest in it, scores of these weights are this model's.
    first, *others = given["sources"]
    given["sources"] = [
        {**first, "name": f"training {trained.digest[:16]} of {own_id}, data {data_digest[:16]}"},
        *others,
    ]
    if base is not None:
        return Model.model_validate(given)
    shape = {"architecture": job.family, "parameters": trained.parameters, "input_modalities": ("text",)}
    source = {"name": f"weights of {own_id}", "as_of": ended, "facts": sorted(shape)}
    return Model.model_validate({**given, **shape, "sources": [*given["sources"], source]})


def training_on_card(sources: Iterable[str]) -> str | None:
    """The first 16 digits of the digest of the training that a card is of, by the names of its sources."""
    return next((found[1] for name in sources if (found := _NAMED.match(name)) is not None), None)


def base_card(base_id: str, name: str, folder: Path, *, parameters: int, job: TrainingJob, as_of: str) -> Model:
    """What is known of a base that is not in the catalog: what its config says."""
    context = read_config(folder).get("max_position_embeddings")
    facts = {
        "architecture": job.family,
        "parameters": parameters,
        "input_modalities": ("text",),
        **({"context_tokens": context} if isinstance(context, int) else {}),
    }
    return Model.model_validate(
        {
            **facts,
            "id": base_id,
            "name": name,
            "lab": base_id.partition("/")[0],
            "summary": {"en": f"{name}, known from its config alone.", "zh": f"{name}，仅从其配置得知。"},
            "tasks": _TASKS[job.family],
            "output_types": ("text",),
            "sources": [{"name": "config.json of the weights", "as_of": as_of, "facts": sorted(facts)}],
        }
    )


def put_into_catalog(catalog: Path, model: Model) -> Path:
    """
    Write a card where the team's own are; a card of the same id is replaced, since it is of an earlier training.

    Args:
        catalog: The workspace's `catalog` folder.
        model: Its card.
    """
    lab, _, name = model.id.partition("/")
    body = write_card(OwnCard(model=model)).encode()
    return OwnFolder(catalog, "cards").write(file_name(lab, ""), file_name(name, ".toml"), body, replace=True)


def page(model: Model, trained: Trained, job: TrainingJob, *, scores: Iterable[OwnScore] = ()) -> str:
    """The card as Markdown, with the loss curve and whatever was measured."""
    lines = [
        f"# {model.name}",
        "",
        model.summary.en,
        "",
        "| | |",
        "| --- | --- |",
        f"| id | {model.id} |",
        f"| base model | {model.base_model or 'none: trained from nothing'} |",
        f"| training digest | {trained.digest} |",
        f"| rows, tokens | {trained.rows:,}, {trained.tokens:,} ({trained.cut_rows:,} rows cut) |",
        f"| parameters, of which learned | {trained.parameters:,}, {trained.trained_parameters:,} |",
        f"| seed | {job.loop.seed} |",
        *(f"| {key.replace('_', ' ')} | {value} |" for key, value in hyperparameters(job).items()),
        f"| took | {trained.seconds:,.1f} s on {trained.device} |",
        f"| loss on cases held back, before | {_number(trained.held_back_loss_before)} |",
        f"| loss on cases held back, after | {_number(trained.held_back_loss)} |",
        "",
        "## Loss",
        "",
        "Mean nats of what is learned, since the line before.",
        "",
        "| step | loss | learning rate | tokens/s |",
        "| ---: | ---: | ---: | ---: |",
        *(
            f"| {step.step:,} | {step.loss:.4f} | {step.learning_rate:.3g} | {step.tokens_per_s:,.0f} |"
            for step in trained.steps
        ),
    ]
    measured = list(scores)
    if measured:
        lines += [
            "",
            "## Scores",
            "",
            "| benchmark | value | 95 % interval | cases | source |",
            "| --- | ---: | --- | ---: | --- |",
        ]
        lines += [
            f"| {one.benchmark} | {one.value:g} | {_number(one.low)} to {_number(one.high)} | {one.questions:,} "
            f"| {one.source} |"
            for one in measured
        ]
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4g}"
