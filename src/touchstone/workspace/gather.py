"""Everything a report shows, read from the store: the same rows give the same report, today or elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from touchstone.catalog.base import Price
from touchstone.data.base import CaseSummary
from touchstone.decision.base import CaseChanges
from touchstone.evaluation.base import BuildCost, Finding, Recipe, RetrievalScores, TrialSummary
from touchstone.evaluation.budget import Balance
from touchstone.evaluation.cells import Cells, Vector, further_scores, scorer_names
from touchstone.evaluation.comparisons import Comparisons, TextCounts
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.order import CaseOrder
from touchstone.evaluation.recovery import balance_of
from touchstone.evaluation.summaries import Ground, summarise
from touchstone.language import N_
from touchstone.reporting.base import CandidateSettings, Note, Slice
from touchstone.strategies.base import CandidateSpec
from touchstone.workspace.own_machine import with_machine
from touchstone.workspace.taskfile import TaskFile

if TYPE_CHECKING:
    from touchstone.workspace.amended import Corrections

_FEWEST_IN_SLICE = 5
"""Cases with a tag below which a slice says nothing."""

_MOST_TAGS = 30

RETRIEVAL = "retrieval_on_test"
"""Among the stored settings of a candidate: its `RetrievalScores`, told when the comparison began."""


@dataclass(frozen=True)
class Stored:
    """A comparison as it lies in the store, with its cells as arrays."""

    identity: str
    created: str
    state: str
    ending: str | None
    fingerprint: str
    dataset: str
    spec: Mapping[str, Any]
    balance: Balance | None
    """The money of the run; None for a comparison of an older version, or where nothing was sent."""
    summary: CaseSummary
    specs: tuple[CandidateSpec, ...]
    settings: tuple[Mapping[str, Any], ...]
    recipes: tuple[Recipe, ...]
    trials: tuple[int, ...]
    closed: tuple[str | None, ...]
    """Why each candidate could not be asked any further; None where it could."""
    cells: tuple[Cells, ...]
    texts: tuple[Mapping[str, TextCounts], ...]
    """What the cells of each candidate say in words."""
    order: CaseOrder
    steps: tuple[Mapping[str, Any], ...]
    """Of the race, as they happened."""
    groups: tuple[str | None, ...] | None
    judge: Mapping[str, Any] | None
    kept: Vector | None = None
    """Places in their split of the cases that count, in order; every array is of these alone. None: all of them."""
    rescored: Corrections | None = None
    """Cells under right answers that were corrected since."""
    further: tuple[Mapping[str, Mapping[int, float]], ...] = ()
    """Of each candidate and further scorer, by the case's place in its split: what it says of corrected cases now."""
    changes: CaseChanges | None = None
    """What people changed about the cases; None where nothing stands."""
    as_measured: Stored | None = None
    """The same without these changes; None where there are none."""

    @property
    def names(self) -> tuple[str, ...]:
        """The candidates, in the order of the task file."""
        return tuple(spec.name for spec in self.specs)

    @property
    def test_cases(self) -> int:
        """Test cases of the comparison that count."""
        return int(self.spec["test_cases"]) if self.kept is None else len(self.kept)

    def places(self, cases: Sequence[int]) -> list[int]:
        """Places in their split of cases by their place among those that count."""
        return [int(case if self.kept is None else self.kept[case]) for case in cases]

    @property
    def raced(self) -> bool:
        """
        Whether what was asked depended on what had been answered, or the run stopped somewhere.

        Intervals that hold for one look at a fixed number of cases say nothing then.
        """
        return len(self.specs) > 1 and (bool(self.spec.get("racing")) or self.state != "finished")

    @property
    def repeats(self) -> int:
        """Answers per case and candidate."""
        return int(self.spec["options"]["repeats"])

    @cached_property
    def strict(self) -> Vector:
        """Strict scores (candidates, cases), NaN where a cell has none."""
        return np.stack([cells.strict() for cells in self.cells])

    @cached_property
    def asked(self) -> Vector:
        """Whether every answer to a case was asked for (candidates, cases)."""
        return np.stack([cells.whole() for cells in self.cells])


def load(ledger: Ledger, row: Mapping[str, Any]) -> Stored:
    """What a row of the `comparison` table and everything under it says."""
    spec = orjson.loads(row["spec"])
    comparisons = Comparisons(ledger)
    entries = comparisons.entries(row["id"])
    cases, repeats = int(spec["test_cases"]), int(spec["options"]["repeats"])
    file = TaskFile.model_validate(spec["file"])
    known = None
    if ledger.datasets.has_groups(row["dataset"], "test"):
        known = tuple(ledger.datasets.case_column(row["dataset"], "test", "group_name"))
    return Stored(
        identity=row["id"],
        created=row["created"],
        state=row["state"],
        ending=row["ending"],
        fingerprint=row["fingerprint"],
        dataset=row["dataset"],
        spec=spec,
        balance=balance_of(ledger, row["id"]) or _old_balance(row),
        summary=CaseSummary.model_validate(spec["cases"]),
        specs=tuple(CandidateSpec.model_validate(item) for item in spec["candidates"]),
        settings=tuple(orjson.loads(entry["settings"]) for entry in entries),
        recipes=tuple(Recipe.model_validate_json(entry["recipe"]) for entry in entries),
        trials=tuple(entry["trial"] for entry in entries),
        closed=tuple(entry["closed"] for entry in entries),
        cells=tuple(
            Cells.load(
                comparisons,
                entry["trial"],
                planned_cases=cases,
                repeats=repeats,
                run=row["id"],
                rest=entry["rest"] or ("planned" if row["run_key"] else "skipped_cancel"),
            )
            for entry in entries
        ),
        texts=tuple(comparisons.texts(entry["trial"], repeats) for entry in entries),
        order=CaseOrder.draw(cases, file.race.seed, known),
        steps=tuple(race_steps(row)),
        groups=known,
        judge=orjson.loads(row["judge"]) if row["judge"] else None,
    )


def _old_balance(row: Mapping[str, Any]) -> Balance | None:
    """What an older version had counted."""
    if not row["calls"]:
        return None
    calls = orjson.loads(row["calls"])
    return Balance(
        run=row["id"],
        spent_usd=calls["spent_usd"] or 0.0,
        made=calls["made"],
        retries=calls["retries"],
        in_doubt=calls["in_doubt"],
        unpriced=calls["spent_usd"] is None,
    )


def race_steps(row: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The steps of a stored race, empty when there are none."""
    return list(orjson.loads(row["race"])["steps"]) if row is not None and row["race"] else []


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
