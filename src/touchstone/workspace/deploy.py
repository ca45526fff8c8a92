"""From a decision to an endpoint: the chosen candidate, all it is made of, and the trial that speaks for it."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import orjson

from touchstone.catalog.base import Price
from touchstone.deployment.base import ComputeSettings, Endpoint, Evidence, Version
from touchstone.deployment.compute.machine import check_memory
from touchstone.deployment.compute.supervisor import load_compute
from touchstone.deployment.endpoints.caller import ServingCaller
from touchstone.deployment.endpoints.registry import WHOLE
from touchstone.deployment.govern.state import stamp
from touchstone.errors import ModelError, SettingsError, UnknownName
from touchstone.evaluation.base import Candidate, Recipe
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.ledger import Ledger
from touchstone.models.starter.folder import TOKENIZER
from touchstone.reporting.base import ReportData
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.base import CandidateSpec
from touchstone.strategies.chat import PromptCandidate
from touchstone.workspace.base import Demands
from touchstone.workspace.bundle import (
    Bundle,
    answering_settings,
    make_served,
    no_task,
    served_digest,
    write_bundle,
)
from touchstone.workspace.deploy_version import endpoint_name as endpoint_name  # pages know it from here
from touchstone.workspace.deploy_version import put_version, wanted_name
from touchstone.workspace.gather import RETRIEVAL
from touchstone.workspace.taskfile import TaskFile, task_place
from touchstone.workspace.workspace import Workspace

FREE = Price(input_usd=0.0, output_usd=0.0, source="runs here")
"""What runs in our own processes is charged nothing by the token; a price of one's own may be given."""
_WEIGHTS = "weights"
"""Below a version's folder: copies of what a process of its own runs."""
KEEPS_ITS_MODELS = frozenset({"ollama"})
"""Kinds of compute that find models where they keep them."""
_LOOKED_AT = 20
"""Cases that are asked again before a version serves, where that costs nothing."""


class Order(NamedTuple):
    """What somebody wants served."""

    name: str | None = None
    """Of the endpoint; made of the task's name by default."""
    candidate: str | None = None
    """Of the comparison; the chosen one by default."""
    because: str | None = None
    """Why another is served than the decision chose."""
    percent: int = WHOLE
    compute: ComputeSettings | None = None
    price: Price | None = None
    """What requests are charged; the candidate's own price by default."""
    check_cases: int | None = None
    """So many stored test cases are asked again; None means a few where that costs nothing."""
    project: str | None = None
    """Whose keys may ask the endpoint; None means those of every project, or as it was."""
    good_until: date | None = None
    """From when the trial speaks for nothing any more, where that is to be sooner than the decision says."""


class Agreement(NamedTuple):
    """How the version answers cases that its trial answered."""

    asked: int
    same: int
    """Answers that are the stored ones, letter by letter."""


class Deployed(NamedTuple):
    """An endpoint with its new version."""

    endpoint: Endpoint
    version: Version
    agreement: Agreement | None
    outside: tuple[str, ...]
    """Paths that are read where they are, see `Bundle`."""


def deploy_decision(workspace: Workspace, comparison: str, order: Order, *, who: str) -> Deployed:
    """
    Serve what a stored comparison chose.

    Args:
        comparison: Its id, or `latest`.
        who: For the audit log.

    Raises:
        UnknownName: there is no such comparison or candidate.
        SettingsError: the decision chose nobody, or what it chose is not what would be served now.
    """
    data = workspace.decide(comparison, Demands())
    name = _chosen(data, order)
    ledger = workspace.ledger
    row = Comparisons(ledger).find(data.comparison.comparison_id)
    assert row is not None, "it was decided just now"
    spec = orjson.loads(row["spec"])
    entry = next(one for one in Comparisons(ledger).entries(row["id"]) if one["name"] == name)
    wanted = CandidateSpec.model_validate(next(one for one in spec["candidates"] if one["name"] == name))
    if wanted.strategy == "recorded":
        raise SettingsError(
            "{name} are answers that were recorded elsewhere, which nobody can be asked; name its model with --recipe",
            name=name,
        )
    file = TaskFile.model_validate(spec["file"])
    bundle = Bundle(
        file=file.model_copy(update={"candidates": ({"model": wanted.model},)}),
        answer=AnswerSpec.model_validate(spec["answer"]),
        spec=wanted,
        dataset=row["dataset"],
        columns=_columns(ledger, row["dataset"]),
    )
    stored = Recipe.model_validate(
        orjson.loads(entry["recipe"]) if isinstance(entry["recipe"], bytes | str) else entry["recipe"]
    )
    settings = entry["settings"]
    measured = answering_settings(orjson.loads(settings) if isinstance(settings, bytes | str) else settings)
    return _deploy(
        workspace,
        bundle,
        task_place(spec).parent,
        order,
        who=who,
        default_name=file.task,
        evidence=_evidence(data, name, order),
        measured=(stored, measured),
        trial=entry["trial"],
    )


