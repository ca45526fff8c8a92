"""The numbers of a comparison are worked out once, and never shown when what they were made of is another."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from touchstone.config import Settings
from touchstone.errors import SettingsError
from touchstone.reporting.base import ReportData
from touchstone.workspace import numbers_kept
from touchstone.workspace.base import CompareOptions, Demands
from touchstone.workspace.case_changes import change_case, take_back
from touchstone.workspace.numbers_kept import KeptNumbers
from touchstone.workspace.workspace import Workspace

CASES = 30
SHARE = {"good": 0.9, "fair": 0.6, "poor": 0.2}

Open = Callable[[], Workspace]

DEMANDS = (
    Demands(),
    Demands(requests_per_month=123_000),
    Demands(requests_per_month=5e6, max_usd_per_month=20.0),
    Demands(goal="cheapest-within: 0.5", min_score=0.3, self_hostable=False),
)


def write_task(folder: Path, **more: Any) -> Path:
    """A task over recorded answers, of which each candidate has its share right."""
    cases = [
        {"id": f"q{n}", "input": f"capital of country {n}", "target": f"city {n}", "tags": ["odd", "even"][n % 2]}
        for n in range(CASES)
    ]
    (folder / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    recorded = [
        {"case_id": f"q{n}", "model": name, "output": f"city {n}" if n * 37 % CASES < share * CASES else "elsewhere"}
        for name, share in SHARE.items()
        for n in range(CASES)
    ]
    (folder / "out.jsonl").write_text("".join(json.dumps(one) + "\n" for one in recorded))
    task = {
        "task": "capitals",
        "cases": "cases.jsonl",
        "answer": {"kind": "text"},
        "candidates": [{"recorded": "out.jsonl", "model": name, "name": name} for name in SHARE],
        **more,
    }
    (folder / "task.yaml").write_text(json.dumps(task))
    return folder / "task.yaml"


@pytest.fixture(scope="module")
def measured_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A workspace in which a run has just ended, and the id of its comparison; tests copy it."""
    place = tmp_path_factory.mktemp("measured")
    task = write_task(place)
    with Workspace(Settings(workspace=place / "workspace", workspace_from="test")) as workspace:
        found = workspace.compare(workspace.load_task(task), CompareOptions(full=True))
    return place / "workspace", found.comparison.comparison_id


@pytest.fixture
def folder(measured_once: tuple[Path, str], tmp_path: Path) -> Path:
    return shutil.copytree(measured_once[0], tmp_path / "workspace")


@pytest.fixture
def anew(folder: Path) -> Iterator[Open]:
    """Opens the workspace as a program does that has just started: nothing is in memory."""
    opened: list[Workspace] = []

    def start() -> Workspace:
        numbers_kept._entries.clear()
        opened.append(Workspace(Settings(workspace=folder, workspace_from="test")))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def comparison(measured_once: tuple[Path, str]) -> str:
    return measured_once[1]


def kept(workspace: Workspace, comparison: str, demands: Demands = DEMANDS[0]) -> ReportData:
    """What is decided without a look at any answer; fails where that is not known."""
    found = workspace.decide_at_once(comparison, demands, most_answers=0)
    assert not isinstance(found, str), "the answers were not looked at, or something changed since"
    return found


def is_new(workspace: Workspace, comparison: str) -> bool:
    """Whether the answers must be looked at."""
    return isinstance(workspace.decide_at_once(comparison, Demands(), most_answers=0), str)


def change(folder: Path, statement: str, *values: Any) -> None:
    """Change the store as another program would."""
    with closing(sqlite3.connect(folder / "touchstone.sqlite")) as store, store:
        assert store.execute(statement, values).rowcount > 0


def files(folder: Path) -> list[Path]:
    return sorted((folder / "measured").glob("*"))


def forget(folder: Path) -> None:
    for file in files(folder):
        file.unlink()


def test_a_run_leaves_its_numbers_for_whoever_starts_later(anew: Open, comparison: str, folder: Path) -> None:
    """The first look after a restart needs no answer; one file, nothing unfinished beside it."""
    assert kept(anew(), comparison).comparison.comparison_id == comparison
    assert [file.name for file in files(folder)] == [f"{comparison}.json"]


