"""From a `ReportData` to the rows and pictures of the HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from touchstone.evaluation.base import Estimate, PairResult, RepeatStats
from touchstone.language import _
from touchstone.reporting import charts, numbers
from touchstone.reporting.base import CandidateResult, CandidateSettings, Example, ReportData
from touchstone.reporting.ranking import difference, find, is_proven, peers, ranked
from touchstone.reporting.scales import Scale, cost_scale, focused, linear_scale
from touchstone.reporting.scatter import HEIGHT, Point, front, placed, scatter
from touchstone.reporting.words import KINDS, kind_name

MATRIX_SIDE = 16
"""A matrix of more candidates is no longer readable; the list of all pairs stays."""


@dataclass(frozen=True)
class Row:
    """A candidate with its rank and what the decision says of it."""

    number: int
    candidate: CandidateResult
    role: str
    """`chosen`, `tied`, `baseline`, `out` or nothing; the first that holds."""


@dataclass(frozen=True)
class Chart:
    """Strips in the order of the rows, with their axis; `strips` of rows that have nothing to draw are missing."""

    axis: Markup
    strips: Mapping[str, Markup]
    legend: tuple[tuple[Markup, str], ...] = ()
    has_reference: bool = False
    """Whether the baseline's dashed line is in the picture; it is not when it lies below the axis."""


@dataclass(frozen=True)
class Cell:
    """A pair in the matrix: the row's candidate minus the column's."""

    pair: PairResult
    proven: bool


def rows(data: ReportData) -> tuple[Row, ...]:
    """All candidates, best first, numbered from 1."""
    comparison = data.comparison
    out = {rejected.candidate for rejected in comparison.decision.rejected}
    tied = set(peers(comparison))

    def role(name: str) -> str:
        if name == comparison.decision.chosen:
            return "chosen"
        if name in out:
            return "out"
        if name in tied:
            return "tied"
        return "baseline" if name == data.baseline else ""

    return tuple(Row(n, c, role(c.name)) for n, c in enumerate(ranked(comparison), start=1))


def score_chart(data: ReportData, rows: Sequence[Row]) -> Chart:
    """Means on their intervals, with the baseline through all of them."""
    known = [row.candidate.estimate for row in rows if row.candidate.estimate]
    scale = _score_scale(known)
    base = find(data.comparison, data.baseline)
    line = base.estimate.mean if base and base.estimate and base.estimate.mean >= scale.low else None
    strips = {
        row.candidate.name: charts.interval_strip(
            scale, e.mean, e.low, e.high, baseline=line, marked=row.role == "chosen"
        )
        for row in rows
        if (e := row.candidate.estimate)
    }
    axis = charts.axis(scale, lambda v: numbers.percent(v, _tick_digits(scale.ticks)))
    return Chart(axis, strips, has_reference=line is not None)


def latency_chart(rows: Sequence[Row]) -> Chart | None:
    """From p50 to p95, with the first token; None when nothing was measured."""
    found = [row.candidate.latency_s for row in rows]
    if not any(numbers.known(v) for latency in found for v in (latency.p50, latency.p95)):
        return None
    scale = cost_scale([v for latency in found for v in (latency.p50, latency.p95, latency.first_token_p50)])
    strips = {
        row.candidate.name: charts.range_strip(
            scale, latency.p50, latency.p95, latency.first_token_p50, marked=row.role == "chosen"
        )
        for row in rows
        if numbers.known((latency := row.candidate.latency_s).p50) or numbers.known(latency.p95)
    }
    return Chart(charts.axis(scale, numbers.seconds_tick), strips)


def outcome_chart(rows: Sequence[Row]) -> Chart:
    """What became of every planned cell; scored cells are split into the score they earned and the score they lost."""
    strips, seen = {}, set()
    for row in rows:
        parts = outcome_parts(row.candidate)
        seen |= {kind for kind, size in parts if size > 0}
        strips[row.candidate.name] = charts.stack_strip(parts, row.candidate.outcomes.planned)
    legend = tuple((charts.key(kind), kind_name(kind)) for kind in KINDS if kind in seen)
    return Chart(Markup(""), strips, legend)


def outcome_parts(candidate: CandidateResult) -> list[tuple[str, float]]:
    """(kind, cells) in the order of `KINDS`, `earned` and `lost` in place of `scored` where the mean is known."""
    counts = candidate.outcomes.model_dump()
    if candidate.estimate is None:
        earned = 0.0
    else:
        earned = min(max(candidate.estimate.mean * candidate.outcomes.strict_n, 0.0), float(counts["scored"]))
    parts = [("earned", earned), ("lost", counts["scored"] - earned)]
    return parts + [(kind, float(counts[kind])) for kind in KINDS if kind not in {"earned", "lost"}]


def cost_points(rows: Iterable[Row]) -> tuple[Point, ...]:
    """One point per candidate; those with unknown cost or score are among them and are not drawn."""
    return tuple(
        Point(
            number=row.number,
            name=row.candidate.name,
            cost_usd=row.candidate.cost.per_case_usd,
            mean=row.candidate.estimate.mean if row.candidate.estimate else None,
            low=row.candidate.estimate.low if row.candidate.estimate else None,
            high=row.candidate.estimate.high if row.candidate.estimate else None,
            chosen=row.role == "chosen",
        )
        for row in rows
    )