def deploy_model(
    workspace: Workspace,
    reference: str,
    order: Order,
    *,
    who: str,
    parameters: Mapping[str, Any] | None = None,
) -> Deployed:
    """
    Serve a model as it is, without a trial.

    Args:
        reference: As in a task file, such as `openai/gpt-4o-mini`; or one of our own kinds, see `deploy_own`.
        parameters: What would stand beside it there.

    Raises:
        UserError: it cannot be asked.
    """
    from touchstone.workspace.deploy_own import deploy_own, is_own

    if is_own(reference):
        return deploy_own(workspace, reference, order, who=who)
    wanted = CandidateSpec(
        name=reference, model=reference, strategy="prompt", parameters={"system": "", **(parameters or {})}
    )
    columns = ("input", "options", "id")
    bundle = Bundle(file=no_task(reference), answer=AnswerSpec(kind="free"), spec=wanted, columns=columns)
    return _deploy(workspace, bundle, Path.cwd(), order, who=who, default_name=reference.rpartition("/")[2])


def _deploy(
    workspace: Workspace,
    bundle: Bundle,
    source: Path,
    order: Order,
    *,
    who: str,
    default_name: str,
    evidence: Evidence | None = None,
    measured: tuple[Recipe, Mapping[str, Any]] | None = None,
    trial: int | None = None,
) -> Deployed:
    name = wanted_name(order.name, default_name)
    folder = f"endpoints/{name}/{uuid4().hex[:12]}"
    place = workspace.settings.workspace / folder
    written = write_bundle(bundle, source, place)
    try:
        made, agreement = asyncio.run(_try_out(written, place, workspace, order, measured, trial))
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise

    def version(number: int) -> Version:
        return Version(
            number=number,
            recipe=made.recipe,
            recipe_digest=made.digest,
            folder=folder,
            evidence=evidence,
            compute=made.compute,
            price=order.price or made.price,
            created_at=stamp(),
            created_by=who,
        )

    endpoint = put_version(workspace, name, place, version, percent=order.percent, project=order.project, who=who)
    return Deployed(endpoint, endpoint.versions[-1], agreement, written.outside)


class _Made(NamedTuple):
    recipe: Recipe
    digest: str
    price: Price | None
    compute: ComputeSettings | None


async def _try_out(
    bundle: Bundle,
    place: Path,
    workspace: Workspace,
    order: Order,
    measured: tuple[Recipe, Mapping[str, Any]] | None,
    trial: int | None,
) -> tuple[_Made, Agreement | None]:
    """Make the candidate as the gateway will, hold it against what was measured, and ask it a few stored cases."""
    candidate, settings = await make_served(bundle, place, workspace.ledger, workspace.settings.workspace)
    try:
        if measured is not None:
            _same(bundle.spec.name, candidate, settings, measured)
        price = _price(candidate)
        compute = None if order.compute is None else _placed(candidate, order.compute, place)
        agreement = None
        cases = order.check_cases if order.check_cases is not None else _LOOKED_AT if costs_nothing(price) else 0
        if trial is not None and bundle.dataset is not None and cases:
            agreement = await _agreement(candidate, workspace.ledger, bundle.dataset, trial, cases)
        return _Made(candidate.recipe, served_digest(candidate, settings), price, compute), agreement
    finally:
        await candidate.close()


def _placed(candidate: Candidate, wanted: ComputeSettings, place: Path) -> ComputeSettings:
    """
    How the candidate's weights are run as a process: with a copy of them in the version's own folder.

    Raises:
        SettingsError: it has no weights that could be run here.
        UserError: the kind cannot run them: a library, a program or memory is missing.
    """
    kind = load_compute(wanted.kind)
    settings = wanted
    if wanted.kind not in KEEPS_ITS_MODELS and wanted.weights is None:
        caller = candidate.caller if isinstance(candidate, PromptCandidate) else None
        model = caller.model if isinstance(caller, ServingCaller) else None
        weights = getattr(model, "weights", None)
        if not isinstance(weights, Path):
            raise SettingsError(
                "{name} has no weights on this machine, so compute {kind} has nothing to run; leave --compute out",
                name=candidate.name,
                kind=wanted.kind,
            )
        target = place / _WEIGHTS / _plain(str(getattr(model, "served_name", "model")))
        shutil.copytree(weights, target, symlinks=False)
        if not (target / TOKENIZER).exists() and (weights.parent / TOKENIZER).exists():
            shutil.copy2(weights.parent / TOKENIZER, target)  # the shipped models share theirs
        settings = wanted.model_copy(update={"weights": str(target.relative_to(place))})
    kind.check(settings, place)
    check_memory(kind.memory_gib(settings, place), what=f"compute {wanted.kind}")
    return settings