@pytest.mark.parametrize("demands", DEMANDS)
def test_kept_numbers_are_the_fresh_ones(anew: Open, comparison: str, folder: Path, demands: Demands) -> None:
    """To the last digit, under the task's own demands and others, from the file and from memory."""
    workspace = anew()
    from_file, from_memory = kept(workspace, comparison, demands), kept(workspace, comparison, demands)
    forget(folder)
    fresh = anew().decide(comparison, demands)
    assert from_file.model_dump_json() == from_memory.model_dump_json() == fresh.model_dump_json()


@pytest.mark.parametrize("demands", DEMANDS)
def test_kept_numbers_are_the_fresh_ones_after_a_stop_and_a_change(
    anew: Open, comparison: str, folder: Path, demands: Demands
) -> None:
    """So it is where intervals hold at any moment and the race is run again, and where cases were left out."""
    change(folder, "UPDATE comparison SET state = 'stopped', ending = 'cancel'")
    workspace = anew()
    change_case(workspace, comparison, "q3", "exclude", reason="unclear", who="ann")
    change_case(workspace, comparison, "q5", "correct", reason="wrong", who="ann", target="elsewhere")
    workspace.decide(comparison, Demands())
    found = kept(anew(), comparison, demands)
    assert found.comparison.race is not None
    assert found.comparison.race.lanes
    assert found.comparison.decision.changes is not None
    forget(folder)
    assert found.model_dump_json() == anew().decide(comparison, demands).model_dump_json()


def test_the_month_follows_the_volume(anew: Open, comparison: str) -> None:
    """What depends on the volume is worked out each time."""
    workspace = anew()
    found = [kept(workspace, comparison, Demands(requests_per_month=count)) for count in (1_000.0, 2_000.0)]
    months = [[one.correct for one in data.comparison.decision.projections] for data in found]
    assert months[1] == pytest.approx([2 * (correct or 0.0) for correct in months[0]])
    assert any(months[0])


def test_a_case_left_out_shows_at_once_and_so_does_its_return(anew: Open, comparison: str) -> None:
    """Nothing that was kept before is shown; another program's word counts like one's own."""
    workspace = anew()
    before = kept(workspace, comparison)
    said = change_case(anew(), comparison, "q0", "exclude", reason="r", who="ann")
    for number in range(2):
        if number:
            said = change_case(anew(), comparison, "q1", "correct", reason="r", who="ann", target="x")
        assert is_new(workspace, comparison)
        after = workspace.decide(comparison, Demands())
        assert after.comparison.decision.changes is not None
        assert not is_new(workspace, comparison)
        take_back(anew(), comparison, said.id, reason="no", who="ann")
        assert is_new(workspace, comparison)
        assert workspace.decide(comparison, Demands()).model_dump_json() == before.model_dump_json()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE outcome SET score = 0.25, kind = 'scored' WHERE trial = 1 AND ordinal = 7",
        "UPDATE outcome SET kind = 'error', error = 'no answer' WHERE trial = 1 AND ordinal = 7",
        "DELETE FROM outcome WHERE trial = 2 AND ordinal = 7",
        "UPDATE outcome SET text = 'another' WHERE trial = 3",
        "UPDATE comparison SET created = '2020-01-01T00:00:00.000+00:00'",
        "UPDATE comparison SET state = 'stopped', ending = 'budget'",
        "UPDATE entry SET settings = json_set(CAST(settings AS TEXT), '$.temperature', 1) WHERE position = 0",
        "UPDATE entry SET closed = 'out of credit' WHERE position = 1",
        "UPDATE comparison SET spec = CAST(json_set(CAST(spec AS TEXT), '$.file.race.confidence', 0.9) AS BLOB)",
    ],
)
def test_whatever_it_is_made_of_shows_at_once(anew: Open, comparison: str, folder: Path, statement: str) -> None:
    """Answers, when it was measured and so when it expires, how it ended, how candidates were called, the task."""
    workspace = anew()
    before = kept(workspace, comparison).model_dump_json()
    change(folder, statement)
    assert is_new(workspace, comparison)
    assert is_new(anew(), comparison)
    assert workspace.decide(comparison, Demands()).model_dump_json() != before


