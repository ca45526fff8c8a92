"""
Look for better settings of retrieval on dev cases, under a budget.

Where a column says which passages are right, every setting is first measured by what it finds, which asks no model. The
best of them, or some drawn at random where nobody knows what is right, are then measured by the score of the answers.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from typing import Any

from touchstone.data.base import Case
from touchstone.errors import BudgetStop, ModelError, SettingsError, UserError
from touchstone.evaluation.base import NOTHING_BUILT, BuildCost, Recipe
from touchstone.evaluation.lane_doors import LaneClosed
from touchstone.evaluation.purse import NotStored
from touchstone.strategies.base import Workshop
from touchstone.strategies.draft import Draft, answering
from touchstone.strategies.example_pool import LARGEST_POOL
from touchstone.strategies.rag_finder import Finder
from touchstone.strategies.rag_library import Library, reading
from touchstone.strategies.rag_measured import measure_case, right_ones
from touchstone.strategies.rag_settings import RagSettings, TuneSettings, read_settings
from touchstone.strategies.search_rounds import Round, Tally, measure_rounds, plan_rounds, planned_calls, table

FEWEST_CASES = 5
"""With fewer, the luckiest setting would win."""

DEFAULTS: Mapping[str, tuple[Any, ...]] = {
    "size": (100, 200, 400),
    "passages": (1, 3, 5),
    "retriever": ("lexical", "hybrid"),
    "rerank": (None, "terms"),
}
"""What is tried where the entry names no values."""

_MOST = 1_000
"""Settings that a grid may have."""


@dataclass(frozen=True)
class Tried:
    """One setting with whoever finds under it."""

    wanted: RagSettings
    finder: Finder

    @property
    def name(self) -> str:
        """What tells it from the others."""
        chunk = self.wanted.chunk
        parts = [chunk.way, *([f"size {chunk.size}"] if chunk.size is not None else []), self.wanted.retriever]
        parts += [self.wanted.rerank] if self.wanted.rerank else []
        return f"{', '.join(parts)}, {self.wanted.passages} passages"


async def tuned(draft: Draft, wanted: RagSettings, tune: TuneSettings, library: Library, workshop: Workshop) -> Draft:
    """
    The draft that reads under the settings that did best; those of the entry take part to the end.

    Where only a plan is made and replies are missing, it reads under those of the entry.

    Raises:
        UserError: there is nothing to measure on, or nothing could be measured.
        BudgetStop: the money did not cover the first round.
        ModelError: somebody cannot be asked for now; what was bought is kept.
    """
    settings = grid(wanted, tune, draft.name)
    cases, split = _cases(tune, draft.name, workshop)
    if tune.by == "answers":
        # What cannot work is refused before anything is indexed.
        _rounds(tune, min(tune.variants, len(settings)), len(cases), draft.name)
    tried = [Tried(one, await library.finder(one)) for one in settings]
    found: dict[str, Any] = {"tried": len(tried), "cases": len(cases), "measured_on": split}
    if tune.gold is not None:
        [(kind, column)] = tune.gold.items()
        measured = [measure(one.finder, cases, kind, column) for one in tried]
        order = sorted(range(len(tried)), key=lambda place: (*measured[place].better_first, place))
        found["passages"] = [{"settings": tried[place].name, **measured[place].told()} for place in order[:20]]
        if tune.by == "passages":
            found |= {"winner": tried[order[0]].name, "by": "passages"}
            return _chosen(draft, tried[order[0]], library, tune, found)
        kept = [0, *(place for place in order if place != 0)][: tune.variants]
    else:
        chance = random.Random(workshop.seed)  # noqa: S311 - the same draw whenever it is searched
        # At random, not the first of the grid: what matters little is not tried over and over (Bergstra and Bengio
        # 2012, "Random search for hyper-parameter optimization", JMLR 13).
        kept = [0, *chance.sample(range(1, len(tried)), min(tune.variants, len(tried)) - 1)]
    return await _by_answers(draft, [tried[place] for place in kept], cases, tune, library, workshop, found)


def grid(wanted: RagSettings, tune: TuneSettings, name: str) -> list[RagSettings]:
    """
    The settings that are tried, each once; the first are those of the entry.

    Raises:
        SettingsError: a value cannot be used, or there are too many.
    """
    over: dict[str, tuple[Any, ...]] = {**DEFAULTS, **{str(key): values for key, values in tune.over.items()}}
    if wanted.split is not None:
        over = {key: values for key, values in over.items() if key not in ("size", "way")}
    if prod(len(values) for values in over.values()) > _MOST:
        raise SettingsError(
            "{name}: tune.over makes more than {most} settings; name fewer values", name=name, most=_MOST
        )
    found = {wanted.model_dump_json(): wanted}
    for values in product(*over.values()):
        one = dict(zip(over, values, strict=True))
        chunk = {key: one.pop(key) for key in ("size", "way") if key in one}
        given = {**wanted.model_dump(exclude_unset=True), **one}
        if chunk:
            given["chunk"] = {**wanted.chunk.model_dump(exclude_unset=True), **chunk}
        setting = read_settings(RagSettings, given, name)
        found.setdefault(setting.model_dump_json(), setting)
    return list(found.values())


@dataclass(frozen=True)
class Measured:
    """What settings find, as means over the cases."""

    recall: float
    """Share of what is right that is among the passages shown."""
    reciprocal_rank: float
    ndcg: float
    tokens: float
    """Estimated tokens of the passages of a case."""

    @property
    def better_first(self) -> tuple[float, ...]:
        """Sorts the best to the front: by recall, then by rank, then by how little is read."""
        return (-round(self.recall, 9), -round(self.reciprocal_rank, 9), self.tokens)

    def told(self) -> dict[str, float]:
        """For the report."""
        return {
            "recall": round(self.recall, 6),
            "reciprocal_rank": round(self.reciprocal_rank, 6),
            "ndcg": round(self.ndcg, 6),
            "tokens": round(self.tokens, 1),
        }


def measure(finder: Finder, cases: Sequence[Case], kind: str, column: str) -> Measured:
    """
    How well passages are found for cases that say which are right.

    Args:
        finder: Whose passages are looked at, as many as a case would be shown.
        cases: Each with something in the column.
        kind: `document`, `heading` or `text`: what the column names.
        column: Of the cases.
    """
    rows = [measure_case(finder, case, kind, column) for case in cases]
    return Measured(*(sum(values) / len(rows) for values in zip(*rows, strict=True)))


def _cases(tune: TuneSettings, name: str, workshop: Workshop) -> tuple[list[Case], str]:
    """(cases to measure on in a seeded order, where they come from)."""
    column = None if tune.gold is None else next(iter(tune.gold.values()))
    if column is not None and column not in workshop.columns:
        raise SettingsError(
            "{name}: tune.gold names the column {column!r}, which the cases do not have; they have {known}",
            name=name,
            column=column,
            known=", ".join(sorted(workshop.columns)),
        )
    for split in ("dev", "train"):
        cases = (case for case in workshop.learning_cases(split) if column is None or right_ones(case, column))
        found = list(islice(cases, LARGEST_POOL))
        random.Random(workshop.seed).shuffle(found)  # noqa: S311 - the same order whenever it is searched
        if len(found) >= FEWEST_CASES:
            return found[: tune.max_calls], split
    if column is not None:
        raise UserError(
            "{name} measures settings on dev cases that name what is right in {column}, and there are fewer than "
            "{fewest}; fill the column in, or draw some cases with `split: {{dev: 0.2}}`",
            name=name,
            column=column,
            fewest=FEWEST_CASES,
        )
    raise UserError(
        "{name} measures settings on dev cases and there are fewer than {fewest}; give some rows split = dev, or draw "
        "some with `split: {{dev: 0.2}}`",
        name=name,
        fewest=FEWEST_CASES,
    )


def most_calls(wanted: RagSettings, tune: TuneSettings, name: str, workshop: Workshop) -> int:
    """Answers that a search asks for at most."""
    if tune.by == "passages":
        return 0
    settings = min(tune.variants, len(grid(wanted, tune, name)))
    return planned_calls(_rounds(tune, settings, len(_cases(tune, name, workshop)[0]), name))


def _rounds(tune: TuneSettings, settings: int, cases: int, name: str) -> tuple[Round, ...]:
    rounds = plan_rounds(settings, cases, tune.max_calls, tune.rounds)
    if not rounds or rounds[0].cases < min(FEWEST_CASES, cases):
        raise SettingsError(
            "{name}: tune.max_calls is {calls}, which buys {settings} settings fewer than {fewest} answers each; raise "
            "it, or lower tune.variants",
            name=name,
            calls=tune.max_calls,
            settings=settings,
            fewest=FEWEST_CASES,
        )
    return rounds


async def _by_answers(
    draft: Draft,
    tried: Sequence[Tried],
    cases: Sequence[Case],
    tune: TuneSettings,
    library: Library,
    workshop: Workshop,
    found: dict[str, Any],
) -> Draft:
    if workshop.open_bench is None:
        raise SettingsError("{name}: nothing can be measured here; write tune.by: passages", name=draft.name)
    rounds = _rounds(tune, len(tried), len(cases), draft.name)
    planned = {**found, "planned_calls": planned_calls(rounds), "max_usd": tune.max_usd}
    bench = workshop.open_bench(f"{draft.name} passages", tune.max_usd)
    try:
        caller = bench.make_caller(draft.model, draft.model_parameters)
        try:
            if workshop.planning and not caller.paid:
                return _unsearched(draft, tried[0], library, planned)
            recipe = Recipe(model=draft.model, strategy="rag")
            candidates = [
                answering(reading(draft, one.wanted, one.finder, library), recipe, caller, workshop) for one in tried
            ]
            tally = Tally()
            best, measured, board, stop = await measure_rounds(candidates, cases, rounds, bench, tally)
        finally:
            await caller.close()
    except NotStored as missing:
        if workshop.planning:
            return _unsearched(draft, tried[0], library, planned)
        raise UserError(
            "{name}: replies of its search were never bought, and this run is offline; run it once without --offline",
            name=draft.name,
        ) from missing
    except BudgetStop as error:
        raise BudgetStop(
            "{name}: the money does not cover the first round of its search ({reason}); raise tune.max_usd or the cap "
            "of the run, or lower tune.variants",
            name=draft.name,
            reason=error,
        ) from error
    except (ModelError, LaneClosed) as error:
        raise ModelError(
            "{name}: its search could not go on ({reason}); what was answered is kept, and the same command goes on "
            "from there",
            name=draft.name,
            reason=error,
        ) from error
    finally:
        await bench.close()
    found |= {
        "winner": tried[best].name,
        "by": "answers",
        "cases": measured,
        "score": round(board.mean(best, measured), 6),
        "score_before": round(board.mean(0, measured), 6),
        "answers": table([one.name for one in tried], board),
        **({"rejected_requests": tally.rejected} if tally.rejected else {}),
        **({} if stop is None else {"stopped_by_its_cap_after_cases": measured}),
    }
    return _chosen(draft, tried[best], library, tune, found, tally.cost())


def _chosen(
    draft: Draft,
    winner: Tried,
    library: Library,
    tune: TuneSettings,
    found: Mapping[str, Any],
    build: BuildCost = NOTHING_BUILT,
) -> Draft:
    draft = reading(draft, winner.wanted, winner.finder, library)
    # How much a search may cost is no part of what it found.
    told = tune.model_dump(mode="json", exclude={"max_usd"}, exclude_defaults=True)
    return draft.with_part("tuned", {"winner": winner.name, **told}, about={"tuned": dict(found)}, build=build)


def _unsearched(draft: Draft, first: Tried, library: Library, planned: Mapping[str, Any]) -> Draft:
    """For a plan: the settings as they were, and what the search may take."""
    draft = reading(draft, first.wanted, first.finder, library)
    build = BuildCost(calls=planned["planned_calls"], forecast=True)
    return draft.with_part("tuned", {}, about={"tuned": dict(planned)}, build=build)
