"""Tables, sentences and progress on a terminal, and where there is none."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.evaluation.base import Cost, MachineTime
from touchstone.language import set_language
from touchstone.reporting.base import Note, ReportData
from touchstone.reporting.live import Lane, LiveTable, Progress, progress_line, progress_table
from touchstone.reporting.sentences import evidence, full
from touchstone.reporting.tables import final_text
from touchstone.reporting.text_tables import plain_table

from .conftest import HOSTILE, ROWS

TWO = """\
#   Candidate           Score     Interval     n   Rank   per month   95% within   Decision
───────────────────────────────────────────────────────────────────────────────────────────
1   claude-haiku-4.5    90.7%   87.5–93.1%   420      1     $188.00       1.35 s   chosen
2   baseline/logistic   82.9%   79.0–86.2%   420      2          $0       2.1 ms   baseline

Take claude-haiku-4.5.
It meets your conditions, and the measurements separate it from everybody else who does.
  claude-haiku-4.5 scored 90.7% on 420 cases; its true score is between 87.5% and 93.1% (95%
  confidence).
  It is 7.8 points ahead of the next best, baseline/logistic (+5.7 to +9.9, adjusted p < 0.001, 420
  common cases).
  It costs $0.00094 a case, about $188.00 a month at 200,000 requests."""


def progress(done: int = 50, name: str = "a") -> Progress:
    return Progress.of(
        names=[name, "b"], planned=100, done=[done, done // 2], sums=[0.8 * done, 0.0], scored=[done, 0],
        errors=[0, 1], spent_usd=0.012, elapsed_s=12.3,
    )  # fmt: skip


def test_the_result_as_whole_text(two: ReportData) -> None:
    """A table, then the decision with its evidence."""
    assert final_text(two, width=100, colour=False) == TWO


@pytest.mark.parametrize(
    ("machine", "month", "said"),
    [
        (
            MachineTime(),
            None,
            (
                "Nothing is bought for its answers. What its time on your machine costs is not known: set "
                "machine_usd_per_hour under improve in the task file."
            ),
        ),
        (MachineTime(usd_per_hour=0.08), None, "is not known: it was not measured."),
        (
            MachineTime(usd_per_hour=3.6, seconds=2.0),
            None,
            "Its time on your machine costs about $0.002 a case, at $3.60 an hour.",
        ),
        (
            MachineTime(usd_per_hour=3.6, seconds=2.0),
            400.0,
            "With its time on your machine, at $3.60 an hour, it comes to about $400.00 a month at 200,000 requests.",
        ),
    ],
)
def test_an_own_machine_is_never_said_to_cost_nothing(
    two: ReportData, machine: MachineTime, month: float | None, said: str
) -> None:
    """What is bought is one thing, the machine's time another; what nobody knows is said to be unknown."""
    cost = Cost(per_case_usd=0.0, per_month_usd=month, machine=machine)
    first, *others = two.comparison.candidates
    chosen = first.model_copy(update={"cost": cost})
    comparison = two.comparison.model_copy(update={"candidates": (chosen, *others)})

    assert said in " ".join(evidence(two.model_copy(update={"comparison": comparison})))


def test_a_goal_of_the_best_says_what_had_no_say_where_models_were_improved(two: ReportData) -> None:
    """Making and time are the ladder's; where nobody improved anything, or cost is the goal, nothing is said of it."""
    first, *others = two.comparison.candidates
    tuned = first.model_copy(update={"strategy": "fine_tune+rag"})
    improved = two.model_copy(update={"comparison": two.comparison.model_copy(update={"candidates": (tuned, *others)})})
    said = "The goal is the best score: what making each took"

    assert said in " ".join(evidence(improved))
    assert said not in " ".join(evidence(two))
    assert said not in " ".join(evidence(improved.model_copy(update={"goal": "cheapest-within: 0.02"})))


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_table_fits_the_terminal(twelve: ReportData, width: int) -> None:
    """No line is wider than the terminal, and score, interval, n and decision are there at any width."""
    from rich.cells import cell_len

    text = final_text(twelve, width=width, colour=False)

    assert max(cell_len(line) for line in text.splitlines()) <= width
    first = text.splitlines()[0]
    assert all(head in first for head in ("Candidate", "Score", "Interval", " n ", "Decision"))
    assert "91.2%   88.1–93.5%   420" in text


