"""Tables and sentences for a terminal. Every text goes through `terminal`, so no output can move a cursor."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from touchstone.language import _
from touchstone.reporting import figures, numbers, race, sentences, words
from touchstone.reporting.base import ReportData
from touchstone.reporting.text import terminal
from touchstone.reporting.text_tables import empty_table, plain_width, printed

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_ALWAYS = 4
"""Score, interval, n and the decision are never left out."""
_NAME_WIDTH = 32
"""Names get this much before other columns do; longer ones are folded."""
_STYLES = {"chosen": "bold", "out": "dim"}


def final_text(data: ReportData, *, width: int | None = None, colour: bool | None = None) -> str:
    """
    The result of a comparison for people: the table, then the decision in sentences.

    Args:
        data: What the report shows too.
        width: Columns; None takes the terminal's, or 120 where there is none.
        colour: Whether to style; None does so when stdout is a terminal.
    """
    from rich.padding import Padding
    from rich.text import Text

    def indented(text: str) -> Padding:
        return Padding(Text(terminal(text)), (0, 0, 0, 2))

    comparison, width = data.comparison, width or shutil.get_terminal_size((120, 24)).columns
    lines: list[RenderableType] = [result_table(data, width), Text()]
    lines.append(Text(terminal(sentences.headline(comparison)), style="bold"))
    lines.append(Text(terminal(sentences.explanation(comparison))))
    lines += [indented(line) for line in sentences.evidence(data)]
    if race.is_race(comparison):
        lines += [Text(), Text(terminal(race.paragraph(data)))]
    notes = [*sentences.caveats(comparison), *(sentences.full(note) for note in comparison.warnings)]
    if data.judge is not None and not data.judge.fit:
        notes.insert(0, _("The judge failed its control rows: no ranking may rest on its verdicts."))
    if notes:
        lines += [Text(), Text(_("Before you rely on it"), style="bold")]
        lines += [indented(line) for line in dict.fromkeys(notes)]
    if comparison.decision.rejected:
        lines += [Text(), Text(_("Ruled out"), style="bold")]
        for rejected in comparison.decision.rejected:
            reason = _("{name}: {reason}").format(name=rejected.candidate, reason=sentences.full(rejected.reason))
            lines.append(indented(reason))
    if comparison.gate is not None:
        title = _("Gate: passed") if comparison.gate.passed else _("Gate: not met")
        lines += [Text(), Text(title, style="bold")]
        for check in comparison.gate.checks:
            lines.append(indented(f"{'✓' if check.passed else '✗'} {sentences.full(check.text)}"))
    return printed(lines, width, colour)


def result_table(data: ReportData, width: int = 120) -> Table:
    """
    Candidates, best first: score with interval and n, unparsed, cost, latency, and what the decision says.

    Where the width does not hold everything, the least telling columns are left out; score, interval and n never are.
    """
    from rich.text import Text

    rows = figures.rows(data)
    columns = _columns(rows)
    longest = max((plain_width(terminal(row.candidate.name)) for row in rows), default=0)
    while len(columns) > _ALWAYS and _needed(columns) + min(longest, _NAME_WIDTH) > width:
        weakest = max(columns, key=lambda column: column.rank)
        columns = [column for column in columns if column is not weakest]
    table = empty_table(("#", _("Candidate"), *(column.head for column in columns)), left=(1, len(columns) + 1))
    for index, row in enumerate(rows):
        cells = (column.cells[index] for column in columns)
        table.add_row(str(row.number), Text(terminal(row.candidate.name)), *cells, style=_STYLES.get(row.role))
    return table


class _Column(NamedTuple):
    """A column of the result; the higher the rank, the sooner it is left out."""

    rank: int
    head: str
    cells: tuple[str, ...]


def _columns(rows: Sequence[figures.Row]) -> list[_Column]:
    found = [row.candidate for row in rows]
    estimates = [candidate.estimate for candidate in found]
    month = any(candidate.cost.per_month_usd is not None for candidate in found)
    columns = [
        _Column(0, _("Score"), tuple(numbers.percent(e.mean) if e else numbers.UNKNOWN for e in estimates)),
        _Column(0, _("Interval"), tuple(numbers.interval(e.low, e.high) if e else numbers.UNKNOWN for e in estimates)),
        _Column(0, "n", tuple(numbers.count(e.n) if e else "0" for e in estimates)),
        _Column(2, _("Rank"), tuple(numbers.places(c.rank) for c in found)),
        _Column(3, _("Unparsed"), tuple(numbers.count(c.outcomes.unparsed) for c in found)),
        _Column(4 if month else 1, _("Cost per case"), tuple(numbers.money(c.cost.per_case_usd) for c in found)),
        _Column(1, _("per month"), tuple(numbers.money(c.cost.per_month_usd) for c in found)),
        _Column(5, _("half within"), tuple(numbers.seconds(c.latency_s.p50) for c in found)),
        _Column(2, _("95% within"), tuple(numbers.seconds(c.latency_s.p95) for c in found)),
        _Column(0, _("Decision"), tuple(words.role_name(row.role) for row in rows)),
    ]
    return [column for column in columns if month or column.head != _("per month")]


def _needed(columns: Sequence[_Column]) -> int:
    """Width of all columns but the names, gaps included."""
    return 6 + sum(max(map(plain_width, (column.head, *column.cells))) + 3 for column in columns)
