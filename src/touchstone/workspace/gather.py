"""Everything a report shows, read from the store: the same rows give the same report, today or elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from touchstone.catalog.base import Price
from touchstone.evaluation.base import BuildCost, Finding, RetrievalScores, TrialSummary
from touchstone.evaluation.cells import Vector, further_scores, scorer_names
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.summaries import Ground, summarise
from touchstone.language import N_
from touchstone.reporting.base import CandidateSettings, Note, Slice
from touchstone.strategies.base import CandidateSpec
from touchstone.workspace.own_machine import with_machine
from touchstone.workspace.stored import Stored

_FEWEST_IN_SLICE = 5
"""Cases with a tag below which a slice says nothing."""

_MOST_TAGS = 30

RETRIEVAL = "retrieval_on_test"
"""Among the stored settings of a candidate: its `RetrievalScores`, told when the comparison began."""


def summaries(
    ledger: Ledger, stored: Stored, ground: Ground, served: Sequence[tuple[str, ...]]
) -> tuple[TrialSummary, ...]:
    """Every candidate in numbers, in the order of the task file."""
    scorers = scorer_names([str(scorer["name"]) for scorer in stored.spec["scorers"]])
    hourly = (stored.spec["file"].get("improve") or {}).get("machine_usd_per_hour")
    found = []
    for place, spec in enumerate(stored.specs):
        further: Mapping[str, Vector] = {}
        if len(scorers) > 1:
            further = further_scores(
                Comparisons(ledger),
                stored.trials[place],
                planned_cases=int(stored.spec["test_cases"]),
                repeats=stored.repeats,
                scorers=scorers,
            )
            further = _as_changed(further, stored, place)
        cells, settings = stored.cells[place], stored.settings[place]
        summary = summarise(
            spec.name,
            spec.model,
            spec.strategy,
            cells,
            # How recorded answers were asked for is not known.
            replace(ground, concurrency=None) if spec.strategy == "recorded" else ground,
            facts=spec.facts,
            further=further,
            price_source=_price_source(settings),
            fingerprint=stored.recipes[place].fingerprint,
        )
        cost = with_machine(summary.cost, spec.strategy, settings, cells, ground, hourly)
        found.append(summary.model_copy(update={"cost": cost, "served_models": served[place], **_making(settings)}))
    return tuple(found)


def _as_changed(further: Mapping[str, Vector], stored: Stored, candidate: int) -> Mapping[str, Vector]:
    """Further scores of the cases that count, with what corrected targets make of them."""
    if stored.kept is None:
        return further
    for name, values in further.items():
        for place, value in stored.further[candidate].get(name, {}).items():
            values[place] = value
    return {name: values[stored.kept] for name, values in further.items()}


def _making(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What making a candidate took and showed, and how well it finds passages."""
    build, retrieval = settings.get("build"), settings.get(RETRIEVAL)
    return {
        "retrieval": None if retrieval is None else RetrievalScores.model_validate(retrieval),
        "build": None if build is None else BuildCost.model_validate(build),
        "findings": tuple(Finding.model_validate(one) for one in settings.get("findings", ())),
    }


def _price_source(settings: Mapping[str, Any]) -> str | None:
    if settings.get("strategy") == "baseline":
        return N_("runs in this process")
    price = settings.get("price")
    return None if price is None else str(price["source"])


def slices(ledger: Ledger, stored: Stored, ground: Ground) -> tuple[Slice, ...]:
    """Scores by tag, the most frequent tags first; tags of fewer than five cases are left out."""
    places: dict[str, list[int]] = {}
    tagged_cases = ledger.datasets.case_column(stored.dataset, "test", "tags")
    counted = tagged_cases if stored.kept is None else [tagged_cases[place] for place in stored.kept]
    for place, tags in enumerate(counted):
        for tag in tags.split("\n") if tags else ():
            places.setdefault(tag, []).append(place)
    chosen = sorted(
        (tag for tag, where in places.items() if len(where) >= _FEWEST_IN_SLICE),
        key=lambda tag: (-len(places[tag]), tag),
    )[:_MOST_TAGS]
    strict, asked = stored.strict, stored.asked
    found = []
    for tag in chosen:
        mask = np.zeros(strict.shape[1], dtype=bool)
        mask[places[tag]] = True
        tagged = ground if ground.order is None else replace(ground, order=ground.order.only(np.flatnonzero(mask)))
        for row, name in enumerate(stored.names):
            estimate = tagged.estimate(np.where(mask, strict[row], np.nan), asked[row])
            found.append(Slice(tag=tag, candidate=name, estimate=estimate))
    return tuple(found)


