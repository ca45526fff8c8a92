"""
From words that people write to a query: names in either language, sizes such as `7B`, codes; and what is found.

Commands and pages ask here, so that the same words find the same models.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from touchstone.catalog.claims import Benchmark
from touchstone.catalog.query import LICENCE_CLASSES, FacetCount, Found, Query
from touchstone.catalog.search import FACETS
from touchstone.catalog.taxonomy import TermKind, find_term, labs, licences
from touchstone.errors import DataError, SettingsError, UnknownName, refusal
from touchstone.language import N_

if TYPE_CHECKING:
    from touchstone.catalog.catalog import Catalog
    from touchstone.catalog.collections import Collection

ANY_KIND = ("card", "reported", "offer")
"""Offers whose model has no card too."""

_TERMS: Mapping[str, TermKind] = {
    "tasks": "task",
    "outputs": "output",
    "architectures": "architecture",
    "traits": "trait",
    "relations": "relation",
    "openness": "openness",
    "supplies": "supply",
}
_SIZES = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}

ALTERNATIVES: Mapping[str, Sequence[str]] = {
    "licences": ("licence", "licence-class"),
    "openness": ("openness",),
    "labs": ("lab",),
    "providers": ("provider",),
    "architectures": ("architecture",),
}
"""Fields of the query of which one value is enough, and the facets that count them."""
COUNTED = (*FACETS, "licence-class")
"""Facets for somebody who may tick a further value."""


class FieldWrong(SettingsError):
    """What was asked in one field cannot be used."""

    def __init__(self, template: str, *, field: str, **values: object) -> None:
        super().__init__(template, **values)
        self.field = field
        """Of the query."""


def query_of(asked: Mapping[str, Any], called: Callable[[str], str]) -> Query:
    """
    The query that words of people mean; names that only a catalog knows are checked by `known_to`.

    Args:
        asked: By field of `Query`. Terms, licences, labs and sellers may be ids or names in either language, numbers of
            parameters may be written as `7B`; None asks nothing.
        called: What whoever asks calls a field of the query, for messages.

    Raises:
        UnknownName: a word that the taxonomy does not know; the closest are named.
        FieldWrong: a value that cannot be used.
    """
    fields = {name: value for name, value in asked.items() if value is not None}
    for name, kind in _TERMS.items():
        if name in fields:
            fields[name] = [find_term(kind, word).id for word in fields[name]]
    if "origin" in fields:
        fields["origin"] = find_term("origin", fields["origin"]).id
    for name, find in (("licences", str.lower), ("labs", _lab), ("providers", _seller)):
        if name in fields:
            fields[name] = [find(word) for word in fields[name]]
    for name, write in (("countries", str.upper), ("regions", str.lower), ("languages", str.lower)):
        if name in fields:
            fields[name] = [write(code) for code in fields[name]]
    for name in ("min_parameters", "max_parameters"):
        if isinstance(fields.get(name), str):
            fields[name] = _size(fields[name], name, called(name))
    if fields.get("benchmark") is None and ("min_score" in fields or fields.get("sort") == "score"):
        field = "min_score" if "min_score" in fields else "sort"
        raise FieldWrong(
            "{flag} needs a test whose scores count; name it with {benchmark}, such as mmlu-pro",
            field=field,
            flag=called(field) if field == "min_score" else f"{called('sort')} score",
            benchmark=called("benchmark"),
        )
    try:
        return Query.model_validate(fields)
    except ValidationError as error:
        raise _refused(error, called) from None


def _refused(error: ValidationError, called: Callable[[str], str]) -> FieldWrong:
    first = error.errors()[0]
    field, reason = str(first["loc"][0]), refusal(first)
    flag = called(field)
    if first["type"] == "string_too_long":  # the whole text would hide what is wrong with it
        return FieldWrong(
            "{flag} has {count} characters; {reason}", field=field, flag=flag, count=len(first["input"]), reason=reason
        )
    if "value" in reason.values:  # then the reason names it
        return FieldWrong("{flag}: {reason}", field=field, flag=flag, reason=reason)
    return FieldWrong("{flag} is {value!r}; {reason}", field=field, flag=flag, value=first["input"], reason=reason)


def _lab(word: str) -> str:
    asked = word.strip().casefold()
    return next((lab.id for lab in labs().values() if asked in _names(lab.id, lab.name, lab.name_zh)), asked)


def _seller(word: str) -> str:
    """The id of a seller, by id, by an id elsewhere, or by name in either language."""
    from touchstone.catalog.sellers import find_seller, sellers

    asked = word.strip().casefold()
    named = next((one.id for one in sellers().values() if asked in _names(one.name.en, one.name.zh)), None)
    try:
        return named or find_seller(asked).id
    except UnknownName:
        return asked  # `own`, or one that only a refreshed source knows


def _names(*names: str | None) -> set[str]:
    return {name.casefold() for name in names if name}


def _size(text: str, field: str, flag: str) -> int | None:
    """A number of parameters written as people do: 7B, 1.5B, 350M, 7000000000."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)\s*([KMBT]?)|(\d{1,15})", text.strip().upper())
    if not found:
        raise FieldWrong(
            "{flag} is {value!r}; write a number such as 7B, 350M or 1.5B", field=field, flag=flag, value=text
        )
    return int(found[3]) if found[3] else round(float(found[1]) * _SIZES[found[2]])


