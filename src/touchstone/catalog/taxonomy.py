"""
The words that sort models: terms, licences and labs, read from the TOML files beside this module.

Everything here is data that people can read, in English and Chinese. An id that is not in the file is a mistake of the
card that uses it.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Literal

from pydantic import Field

from touchstone.catalog.model import ModelId, PartialDate, Words
from touchstone.catalog.shipped_tables import read_shipped
from touchstone.errors import UnknownName
from touchstone.language import N_
from touchstone.noun import Noun

TermKind = Literal["task", "output", "architecture", "trait", "origin", "relation", "openness", "supply"]

_CALLED: Mapping[TermKind, str] = {
    "task": N_("task"),
    "output": N_("output type"),
    "architecture": N_("architecture"),
    "trait": N_("trait"),
    "origin": N_("origin"),
    "relation": N_("relation to a base model"),
    "openness": N_("kind of openness"),
    "supply": N_("kind of supply"),
}
"""What the kinds are called in messages."""


class Term(Noun):
    """One word of the taxonomy, explained in two sentences."""

    id: str
    kind: TermKind
    name: Words
    explanation: Words
    examples: tuple[ModelId, ...] = Field(min_length=1)
    """Models of the catalog that are so."""
    aliases: tuple[str, ...] = ()
    """Other words that a search takes for it, in either language."""


class Licence(Noun):
    """What somebody who holds the weights, or calls the service, may do."""

    id: str
    """As on the Hugging Face Hub where it has one (`apache-2.0`), else ours."""
    name: str
    kind: Literal["open", "restricted", "proprietary"]
    """`open` meets the Open Source Definition; `restricted` publishes weights with limits on who may use them or
    for what; `proprietary` is the terms of a service."""
    commercial_use: Literal["yes", "conditions", "no"] | None = None
    allows: Words
    """What it allows and on which conditions, in a sentence or two."""
    url: str | None = None
    as_of: PartialDate
    """The day the text was read."""


class Lab(Noun):
    """Who makes models."""

    id: str
    name: str
    name_zh: str | None = None
    country: str | None = None
    """ISO 3166-1 alpha-2 code of the seat."""
    url: str | None = None
    as_of: PartialDate


@cache
def terms() -> tuple[Term, ...]:
    """Every term, in the order of the file."""
    return tuple(Term.model_validate(table) for table in read_shipped("taxonomy.toml")["term"])


@cache
def licences() -> Mapping[str, Licence]:
    """Every licence, by id."""
    return {table["id"]: Licence.model_validate(table) for table in read_shipped("licences.toml")["licence"]}


@cache
def labs() -> Mapping[str, Lab]:
    """Every lab, by id."""
    return {table["id"]: Lab.model_validate(table) for table in read_shipped("labs.toml")["lab"]}


@cache
def terms_of(kind: TermKind) -> Mapping[str, Term]:
    """The terms of one kind, by id."""
    return {term.id: term for term in terms() if term.kind == kind}


def find_term(kind: TermKind, word: str) -> Term:
    """
    The term with this id, name or alias, in either language; neither capitals nor a hyphen for a space matter.

    Raises:
        UnknownName: there is none; the closest words are named, or the ids where none is close.
    """
    named: dict[str, tuple[str, Term]] = {}
    for term in terms_of(kind).values():
        for name in (term.id, term.name.en, term.name.zh, *term.aliases):
            named.setdefault(_plain(name), (name, term))
    asked = _plain(word)
    if asked in named:
        return named[asked][1]
    close = [named[plain][0] for plain in get_close_matches(asked, named, n=3, cutoff=0.6)]
    raise UnknownName(kind=_CALLED[kind], name=word, known=close or terms_of(kind))


def _plain(word: str) -> str:
    return word.strip().casefold().replace("-", " ")
