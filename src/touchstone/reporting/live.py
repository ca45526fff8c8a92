"""What people see while a comparison runs: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TextIO

from touchstone.language import N_, _, ngettext
from touchstone.noun import Noun
from touchstone.reporting import numbers
from touchstone.reporting.progress_file import ProgressFile
from touchstone.reporting.text import terminal

if TYPE_CHECKING:
    from pathlib import Path

    from rich.live import Live
    from rich.table import Table

_QUIET_S = 5.0
"""A run that ends sooner says nothing where nobody watches."""

_STEPS = 10
"""As many lines are said in all where there is no terminal."""


LaneState = Literal["leader", "running", "settled", "infeasible", "unreachable"]

_OVER: frozenset[str] = frozenset({"settled", "infeasible", "unreachable"})
"""States in which a candidate is asked no more."""
_STATES = {
    "leader": N_("▸ leader"),
    "settled": N_("✓ settled"),
    "infeasible": N_("✗ ruled out"),
    "unreachable": N_("✗ unreachable"),
}
"""Words of the table's last column; who is simply still asked has none."""


class Lane(Noun):
    """How far one candidate is."""

    name: str
    planned: int
    done: int
    score_sum: float
    scored: int
    """Cells that count in the mean so far."""
    errors: int
    state: LaneState | None = None
    """How it stands in the race; None without one."""
    low: float | None = None
    """Lower end of the score's anytime-valid interval, which may be looked at as often as one likes."""
    high: float | None = None
    """Its upper end."""

    @property
    def is_over(self) -> bool:
        """Whether the race asks it no more."""
        return self.state in _OVER


class Progress(Noun):
    """How far a run is, at one moment."""

    lanes: tuple[Lane, ...]
    spent_usd: float | None
    elapsed_s: float
    certificate: float | None = None
    """The race's leader is at most this far below the best; None without a race, or while nothing can be said."""
    saved_calls: int | None = None
    """Calls of settled candidates that will not be made; None without a race."""
    earlier: int = 0
    """Answers that were there before this sitting began."""

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
        states: Sequence[LaneState | None] | None = None,
        intervals: Sequence[tuple[float, float] | None] | None = None,
        certificate: float | None = None,
        saved_calls: int | None = None,
        earlier: int = 0,
    ) -> Progress:
        """
        From counters by candidate; `planned` is what each of them would be asked without a race.

        `intervals` are shown only because they are anytime-valid: never pass one that holds for a single look.
        """
        states = states or [None] * len(names)
        ends = intervals or [None] * len(names)
        lanes = tuple(
            Lane(
                name=name,
                planned=planned,
                done=d,
                score_sum=float(s),
                scored=k,
                errors=e,
                state=state,
                low=None if between is None else between[0],
                high=None if between is None else between[1],
            )
            for name, d, s, k, e, state, between in zip(names, done, sums, scored, errors, states, ends, strict=True)
        )
        return cls(
            lanes=lanes,
            spent_usd=spent_usd,
            elapsed_s=elapsed_s,
            certificate=certificate,
            saved_calls=saved_calls,
            earlier=earlier,
        )

    @property
    def planned(self) -> int:
        """Cells of all candidates, without a race."""
        return sum(lane.planned for lane in self.lanes)

    @property
    def needed(self) -> int:
        """Cells that may have to be asked as things stand: of a settled candidate only those it was asked."""
        return sum(min(lane.done, lane.planned) if lane.is_over else lane.planned for lane in self.lanes)

    @property
    def done(self) -> int:
        """Cells that are finished, one way or another."""
        return sum(lane.done for lane in self.lanes)

    @property
    def left_s(self) -> float | None:
        """How long what may still be needed takes at the pace of this sitting; None while there is none."""
        answered = self.done - self.earlier
        if answered <= 0 or self.elapsed_s <= 0:
            return None
        return max(0, self.needed - self.done) * self.elapsed_s / answered

    @property
    def is_race(self) -> bool:
        """Whether anybody has a place in a race."""
        return any(lane.state is not None for lane in self.lanes)