def test_what_lists_show_is_no_change(anew: Open, comparison: str, folder: Path) -> None:
    """The noted verdict is made of the numbers, not the other way round."""
    change(folder, "UPDATE comparison SET verdict = NULL, chosen = NULL")
    workspace = anew()
    assert kept(workspace, comparison).comparison.decision.verdict
    assert workspace.comparisons()[0].verdict is not None


def test_while_it_is_measured_nothing_is_kept(anew: Open, comparison: str, folder: Path) -> None:
    """Cells may be on their way: each look is a fresh one."""
    forget(folder)
    change(folder, "UPDATE comparison SET state = 'running'")
    workspace = anew()
    workspace.decide(comparison, Demands())
    assert files(folder) == []
    assert numbers_kept._entries == {}


def test_what_changes_during_the_look_is_not_kept(anew: Open, comparison: str, folder: Path) -> None:
    """Numbers of before and cells of after would be kept under one name."""
    forget(folder)
    workspace = anew()
    row = _row(workspace, comparison)
    found = KeptNumbers(workspace.ledger, row, folder, "here")
    assert found.numbers.measured.now.cases == CASES
    change_case(workspace, comparison, "q1", "exclude", reason="r", who="ann")
    found.keep(own_demands=True)
    assert files(folder) == []
    assert numbers_kept._entries == {}


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "stamp"])
def test_a_damaged_file_costs_time_and_nothing_else(anew: Open, comparison: str, folder: Path, damage: str) -> None:
    """What is not whole is worked out anew, and written again."""
    before = kept(anew(), comparison).model_dump_json()
    [file] = files(folder)
    body = file.read_bytes()
    stamp = json.loads(body)["stamp"]
    file.write_bytes(
        {
            "cut": body[: len(body) // 2],
            "empty": b"",
            "other": json.dumps({"stamp": stamp, "measured": {}, "races": {}}).encode(),
            "stamp": body.replace(stamp.encode(), b"0" * len(stamp)),
        }[damage]
    )
    workspace = anew()
    assert is_new(workspace, comparison)
    assert workspace.decide(comparison, Demands()).model_dump_json() == before
    assert kept(anew(), comparison).model_dump_json() == before


def test_where_nothing_can_be_written_it_still_decides(anew: Open, comparison: str, folder: Path) -> None:
    """A file stands where the folder should be."""
    forget(folder)
    (folder / "measured").rmdir()
    (folder / "measured").write_text("")
    workspace = anew()
    assert workspace.decide(comparison, Demands()).comparison.decision.verdict
    assert not is_new(workspace, comparison)


def test_what_would_not_come_back_as_it_is_is_not_written(anew: Open, comparison: str, folder: Path) -> None:
    """JSON has no word for infinity."""
    workspace = anew()
    measured = KeptNumbers(workspace.ledger, _row(workspace, comparison), folder, "here").numbers.measured
    pair = measured.now.pairs[0].model_copy(update={"discordance": float("inf")})
    odd = measured.model_copy(update={"now": measured.now.model_copy(update={"pairs": (pair,)})})
    entry = numbers_kept._Entry("s", odd)
    assert not numbers_kept._write(folder / "measured" / "odd.json", entry, {})
    assert [file.name for file in files(folder)] == [f"{comparison}.json"]


def test_an_id_is_no_path(anew: Open, comparison: str, folder: Path) -> None:
    """A store of a stranger may call its comparisons what it likes."""
    forget(folder)
    for table, column in (("comparison", "id"), ("entry", "comparison")):
        change(folder, f"UPDATE {table} SET {column} = '../../outside'")
    workspace = anew()
    assert workspace.decide("../../outside", Demands()).comparison.decision.verdict
    assert not is_new(workspace, "../../outside")
    assert files(folder) == []
    assert list(folder.parent.parent.glob("outside*")) == []


def test_demands_that_cannot_be_used_are_told_all_the_same(anew: Open, comparison: str) -> None:
    """Whether the numbers are known or not."""
    with pytest.raises(SettingsError, match="min_score"):
        kept(anew(), comparison, Demands(min_score=7))


def _row(workspace: Workspace, comparison: str) -> Any:
    from touchstone.evaluation.comparisons import Comparisons

    row = Comparisons(workspace.ledger).find(comparison)
    assert row is not None
    return row