def known_to(catalog: Catalog, query: Query) -> Query:
    """
    The query with names of families as the catalog writes them.

    Raises:
        UnknownName: a name or a code that no entry of the catalog has and nobody explains. It would find nothing, which
            looks like an answer; the known ones are named.
    """
    from touchstone.catalog.sellers import sellers

    for kind, facet, of, asked, explained in (
        (N_("licence"), "licence", "", query.licences, (*LICENCE_CLASSES, *licences())),
        (N_("lab"), "lab", "", query.labs, tuple(labs())),
        (N_("seller"), "provider", "offer_", query.providers, (*sellers(), "own")),
        (N_("region"), "region", "offer_", query.regions, ()),
        (N_("language code"), "language", "", query.languages, ()),
        (N_("country code"), "country", "", query.countries, ()),
    ):
        for one in asked:
            if one not in explained and one not in (known := catalog.index.values_of(facet, of=of)):
                raise UnknownName(kind=kind, name=one, known={*known, *explained})
    if not query.families:
        return query
    families = {family.casefold(): family for family in catalog.index.values_of("family")}
    for word in query.families:
        if word.strip().casefold() not in families:
            raise UnknownName(kind=N_("family"), name=word, known=families.values())
    return query.model_copy(update={"families": tuple(families[one.strip().casefold()] for one in query.families)})


def find(
    catalog: Catalog,
    query: Query,
    *,
    collection: str | None = None,
    says_of_retired: bool = True,
    facets: bool | Sequence[str] = False,
) -> tuple[Query, Found]:
    """
    What a query finds within a collection, and the query that was asked in the end.

    Args:
        catalog: In which.
        query: What.
        collection: Id or name.
        says_of_retired: Whether somebody said if retired models count; else the collection says it, and where that is
            silent too they are left out.
        facets: As for `Catalog.search`.

    Raises:
        UnknownName: there is no such collection.
    """
    from touchstone.catalog.collections import find_collection

    if not says_of_retired:
        query = (
            find_collection(collection).query_with_defaults(query)
            if collection
            else query.model_copy(update={"retired": False})
        )
    found = catalog.search(query, collection=collection, facets=facets)
    if query.retired is False:
        # Nobody asked to leave them out, so nobody must miss them.
        with_retired = query.model_copy(update={"retired": None, "limit": 0, "offset": 0})
        left_out = catalog.search(with_retired, collection=collection).total - found.total
        found = found.model_copy(update={"retired_left_out": left_out})
    return query, found


def beside(catalog: Catalog, query: Query, found: Found, *, collection: str | None = None) -> Iterator[FacetCount]:
    """
    The counts of a search for somebody who may tick a further value.

    Where one value of several is enough, each count says how many there would be with that value alone; the values
    that are ticked already do not hide the others.
    """
    alone = {field: facets for field, facets in ALTERNATIVES.items() if getattr(query, field)}
    for field, facets in alone.items():
        without = query.model_copy(update={field: (), "limit": 0, "offset": 0})
        yield from catalog.search(without, collection=collection, facets=facets).facets
    counted_alone = {facet for facets in alone.values() for facet in facets}
    yield from (count for count in found.facets if count.facet not in counted_alone)


