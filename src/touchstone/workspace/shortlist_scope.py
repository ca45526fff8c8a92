"""What a shortlist looks at: the cards that do the wanted task, one at a time, and what is said of all others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import orjson

from touchstone.catalog.cards import Card
from touchstone.catalog.catalog import Catalog
from touchstone.catalog.index import CatalogIndex
from touchstone.catalog.model import ModelId, PartialDate
from touchstone.decision.shortlist import other_task
from touchstone.decision.shortlist_base import Excluded, Needs


class Scope(NamedTuple):
    """The catalog as far as its index answers for it."""

    cards: ScopeCards
    """Of those that do the wanted task; with their results where a floor asks for them."""
    aside: list[Excluded]
    """What is said of those that do another one."""
    released: dict[ModelId, PartialDate | None]
    """Of all."""


class ScopeCards(Iterable[Card]):
    """
    Cards of an index, by row. Each is opened when its turn comes and kept by nobody: a large catalog's are a gigabyte.
    """

    def __init__(self, index: CatalogIndex, rows: Mapping[ModelId, int], *, results: bool) -> None:
        self._index, self._rows, self._results = index, rows, results

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Card]:
        return (Card.model_validate_json(self._read(row)) for row in self._rows.values())

    def only(self, models: Iterable[ModelId]) -> OpenedCards:
        """Those of some models, for when the index is closed."""
        return OpenedCards({model: self._read(self._rows[model]) for model in models})

    def _read(self, row: int) -> bytes:
        return self._index.card(row, results=self._results)


class OpenedCards(Mapping[ModelId, Card]):
    """Cards that were read and are made when they are asked for: of a long list few are."""

    def __init__(self, bodies: Mapping[ModelId, bytes]) -> None:
        self._bodies = bodies

    def __getitem__(self, model: ModelId) -> Card:
        return Card.model_validate_json(self._bodies[model])

    def __iter__(self) -> Iterator[ModelId]:
        return iter(self._bodies)

    def __len__(self) -> int:
        return len(self._bodies)


def in_scope(catalog: Catalog, needs: Needs) -> Scope:
    """
    The cards that do the wanted task, and what is said of those that do another one.

    The index says what a model does without opening its card, which takes most of the time.
    """
    wanted = bool(needs.tasks or needs.one_task_of)
    rows: dict[ModelId, int] = {}
    aside: list[Excluded] = []
    released: dict[ModelId, PartialDate | None] = {}
    for row, entry_id, body in catalog.index.listings():
        if "/" not in entry_id.partition(":")[0]:
            continue
        listing = orjson.loads(body)
        released[entry_id] = listing["released"]
        tasks = listing["tasks"]
        out = other_task(entry_id, listing["name"], tasks, needs) if wanted and tasks else None
        if out is None:
            rows[entry_id] = row
        else:
            aside.append(out)
    return Scope(ScopeCards(catalog.index, rows, results=needs.floor is not None), aside, released)
