"""Collections: saved queries that people pick by name, read from `collections.toml`."""

from __future__ import annotations

from functools import cache

from touchstone.catalog.model import Words
from touchstone.catalog.query import Query
from touchstone.catalog.shipped_tables import read_shipped
from touchstone.errors import UnknownName
from touchstone.language import N_
from touchstone.noun import Noun


class Collection(Noun):
    """A query with a name."""

    id: str
    name: Words
    explanation: Words
    query: Query

    def query_with_defaults(self, query: Query) -> Query:
        """
        What is asked within this collection by somebody who says nothing about retired models.

        The collection's own query decides; where that says nothing either, they are left out.
        """
        return query.model_copy(update={"retired": bool(self.query.retired)})


@cache
def collections() -> tuple[Collection, ...]:
    """Every collection, in the order of the file."""
    return tuple(Collection.model_validate(table) for table in read_shipped("collections.toml")["collection"])


def find_collection(name: str) -> Collection:
    """
    The collection with this id or name, in either language.

    Raises:
        UnknownName: there is none; the closest ids are named.
    """
    asked = name.strip().casefold()
    for one in collections():
        if asked in (one.id, one.name.en.casefold(), one.name.zh.casefold()):
            return one
    raise UnknownName(kind=N_("collection"), name=name, known=[one.id for one in collections()])
