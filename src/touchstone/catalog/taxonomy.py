"""
The words that sort models: terms, licences and labs, read from the TOML files beside this module.

Everything here is data that people can read, in English and Chinese. An id that is not in the file is a mistake of the
card that uses it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import Field

from touchstone.catalog.model import ModelId, PartialDate, Words
from touchstone.errors import UnknownName
from touchstone.noun import Noun

TermKind = Literal["task", "output", "architecture", "trait", "origin", "relation", "openness", "supply"]


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


def read_shipped(name: str) -> Mapping[str, Any]:
    """A TOML file of this room, as tables."""
    return tomllib.loads(files("touchstone.catalog").joinpath(name).read_text("utf-8"))


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
    The term with this id, name or alias, in either language.

    Raises:
        UnknownName: there is none; the closest ids are named.
    """
    asked = word.strip().casefold()
    for term in terms_of(kind).values():
        if asked in (name.casefold() for name in (term.id, term.name.en, term.name.zh, *term.aliases)):
            return term
    raise UnknownName(kind=kind, name=word, known=terms_of(kind))
