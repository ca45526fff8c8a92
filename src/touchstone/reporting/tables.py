"""Tables and sentences for a terminal. Every text goes through `terminal`, so no output can move a cursor."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from touchstone.language import _
from touchstone.reporting import figures, numbers, sentences, words
from touchstone.reporting.base import ReportData
from touchstone.reporting.text import terminal

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_STYLES = {"chosen": "bold", "out": "dim"}


def final_text(data: ReportData, *, width: int | None = None, colour: bool | None = None) -> str:
    """
    The result of a comparison for people: the table, then the decision in sentences.

    Args:
        data: What the report shows too.
        width: Columns; None takes the terminal's, or 120 where there is none.
        colour: Whether to style; None does so when stdout is a terminal.
    """
    from rich.text import Text

    comparison = data.comparison
    lines: list[RenderableType] = [result_table(data), Text()]
    lines.append(Text(terminal(sentences.headline(comparison)), style="bold"))
    lines.append(Text(terminal(sentences.explanation(comparison))))
    lines += [Text(f"  {terminal(line)}") for line in sentences.evidence(data)]
    notes = [sentences.full(note) for note in (*comparison.decision.caveats, *comparison.warnings)]
    if data.judge is not None and not data.judge.fit:
        notes.insert(0, _("The judge failed its control rows: no ranking may rest on its verdicts."))
    if notes:
        lines += [Text(), Text(_("Before you rely on it"), style="bold")]
        lines += [Text(f"  {terminal(line)}") for line in dict.fromkeys(notes)]
    if comparison.decision.rejected:
        lines += [Text(), Text(_("Ruled out"), style="bold")]
        for rejected in comparison.decision.rejected:
            reason = _("{name}: {reason}").format(name=rejected.candidate, reason=sentences.full(rejected.reason))
            lines.append(Text(f"  {terminal(reason)}"))
    if comparison.gate is not None:
        title = _("Gate: passed") if comparison.gate.passed else _("Gate: not met")
        lines += [Text(), Text(title, style="bold")]
        for check in comparison.gate.checks:
            lines.append(Text(f"  {'✓' if check.passed else '✗'} {terminal(sentences.full(check.text))}"))
    return _printed(lines, width, colour)


def result_table(data: ReportData) -> Table:
    """Candidates, best first: score with interval and n, unparsed, cost, latency, and what the decision says."""
    from rich.text import Text

    rows = figures.rows(data)
    month = any(row.candidate.cost.per_month_usd is not None for row in rows)
    table = _table(
        ("#", _("Candidate"), _("Score"), _("Interval"), "n", _("Unparsed"), _("Cost per case"))
        + ((_("per month"),) if month else ())
        + (_("half within"), _("95% within"), _("Decision")),
        left=(1, -1),
    )
    for row in rows:
        candidate, estimate = row.candidate, row.candidate.estimate
        table.add_row(
            str(row.number),
            Text(terminal(candidate.name)),
            numbers.percent(estimate.mean) if estimate else numbers.UNKNOWN,
            numbers.interval(estimate.low, estimate.high) if estimate else numbers.UNKNOWN,
            numbers.count(estimate.n) if estimate else "0",
            numbers.count(candidate.outcomes.unparsed),
            numbers.money(candidate.cost.per_case_usd),
            *((numbers.money(candidate.cost.per_month_usd),) if month else ()),
            numbers.seconds(candidate.latency_s.p50),
            numbers.seconds(candidate.latency_s.p95),
            words.role_name(row.role),
            style=_STYLES.get(row.role),
        )
    return table


def plain_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, width: int | None = None) -> str:
    """A table of texts, all columns to the left."""
    from rich.text import Text

    table = _table(heads, left=range(len(heads)))
    for row in rows:
        table.add_row(*(Text(terminal(cell)) for cell in row))
    return _printed([table], width, None)


def _table(heads: Sequence[str], *, left: Iterable[int]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    to_left = {index % len(heads) for index in left}
    for index, head in enumerate(heads):
        is_left = index in to_left
        # Numbers are never broken; names may be, anywhere, so that nothing is cut.
        table.add_column(head, justify="left" if is_left else "right", no_wrap=not is_left, overflow="fold")
    return table


def _printed(lines: Iterable[RenderableType], width: int | None, colour: bool | None) -> str:
    from rich.console import Console

    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=width or shutil.get_terminal_size((120, 24)).columns,
        force_terminal=sys.stdout.isatty() if colour is None else colour,
        highlight=False,
        markup=False,
        emoji=False,
    )
    for line in lines:
        console.print(line)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())
