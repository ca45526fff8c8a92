"""
The catalog as everybody else sees it: search it, open a card, list what it holds.

Three layers lie above each other: what ships with this package, what `catalog refresh` took, and the team's own cards.
Their index is made when it is missing or out of date, which its key tells: a digest of everything it is made from. The
index of what ships alone is made when the package is built (`hatch_build.py`), so that the first search is as quick as
the second.
"""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from difflib import get_close_matches
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from touchstone.catalog.index import CatalogIndex
from touchstone.catalog.shipped_stamp import sealed_stamp, shipped_digest, shipped_stamp
from touchstone.catalog.shipped_tables import SHIPPED_INDEX, parsed_tables
from touchstone.errors import DataError, UnknownName
from touchstone.language import N_

if TYPE_CHECKING:
    from touchstone.catalog.cards import Card
    from touchstone.catalog.claims import Benchmark, Claim
    from touchstone.catalog.index_write import IndexRow
    from touchstone.catalog.own_offer import OwnOffer
    from touchstone.catalog.query import Found, Hit, Query
    from touchstone.catalog.source_base import Reported

Answer = TypeVar("Answer")


class Catalog:
    """
    What exists, for one workspace.

    Args:
        workspace: Folder whose own cards and refreshed sources lie over what ships; None for what ships alone.
        today: Whose prices and retirements count.
    """

    def __init__(self, workspace: Path | None = None, *, today: date) -> None:
        self.folder = None if workspace is None else workspace / "catalog"
        self.today = today
        self._distrusted = False
        """Whether an index that was there has turned out to be damaged."""
        self._own_seen: list[str] | None = None
        """What the workspace laid over what ships when the index was opened."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the index; may be called twice."""
        for name in ("index", "_shipped"):
            opened = self.__dict__.pop(name, None)
            if opened is not None:
                opened.close()

    # Search -----------------------------------------------------------------------------------------------------------

    def search(self, query: Query, *, collection: str | None = None, facets: bool | Sequence[str] = False) -> Found:
        """
        What a query finds, within a collection where one is named.

        Raises:
            UnknownName: there is no such collection.
        """
        from touchstone.catalog.collections import find_collection
        from touchstone.catalog.search import search

        within = [find_collection(collection).query] if collection else []
        return self._ask(lambda index: search(index, query, today=self.today, within=within, facets=facets))

    def within(self, query: Query, outer: Sequence[Query]) -> list[int]:
        """Of each of some other queries, how many of a query's hits it would leave."""
        from touchstone.catalog.search import within

        return self._ask(lambda index: within(index, query, outer, today=self.today))

    def card(self, entry_id: str) -> Card:
        """
        One card.

        Raises:
            UnknownName: the catalog has none of this id; the closest are named.
        """
        from touchstone.catalog.cards import Card

        def body(index: CatalogIndex) -> bytes | None:
            row = index.row_of(entry_id)
            if row is None:
                row = index.row_of(entry_id.strip().lower())
            return None if row is None else index.card(row)

        found = self._ask(body)
        if found is None:
            raise UnknownName(kind=N_("model"), name=entry_id, known=self._close_to(entry_id))
        return Card.model_validate_json(found)

    def cards(self, ids: Sequence[str] | None = None) -> Iterator[Card]:
        """The cards of these ids, or every curated and own card, by id."""
        import numpy as np

        from touchstone.catalog.cards import Card
        from touchstone.catalog.query import KIND_CARD

        if ids is not None:
            yield from map(self.card, ids)
            return

        def bodies(index: CatalogIndex) -> list[bytes]:
            return [index.card(row) for row in np.flatnonzero(index.having("kind", KIND_CARD)).tolist()]

        yield from map(Card.model_validate_json, self._ask(bodies))

    def claims(self, benchmark: str) -> tuple[Claim, ...]:
        """Every result on a benchmark, published and of the team's own."""
        from touchstone.catalog.claims import CLAIMS

        # As one text: a shortlist reads thousands.
        return CLAIMS.validate_json(b"[%b]" % b",".join(self._ask(lambda index: index.claims(benchmark))))

    def derived(self, key: str) -> bytes | None:
        """What was worked out when the package was built; a digest says from what. None where that is not kept."""
        found = self._ask(lambda index: index.derived(key))
        if found is None and self._shipped is not None:
            with suppress(sqlite3.DatabaseError):  # it may be of another version, or damaged
                return self._shipped.derived(key)
        return found

    @cached_property
    def _shipped(self) -> CatalogIndex | None:
        """The index of what ships, whether or not it is out of date."""
        return CatalogIndex.open(SHIPPED_INDEX)

    def facts(self, ids: Iterable[str]) -> dict[str, Hit]:
        """What a list shows of these ids, price of the cheapest offer included; unknown ids are left out."""
        from touchstone.catalog.search import listed

        wanted = tuple(ids)
        return self._ask(lambda index: listed(index, wanted, today=self.today))

    def made_from(self, model_id: str) -> tuple[str, ...]:
        """Ids of the models that were made from this one, by name."""
        return self._ask(lambda index: index.ids_having("made-from", model_id))

    @property
    def benchmarks(self) -> Mapping[str, Benchmark]:
        """The shipped benchmarks and the team's own, by id."""
        from touchstone.catalog.benchmarks import benchmarks

        if self.folder is None or not self.folder.is_dir():
            return benchmarks()
        return self._benchmarks(self.folder)[0]

    def _ask(self, read: Callable[[CatalogIndex], Answer]) -> Answer:
        """What the index says; one that turns out to be damaged is made anew, for it is derived."""
        try:
            return read(self.index)
        except sqlite3.DatabaseError:
            self.close()
            self._distrusted = True
            return read(self.index)

    def _close_to(self, entry_id: str) -> list[str]:
        """Ids that may have been meant: the same name at another lab first, then what is spelt alike."""
        ids = self.index.ids()
        name = entry_id.strip().lower().rpartition("/")[2]
        same = [one for one in ids if one.rpartition("/")[2] == name]
        return same or get_close_matches(entry_id.lower(), ids, n=5, cutoff=0.5) or ids[:1]

    # The index --------------------------------------------------------------------------------------------------------

    @cached_property
    def index(self) -> CatalogIndex:
        """The index of everything, made first where it is missing or out of date."""
        own = self._own_seen = self._own_files()
        places = [SHIPPED_INDEX] if self.folder is None else [SHIPPED_INDEX, self.folder / "index.sqlite"]
        found = [] if self._distrusted else [CatalogIndex.open(place, today=self.today.toordinal()) for place in places]
        shipped = _shipped_now(found)
        fitting = None
        for index in found:
            if index is None:
                continue
            if fitting is None and index.meta.get("key") == _key(shipped, own) and self._holds_today(index):
                fitting = index
            else:
                index.close()
        return self._made(shipped, own) if fitting is None else fitting

    def _holds_today(self, index: CatalogIndex) -> bool:
        """Whether today is not before the day of its prices; those that begin later are in it."""
        return index.meta["from"] <= self.today.isoformat()

    def _made(self, shipped: str, own: Sequence[str]) -> CatalogIndex:
        from touchstone.catalog.index_write import fill_index, write_index

        rows, meta = self._rows()
        meta |= {"key": _key(shipped, own), "shipped": shipped, "stamp": shipped_stamp()}
        if self.folder is not None:
            place = self.folder / "index.sqlite"
            # A folder that cannot be written is no reason to find nothing: the index then lives in memory.
            with suppress(OSError, sqlite3.OperationalError):
                self.folder.mkdir(parents=True, exist_ok=True)
                write_index(place, rows, meta)
                if (found := CatalogIndex.open(place, today=self.today.toordinal())) is not None:
                    return found
            rows, _meta = self._rows()
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        fill_index(connection, rows, meta)
        return CatalogIndex(connection, today=self.today.toordinal())

    def _rows(self) -> tuple[Iterator[IndexRow], dict[str, str]]:
        """The rows of the index, and the day of their prices; those that begin later are told in the rows."""
        import orjson

        from touchstone.catalog.assemble import assemble
        from touchstone.catalog.benchmarks import benchmarks, shipped_claims
        from touchstone.catalog.index_rows import index_rows
        from touchstone.catalog.offers import shipped_offers
        from touchstone.catalog.sellers import sellers
        from touchstone.catalog.shipped import shipped_models

        models, offers, claims = list(shipped_models()), list(shipped_offers()), list(shipped_claims())
        endpoints: dict[str, Sequence[OwnOffer]] = {}
        reported: list[Reported] = []
        known = dict(benchmarks())
        if self.folder is not None and self.folder.is_dir():
            from touchstone.catalog.own import own_claims, own_models
            from touchstone.catalog.source_store import Shelf

            own = own_models(self.folder).cards
            models += [card.model for card in own]
            endpoints = {card.model.id: card.offers for card in own}
            known, _broken = self._benchmarks(self.folder)
            claims += own_claims(self.folder, benchmarks=known).claims
            shelf = Shelf(self.folder / "sources")
            for source in shelf.sources():
                copy = shelf.read(source).copy
                reported += copy.entries if copy else ()
        cards = list(assemble(models, offers, claims, reported, endpoints))
        regions = {seller.id: seller.processed_in or () for seller in sellers().values()}
        meta = {
            "from": _since(self.today, [one.since for card in cards for o in card.offers for one in o.periods]),
            "lower_is_better": orjson.dumps([one.id for one in known.values() if not one.higher_is_better]).decode(),
        }
        return index_rows(cards, self.today, regions), meta

    @property
    def problems(self) -> tuple[DataError, ...]:
        """Why some of the workspace's own cards and results are not in the catalog."""
        if self.folder is None or not self._own_files():
            return ()
        from touchstone.catalog.own import own_claims, own_models

        known, broken = self._benchmarks(self.folder)
        return (*own_models(self.folder).errors, *broken, *own_claims(self.folder, benchmarks=known).errors)

    @staticmethod
    def _benchmarks(folder: Path) -> tuple[dict[str, Benchmark], tuple[DataError, ...]]:
        """The shipped benchmarks and the team's own; only the shipped ones, and why, where those cannot be read."""
        from touchstone.catalog.benchmarks import benchmarks
        from touchstone.catalog.own import own_benchmarks

        try:
            return own_benchmarks(folder), ()
        except DataError as error:
            return dict(benchmarks()), (error,)

    @property
    def is_outdated(self) -> bool:
        """Whether files of the workspace came, went or changed since its index was opened; for who keeps a catalog."""
        return self._own_seen is not None and self._own_files() != self._own_seen

    def _own_files(self) -> list[str]:
        """What the workspace lays over what ships: name, size and time of each file, by name."""
        if self.folder is None or not self.folder.is_dir():
            return []
        found = [file for name in ("cards", "claims", "sources") for file in (self.folder / name).rglob("*")]
        return sorted(said for file in (*found, self.folder / "benchmarks.toml") if (said := _seen(file, self.folder)))


