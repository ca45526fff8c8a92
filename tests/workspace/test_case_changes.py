"""What changing a case promises: it holds for every candidate alike, the decision says so, and nothing is deleted."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from touchstone.config import Settings
from touchstone.errors import SettingsError, UnknownName
from touchstone.evaluation.amendments import Amendments
from touchstone.evaluation.answer_filter import AnswerFilter
from touchstone.reporting.base import Comparison
from touchstone.reporting.tables import final_text
from touchstone.workspace import answers
from touchstone.workspace.answer_rows import as_csv_line, as_json_line, case_rows, csv_head, exported, rows_at
from touchstone.workspace.answers import make_searchable, open_answers, search
from touchstone.workspace.base import CompareOptions, Demands
from touchstone.workspace.case_changes import change_case, history, take_back
from touchstone.workspace.workspace import Workspace

CASES = 60
SHARE = {"good": 0.9, "fair": 0.6, "poor": 0.2}

Measure = Callable[..., str]


def right(name: str, case: int) -> bool:
    """Whether a candidate answers a case rightly; the same every time."""
    return (case * 37 % CASES) < SHARE[name] * CASES


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(Settings(workspace=tmp_path / "workspace", workspace_from="test")) as place:
        yield place


@pytest.fixture
def measure(workspace: Workspace, tmp_path: Path) -> Measure:
    """Compares recorded answers; gives the comparison's id."""

    def run(*, only: int | None = None, full: bool = True, **more: Any) -> str:
        cases = [
            {"id": f"q{n}", "input": f"capital of country {n}", "target": f"city {n}", "tags": ["odd", "even"][n % 2]}
            for n in range(CASES)
        ]
        (tmp_path / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
        recorded = [
            {"case_id": f"q{n}", "model": name, "output": f"city {n}" if right(name, n) else f"town {n}"}
            for name in SHARE
            for n in range(CASES if only is None else only)
        ]
        (tmp_path / "out.jsonl").write_text("".join(json.dumps(one) + "\n" for one in recorded))
        task = {
            "task": "capitals",
            "cases": "cases.jsonl",
            "answer": {"kind": "text"},
            "candidates": [{"recorded": "out.jsonl", "model": name, "name": name} for name in SHARE],
            **more,
        }
        (tmp_path / "task.yaml").write_text(json.dumps(task))
        options = CompareOptions(full=full)
        return workspace.compare(workspace.load_task(tmp_path / "task.yaml"), options).comparison.comparison_id

    return run


def decided(workspace: Workspace, comparison: str) -> Comparison:
    return workspace.decide(comparison, Demands()).comparison


def means(found: Comparison) -> dict[str, float]:
    return {one.name: one.estimate.mean for one in found.candidates if one.estimate is not None}


def test_a_case_left_out_leaves_every_number(workspace: Workspace, measure: Measure) -> None:
    """Estimates, pairs and counts are of the common rest, for each candidate the same."""
    comparison = measure()
    before = decided(workspace, comparison)
    assert before.decision.changes is None
    for case in ("q0", "q7"):
        change_case(workspace, comparison, case, "exclude", reason="unclear", who="ann")
    found = decided(workspace, comparison)
    kept = [n for n in range(CASES) if n not in (0, 7)]
    assert found.task.cases == CASES - 2
    for one in found.candidates:
        assert one.outcomes.planned == CASES - 2
        assert one.estimate is not None
        assert one.estimate.n == CASES - 2
        assert one.estimate.mean == pytest.approx(np.mean([right(one.name, n) for n in kept]))
    assert {pair.n for pair in found.pairs} == {CASES - 2}
    assert found.calls == before.calls  # what was asked was asked


def test_the_decision_says_how_many_and_why(workspace: Workspace, measure: Measure) -> None:
    """In the JSON result and in words, with who could have seen the answers."""
    comparison = measure()
    change_case(workspace, comparison, "q0", "exclude", reason="two right answers", who="ann")
    data = workspace.decide(comparison, Demands())
    changes = data.comparison.decision.changes
    assert changes is not None
    assert (changes.cases, changes.excluded, changes.excluded_seen) == (CASES, 1, 1)
    assert changes.reasons == ("two right answers",)
    text = " ".join(final_text(data, width=200, colour=False).split())
    assert "1 of 60 cases are left out for every candidate, 1 of them after answers could be seen: two right" in text


def test_a_decision_that_turns_says_what_it_was(workspace: Workspace, measure: Measure) -> None:
    """Whoever leaves out what speaks against a candidate is found out by the decision itself."""
    comparison = measure()
    assert decided(workspace, comparison).decision.chosen == "good"
    for n in range(CASES):
        if right("good", n) and not right("fair", n):
            change_case(workspace, comparison, f"q{n}", "exclude", reason="unclear", who="ann")
    data = workspace.decide(comparison, Demands())
    assert data.comparison.decision.verdict != "winner"
    text = " ".join(final_text(data, width=200, colour=False).split())
    assert "on the cases as they were measured the decision was another: good would have won" in text.replace(
        "On", "on"
    )


def test_who_is_measured_later_is_asked_on_them_too(workspace: Workspace, measure: Measure, tmp_path: Path) -> None:
    """The plan and the run say so before anybody is asked; so a word that is taken back holds for the newcomer too."""
    first = measure()
    change = change_case(workspace, first, "q0", "exclude", reason="unclear", who="ann")
    file = tmp_path / "task.yaml"
    task = json.loads(file.read_text())
    task["candidates"].append({"recorded": "out.jsonl", "model": "good", "name": "newcomer"})
    file.write_text(json.dumps(task))
    loaded, options = workspace.load_task(file), CompareOptions(full=True)
    plan, said = workspace.plan(loaded, options), list[str]()

    found = workspace.compare(loaded, options, notice=said.append).comparison

    for told in (plan.warnings, said):
        [line] = [one for one in told if "left out of every number" in one]
        assert line.startswith(f"1 of {CASES} cases is left out")
    assert sum(one.calls for one in plan.candidates if one.name == "newcomer") == CASES
    assert {one.estimate.n for one in found.candidates if one.estimate is not None} == {CASES - 1}
    take_back(workspace, first, change.id, reason="it is clear after all", who="ann")
    again = decided(workspace, found.comparison_id)
    assert {one.estimate.n for one in again.candidates if one.estimate is not None} == {CASES}
    assert workspace.plan(loaded, options).warnings == ()


def test_taken_back_it_is_as_it_was(workspace: Workspace, measure: Measure) -> None:
    """To the last digit; what was said stays to be read."""
    comparison = measure()
    before = decided(workspace, comparison)
    word = change_case(workspace, comparison, "q3", "exclude", reason="unclear", who="ann")
    assert decided(workspace, comparison) != before
    take_back(workspace, comparison, word.id, reason="it was clear", who="bob")
    assert decided(workspace, comparison) == before
    [said] = history(workspace, comparison)
    assert (said.reason, said.who, said.undone_by, said.undone_why) == ("unclear", "ann", "bob", "it was clear")


def test_a_corrected_target_scores_everybody_again(workspace: Workspace, measure: Measure) -> None:
    """Who had the old answer loses the point, who had the new one has it; nobody is asked."""
    comparison = measure()
    n = next(n for n in range(CASES) if right("good", n) and not right("poor", n))
    before = means(decided(workspace, comparison))
    change_case(workspace, comparison, f"q{n}", "correct", reason="moved", who="ann", target=f"town {n}")
    found = decided(workspace, comparison)
    after = means(found)
    assert after["good"] == pytest.approx(before["good"] - 1 / CASES)
    assert after["poor"] == pytest.approx(before["poor"] + 1 / CASES)
    assert found.decision.changes is not None
    assert (found.decision.changes.corrected, found.decision.changes.kept_verdicts) == (1, 0)
    assert found.task.cases == CASES


def test_nothing_of_what_was_answered_is_touched(workspace: Workspace, measure: Measure) -> None:
    """Cases, cells and replies are the same rows before and after."""
    comparison = measure()

    def rows() -> list[Any]:
        with closing(sqlite3.connect(workspace.settings.workspace / "touchstone.sqlite")) as connection:
            return [
                connection.execute(f"SELECT * FROM {name}").fetchall()
                for name in ("dataset_case", "outcome", "reply", "attempt", "trial", "entry")
            ]

    before = rows()
    change_case(workspace, comparison, "q1", "exclude", reason="x", who="ann")
    change_case(workspace, comparison, "q2", "correct", reason="x", who="ann", target="other")
    assert rows() == before


def test_what_cannot_be_said_is_refused(workspace: Workspace, measure: Measure) -> None:
    """No reason, no target, no such case, nothing left."""
    comparison = measure()
    with pytest.raises(SettingsError, match="say why"):
        change_case(workspace, comparison, "q1", "exclude", reason="  ", who="ann")
    with pytest.raises(SettingsError, match="the right answer is empty"):
        change_case(workspace, comparison, "q1", "correct", reason="x", who="ann", target=" ")
    with pytest.raises(UnknownName):
        change_case(workspace, comparison, "nobody", "exclude", reason="x", who="ann")
    with pytest.raises(UnknownName):
        change_case(workspace, "nothing", "q1", "exclude", reason="x", who="ann")
    with pytest.raises(UnknownName):
        take_back(workspace, comparison, 5, reason="x", who="ann")
    with pytest.raises(SettingsError, match="characters"):
        change_case(workspace, comparison, "q1", "exclude", reason="x" * 2_001, who="ann")


def test_the_last_case_stays(workspace: Workspace, measure: Measure) -> None:
    """A comparison of no case is none."""
    comparison = measure()
    dataset = answers.open_answers(workspace, comparison).dataset
    for n in range(CASES - 1):
        Amendments(workspace.ledger).add(dataset, f"q{n}", "exclude", reason="x", who="ann")
    with pytest.raises(SettingsError, match="last case"):
        change_case(workspace, comparison, f"q{CASES - 1}", "exclude", reason="x", who="ann")
    assert decided(workspace, comparison).task.cases == 1


def test_lists_say_what_was_changed_and_forget_the_old_verdict(workspace: Workspace, measure: Measure) -> None:
    """Until somebody decides again, what was decided is not shown as if it still held."""
    comparison = measure()
    assert workspace.comparisons()[0].verdict == "winner"
    change_case(workspace, comparison, "q0", "exclude", reason="x", who="ann")
    [listed] = workspace.comparisons()
    assert listed.verdict is None
    assert listed.sentence(str) == "cases were changed; decide again"
    assert listed.counted(str) == "60, 1 left out"
    decided(workspace, comparison)
    assert workspace.comparisons()[0].verdict == "winner"


def test_a_race_is_run_again_without_them(workspace: Workspace, measure: Measure) -> None:
    """The order of the rest stays, and where its answers no longer suffice the report says so."""
    comparison = measure(full=False)
    for n in range(0, CASES, 4):
        change_case(workspace, comparison, f"q{n}", "exclude", reason="x", who="ann")
    found = decided(workspace, comparison)
    assert found.task.cases == CASES - len(range(0, CASES, 4))
    assert all(one.outcomes.planned == found.task.cases for one in found.candidates)


def test_an_older_store_is_read_as_it_is(workspace: Workspace, measure: Measure) -> None:
    """A store in which nobody changed a case has no table for it, and needs none to be read."""
    comparison = measure()
    workspace.close()
    with closing(sqlite3.connect(workspace.settings.workspace / "touchstone.sqlite")) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert "amendment" not in names
    assert decided(workspace, comparison).decision.changes is None


# The answers as they are looked through -------------------------------------------------------------------------------


def test_opened_answers_know_what_was_changed(workspace: Workspace, measure: Measure) -> None:
    """At once, though everything else is kept in memory."""
    comparison = measure()
    first = open_answers(workspace, comparison)
    assert open_answers(workspace, comparison) is first
    change_case(workspace, comparison, "q5", "exclude", reason="x", who="ann")
    n = next(n for n in range(CASES) if right("good", n))
    change_case(workspace, comparison, f"q{n}", "correct", reason="x", who="ann", target="nowhere")
    opened = open_answers(workspace, comparison)
    assert opened is not first
    assert opened.matrix.excluded.sum() == 1
    [row] = [own[0] for own in case_rows(workspace, opened, n) if own[0].candidate == "good"]
    assert (row.score, row.case.target, row.asked_target) == (0.0, "nowhere", f"city {n}")
    assert row.scores[0].reason


def test_further_cells_are_seen(workspace: Workspace, measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another run adds to a comparison opens it anew."""
    comparison = measure(only=20)
    opened = open_answers(workspace, comparison)
    failed = int(opened.matrix.matching(AnswerFilter(kinds=("error",))).sum())
    assert failed == 3 * (CASES - 20)


def test_words_are_found_with_and_without_the_file_of_texts(workspace: Workspace, measure: Measure) -> None:
    """The same cells, wherever the words stand."""
    opened = open_answers(workspace, measure())
    wanted = AnswerFilter()
    for words, where in (
        ("town", "output"),
        ("COUNTRY 7", "input"),
        ("city 11", "target"),
        ("y 1", "any"),
        ("zz", "any"),
    ):
        scanned = search(workspace, opened, words, where, wanted, "case")  # type: ignore[arg-type]
        make_searchable(workspace, opened)
        indexed = open_answers(workspace, opened.comparison)
        assert indexed.texts is not None
        found = search(workspace, indexed, words, where, wanted, "case")  # type: ignore[arg-type]
        assert found.mask.tolist() == scanned.mask.tolist(), (words, where)
    differ = indexed.matrix.matching(AnswerFilter(differ="answer")).any(axis=0)
    assert differ.tolist() == [len({right(name, n) for name in SHARE}) > 1 for n in range(CASES)]


def test_rows_come_in_the_order_asked_for(workspace: Workspace, measure: Measure) -> None:
    """Each with its own words."""
    opened = open_answers(workspace, measure())
    rows = rows_at(workspace, opened, [4, 0, 8])
    assert [(row.case.id, row.candidate) for row in rows] == [("q1", "fair"), ("q0", "good"), ("q2", "poor")]
    assert all(row.output.endswith(row.case.id[1:]) for row in rows)


def test_files_are_exact_or_harmless(workspace: Workspace, measure: Measure) -> None:
    """JSON Lines say what is stored; a cell that a spreadsheet would run is text there."""
    comparison = measure()
    change_case(workspace, comparison, "q0", "correct", reason="x", who="ann", target="=1+1")
    opened = open_answers(workspace, comparison)
    rows = list(exported(workspace, opened, opened.matrix.matching(AnswerFilter()), 7))
    assert len(rows) == 7
    plain = json.loads(as_json_line(rows[0]))
    assert (plain["case"], plain["target"], plain["corrected"]) == ("q0", "=1+1", True)
    assert "'=1+1" in as_csv_line(rows[0]).decode()
    assert csv_head().decode("utf-8-sig").startswith("case,candidate,")
