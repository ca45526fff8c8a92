"""A training that is planned: what it will take, in the reader's language, the same for every way of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.errors import ExtraMissing
from touchstone.evaluation.base import BuildCost
from touchstone.language import _
from touchstone.models.local.weights_kind import read_config
from touchstone.strategies.base import Workshop
from touchstone.strategies.draft import Draft
from touchstone.strategies.row_lengths import RowLengths, findings_of_lengths, lengths_of
from touchstone.strategies.trained import Lesson, clock, findings_of_rows, home
from touchstone.training.forecast import (
    Device,
    Forecast,
    Shape,
    forecast,
    real_sizes,
    shape_of,
    shape_of_config,
    with_adapters,
)
from touchstone.training.run import can_train
from touchstone.training.speed import machine_here


def planned(draft: Draft, ingredient: str, lesson: Lesson, about: Mapping[str, Any], workshop: Workshop) -> Draft:
    """
    The draft of a training that has not begun: what it asks is what its base asks, and what it will take is told.

    Args:
        about: Settings for the report.

    Raises:
        ExtraMissing: it could not begin here.
        SettingsError: most rows are longer than what the base reads.
    """
    if not can_train():
        raise ExtraMissing(feature="training", extra="train")
    lengths = lengths_of(lesson)
    cut = findings_of_lengths(draft.name, lesson, lengths)
    found = forecast_of(lesson, machine_here(home(workshop), shape_to_train(lesson)), lengths)
    for line in forecast_lines(draft.name, lesson, found):
        workshop.notice(line)
    return draft.with_part(
        ingredient,
        {"planned": lesson.digest[:16]},
        about=about,
        build=BuildCost(usd=0.0, took_s=found.seconds, forecast=True),
        findings=(*findings_of_rows(lesson.rows, workshop), *cut),
    )


def shape_to_train(lesson: Lesson) -> Shape:
    """Of the network that learns, with its adapters where these learn alone."""
    job = lesson.job
    if lesson.base is None:
        assert job.sizes is not None
        return shape_of(job.family, job.sizes, job.vocabulary, len(job.labels))
    shape = shape_of_config(read_config(lesson.base.folder))
    return with_adapters(shape, job.lora.rank) if job.way == "lora" else shape


def forecast_of(lesson: Lesson, device: Device, lengths: RowLengths | None) -> Forecast:
    """
    Memory, time and money of a lesson on a device.

    Args:
        lengths: Of its rows; without them four bytes are taken for a token, which of a small vocabulary is too many.
    """
    return forecast(
        shape_to_train(lesson),
        tokens=lesson.rows.estimated_tokens if lengths is None else lengths.tokens,
        epochs=lesson.job.loop.epochs,
        batch_tokens=lesson.job.loop.batch_tokens,
        row_tokens=lesson.job.longest,
        device=device,
    )


def forecast_lines(name: str, lesson: Lesson, found: Forecast) -> list[str]:
    """
    A line with what a training will take, and beside one from nothing what a network of a real size would.

    Args:
        name: The candidate's.
        found: As `forecast_of` has it.
    """
    line = _(
        "{name}: training takes {rows:,} rows, about {tokens:,} tokens in all, up to {memory:,.0f} MB and about {time}"
    ).format(
        name=name,
        rows=len(lesson.rows.examples),
        tokens=found.tokens,
        memory=found.memory.total / 1e6,
        time=_("unknown") if found.seconds is None else clock(found.seconds),
    )
    if lesson.base is not None:
        return [line]
    seven = next(one for one in real_sizes() if one.name == "7B")
    words = _(
        "a network of {name} parameters would take {tokens:.2g} tokens and about {hours:,.0f} hours of one {device}"
    )
    device = _(seven.device)
    return [
        line,
        words.format(name=seven.name, tokens=seven.tokens, hours=seven.device_hours, device=device),
    ]
