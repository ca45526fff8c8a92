"""What an address of the catalog asks: fields of a form as a query, and the same as addresses and chips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from touchstone.catalog import asked
from touchstone.catalog.collections import find_collection
from touchstone.catalog.query import Query
from touchstone.errors import SettingsError, TouchstoneError
from touchstone.language import N_, _, current_language
from touchstone.models.starter.model import SIZES
from touchstone.reporting import catalog_words as words
from touchstone.web.forms import Form
from touchstone.web.render import address
from touchstone.workspace.playground_base import MOST_PANES

PAGE_ROWS = 50
MOST_IN_TRAY = 200
"""Longer addresses than those of so many models are not read."""
_LAST_PAGE = 200_000

TICKED = {
    "task": "tasks",
    "input": "inputs",
    "output": "outputs",
    "ability": "abilities",
    "openness": "openness",
    "licence": "licences",
    "lab": "labs",
    "provider": "providers",
    "language": "languages",
    "architecture": "architectures",
    "trait": "traits",
    "country": "countries",
    "family": "families",
    "region": "regions",
    "relation": "relations",
    "supply": "supplies",
}
"""Parameters that may be there several times, with the field of the query."""
NUMBERS = {
    "min_context": "min_context_tokens",
    "max_input_usd": "max_input_usd",
    "max_output_usd": "max_output_usd",
    "max_usd": "max_blended_usd",
    "input_share": "input_share",
    "fits_gb": "fits_gib",
    "fit_context": "fit_context_tokens",
    "min_score": "min_score",
}
_WHOLE = ("min_context", "fit_context")
TEXTS = {
    "q": "text",
    "origin": "origin",
    "min_parameters": "min_parameters",
    "max_parameters": "max_parameters",
    "released_after": "released_after",
    "precision": "precision",
    "benchmark": "benchmark",
    "sort": "sort",
}
_PARAMETER = {field: name for names in (TICKED, NUMBERS, TEXTS) for name, field in names.items()}
_SILENT = {"sort": "relevance", "precision": "16bit", "input_share": "0.75", "fit_context": "8192"}
"""What asks nothing by itself, so that an address need not say it."""

LABELS = {
    "q": N_("Words"),
    "min_context": N_("Context of at least, tokens"),
    "max_parameters": N_("Parameters at most"),
    "min_parameters": N_("Parameters at least"),
    "max_input_usd": N_("Input at most, USD per million tokens"),
    "max_output_usd": N_("Output at most, USD per million tokens"),
    "max_usd": N_("Both together at most, USD per million tokens"),
    "input_share": N_("Share of input tokens in your calls"),
    "fits_gb": N_("Fits in, GiB"),
    "fit_context": N_("Tokens kept in that memory"),
    "precision": N_("Weights in"),
    "released_after": N_("Released on or after"),
    "benchmark": N_("Has a result on"),
    "min_score": N_("With a score of at least"),
    "sort": N_("Order"),
    "origin": N_("Origin"),
    "country": N_("Country of the lab"),
    "family": N_("Family"),
    "region": N_("Calls processed in"),
    "relation": N_("How it was made from another"),
    "supply": N_("How it can be had"),
    "collection": N_("Collection"),
    "weights": N_("Weights"),
    "ours": N_("Ours"),
    "retired": N_("Retired models"),
}
"""What a parameter is called beside its field; facets have their names in `catalog_words`."""

SHOWN_BESIDE = frozenset({*NUMBERS, "min_parameters", "max_parameters", "released_after", "benchmark", "family",
                          "country", "region", "relation", "supply"})  # fmt: skip
"""Parameters whose fields say themselves what is wrong with them; of others it is said above."""

RETIRED = {"": N_("left out"), "all": N_("shown, and offers without a card too"), "only": N_("shown alone")}
SORTS = {
    "relevance": N_("best match"),
    "price": N_("cheapest"),
    "score": N_("best score"),
    "context": N_("longest context"),
    "released": N_("newest"),
    "parameters": N_("largest"),
    "name": N_("by name"),
}
VIEWS = {"cards": N_("cards"), "table": N_("a table")}


@dataclass(frozen=True)
class Chip:
    """One thing that is asked, and the address without it."""

    words: str
    without: str


@dataclass(frozen=True)
class Asked:
    """What an address asks."""

    query: Query
    """One page of it; names of families and codes are as they were written."""
    collection: str | None = None
    says_of_retired: bool = False
    view: str = "cards"
    page: int = 1
    tray: tuple[str, ...] = ()
    """Models that are set aside to be compared."""
    pairs: tuple[tuple[str, str], ...] = ()
    """What is asked by parameter and value, without page, view and tray."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """By parameter what is wrong with it; under no name what is wrong with none alone."""

    def to(self, *, without: tuple[str, str] | None = None, page: int = 1, **others: object) -> str:
        """The address of the same search with something changed; `others` are `view`, `tray` or further parameters."""
        kept: dict[str, list[str]] = {}
        for name, value in self.pairs:
            if (name, value) != without and not (without == ("collection", "") and name == "collection"):
                kept.setdefault(name, []).append(value)
        beside = {"view": self.view if self.view != "cards" else "", "page": page if page > 1 else "",
                  "tray": self.tray, **others}  # fmt: skip
        return address("/catalog", **{**kept, **beside})

    def ticked(self, name: str) -> tuple[str, ...]:
        """The values of a facet that are asked for."""
        return tuple(value for one, value in self.pairs if one == name)

    def value(self, name: str) -> str:
        """What one field holds."""
        return next((value for one, value in self.pairs if one == name), _SILENT.get(name, ""))

    @property
    def chips(self) -> Sequence[Chip]:
        """Everything that is asked, each with the address without it."""
        return [
            Chip(_said(name, value), self.to(without=(name, value))) for name, value in self.pairs if name != "sort"
        ]


def read(form: Form) -> Asked:
    """What the fields of the catalog's form ask; what cannot be used is told in `problems` and asks nothing."""
    problems: dict[str, str] = {}
    fields: dict[str, Any] = {}
    pairs = list(_pairs(form))
    for name, of in TICKED.items():
        values = [value for one, value in pairs if one == name]
        if values:
            fields[of] = values
    for name, of in NUMBERS.items():
        try:
            given = form.number(name, None)
        except SettingsError:
            problems[name] = _("This is no number.")
            continue
        if given is not None:
            fields[of] = int(given) if name in _WHOLE and given == int(given) else given
    fields |= {of: value for name, of in TEXTS.items() if (value := _first(pairs, name))}
    weights, retired = _first(pairs, "weights"), _first(pairs, "retired")
    fields |= {
        "has_weights": {"yes": True, "no": False}.get(weights or ""),
        "ours": True if _first(pairs, "ours") else None,
        "retired": {"only": True, "all": None}.get(retired or "", False),
        "kinds": asked.ANY_KIND if retired == "all" else None,
    }
    page = _page(form)
    collection = _first(pairs, "collection")
    if collection is not None:
        try:
            collection = find_collection(collection).id
        except TouchstoneError as error:
            problems["collection"], collection = error.text(_), None
    query = _query(fields, problems)
    return Asked(
        query=query.model_copy(update={"limit": PAGE_ROWS, "offset": PAGE_ROWS * (page - 1)}),
        collection=collection,
        says_of_retired=retired in ("all", "only"),
        view="table" if form.text("view") == "table" else "cards",
        page=page,
        tray=tuple(dict.fromkeys(form.all("tray", longest=400)))[:MOST_IN_TRAY],
        pairs=tuple(pairs),
        problems=problems,
    )


