"""
Who can be put into a pane: what ships, what was measured, what is served, what a task names, what the catalog sells.

A choice is named by an id and looked up again; no address, name or parameter ever comes from a page (promises.md, R12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import sqlalchemy as sa

from touchstone.deployment.endpoints.own_kinds import STRATEGIES
from touchstone.errors import TouchstoneError, UnknownName, UserError
from touchstone.evaluation import tables
from touchstone.evaluation.store_errors import store_errors
from touchstone.language import N_
from touchstone.models.base import Checkable
from touchstone.models.resolve import make_model, model_parameters
from touchstone.models.starter.model import SIZES
from touchstone.strategies.base import CandidateSpec
from touchstone.workspace.candidates import read_specs
from touchstone.workspace.endpoints import registry
from touchstone.workspace.playground_base import Choice, Kind
from touchstone.workspace.shortlist_entries import _way
from touchstone.workspace.taskfile import Task
from touchstone.workspace.tasks import own_task, own_tasks

if TYPE_CHECKING:
    from touchstone.catalog.cards import Card
    from touchstone.catalog.catalog import Catalog
    from touchstone.workspace.workspace import Workspace

_COMPARISONS = 20
"""So many of the newest ones are offered."""
_HITS = 12
_READ_TEXT = ("starter", "baseline")
"""Kinds of models that read nothing but text."""
_KINDS: Mapping[str, Kind] = {"embedding": "embedding", "image": "image", "transcript": "transcription"}
"""What a model of the catalog writes, where it writes no text, and how it is asked then."""


class Plain(NamedTuple):
    """A model that is asked as it is."""

    reference: str
    parameters: Mapping[str, Any]
    folder: Path | None = None
    """Where relative paths among the parameters start."""


class Offered(NamedTuple):
    """A choice, and whether it can be asked now."""

    choice: Choice
    problem: UserError | None = None
    """Why not: a key is missing, a price is unknown."""


def task_files(workspace: Path) -> Iterator[Task]:
    """The tasks of a workspace that can be read; of others their own page says what is wrong."""
    for own in own_tasks(workspace):
        if own.task is not None:
            yield own.task


def find_task(workspace: Path, name: str) -> Task:
    """A task of a workspace by the name of its folder. Raises `UnknownName`."""
    found = own_task(workspace, name).task
    if found is None:
        raise UnknownName(kind=N_("task"), name=name, known=())
    return found


def choices(workspace: Workspace) -> tuple[Choice, ...]:
    """Everybody who can be named without a search, starter models first."""
    return (*_starters(), *_endpoints(workspace), *_compared(workspace), *_of_tasks(workspace))


def find_choice(workspace: Workspace, catalog: Catalog, identity: str) -> Choice:
    """
    The choice with an id.

    Raises:
        UnknownName: there is none, or not any more.
    """
    if identity.startswith("catalog:"):
        offered = _sold(catalog.card(identity.partition(":")[2]), catalog)
        if offered is not None:
            return offered.choice
    else:
        for one in choices(workspace):
            if one.id == identity:
                return one
    raise UnknownName(kind=N_("candidate"), name=identity, known=())


def search(catalog: Catalog, text: str) -> tuple[Offered, ...]:
    """Models of the catalog that somebody sells whom we can call, with what is missing to ask them."""
    from touchstone.catalog.query import KIND_CARD, Query

    found = catalog.search(Query(text=text[:300], kinds=(KIND_CARD,), retired=False, limit=_HITS))
    offered = (_sold(catalog.card(hit.id), catalog) for hit in found.hits)
    return tuple(one for one in offered if one is not None)


def plain_of(
    choice: Choice, workspace: Workspace, open_catalog: Callable[[], AbstractContextManager[Catalog]]
) -> Plain:
    """
    How a choice that is asked as it is is reached.

    Raises:
        UnknownName: it is not there any more.
    """
    source, _, rest = choice.id.partition(":")
    if source == "starter" and rest in SIZES:
        return Plain(f"starter/{rest}", {})
    if source == "task":
        name, _, position = rest.rpartition(":")
        task = find_task(workspace.settings.workspace, name)
        specs = read_specs(task, workspace.ledger)
        if position.isdigit() and int(position) < len(specs):
            spec = specs[int(position)]
            return Plain(spec.model, _of_model(spec), task.folder)
    if source == "catalog":
        with open_catalog() as catalog:
            found = _reached(catalog.card(rest), catalog)
        if found is not None:
            return found
    raise UnknownName(kind=N_("candidate"), name=choice.name, known=())


def _starters() -> Iterator[Choice]:
    for size in SIZES:
        yield Choice(id=f"starter:{size}", name=f"starter/{size}", source="starter", takes=())


def recent_comparisons(workspace: Workspace) -> tuple[Mapping[str, Any], ...]:
    """The newest comparisons that are not running, newest first: `id`, `task`, `created` and `spec` alone."""
    table = tables.comparisons
    query = (
        sa.select(table.c.id, table.c.task, table.c.created, table.c.spec)
        .where(table.c.state != "running")
        .order_by(table.c.created.desc())
        .limit(_COMPARISONS)
    )
    with store_errors(), workspace.ledger.engine.connect() as connection:
        return tuple({**row, "spec": orjson.loads(row["spec"])} for row in connection.execute(query).mappings())


def _compared(workspace: Workspace) -> Iterator[Choice]:
    for row in recent_comparisons(workspace):
        for raw in row["spec"]["candidates"]:
            spec = CandidateSpec.model_validate(raw)
            if spec.strategy != "recorded":
                takes = () if spec.model.partition("/")[0] in _READ_TEXT else None
                yield Choice(
                    id=f"compared:{row['id']}:{spec.name}",
                    name=spec.name,
                    source="compared",
                    takes=takes,
                    of=f"{row['task']}, {row['created'][:10]}",
                )


def _endpoints(workspace: Workspace) -> Iterator[Choice]:
    for endpoint in registry(workspace, "").all():
        version = max(endpoint.versions, key=lambda one: (endpoint.split.get(one.number, 0), one.number))
        strategy = version.recipe.strategy
        if strategy in STRATEGIES and strategy != "embedding":
            continue  # a reranker and a moderator answer nobody's question
        kind: Kind = "embedding" if strategy == "embedding" else "chat"
        takes = () if kind == "embedding" or version.recipe.model.partition("/")[0] in _READ_TEXT else None
        yield Choice(
            id=f"endpoint:{endpoint.name}",
            name=endpoint.name,
            source="endpoint",
            kind=kind,
            takes=takes,
            of=f"v{version.number}, {version.recipe.model}",
        )


def _of_tasks(workspace: Workspace) -> Iterator[Choice]:
    for task in task_files(workspace.settings.workspace):
        try:
            specs = read_specs(task, workspace.ledger)
        except TouchstoneError:
            continue
        for position, spec in enumerate(specs):
            if spec.strategy == "prompt" and not spec.model.startswith("starter/"):
                yield Choice(id=f"task:{task.folder.name}:{position}", name=spec.name, source="task", of=task.file.task)


def _of_model(spec: CandidateSpec) -> Mapping[str, Any]:
    known = model_parameters(spec.model)
    return {name: value for name, value in spec.parameters.items() if name in known}


def _sold(card: Card, catalog: Catalog) -> Offered | None:
    found = _reached(card, catalog)
    if found is None:
        return None
    written: Sequence[str] = card.fact("output_types") or ()
    kind: Kind = (
        "chat" if not written or "text" in written else next((_KINDS[one] for one in written if one in _KINDS), "chat")
    )
    inputs = card.fact("input_modalities")
    takes = None if inputs is None else tuple(one for one in inputs if one in ("image", "audio"))
    choice = Choice(
        id=f"catalog:{card.id}", name=card.name, source="catalog", kind=kind, takes=takes, of=found.reference
    )
    return Offered(choice, _problem(found))


def _reached(card: Card, catalog: Catalog) -> Plain | None:
    """The cheapest offer that can be called; first those whose key is there."""
    ways = []
    for offer in card.offers_by_price(catalog.today):
        reached = None if card.ended(offer, catalog.today) else _way(offer, card)
        if reached is not None:
            given = {"model": reached[0]} if isinstance(reached[0], str) else dict(reached[0])
            reference = given.pop("model")
            ways.append(Plain(reference, given))
    return min(ways, key=lambda way: _problem(way) is not None) if ways else None


def _problem(way: Plain) -> UserError | None:
    try:
        model = make_model(way.reference, parameters=way.parameters, folder=way.folder)
        if isinstance(model, Checkable):
            model.check()
    except UserError as error:
        return error
    return None