def _seen(file: Path, folder: Path) -> str | None:
    """How a file's change is noticed; None for a hidden or unfinished one, and for one that has just gone."""
    name = file.relative_to(folder)
    if any(part.startswith(".") for part in name.parts):
        return None
    try:
        about = file.stat()
    except OSError:
        return None
    # Size and time alone miss a file that a copying tool put there with the old one's time.
    seen = f"{name.as_posix()} {about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}"
    return seen if stat.S_ISREG(about.st_mode) else None


def _since(today: date, starts: Iterable[date | None]) -> str:
    """The last day at or before `today` on which some price began: earlier days had other prices."""
    return max((start for start in starts if start is not None and start <= today), default=date.min).isoformat()


def _shipped_now(found: Sequence[CatalogIndex | None]) -> str:
    """
    Digest of what ships, as an index says that is still of it, else of the files themselves.

    Args:
        found: The index of the package, then that of the workspace; None where there is none.
    """
    package = found[0] if found else None
    if package is not None and package.meta.get("stamp") == sealed_stamp():
        return package.meta["shipped"]
    stamp = shipped_stamp()
    said = (index.meta["shipped"] for index in found if index is not None and index.meta.get("stamp") == stamp)
    return next(said, None) or shipped_digest()


def _key(shipped: str, own: Sequence[str]) -> str:
    digest = blake2b(shipped.encode(), digest_size=16)
    for said in own:
        digest.update(f"{said}\0".encode("utf-8", "surrogateescape"))  # a file's name may be no text
    return digest.hexdigest()


def build_shipped(
    today: date,
    place: Path = SHIPPED_INDEX,
    *,
    derive: Callable[[Catalog], Mapping[str, bytes]] | None = None,
    sealed: bool = False,
) -> None:
    """
    Write the index of what ships, with the prices of a day; called when the package is built.

    Args:
        derive: Works out from the catalog what takes long, by a digest of what it is worked out from. Rooms above this
            one know how; `Catalog.derived` gives it back.
        sealed: Whether the files that it is made of can change no more, as those of a wheel.
    """
    from touchstone.catalog.index_write import write_index

    catalog = Catalog(today=today)
    rows, meta = catalog._rows()
    shipped = shipped_digest()

    def derived(connection: sqlite3.Connection) -> Mapping[str, bytes]:
        catalog.index = CatalogIndex(connection, today=today.toordinal())
        return {**parsed_tables(), **(derive(catalog) if derive is not None else {})}

    meta |= {"key": _key(shipped, []), "shipped": shipped, "stamp": sealed_stamp() if sealed else shipped_stamp()}
    write_index(place, rows, meta, derive=derived)
