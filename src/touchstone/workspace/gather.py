"""Everything a report shows, read from the store: the same rows give the same report, today or elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson

from touchstone.catalog.base import Price
from touchstone.data.base import CaseSummary
from touchstone.evaluation.base import Recipe, TrialSummary
from touchstone.evaluation.cells import Cells, Vector, further_scores, scorer_names
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.summaries import Ground, summarise
from touchstone.language import N_
from touchstone.reporting.base import CandidateSettings, Example, ExampleAnswer, Note, Slice
from touchstone.strategies.base import CandidateSpec

EXAMPLES = 20
"""Cases shown in each of the two lists."""

_CUT = 2_000
"""Characters of an input or output that a report shows."""

_FEWEST_IN_SLICE = 5
"""Cases with a tag below which a slice says nothing."""

_MOST_TAGS = 30


@dataclass(frozen=True)
class Stored:
    """A comparison as it lies in the store, with its cells as arrays."""

    identity: str
    created: str
    state: str
    fingerprint: str
    dataset: str
    spec: Mapping[str, Any]
    calls: Mapping[str, Any]
    summary: CaseSummary
    specs: tuple[CandidateSpec, ...]
    settings: tuple[Mapping[str, Any], ...]
    recipes: tuple[Recipe, ...]
    trials: tuple[int, ...]
    cells: tuple[Cells, ...]
    groups: tuple[str | None, ...] | None
    judge: Mapping[str, Any] | None

    @property
    def names(self) -> tuple[str, ...]:
        """The candidates, in the order of the task file."""
        return tuple(spec.name for spec in self.specs)

    @property
    def test_cases(self) -> int:
        """Test cases of the comparison."""
        return int(self.spec["test_cases"])

    @property
    def strict(self) -> Vector:
        """Strict scores (candidates, cases), NaN where a cell has none."""
        return np.stack([cells.strict() for cells in self.cells])


def load(ledger: Ledger, row: Mapping[str, Any]) -> Stored:
    """What a row of the `comparison` table and everything under it says."""
    spec = orjson.loads(row["spec"])
    trials = ledger.trials(row["id"])
    repeats = int(spec["options"]["repeats"])
    groups = ledger.case_column(row["dataset"], "test", "group_name")
    return Stored(
        identity=row["id"],
        created=row["created"],
        state=row["state"],
        fingerprint=row["fingerprint"],
        dataset=row["dataset"],
        spec=spec,
        calls=orjson.loads(row["calls"]) if row["calls"] else {},
        summary=CaseSummary.model_validate(spec["cases"]),
        specs=tuple(CandidateSpec.model_validate(item) for item in spec["candidates"]),
        settings=tuple(orjson.loads(trial["settings"]) for trial in trials),
        recipes=tuple(Recipe.model_validate_json(trial["recipe"]) for trial in trials),
        trials=tuple(trial["id"] for trial in trials),
        cells=tuple(
            Cells.load(ledger, trial["id"], planned_cases=int(spec["test_cases"]), repeats=repeats) for trial in trials
        ),
        groups=tuple(groups) if any(group is not None for group in groups) else None,
        judge=orjson.loads(row["judge"]) if row["judge"] else None,
    )


def summaries(ledger: Ledger, stored: Stored, ground: Ground) -> tuple[TrialSummary, ...]:
    """Every candidate in numbers, in the order of the task file."""
    scorers = scorer_names([str(scorer["name"]) for scorer in stored.spec["scorers"]])
    found = []
    for place, spec in enumerate(stored.specs):
        further: Mapping[str, Vector] = {}
        if len(scorers) > 1:
            further = further_scores(ledger, stored.trials[place], planned_cases=stored.test_cases, scorers=scorers)
        found.append(
            summarise(
                spec.name,
                spec.model,
                spec.strategy,
                stored.cells[place],
                # How recorded answers were asked for is not known.
                replace(ground, concurrency=None) if spec.strategy == "recorded" else ground,
                facts=spec.facts,
                further=further,
                price_source=_price_source(stored.settings[place]),
                fingerprint=stored.recipes[place].fingerprint,
            )
        )
    return tuple(found)


def _price_source(settings: Mapping[str, Any]) -> str | None:
    if settings.get("strategy") == "baseline":
        return N_("runs in this process")
    price = settings.get("price")
    return None if price is None else str(price["source"])


def slices(ledger: Ledger, stored: Stored, ground: Ground) -> tuple[Slice, ...]:
    """Scores by tag, the most frequent tags first; tags of fewer than five cases are left out."""
    tags = [found.split("\n") if found else [] for found in ledger.case_column(stored.dataset, "test", "tags")]
    places: dict[str, list[int]] = {}
    for place, own in enumerate(tags):
        for tag in own:
            places.setdefault(tag, []).append(place)
    chosen = sorted(
        (tag for tag, where in places.items() if len(where) >= _FEWEST_IN_SLICE),
        key=lambda tag: (-len(places[tag]), tag),
    )[:_MOST_TAGS]
    strict = stored.strict
    found = []
    for tag in chosen:
        mask = np.zeros(strict.shape[1], dtype=bool)
        mask[places[tag]] = True
        for row, name in enumerate(stored.names):
            found.append(Slice(tag=tag, candidate=name, estimate=ground.estimate(np.where(mask, strict[row], np.nan))))
    return tuple(found)


def worst_cases(stored: Stored, order: Sequence[int]) -> list[int]:
    """Cases that the most candidates got wrong, hardest first; easy ones are left out."""
    strict = stored.strict[list(order)]
    mean = _mean_over_candidates(strict)
    ranked = np.argsort(np.nan_to_num(mean, nan=2.0), kind="stable")
    return [int(place) for place in ranked[:EXAMPLES] if mean[place] < 1.0]


def disagreeing_cases(stored: Stored, order: Sequence[int]) -> list[int]:
    """Cases on which the better half of the candidates differ most: what a choice between them turns on."""
    best = list(order)[: max(2, (len(order) + 1) // 2)]
    strict = stored.strict[best]
    known = (~np.isnan(strict)).sum(axis=0)
    spread = np.where(known > 1, np.nanvar(np.where(known > 1, strict, 0.0), axis=0), 0.0)
    ranked = np.argsort(-np.nan_to_num(spread), kind="stable")
    return [int(place) for place in ranked[:EXAMPLES] if spread[place] > 0]


def _mean_over_candidates(strict: Vector) -> Vector:
    known = (~np.isnan(strict)).sum(axis=0)
    total = np.nansum(strict, axis=0)
    return np.where(known > 0, total / np.maximum(known, 1), np.nan)


def failures(ledger: Ledger, stored: Stored) -> tuple[Note, ...]:
    """For every candidate with failed calls: how many, and what the commonest failure said."""
    found = []
    for spec, trial in zip(stored.specs, stored.trials, strict=True):
        errors = Counter(error for error in ledger.cell_columns(trial, ("error",))["error"] if error)
        if errors:
            reason, _count = errors.most_common(1)[0]
            found.append(
                Note(
                    template=N_("{candidate}: {n} cells have no answer; most often: {reason}"),
                    values={"candidate": spec.name, "n": errors.total(), "reason": reason},
                )
            )
    return tuple(found)


def changed_models(ledger: Ledger, stored: Stored) -> tuple[Note, ...]:
    """A warning for every candidate under whose name more than one model answered."""
    found = []
    for spec, trial in zip(stored.specs, stored.trials, strict=True):
        served = sorted({name for name in ledger.cell_columns(trial, ("served_model",))["served_model"] if name})
        if len(served) > 1:
            found.append(
                Note(
                    template=N_(
                        "{candidate}: more than one model answered under this name: {served}; compare them apart"
                    ),
                    values={"candidate": spec.name, "served": ", ".join(served)},
                )
            )
    return tuple(found)


def example(ledger: Ledger, stored: Stored, ordinal: int) -> Example:
    """One case with everybody's answers."""
    case = ledger.case_at(stored.dataset, "test", ordinal)
    answers = []
    for trial, name in zip(stored.trials, stored.names, strict=True):
        cell = ledger.cell(trial, ordinal)
        if cell is None:
            answers.append(ExampleAnswer(candidate=name, kind="skipped_cancel"))
            continue
        text = cell["text"] or ""
        scores = orjson.loads(cell["scores"]) if cell["scores"] else []
        answers.append(
            ExampleAnswer(
                candidate=name,
                kind=cell["kind"],
                output=text[:_CUT],
                cut_characters=max(0, len(text) - _CUT),
                answer=_cut(cell["answer"]),
                how=cell["how"] or "",
                score=cell["score"],
                reason=cell["error"] or (scores[0]["reason"] if scores else ""),
                latency_s=cell["latency_s"],
                cost_usd=cell["cost_usd"],
            )
        )
    text = case.text
    return Example(
        case=case.id,
        row=case.row,
        input=text[:_CUT],
        cut_characters=max(0, len(text) - _CUT),
        target=_cut(case.target),
        options=case.options,
        tags=case.tags,
        answers=tuple(answers),
    )


def _cut(text: str | None) -> str | None:
    """A text that is shown beside the output, at most as long as the output itself."""
    return text if text is None or len(text) <= _CUT else text[:_CUT] + "…"


def candidate_settings(ledger: Ledger, stored: Stored) -> tuple[CandidateSettings, ...]:
    """How each candidate was called, side by side."""
    found = []
    for spec, settings, trial in zip(stored.specs, stored.settings, stored.trials, strict=True):
        price = Price.model_validate(settings["price"]) if settings.get("price") else None
        cell = ledger.cell(trial, 0)
        found.append(
            CandidateSettings(
                candidate=spec.name,
                model=spec.model,
                endpoint=settings.get("endpoint"),
                served_model=cell["served_model"] if cell else None,
                prompt_digest=settings.get("prompt_digest"),
                temperature=settings.get("temperature"),
                top_p=settings.get("top_p"),
                max_tokens=settings.get("max_tokens"),
                seed=settings.get("seed"),
                stream=bool(spec.parameters.get("stream")) if spec.strategy == "prompt" else None,
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
    return None