def in_collections(catalog: Catalog, query: Query, *, says_of_retired: bool = True) -> list[tuple[Collection, int]]:
    """Every collection with how many there are of a query within it; about retired models as `find`."""
    from touchstone.catalog.collections import collections

    alone = query.model_copy(update={"limit": 0, "offset": 0})
    found: dict[str, int] = {}
    asked: dict[Query, list[Collection]] = {}
    for one in collections():
        asked.setdefault(alone if says_of_retired else one.query_with_defaults(alone), []).append(one)
    for inner, group in asked.items():
        counts = catalog.within(inner, [one.query for one in group])
        found |= {one.id: count for one, count in zip(group, counts, strict=True)}
    return [(one, found[one.id]) for one in collections()]


def find_benchmark(name: str, folder: Path | None) -> Benchmark:
    """
    The benchmark with this id or name, the team's own ones in the catalog folder of its workspace included.

    Raises:
        UnknownName: there is none; the closest ids are named.
        DataError: it is not shipped, and the file of the team's own ones cannot be read.
    """
    from touchstone.catalog import benchmarks as shipped

    try:
        own = _own_benchmarks(folder)
    except DataError as broken:
        try:
            return shipped.find_benchmark(name)
        except UnknownName:
            raise broken from None
    return own[name] if name in own else shipped.find_benchmark(name)


def added_benchmarks(folder: Path | None) -> tuple[Benchmark, ...]:
    """
    The team's own benchmarks that are not shipped.

    None where their file is broken: whoever opens the catalog is told so, and the shipped ones are unharmed.
    """
    from touchstone.catalog.benchmarks import benchmarks as shipped

    try:
        return tuple(one for one in _own_benchmarks(folder).values() if one.id not in shipped())
    except DataError:
        return ()


def _own_benchmarks(folder: Path | None) -> Mapping[str, Benchmark]:
    # Reading them takes a module that is not worth its time where there are none, which is nearly always.
    if folder is None or not (folder / "benchmarks.toml").is_file():
        return {}
    from touchstone.catalog.own import own_benchmarks

    return own_benchmarks(folder)


class _Flag(NamedTuple):
    field: str
    flag: str


_FLAGS = (
    _Flag("tasks", "--task"), _Flag("inputs", "--input"), _Flag("outputs", "--output"),
    _Flag("architectures", "--architecture"), _Flag("traits", "--trait"), _Flag("relations", "--relation"),
    _Flag("supplies", "--supply"), _Flag("licences", "--licence"), _Flag("openness", "--openness"),
    _Flag("labs", "--lab"), _Flag("countries", "--country"), _Flag("families", "--family"),
    _Flag("origin", "--origin"), _Flag("providers", "--provider"), _Flag("regions", "--region"),
    _Flag("languages", "--language"), _Flag("min_context_tokens", "--min-context"),
    _Flag("max_parameters", "--max-parameters"), _Flag("min_parameters", "--min-parameters"),
    _Flag("max_input_usd", "--max-input-usd"), _Flag("max_output_usd", "--max-output-usd"),
    _Flag("max_blended_usd", "--max-usd"), _Flag("input_share", "--input-share"),
    _Flag("released_after", "--released-after"), _Flag("fits_gib", "--fits-gb"), _Flag("precision", "--precision"),
    _Flag("fit_context_tokens", "--fit-context"), _Flag("benchmark", "--benchmark"), _Flag("min_score", "--min-score"),
    _Flag("sort", "--sort"), _Flag("offset", "--offset"),
)  # fmt: skip
"""Flags of `catalog search` whose value is that of a field."""


def flag_of(field: str) -> str:
    """What the command calls a field of the query."""
    named = {one.field: one.flag for one in _FLAGS}
    return "WORD…" if field == "text" else named.get(field) or "--" + field.replace("_", "-")


def command_of(query: Query, *, collection: str | None = None, says_of_retired: bool = True) -> str:
    """What somebody would type for a query."""
    words = ["touchstone", "catalog", "search"]
    default = Query()
    for field, flag in _FLAGS:
        value = getattr(query, field)
        if value != getattr(default, field):
            words += [f"{flag}={one:g}" if isinstance(one, float) else f"{flag}={one}" for one in _each(value)]
    words += [f"--{name}" for name in query.abilities]
    if query.has_weights is not None:
        words.append("--weights" if query.has_weights else "--no-weights")
    if query.ours:
        words.append("--ours")
    if collection:
        words.append(f"--collection={collection}")
    if says_of_retired and query.retired is not False:
        words.append("--retired" if query.retired else "--all")
    if query.text:
        words += ["--", query.text]
    return shlex.join(words)


def _each(value: object) -> Iterable[Any]:
    return value if isinstance(value, tuple) else (value,)
