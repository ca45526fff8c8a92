"""What a model scored, published and by ourselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import groupby

from touchstone.catalog.benchmarks import benchmarks
from touchstone.catalog.cards import Card
from touchstone.catalog.claims import Claim
from touchstone.evaluation.claim_interval import value_interval
from touchstone.language import _, current_language
from touchstone.reporting import numbers
from touchstone.reporting.pages import Block, Paragraph, Reference, References, Section, Table, without_empty

BRIEF_ROWS = 25
"""So many results are shown where a page is to be short."""


def results_section(card: Card, own: Sequence[Claim], *, brief: bool = False) -> Section:
    """
    The results; ours stand first.

    Args:
        card: Whose published results are shown.
        own: What this workspace measured.
        brief: The latest result of each test, at most `BRIEF_ROWS` and all of ours, in one table; else every result
            under its source, with date and measurer.
    """
    claims = [*own, *card.claims]
    if not claims:
        return Section(_("Results"), [], anchor="results")
    blocks = _brief(claims) if brief else _by_source(claims)
    note = _(
        "As published, with 95 % intervals as published or, for a share of right answers, Wilson's from the number of "
        "questions. Results of different programs, prompts or days are not comparable; "
        "only what was measured alike is ranked: touchstone catalog benchmarks NAME"
    )
    return Section(_("Results"), [*blocks, Paragraph(note, tone="quiet")], anchor="results")


def _by_source(claims: Iterable[Claim]) -> list[Block]:
    ordered = sorted(claims, key=lambda one: (not one.ours, one.source, one.measured_by, one.harness or ""))
    heads = (_("Benchmark"), _("Value"), _("Interval"), _("Questions"), _("How"), _("Date"))
    blocks: list[Block] = []
    for heading, group in groupby(ordered, key=_heading):
        rows = [_row(claim) for claim in sorted(group, key=_by_test)]
        blocks.append(without_empty(Table(heads, rows, numbers=frozenset({1, 2, 3}), title=heading)))
    return blocks


def _by_test(claim: Claim) -> tuple[object, ...]:
    return (
        _places().get(claim.benchmark, len(_places())),
        claim.benchmark,
        claim.snapshot or "",
        claim.mode or "",
        -claim.value,
    )


@cache
def _places() -> Mapping[str, int]:
    """Where a test stands in the panel, which goes by area."""
    return {benchmark: place for place, benchmark in enumerate(benchmarks())}


def _brief(claims: Sequence[Claim]) -> list[Block]:
    """One table of the latest result of each test; the sources stand below it, by letter."""
    newest: dict[str, Claim] = {}
    for claim in claims:
        kept = newest.get(claim.benchmark)
        if not claim.ours and (kept is None or _age(claim) > _age(kept)):
            newest[claim.benchmark] = claim
    ours = [claim for claim in claims if claim.ours]
    room = max(BRIEF_ROWS - len(ours), 0)
    chosen = [*ours, *sorted(newest.values(), key=_age, reverse=True)[:room]]
    chosen.sort(key=lambda claim: (not claim.ours, *_by_test(claim)))
    letters: dict[str, str] = {}
    for claim in chosen:
        letters.setdefault(_heading(claim), _letter(len(letters)))
    rows = [(*_row(claim)[:3], *_row(claim)[4:], letters[_heading(claim)]) for claim in chosen]
    heads = (_("Benchmark"), _("Value"), _("Interval"), _("How"), _("Date"), _("Source"))
    blocks: list[Block] = [without_empty(Table(heads, rows, numbers=frozenset({1, 2})))]
    blocks.append(References([Reference(letter, heading) for heading, letter in letters.items()]))
    left = len(claims) - len(chosen)
    if left:
        said = _(
            "One result of each test, the latest by its date or else by the day its source was read; {n} more with "
            "--all, or in the page that --html writes."
        )
        blocks.append(Paragraph(said.format(n=left)))
    return blocks


def _age(claim: Claim) -> tuple[str, str, bool, str]:
    """Newer is more; of one day a whole test before a part of it."""
    return claim.date or claim.as_of, claim.as_of, claim.subset is None, claim.snapshot or ""


def _letter(number: int) -> str:
    return chr(ord("a") + number) if number < 26 else _letter(number // 26 - 1) + _letter(number % 26)


def _heading(claim: Claim) -> str:
    if claim.ours:
        return _("Measured by us: {source}").format(source=claim.source)
    said = _("{source}, read {date}; measured by {who}").format(
        source=claim.source, date=claim.as_of, who=claim.measured_by
    )
    return _("{said}, with {harness}").format(said=said, harness=claim.harness) if claim.harness else said


def _row(claim: Claim) -> tuple[str, ...]:
    benchmark = benchmarks().get(claim.benchmark)
    ends = value_interval(benchmark, claim) if benchmark else None
    how = [claim.subset, claim.snapshot, claim.setting, claim.mode]
    return (
        benchmark_name(claim.benchmark),
        score(claim.value),
        interval(ends),
        numbers.count(claim.questions or (benchmark.questions if benchmark and not claim.subset else None)),
        _(", ").join(part for part in how if part),
        claim.date or numbers.UNKNOWN,
    )


def benchmark_name(benchmark_id: str) -> str:
    """What a test is called in the reader's language."""
    found = benchmarks().get(benchmark_id)
    if found is None:
        return benchmark_id
    return (found.name_zh if current_language() == "zh" else None) or found.name


def score(value: float) -> str:
    """A published value, with no more digits than a reader can use, and one after the point from 1 to 1,000."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.4g}"
    return text if "." in text or abs(value) < 1 else f"{text}.0"


def interval(ends: tuple[float, float] | None) -> str:
    """The ends of a published or computed interval, one decimal; two where the value is small."""
    if ends is None:
        return numbers.UNKNOWN
    low, high = ends
    digits = 0 if high >= 1000 else 1 if high >= 10 else 2
    return f"{low:,.{digits}f}–{high:,.{digits}f}"