def _pairs(form: Form) -> Iterator[tuple[str, str]]:
    """What is asked, each once, in the order of the form."""
    for name in TICKED:
        yield from ((name, value) for value in dict.fromkeys(form.all(name, longest=400)))
    for name in (*TEXTS, *NUMBERS, "collection", "weights", "retired", "ours"):
        values = form.all(name, longest=2_000)
        if values and values[-1] != _SILENT.get(name):
            yield name, values[-1]


def _first(pairs: Sequence[tuple[str, str]], name: str) -> str | None:
    return next((value for one, value in pairs if one == name), None)


def _page(form: Form) -> int:
    said = form.text("page", "1", longest=400)
    return min(max(int(said), 1), _LAST_PAGE) if said.isascii() and said.isdigit() and len(said) < 9 else 1


def _query(fields: dict[str, Any], problems: dict[str, str]) -> Query:
    """The query of what can be used; each field that cannot is left out, with a word on why."""
    for _try in range(len(fields) + 1):
        try:
            return asked.query_of(fields, _called)
        except asked.FieldWrong as error:
            wrong = error.field
            problems[_PARAMETER.get(wrong, "")] = error.text(_)
        except TouchstoneError as error:  # a name that nobody knows; which field has it is found by leaving each out
            wrong = next((one for one in fields if _is_cured_by(fields, one)), next(iter(fields)))
            problems[_PARAMETER.get(wrong, "")] = error.text(_)
        fields = {name: value for name, value in fields.items() if name != wrong}
    return Query()


def _is_cured_by(fields: Mapping[str, Any], left_out: str) -> bool:
    try:
        asked.query_of({left_out: fields[left_out]}, _called)
    except asked.FieldWrong:
        return False
    except TouchstoneError:
        return True
    return False


def _called(field: str) -> str:
    name = _PARAMETER.get(field, field)
    return _(LABELS[name]) if name in LABELS else facet_name(name)


def facet_name(name: str) -> str:
    """What a facet is called."""
    return _(words.FACETS[name]) if name in words.FACETS else _(LABELS.get(name, name))


def _said(name: str, value: str) -> str:
    """What a chip says."""
    if name == "q":
        return _("“{words}”").format(words=value)
    if name in TICKED or name == "origin":
        shown = value_words(name, value)
    elif name == "retired":
        shown = _(RETIRED[value]) if value in RETIRED else value
    elif name == "weights":
        shown = _("can be downloaded") if value == "yes" else _("not given out")
    elif name == "ours":
        return _("only models of our own")
    elif name == "collection":
        found = next((one for one in _collections() if one.id == value), None)
        shown = found.name.in_language(current_language()) if found else value
    else:
        shown = value
    return _("{name}: {value}").format(name=facet_name(name), value=shown)


def _collections() -> Sequence[Any]:
    from touchstone.catalog.collections import collections

    return collections()


def value_words(name: str, value: str) -> str:
    """A value of a facet in words."""
    if name == "licence":
        classes = {"open": _("any open licence"), "commercial": _("any that allows commercial use")}
        return classes.get(value) or words.licence(value)
    if name == "language":
        return words.language(value)
    return words.facet_value(name, value)


def card_address(entry_id: str) -> str:
    """The page of an entry."""
    return f"/catalog/{quote(entry_id, safe='/:')}"


def is_starter(entry_id: str) -> bool:
    """Whether an entry is one of the small models that ship, which answer without a seller."""
    return entry_id in {f"touchstone/starter-{size}" for size in SIZES}


def playground_address(ids: Iterable[str]) -> str:
    """The playground with these models picked, as many as it has panes for; empty where there is none."""
    picks = [f"starter:{one.rpartition('-')[2]}" if is_starter(one) else f"catalog:{one}" for one in ids]
    return address("/playground", pick=picks[:MOST_PANES]) if picks else ""
