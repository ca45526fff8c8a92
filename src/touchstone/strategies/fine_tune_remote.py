"""Fine-tuning by the model's provider: `fine_tune` with `backend: service`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchstone.errors import SettingsError
from touchstone.evaluation.base import BuildCost
from touchstone.language import _
from touchstone.models.resolve import OWN_ENDPOINT
from touchstone.models.tuning_service import service_of
from touchstone.strategies.base import Workshop
from touchstone.strategies.draft import Draft
from touchstone.strategies.trained import findings_of_rows, home
from touchstone.strategies.trained_rows import read_rows
from touchstone.training.remote import RemoteSettings, remote_digest, remote_forecast, run_remote, stored_remote

if TYPE_CHECKING:
    from touchstone.strategies.fine_tune import FineTuneSettings


async def add_remote(draft: Draft, wanted: FineTuneSettings, workshop: Workshop) -> Draft:
    """
    The draft that asks what the provider trained.

    Raises:
        SettingsError: the model has no provider that trains, no price is stated, or a key is missing.
        BudgetStop: it could cost more than it may; nothing was sent.
        TrainingFailed: the provider could not train it.
    """
    if wanted.train_usd is None:
        raise SettingsError(
            "{name}: nobody says what training costs; write train_usd, USD for a million tokens, and train_max_usd",
            name=draft.name,
        )
    if wanted.general is not None:
        raise SettingsError(
            "{name}: general is asked of weights on this machine; leave it out with backend: service", name=draft.name
        )
    service, served_name = service_of(draft.model, draft.model_parameters)
    rows = await read_rows(draft, workshop, wanted.train_cases)
    settings = RemoteSettings(
        model=served_name,
        epochs=max(1, round(wanted.epochs or 3)),
        seed=workshop.seed,
        usd_per_million=wanted.train_usd,
        max_usd=wanted.train_max_usd,
    )
    digest = remote_digest(service, rows.examples, settings)
    place = home(workshop) / digest
    expected = remote_forecast(rows.examples, settings)
    about = {
        "backend": "service",
        "base": draft.model,
        "epochs": settings.epochs,
        "rows": len(rows.examples),
        "left_out_for_test": rows.in_test,
    }
    findings = findings_of_rows(rows, workshop)
    try:
        if workshop.planning and stored_remote(place, digest) is None:
            workshop.notice(
                _("{name}: the provider's training will cost about {usd:.2f} USD, at most {most:.2f}").format(
                    name=draft.name, usd=expected.usd, most=expected.most_usd
                )
            )
            build = BuildCost(usd=expected.usd, took_s=None, forecast=True)
            return draft.with_part("fine_tune", {"planned": digest[:16]}, about=about, build=build, findings=findings)
        service.check()
        trained = await run_remote(
            service,
            settings,
            rows.examples,
            rows.held_back,
            place,
            told=lambda line: workshop.notice(f"{draft.name}: {line}"),
            deadline_s=None if wanted.max_hours is None else 3600 * wanted.max_hours,
        )
    finally:
        await service.close()
    kind = draft.model.partition("/")[0]
    own = {**draft.model_parameters, "served_name": trained.model} if kind == OWN_ENDPOINT else draft.model_parameters
    return draft.with_part(
        "fine_tune",
        {"training": digest[:16], "model": trained.model},
        about={**about, "job": trained.job, "trained_tokens": trained.tokens},
        build=BuildCost(usd=trained.usd, took_s=None),
        findings=findings,
        model=draft.model if kind == OWN_ENDPOINT else f"{kind}/{trained.model}",
        model_parameters=own,
    )