def _plain(name: str) -> str:
    """A served name as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model"


def _same(
    name: str, candidate: Candidate, settings: Mapping[str, Any], measured: tuple[Recipe, Mapping[str, Any]]
) -> None:
    """What is served is what was measured, or it is not served. Raises `SettingsError`."""
    recipe, before = measured
    now = answering_settings(settings)
    changed = sorted(key for key in {*now, *before} if now.get(key) != before.get(key) and key != RETRIEVAL)
    if recipe.fingerprint != candidate.recipe.fingerprint and not changed:
        plain, own = recipe.parameters, candidate.recipe.parameters
        changed = sorted(key for key in {*plain, *own} if plain.get(key) != own.get(key)) or ["recipe"]
    if changed:
        raise SettingsError(
            "{name} is not what was measured any more: {changed} changed since; compare again, or restore it",
            name=name,
            changed=", ".join(changed),
        )


async def _agreement(candidate: Candidate, ledger: Ledger, dataset: str, trial: int, count: int) -> Agreement:
    """Ask test cases again whose answers are stored, and hold the answers against those of the trial."""
    cells = [
        cell
        for cell in Comparisons(ledger).cells_at(trial, range(4 * count))
        if cell["kind"] == "scored" and cell["repeat"] == 0
    ]
    cases = ledger.datasets.cases_at(dataset, "test", [cell["ordinal"] for cell in cells])
    asked = same = 0
    for cell, case in zip(cells, cases, strict=True):
        if asked == count:
            break
        if case.image is not None or case.audio is not None:
            continue  # whose files lie with the cases, which do not come along
        asked += 1
        try:
            same += (await candidate.answer(case)).text == cell["text"]
        except ModelError:
            continue
    return Agreement(asked, same)


def _chosen(data: ReportData, order: Order) -> str:
    """Whom to serve. Raises `SettingsError` where the decision does not carry it, and nobody says why it should."""
    decision, names = data.comparison.decision, [one.name for one in data.comparison.candidates]
    if order.candidate is not None and order.candidate not in names:
        raise UnknownName(kind="candidate", name=order.candidate, known=names)
    wanted = order.candidate or decision.chosen
    if wanted is None:
        raise SettingsError(
            "the decision of {comparison} is {verdict}, so nobody was chosen; "
            "name one with --candidate and say why with --because",
            comparison=data.comparison.comparison_id,
            verdict=decision.verdict,
        )
    if wanted != decision.chosen and not order.because:
        raise SettingsError(
            "the decision of {comparison} did not choose {name}; say with --because why it is served",
            comparison=data.comparison.comparison_id,
            name=wanted,
        )
    return wanted


def _evidence(data: ReportData, name: str, order: Order) -> Evidence | None:
    found = next(one for one in data.comparison.candidates if one.name == name)
    if found.estimate is None:
        return None
    decision = data.comparison.decision
    expires = date.fromisoformat(decision.expires) if decision.expires else None
    if order.good_until is not None and expires is not None and order.good_until > expires:
        raise SettingsError(
            "the evidence is good until {expires}, as the decision says; {day} is later, so measure again instead",
            expires=expires,
            day=order.good_until,
        )
    return Evidence(
        comparison=data.comparison.comparison_id,
        candidate=name,
        task=data.comparison.task.name,
        scorer=data.scorers[0].name if data.scorers else "",
        score=found.estimate.mean,
        low=found.estimate.low,
        high=found.estimate.high,
        cases=found.estimate.n,
        measured_on=date.fromisoformat(data.comparison.created[:10]),
        expires_on=order.good_until or expires,
        overruled=order.because if name != decision.chosen else None,
    )


def _price(candidate: Candidate) -> Price | None:
    """What a request is charged by default: the model's price, and nothing for what answers in our own processes."""
    if isinstance(candidate, PromptCandidate):
        return candidate.caller.price if candidate.caller.paid else candidate.caller.price or FREE
    return FREE


def costs_nothing(price: Price | None) -> bool:
    """Whether a request is known to be charged nothing."""
    return price is not None and not (price.input_usd or price.output_usd or price.per_call_usd or price.tiers)


def _columns(ledger: Ledger, dataset: str) -> tuple[str, ...]:
    """Names that a prompt of this task may use."""
    found = {"input", "options", "id"}
    for place, (_, case) in enumerate(ledger.datasets.cases(dataset, "test")):
        found |= set(case.fields)
        if place >= 200:
            break
    return tuple(sorted(found))
