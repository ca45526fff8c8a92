"""What people see while a comparison runs: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from touchstone.language import _
from touchstone.noun import Noun
from touchstone.reporting import numbers
from touchstone.reporting.text import terminal

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_QUIET_S = 5.0
"""A run that ends sooner says nothing where nobody watches."""

_STEPS = 10
"""As many lines are said in all where there is no terminal."""


class Lane(Noun):
    """How far one candidate is."""

    name: str
    planned: int
    done: int
    score_sum: float
    scored: int
    """Cells that count in the mean so far."""
    errors: int


class Progress(Noun):
    """How far a run is, at one moment."""

    lanes: tuple[Lane, ...]
    spent_usd: float | None
    elapsed_s: float

    @classmethod
    def of(
        cls,
        *,
        names: Sequence[str],
        planned: int,
        done: Sequence[int],
        sums: Sequence[float],
        scored: Sequence[int],
        errors: Sequence[int],
        spent_usd: float | None,
        elapsed_s: float,
    ) -> Progress:
        """From counters by candidate; `planned` is what each of them is asked."""
        lanes = tuple(
            Lane(name=name, planned=planned, done=d, score_sum=float(s), scored=k, errors=e)
            for name, d, s, k, e in zip(names, done, sums, scored, errors, strict=True)
        )
        return cls(lanes=lanes, spent_usd=spent_usd, elapsed_s=elapsed_s)

    @property
    def planned(self) -> int:
        """Cells of all candidates."""
        return sum(lane.planned for lane in self.lanes)

    @property
    def done(self) -> int:
        """Cells that are finished, one way or another."""
        return sum(lane.done for lane in self.lanes)


class LiveTable:
    """
    Shows progress on stderr between `with` and its end.

    On a terminal a table is redrawn in place and gone at the end. Anywhere else (a pipe, a CI log) a run of a few
    seconds is quiet, and a longer one says one line for each tenth of the way. Means so far carry their n and no
    interval: an interval that one looks at again and again promises more than it holds.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live: Live | None = None
        self._said = 0

    def __enter__(self) -> LiveTable:
        if self._stream.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self._stream, highlight=False, markup=False, emoji=False)
            self._live = Live(console=console, transient=True, refresh_per_second=5, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def update(self, progress: Progress) -> None:
        """Show where the run is now."""
        if self._live is not None:
            self._live.update(progress_table(progress), refresh=True)
            return
        if progress.elapsed_s < _QUIET_S:
            return
        step = _STEPS * progress.done // progress.planned if progress.planned else _STEPS
        if step > self._said:
            self._said = step
            self._stream.write(progress_line(progress) + "\n")
            self._stream.flush()


def progress_line(progress: Progress) -> str:
    """One line for a log."""
    share = progress.done / progress.planned if progress.planned else 1.0
    return terminal(
        _("{share}: {done} of {planned} answers, {errors} failed, {usd} spent, {time}").format(
            share=numbers.percent(share, 0),
            done=numbers.count(progress.done),
            planned=numbers.count(progress.planned),
            errors=numbers.count(sum(lane.errors for lane in progress.lanes)),
            usd=numbers.money(progress.spent_usd),
            time=numbers.seconds(progress.elapsed_s),
        )
    )


def progress_table(progress: Progress) -> Table:
    """One row per candidate, the best mean so far first, and the whole run below."""
    from rich import box
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    table.add_column(_("Candidate"), overflow="fold", max_width=48)
    table.add_column("", min_width=12, max_width=24)
    for head in (_("Answers"), _("Score so far"), "n", _("Failed")):
        table.add_column(head, justify="right", no_wrap=True)
    for lane in sorted(progress.lanes, key=lambda one: -(one.score_sum / one.scored) if one.scored else 1.0):
        table.add_row(
            Text(terminal(lane.name)),
            ProgressBar(total=max(lane.planned, 1), completed=lane.done, width=20),
            _("{done} of {planned}").format(done=numbers.count(lane.done), planned=numbers.count(lane.planned)),
            numbers.percent(lane.score_sum / lane.scored) if lane.scored else numbers.UNKNOWN,
            numbers.count(lane.scored),
            numbers.count(lane.errors),
        )
    table.caption = Text(progress_line(progress))
    table.caption_justify = "left"
    return table
