"""The benchmark of the race runs, and counts what it says it counts."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.race_savings import false_winners, run

from benchmarks import race_savings
from touchstone.evaluation.race import Rules


def test_a_race_over_a_table_is_counted() -> None:
    """The share is that of the calls of a full run; a clear winner is not wrong and breaks no certificate."""
    scores = np.vstack([np.ones(200), np.zeros((3, 200))])
    ran = run(scores, Rules(), certificates=True)
    assert 0 < ran.share < 0.3
    assert not ran.wrong
    assert not ran.broken


def test_equal_candidates_are_counted_when_they_are_told_apart() -> None:
    """In a few races of a few cases nobody is told apart in more than one in twenty."""
    assert false_winners(20, 60, seed=1) <= 1


def test_recorded_answers_give_a_median(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two draws of three models and a hundred questions, both finishes, and the two of equal skill."""
    folder = shared_data / "outputs-mmlu-pro"
    sizes = ["--draws", "2", "--candidates", "3", "--cases", "100", "--identical", "3"]
    monkeypatch.setattr(sys, "argv", ["race_savings.py", *sizes, "--data", str(folder)])
    race_savings.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("outputs-mmlu-pro: 3 x 100, 2 draws")
    assert [line.split()[0] for line in lines[1:3]] == ["proven", "quick"]
    assert lines[3].startswith("two candidates of equal skill told apart: ")