def failures(stored: Stored) -> tuple[Note, ...]:
    """For every candidate with failed calls: how many, and what the commonest failure said."""
    found = []
    for spec, texts, closed in zip(stored.specs, stored.texts, stored.closed, strict=True):
        errors = texts["error"]
        if errors.cells:
            found.append(
                Note(
                    template=N_("{candidate}: {n} cells have no answer; most often: {reason}"),
                    values={"candidate": spec.name, "n": errors.cells, "reason": errors.common[0][0]},
                )
            )
        if closed:
            found.append(Note(template=N_("{candidate}: {reason}"), values={"candidate": spec.name, "reason": closed}))
    return tuple(found)


def served_names(stored: Stored) -> tuple[tuple[str, ...], ...]:
    """For every candidate the names of the models that answered, as the provider echoed them."""
    return tuple(tuple(sorted(name for name, _ in texts["served_model"].common)) for texts in stored.texts)


def remarks(stored: Stored) -> tuple[Note, ...]:
    """What is odd about replies that were scored all the same, and builds that changed under one name."""
    found = []
    for spec, texts in zip(stored.specs, stored.texts, strict=True):
        for remark, n in texts["remark"].common:
            template = N_("{candidate}: {n} replies: {remark}")
            found.append(Note(template=template, values={"candidate": spec.name, "n": n, "remark": remark}))
        builds = sorted(build for build, _ in texts["system_fingerprint"].common)
        if len(builds) > 1:
            template = N_(
                "{candidate}: what runs behind this name changed, so more than one model build answered: {builds}"
            )
            found.append(Note(template=template, values={"candidate": spec.name, "builds": ", ".join(builds)}))
    return tuple(found)


def changed_models(stored: Stored, served: Sequence[Sequence[str]]) -> tuple[Note, ...]:
    """A warning for every candidate under whose name more than one model answered."""
    return tuple(
        Note(
            template=N_("{candidate}: more than one model answered under this name: {served}; compare them apart"),
            values={"candidate": spec.name, "served": ", ".join(names)},
        )
        for spec, names in zip(stored.specs, served, strict=True)
        if len(names) > 1
    )


def candidate_settings(stored: Stored, served: Sequence[Sequence[str]]) -> tuple[CandidateSettings, ...]:
    """How each candidate was called, side by side."""
    found = []
    for spec, settings, names in zip(stored.specs, stored.settings, served, strict=True):
        price = Price.model_validate(settings["price"]) if settings.get("price") else None
        found.append(
            CandidateSettings(
                candidate=spec.name,
                model=spec.model,
                endpoint=settings.get("endpoint"),
                served_model=names[0] if names else None,
                prompt_digest=settings.get("prompt_digest"),
                temperature=settings.get("temperature"),
                top_p=settings.get("top_p"),
                max_tokens=settings.get("max_tokens"),
                seed=settings.get("seed"),
                stream=bool(spec.parameters.get("stream")) if "prompt_digest" in settings else None,
                input_usd=price.input_usd if price else None,
                output_usd=price.output_usd if price else None,
                price_source=price.source if price else None,
                price_as_of=price.as_of if price else None,
                note=_settings_note(spec, settings),
            )
        )
    return tuple(found)


def _settings_note(spec: CandidateSpec, settings: Mapping[str, Any]) -> Note | None:
    if spec.strategy == "recorded":
        return Note(template=N_("recorded answers"))
    if spec.strategy == "baseline":
        return Note(template=N_("learned from {n} cases of the train split"), values={"n": settings["trained_on"]})
    search = settings.get("search") or {}
    if "winner" in search:
        return Note(
            template=N_("the best of {n} prompts on {cases} cases of {split}: {winner}"),
            values={"n": len(search["tried"]), "cases": search["cases"], "split": search["measured_on"]}
            | {"winner": search["winner"]},
        )
    if settings.get("examples"):
        return Note(
            template=N_("{n} examples of the {split} split, {choose}"),
            values={"n": settings["examples"], "split": settings["split"], "choose": settings["choose"]},
        )
    return None