def test_a_race_is_one_paragraph(raced: ReportData) -> None:
    """What it took, what it saved, the guarantee and the ties follow the evidence."""
    text = " ".join(final_text(raced, width=100, colour=False).split())

    assert (
        "Race: 2,060 of 5,040 calls (40.9%), about $0.417 saved. Proven: on these cases gpt-4o-mini, few-shot (8) "
        "is at most 1.0 points below the best of those that could be asked (95% confidence). Tied with gpt-4o-mini, "
        "few-shot (8) on these cases, as far as was shown: claude-haiku-4.5. On future cases like these, also "
        "deepseek/deepseek-chat. Before you rely on it"
    ) in text


def test_names_cannot_move_the_cursor(two: ReportData) -> None:
    """Terminal codes in a candidate's name are gone."""
    comparison = two.comparison.model_copy(
        update={"candidates": tuple(c.model_copy(update={"name": HOSTILE}) for c in two.comparison.candidates)}
    )
    text = final_text(two.model_copy(update={"comparison": comparison}), width=120, colour=False)

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "evil red" in text


def test_colour_only_where_it_is_wanted(two: ReportData) -> None:
    """Styles are written for a terminal and not into a file."""
    assert "\x1b[" in final_text(two, width=100, colour=True)
    assert "\x1b[" not in final_text(two, width=100, colour=False)


def test_a_plain_table() -> None:
    """Heads and rows of text, all to the left."""
    assert plain_table(("Id", "Task"), [("1", "a\x1b[2J"), ("22", "b")], width=40).splitlines() == [
        "Id   Task",
        "─────────",
        "1    a",
        "22   b",
    ]


def test_a_short_run_is_quiet_in_a_log() -> None:
    """Where nobody watches, a run of a few seconds says nothing."""
    stream = io.StringIO()
    with LiveTable(stream) as live:
        for done in range(101):
            lane = Lane(name="a", planned=100, done=done, score_sum=0.0, scored=0, errors=0)
            live.update(Progress(lanes=(lane,), spent_usd=None, elapsed_s=done / 50))

    assert stream.getvalue() == ""