def cost_chart(rows: Sequence[Row], points: Sequence[Point]) -> Markup | None:
    """Quality against cost per case; None when there are no two known costs that differ."""
    known = [p for p in points if placed(p)]
    if len({p.cost_usd for p in known}) < 2:
        return None
    scores = _score_scale([row.candidate.estimate for row in rows if row.candidate.estimate])
    return scatter(
        points,
        cost_scale(p.cost_usd for p in known),
        scores,
        write_cost=numbers.money_tick,
        write_score=lambda v: numbers.percent(v, _tick_digits(scores.ticks)),
        label=_("Score against cost per case of {n} candidates. On the front: {names}.").format(
            n=len(known), names=numbers.listing(p.name for p in front(known))
        ),
    )


def matrix(data: ReportData, rows: Sequence[Row]) -> tuple[tuple[Row, tuple[Cell | None, ...]], ...]:
    """The upper triangle of row minus column, rows and columns best first; empty below three candidates."""
    shown = [row for row in rows if row.candidate.estimate][:MATRIX_SIDE]
    if len(shown) < 3:
        return ()
    confidence = data.comparison.statistics.confidence

    def cell(a: Row, b: Row) -> Cell | None:
        pair = difference(data.comparison.pairs, a.candidate.name, b.candidate.name) if a.number < b.number else None
        return Cell(pair, is_proven(pair, confidence)) if pair else None

    return tuple((a, tuple(cell(a, b) for b in shown[1:])) for a in shown[:-1])


def slice_table(
    data: ReportData, rows: Sequence[Row]
) -> tuple[tuple[str, tuple[tuple[Estimate, Markup, bool] | None, ...]], ...]:
    """Per tag and candidate (in the order of the rows): estimate, small picture, whether it is the tag's best."""
    found = {(s.tag, s.candidate): s.estimate for s in data.slices if s.estimate}
    if not found:
        return ()
    scale = _score_scale(list(found.values()))
    table = []
    for tag in dict.fromkeys(s.tag for s in data.slices):
        line = [found.get((tag, row.candidate.name)) for row in rows]
        best = max((e.mean for e in line if e), default=None)
        cells = tuple(
            (e, charts.spark(scale, e.mean, e.low, e.high), e.mean == best) if e is not None else None for e in line
        )
        table.append((tag, cells))
    return tuple(table)


@dataclass(frozen=True)
class Split:
    """Variance between and within cases, and whether a negative estimate of the former is shown as 0."""

    chart: Chart
    clipped: bool


def shown_powers(rows: Sequence[Row]) -> tuple[int, ...]:
    """For which k the table has a column pass^k: 2, 3, 4 and the most that anybody was asked."""
    most = max((row.candidate.repeats.repeats for row in rows if row.candidate.repeats), default=0)
    return tuple(k for k in range(2, most + 1) if k <= 4 or k == most)


def powers(repeats: RepeatStats, shown: Iterable[int]) -> list[Estimate | None]:
    """pass^k for the columns; None where no case has k answers."""
    found = repeats.pass_hat_k
    return [found[k - 1] if k <= len(found) else None for k in shown]


def variance_chart(rows: Sequence[Row]) -> Split | None:
    """Shares of the variance between and within cases; None when nobody's is known."""
    known = {row.candidate.name: row.candidate.repeats for row in rows if row.candidate.repeats}
    strips = {
        name: charts.stack_strip([("between", 1 - r.within_share), ("within", r.within_share)], 1.0)
        for name, r in known.items()
        if r.within_share is not None
    }
    if not strips:
        return None
    legend = ((charts.key("between"), _("between cases")), (charts.key("within"), _("within cases")))
    return Split(Chart(Markup(""), strips, legend), any(r.between_clipped for r in known.values()))


def wrong_count(example: Example) -> int:
    """How many candidates got less than half of the score on this case, those without an answer included."""
    return sum(1 for a in example.answers if a.score is None or a.score < 0.5)


def differing(settings: Sequence[CandidateSettings]) -> tuple[str, ...]:
    """Names of the settings that are not the same for all candidates that were called."""
    names = {
        "prompt_digest": _("prompt"),
        "temperature": _("temperature"),
        "top_p": "top_p",
        "max_tokens": _("output limit"),
        "stream": _("streaming"),
    }
    called = [s for s in settings if s.endpoint is not None]
    return tuple(label for name, label in names.items() if len({getattr(s, name) for s in called}) > 1)


def _score_scale(estimates: Sequence[Estimate]) -> Scale:
    if not estimates:
        return linear_scale([0.0, 1.0])
    return linear_scale(focused((e.low for e in estimates), (e.high for e in estimates)), ceiling=1.0)


def is_beyond(rows: Iterable[Row]) -> bool:
    """Whether a candidate's score lies below the axis of scores, so that an arrow stands for it."""
    known = [row.candidate.estimate for row in rows if row.candidate.estimate]
    return any(e.mean < _score_scale(known).low for e in known)


def _tick_digits(ticks: Sequence[float]) -> int:
    """Digits that tell percent ticks apart without needless zeros."""
    return next((d for d in (0, 1, 2) if all(abs(round(100 * t, d) - 100 * t) < 1e-6 for t in ticks)), 2)


__all__ = [
    "HEIGHT",
    "Cell",
    "Chart",
    "Row",
    "Split",
    "cost_chart",
    "cost_points",
    "differing",
    "is_beyond",
    "latency_chart",
    "matrix",
    "outcome_chart",
    "powers",
    "rows",
    "score_chart",
    "shown_powers",
    "slice_table",
    "variance_chart",
    "wrong_count",
]
