"""The catalog's saved queries and its words, as pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby

from touchstone.catalog.collections import Collection
from touchstone.catalog.taxonomy import Term
from touchstone.language import N_, _, current_language
from touchstone.reporting import numbers
from touchstone.reporting.pages import Block, Page, Paragraph, Section, Table

KINDS = {
    "task": N_("Tasks"),
    "output": N_("What a model writes"),
    "architecture": N_("Architectures"),
    "trait": N_("Traits"),
    "origin": N_("Origin"),
    "relation": N_("How one was made from another"),
    "openness": N_("Openness"),
    "supply": N_("How it can be had"),
}
"""Kinds of terms, in the order in which people ask."""


def collections_page(counted: Sequence[tuple[Collection, int]], today: date) -> Page:
    """Saved queries, each with how many models it finds."""
    language = current_language()
    rows = [
        (one.id, one.name.in_language(language), numbers.count(count), one.explanation.in_language(language))
        for one, count in counted
    ]
    table = Table(
        (_("Collection"), _("Name"), _("Models"), _("What it holds")),
        rows,
        numbers=frozenset({2}),
        note=_("See one with: touchstone catalog search --collection NAME"),
    )
    return Page(
        kicker=_("Catalog"),
        title=_("Collections"),
        lead=_("Saved queries. They combine with every filter of a search."),
        sections=[Section(_("All of them"), [table])],
        closing=_("As known on {date}.").format(date=numbers.day(today.isoformat())),
    )


def terms_page(terms: Iterable[Term]) -> Page:
    """The words that sort models, each explained with examples."""
    language = current_language()
    place = {kind: number for number, kind in enumerate(KINDS)}
    ordered = sorted(terms, key=lambda term: place.get(term.kind, len(place)))
    sections = []
    for kind, group in groupby(ordered, key=lambda term: term.kind):
        blocks: list[Block] = []
        for term in group:
            said = _("{name}: {text}").format(
                name=f"{term.name.in_language(language)} ({term.id})", text=term.explanation.in_language(language)
            )
            blocks.append(Paragraph(said))
            if term.examples:
                examples = _("For example: {names}").format(names=_(", ").join(term.examples))
                blocks.append(Paragraph(examples, tone="quiet"))
        sections.append(Section(_(KINDS[kind]) if kind in KINDS else kind, blocks, anchor=kind))
    return Page(
        kicker=_("Catalog"),
        title=_("The words that sort models"),
        lead=_("Each with its id, which filters take, what it means for a choice, and examples."),
        sections=sections,
    )
