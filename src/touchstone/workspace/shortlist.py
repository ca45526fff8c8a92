"""From a task file, or from flags alone, to the models that fit: the catalog is read, and nobody is asked anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from touchstone.catalog.benchmarks import benchmarks, scenarios
from touchstone.catalog.cards import Card
from touchstone.catalog.catalog import Catalog
from touchstone.catalog.claims import Claim, Scenario
from touchstone.catalog.model import ModelId
from touchstone.catalog.sellers import sellers
from touchstone.catalog.taxonomy import labs, licences
from touchstone.config import Settings
from touchstone.decision.advice import advise
from touchstone.decision.advice_base import Advice
from touchstone.decision.base import Reason
from touchstone.decision.shortlist import DEFAULT_PRIORITIES, explain, shortlist
from touchstone.decision.shortlist_base import Background, Check, Needs, Priority, Shortlist
from touchstone.errors import SettingsError
from touchstone.noun import Noun
from touchstone.workspace.looks_kept import kept_look
from touchstone.workspace.shortlist_cases import CasesLook
from touchstone.workspace.shortlist_entries import can_call
from touchstone.workspace.shortlist_fits import Remember, kept_fit
from touchstone.workspace.shortlist_measured import Measured, may_have_measured, measured_before
from touchstone.workspace.shortlist_needs import Wishes, assumptions, needs_of, scenario_ids, situation_of
from touchstone.workspace.shortlist_scope import in_scope

if TYPE_CHECKING:
    from touchstone.workspace.taskfile import Task


class Asked(Noun):
    """Needs, with what they were made of."""

    needs: Needs
    task: str | None = None
    """Name of the task."""
    look: CasesLook | None = None
    measured: Measured | None = None
    scenarios: tuple[Scenario, ...] = ()
    assumed: tuple[Reason, ...] = ()


class Answered(NamedTuple):
    """A shortlist with its advice."""

    asked: Asked
    shortlist: Shortlist
    advice: tuple[Advice, ...]
    cards: Mapping[ModelId, Card]
    """Of the models that qualify, as in `Scope`; each is made when it is asked for."""


def ask(wishes: Wishes, settings: Settings, *, today: date, task: Task | None = None) -> Asked:
    """
    The needs of a task, or of flags alone.

    Raises:
        SettingsError: neither a task file nor a flag asks for anything, or the scenario is unknown.
        DataError: the cases cannot be read.
    """
    if task is None and wishes == Wishes():
        raise SettingsError("nothing is asked for; name a task file, or a limit such as --task-type chat")
    look = None
    if task is not None:
        look = kept_look(task, settings.workspace, digest=may_have_measured(settings))
    measured = measured_before(settings, look.digest) if look is not None else None
    needs = needs_of(wishes, today=today, task=task, look=look, measured=measured)
    known = scenarios()
    wanted = scenario_ids(wishes, task, needs)
    return Asked(
        needs=needs,
        task=task.file.task if task else None,
        look=look,
        measured=measured,
        scenarios=tuple(known[name] for name in wanted if name in known),
        assumed=assumptions(needs, look, measured, kind=task.answer.kind if task else ""),
    )


def answer(
    asked: Asked,
    catalog: Catalog,
    *,
    wishes: Wishes,
    task: Task | None = None,
    priorities: Sequence[Priority] = DEFAULT_PRIORITIES,
    remember: Remember | None = None,
) -> Answered:
    """
    The models of a catalog that meet the needs, in order, and everybody else with a reason.

    Args:
        remember: For who asks many times in one process; see `kept_fit`.
    """
    asked = asked.model_copy(update={"needs": settled(asked.needs, catalog)})
    background = background_of(catalog, asked.needs, asked.scenarios)
    scope = in_scope(catalog, asked.needs)
    own_benchmark = asked.task if asked.task in background.benchmarks else None
    found = shortlist(
        scope.cards,
        asked.needs,
        background,
        priorities=priorities,
        claims=claims_of(catalog, asked.scenarios, own_benchmark) if "quality" in priorities else (),
        scenarios=asked.scenarios,
        own_benchmark=own_benchmark,
        released=scope.released,
        seconds=asked.measured.seconds if asked.measured else None,
        fit=lambda tests: kept_fit(catalog, tests, remember=remember),
    )
    if scope.aside:
        found = found._replace(
            excluded=(*scope.aside, *found.excluded),
            # Who does another task was not looked at further, so nobody knows who misses that alone.
            relaxed=tuple(one for one in found.relaxed if one.limit not in ("task", "any-task")),
        )
    kept = scope.cards.only(one.model for one in found.qualified)
    return Answered(
        asked=asked,
        shortlist=found,
        advice=advise(found, kept, situation_of(wishes, task, asked.look)),
        cards=kept,
    )


def explained(asked: Asked, catalog: Catalog, model: str) -> tuple[Card, tuple[Check, ...]]:
    """
    Every limit held against one model.

    Raises:
        UnknownName: the catalog has no such model.
    """
    card = catalog.card(model)
    needs = settled(asked.needs, catalog)
    return card, explain(card, needs, background_of(catalog, needs, ()))


def settled(needs: Needs, catalog: Catalog) -> Needs:
    """
    The needs with the condition under which a published result counts: that of a search of the catalog.

    Values of other subsets, settings, harnesses and measurers cannot be held against one floor.
    """
    floor = needs.floor
    if floor is None or floor.condition is not None:
        return needs
    from touchstone.catalog.query import Query

    condition = catalog.search(Query(benchmark=floor.benchmark.id, limit=0)).score_condition
    return needs.model_copy(update={"floor": floor.model_copy(update={"condition": condition})})


def background_of(catalog: Catalog, needs: Needs, used: Iterable[Scenario]) -> Background:
    """What the shipped files say, and the team's own benchmarks; what nothing asks about is not read."""
    tests: Mapping[str, Any] = {}
    if any(True for _ in used):
        tests = benchmarks()
        if catalog.folder is not None and (catalog.folder / "benchmarks.toml").is_file():
            from touchstone.catalog.own import own_benchmarks

            tests = own_benchmarks(catalog.folder)
    makers = labs() if needs.lab_countries or needs.not_lab_countries else {}
    return Background(sellers(), makers, licences(), tests, catalog.today, can_call)


def claims_of(catalog: Catalog, used: Iterable[Scenario], own_benchmark: str | None) -> list[Claim]:
    """Every result on the benchmarks of some scenarios and on the team's own test, whoever it is of."""
    names = [own_benchmark] if own_benchmark else []
    names += [fit.benchmark for scenario in used for fit in scenario.benchmarks]
    return [claim for name in dict.fromkeys(names) for claim in catalog.claims(name)]
