"""The benchmark panel as a page: which published tests there are, and for which uses they speak."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from touchstone.catalog.claims import Benchmark, Scenario
from touchstone.language import N_, _, current_language
from touchstone.reporting import catalog_words as words
from touchstone.reporting import numbers
from touchstone.reporting.pages import Page, Section, Table

AREAS = {
    "general-knowledge": N_("General knowledge"),
    "language-understanding": N_("Language understanding"),
    "reasoning": N_("Reasoning"),
    "maths": N_("Mathematics"),
    "coding": N_("Coding"),
    "agents": N_("Agents and tools"),
    "instruction-following": N_("Instruction following"),
    "long-context": N_("Long documents"),
    "chinese": N_("Chinese"),
    "multilingual": N_("Many languages"),
    "safety": N_("Safety"),
    "factuality": N_("Facts"),
    "embedding": N_("Embeddings"),
    "reranking": N_("Reranking"),
    "speech": N_("Speech"),
    "image": N_("Image generation"),
    "vision": N_("Images understood"),
    "preference": N_("What people prefer"),
}


def panel_page(
    benchmarks: Iterable[Benchmark], scenarios: Iterable[Scenario], counts: Mapping[str, tuple[int, int]], today: date
) -> Page:
    """All benchmarks by area, with how many results are known, and the scenarios they speak for."""
    language = current_language()
    by_area: dict[str, list[Benchmark]] = {}
    for benchmark in benchmarks:
        by_area.setdefault(benchmark.area, []).append(benchmark)
    rows = [
        (
            one.id,
            (one.name_zh if language == "zh" else None) or one.name,
            _(AREAS[area]) if area in AREAS else area,
            numbers.count(counts.get(one.id, (0, 0))[0]),
            numbers.count(counts.get(one.id, (0, 0))[1]),
            words.metric(one.metric),
        )
        for area, found in by_area.items()
        for one in found
    ]
    uses = [
        (one.id, one.name.in_language(language), _(", ").join(fit.benchmark for fit in one.benchmarks))
        for one in scenarios
    ]
    return Page(
        kicker=_("Benchmark panel"),
        title=_("Published tests"),
        lead=_(
            "What was published, with source, date and the program that measured. Only like is ranked with like; "
            "nothing is averaged."
        ),
        sections=[
            Section(
                _("Benchmarks"),
                [
                    Table(
                        (_("Id"), _("Name"), _("Area"), _("Results"), _("Models"), _("Metric")),
                        rows,
                        numbers=frozenset({3, 4}),
                        note=_("One test's rankings: touchstone catalog benchmarks ID"),
                    )
                ],
            ),
            Section(
                _("By use"),
                [
                    Table(
                        (_("Id"), _("Use"), _("Tests that speak for it")),
                        uses,
                        note=_("Rankings for a use: touchstone catalog benchmarks --scenario ID"),
                    )
                ],
            ),
        ],
        closing=_("As known on {date}.").format(date=numbers.day(today.isoformat())),
    )