class LiveTable:
    """
    Shows progress on stderr between `with` and its end.

    On a terminal a table is redrawn in place and gone at the end. Anywhere else (a pipe, a CI log) a run of a few
    seconds is quiet, and a longer one says one line for each tenth of the way. Means so far carry their n, and an
    interval only where it is anytime-valid: any other, looked at again and again, promises more than it holds.
    """

    def __init__(self, stream: TextIO | None = None, *, kept: Path | None = None) -> None:
        """
        Args:
            stream: Standard error where None.
            kept: A file that holds the last word of the run, for whoever watches from elsewhere.
        """
        self._stream = stream or sys.stderr
        self._kept = ProgressFile(kept, "comparison")
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
        self._kept.close()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def update(self, progress: Progress) -> None:
        """Show where the run is now."""
        self._kept.update(progress)
        if self._live is not None:
            self._live.update(progress_table(progress), refresh=True)
            return
        if progress.elapsed_s < _QUIET_S:
            return
        step = _STEPS * progress.done // progress.needed if progress.needed else _STEPS
        if step > self._said:
            self._said = step
            self._stream.write(progress_line(progress) + "\n")
            self._stream.flush()


def progress_line(progress: Progress) -> str:
    """One line for a log; in a race the share is of what may still be needed."""
    share = progress.done / progress.needed if progress.needed else 1.0
    line = _("{share}: {done} of {planned} answers, {errors} failed, {usd} spent, {time}").format(
        share=numbers.percent(share, 0),
        done=numbers.count(progress.done),
        planned=numbers.count(progress.planned),
        errors=numbers.count(sum(lane.errors for lane in progress.lanes)),
        usd=numbers.money(progress.spent_usd),
        time=numbers.seconds(progress.elapsed_s),
    )
    for more in _race_words(progress):
        line = _("{first}; {second}").format(first=line, second=more)
    return terminal(line)


def _race_words(progress: Progress) -> list[str]:
    if not progress.is_race:
        return []
    asked = sum(not lane.is_over for lane in progress.lanes)
    found = [_("{n} of {all} still asked").format(n=numbers.count(asked), all=numbers.count(len(progress.lanes)))]
    if progress.saved_calls:
        found.append(
            ngettext("{n} call not needed", "{n} calls not needed", progress.saved_calls).format(
                n=numbers.count(progress.saved_calls)
            )
        )
    if progress.certificate is not None:
        template = (
            _("leader at most {points} points below the best of those that could be asked")
            if any(lane.state == "unreachable" for lane in progress.lanes)
            else _("leader at most {points} points below the best")
        )
        found.append(template.format(points=numbers.at_most(progress.certificate)))
    return found


def progress_table(progress: Progress) -> Table:
    """One row per candidate: those still asked first, by the best mean so far; the whole run stands below."""
    from rich import box
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    has_interval = any(lane.low is not None and lane.high is not None for lane in progress.lanes)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    table.add_column(_("Candidate"), overflow="fold", min_width=9, max_width=48)
    table.add_column("", min_width=12, max_width=24)
    heads = [_("Answers"), _("Score so far"), "n", _("Failed")]
    if has_interval:
        heads.insert(2, _("Interval"))
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    if progress.is_race:
        table.add_column(_("Race"), no_wrap=True)
    for lane in sorted(progress.lanes, key=_place):
        cells = [
            _("{done} of {planned}").format(done=numbers.count(lane.done), planned=numbers.count(lane.planned)),
            numbers.percent(lane.score_sum / lane.scored) if lane.scored else numbers.UNKNOWN,
            *([numbers.interval(lane.low, lane.high)] if has_interval else []),
            numbers.count(lane.scored),
            numbers.count(lane.errors),
        ]
        if progress.is_race:
            cells.append(_(_STATES[lane.state]) if lane.state in _STATES else "")
        bar = ProgressBar(total=max(lane.planned, 1), completed=lane.done, width=20)
        table.add_row(Text(terminal(lane.name)), bar, *cells, style="dim" if lane.is_over else None)
    table.caption = Text(progress_line(progress))
    table.caption_justify = "left"
    return table


def _place(lane: Lane) -> tuple[bool, float]:
    return lane.is_over, -(lane.score_sum / lane.scored) if lane.scored else 1.0