def test_a_log_gets_a_line_for_each_tenth() -> None:
    """Where stderr is no terminal, a thousand updates are ten lines."""
    stream = io.StringIO()
    with LiveTable(stream) as live:
        for done in range(1001):
            lane = Lane(name="a", planned=1000, done=done, score_sum=0.0, scored=0, errors=0)
            live.update(Progress(lanes=(lane,), spent_usd=None, elapsed_s=9.0))
    lines = stream.getvalue().splitlines()

    assert len(lines) == 10
    assert lines[0] == "10%: 100 of 1,000 answers, 0 failed, – spent, 9.00 s"
    assert lines[-1].startswith("100%: 1,000 of 1,000")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_table_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the table is drawn in place; after the run the cursor is shown again."""
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    with LiveTable(stream) as live:
        live.update(progress())

    assert "50 of 100" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[?25h") or "\x1b[?25h" in stream.getvalue()


def test_a_mean_so_far_has_its_n() -> None:
    """The live table shows the mean with its n, and a dash before the first score."""
    from rich.console import Console

    buffer = io.StringIO()
    Console(file=buffer, width=100).print(progress_table(progress(name=HOSTILE)))
    text = buffer.getvalue()

    assert "80.0%   50" in text
    assert "–    0" in text
    assert "\x1b" not in text


def racing() -> Progress:
    """Five candidates in the middle of a race, one in each state."""
    return Progress.of(
        names=["first", "second", "settled one", "dead one", "slow one"],
        planned=420,
        done=[200, 200, 50, 25, 75],
        sums=[180, 178, 20, 0, 60],
        scored=[200, 200, 50, 3, 75],
        errors=[0, 0, 0, 22, 0],
        spent_usd=0.3,
        elapsed_s=44,
        states=["leader", "running", "settled", "unreachable", "infeasible"],
        intervals=[(0.84, 0.95), (0.82, 0.94), (0.3, 0.55), None, (0.6, 0.9)],
        certificate=0.0612,
        saved_calls=1110,
    )


def test_a_race_while_it_runs() -> None:
    """Who is still asked stands first; the others are dimmed with a word; intervals stand beside the means."""
    from rich.console import Console

    buffer = io.StringIO()
    Console(file=buffer, width=120, force_terminal=True, color_system="standard").print(progress_table(racing()))
    rows = [line for line in buffer.getvalue().splitlines() if " of 420" in line]

    assert [name for row in rows for name in racing_names() if name in row] == [
        "first", "second", "slow one", "settled one", "dead one",
    ]  # fmt: skip
    assert ["\x1b[2m" in row for row in rows] == [False, False, True, True, True]
    assert "▸ leader" in rows[0]
    assert "84.0–95.0%" in rows[0]
    assert all(word in buffer.getvalue() for word in ("✓ settled", "✗ ruled out", "✗ unreachable"))


def racing_names() -> list[str]:
    return [lane.name for lane in racing().lanes]


def test_a_line_of_a_race() -> None:
    """The share is of what may still be needed; who is asked, what was saved and the certificate follow."""
    assert progress_line(racing()) == (
        "56%: 550 of 2,100 answers, 22 failed, $0.30 spent, 44.0 s; 2 of 5 still asked; 1,110 calls not needed; "
        "leader at most 6.2 points below the best of those that could be asked"
    )
    lanes = tuple(lane for lane in racing().lanes if lane.state != "unreachable")
    assert progress_line(racing().model_copy(update={"lanes": lanes})).endswith(" at most 6.2 points below the best")


def test_a_race_that_ends_early_is_all_done() -> None:
    """When everybody but the leader is settled and the leader is through, a log has said every tenth."""
    stream = io.StringIO()
    with LiveTable(stream) as live:
        for done in range(1, 101):
            live.update(
                Progress.of(
                    names=["a", "b"], planned=100, done=[done, min(done, 20)], sums=[0, 0], scored=[0, 0],
                    errors=[0, 0], spent_usd=None, elapsed_s=9.0,
                    states=["leader", "settled" if done >= 20 else "running"],
                )
            )  # fmt: skip
    lines = stream.getvalue().splitlines()

    assert lines[-1].startswith("100%: 120 of 200 answers")
    assert len(lines) <= 10


def test_without_a_race_nothing_is_said_of_one() -> None:
    """No column, no interval and no certificate where there is no race."""
    from rich.console import Console

    buffer = io.StringIO()
    Console(file=buffer, width=120).print(progress_table(progress()))

    assert "Race" not in buffer.getvalue()
    assert "Interval" not in buffer.getvalue()
    assert "still asked" not in buffer.getvalue()


@given(st.integers(0, 100), st.floats(0, 1e6))
def test_any_moment_is_one_line(done: int, elapsed_s: float) -> None:
    """Progress fits in one line at any moment, also when nothing is planned."""
    moment = progress(done).model_copy(update={"elapsed_s": elapsed_s})

    assert "\n" not in progress_line(moment)
    assert progress_line(moment.model_copy(update={"lanes": ()})).startswith("100%")


def test_rich_is_loaded_only_when_something_is_drawn() -> None:
    """Importing this room, as a run does for its progress, does not load rich."""
    code = "import sys, touchstone.reporting.live, touchstone.reporting.tables; sys.exit('rich' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_everybody_is_in_the_table(twelve: ReportData) -> None:
    """Twelve candidates are twelve ranks, long names folded and not cut."""
    text = final_text(twelve, width=200, colour=False)

    for row in ROWS:
        assert row[0] in text


def test_a_name_at_the_beginning_of_a_sentence_keeps_its_letters(request: pytest.FixtureRequest) -> None:
    """Also where only the translation begins with the name."""
    note = Note(
        template="the score of {name} is known only as lying between {low:.3f} and {high:.3f}",
        values={"name": "good", "low": 0.1, "high": 0.9},
    )
    assert full(note).startswith("The score of good")
    request.addfinalizer(lambda: set_language("en"))
    set_language("zh")
    assert full(note).startswith("good ")
