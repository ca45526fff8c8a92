"""What a model scored, published and by ourselves, and how much memory it needs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from touchstone.catalog.benchmarks import benchmarks
from touchstone.catalog.cards import Card
from touchstone.catalog.claims import Claim
from touchstone.catalog.memory import USABLE_SHARE, memory_need
from touchstone.catalog.model import Model
from touchstone.evaluation.leaderboard import value_interval
from touchstone.language import _
from touchstone.reporting import catalog_words as words
from touchstone.reporting import numbers
from touchstone.reporting.pages import Block, Paragraph, Section, Table

_CONTEXTS = (8_192, 32_768, 131_072)
_DEVICES_GIB = (8, 12, 16, 24, 32, 48, 80, 141, 8 * 80, 8 * 141)
"""Memory of common devices, GiB: laptops and consumer cards, then one data-centre card, then eight of them."""


def results_section(card: Card, own: Sequence[Claim]) -> Section:
    """Every result under its source, with date and measurer; ours stand first."""
    claims = [*own, *sorted(card.claims, key=lambda claim: (claim.source, claim.measured_by, claim.harness or ""))]
    blocks: list[Block] = []
    for (heading, _harness), group in groupby(claims, key=lambda claim: (_heading(claim), claim.harness)):
        rows = [_row(claim) for claim in sorted(group, key=lambda claim: (claim.benchmark, -claim.value))]
        heads = (_("Benchmark"), _("Value"), _("Interval"), _("n"), _("How"), _("Date"))
        blocks += [Paragraph(heading), Table(heads, rows, numbers=frozenset({1, 2, 3}))]
    if claims:
        blocks.append(
            Paragraph(
                _(
                    "As published. Results under different harnesses, prompts or dates are not comparable; "
                    "`touchstone catalog benchmarks NAME` ranks only what was measured alike."
                ),
                tone="quiet",
            )
        )
    return Section(_("Results"), blocks, anchor="results")


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
        benchmark.name if benchmark else claim.benchmark,
        score(claim.value),
        interval(ends),
        numbers.count(claim.questions or (benchmark.questions if benchmark and not claim.subset else None)),
        _(", ").join(part for part in how if part),
        claim.date or numbers.UNKNOWN,
    )


def score(value: float) -> str:
    """A published value, with no more digits than a reader can use."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def interval(ends: tuple[float, float] | None) -> str:
    """The ends of a published or computed interval, one decimal; two where the value is small."""
    if ends is None:
        return numbers.UNKNOWN
    low, high = ends
    digits = 0 if high >= 1000 else 1 if high >= 10 else 2
    return f"{low:,.{digits}f}–{high:,.{digits}f}"


def memory_section(model: Model) -> Section:
    """Weights and cache by precision and context, and the smallest common device that holds them."""
    if model.parameters is None:
        return Section(_("Memory"), [], anchor="memory")
    longest = model.context_tokens
    contexts = sorted({*(c for c in _CONTEXTS if longest is None or c <= longest), *([longest] if longest else [])})
    if "embedding" in model.output_types or "scores" in model.output_types:
        contexts = contexts[:1]
    rows = []
    for precision in ("16bit", "8bit", "4bit"):
        for context in contexts or [_CONTEXTS[0]]:
            need = memory_need(
                model.parameters,
                model.network,
                precision=precision,
                context_tokens=context,
            )
            device = next((size for size in _DEVICES_GIB if need.fits(size)), None)
            rows.append(
                (
                    _("{bits} bit").format(bits=precision.removesuffix("bit")),
                    words.tokens(context),
                    words.gib(need.weight_bytes),
                    words.gib(need.cache_bytes),
                    words.gib(need.total_bytes),
                    numbers.UNKNOWN if device is None else _device(device),
                )
            )
    return Section(
        _("Memory on your own machine"),
        [
            Table(
                (_("Weights in"), _("Context"), _("Weights"), _("Cache"), _("Together"), _("Fits on")),
                rows,
                numbers=frozenset({1, 2, 3, 4}),
                note=_(
                    "Computed for one sequence from the published sizes of the layers, cache in 16 bit; a device "
                    "counts when {share:.0%} of it holds both. More sequences at once need as many caches."
                ).format(share=USABLE_SHARE),
            )
        ],
        anchor="memory",
    )


def _device(gib: int) -> str:
    if gib > 141:
        return _("8 × {size} GB").format(size=gib // 8)
    return _("{size} GB").format(size=gib)
