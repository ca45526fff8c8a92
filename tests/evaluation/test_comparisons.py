"""What comparisons promise: trials are shared, runs are gone on with, and their cells come back as numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from touchstone.evaluation import comparisons as module
from touchstone.evaluation.base import Outcome, OutcomeKind, Recipe
from touchstone.evaluation.comparisons import Comparisons, TextCounts
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.packed import COLUMNS, KINDS
from touchstone.models.base import Completion, TextPart
from touchstone.scoring.base import Score


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store.db")
    yield ledger
    ledger.close()


@pytest.fixture
def comparisons(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Comparisons:
    clock = iter(f"2026-01-{day:02}" for day in range(1, 32))
    monkeypatch.setattr(module, "now", lambda: next(clock))
    return Comparisons(ledger)


RECIPE = Recipe(model="m", strategy="prompt")


def start(comparisons: Comparisons, identity: str, **more: Any) -> None:
    given = {
        "task": "t",
        "fingerprint": "f",
        "run_key": "k",
        "parts": {"cases": "1"},
        "dataset": "d",
        "spec": {"a": 1},
    }
    comparisons.start(identity=identity, **{**given, **more})


def finish(comparisons: Comparisons, identity: str, **more: Any) -> None:
    given: dict[str, Any] = {"state": "finished", "ending": None, "judge": None, "rest": {}, "closed": {}}
    comparisons.finish(identity, **{**given, **more})


def row(comparisons: Comparisons, identity: str) -> Mapping[str, Any]:
    found = comparisons.find(identity)
    assert found is not None
    return found


def keep(ledger: Ledger, trial: int, cells: list[tuple[int, Outcome]], run: str | None = None) -> None:
    async def write() -> None:
        for ordinal, outcome in cells:
            await ledger.keep_outcome(trial, ordinal, outcome, run)
        await ledger.drain()

    asyncio.run(write())


def an_outcome(kind: OutcomeKind = "scored", repeat: int = 0, score: float = 1.0, **more: Any) -> Outcome:
    answered = kind in ("scored", "unparsed")
    return Outcome(
        case="c",
        candidate="m",
        repeat=repeat,
        kind=kind,
        completion=Completion(parts=(TextPart(text="x"),), cost_usd=0.5, latency_s=1.5) if answered else None,
        scores=(Score(scorer="exact", value=score),) if kind == "scored" else (),
        **more,
    )


# Comparisons


def test_a_comparison_is_running_from_the_start(comparisons: Comparisons) -> None:
    """What it was asked for lies with it, as it was."""
    start(comparisons, "one", parts={"cases": "a", "rule": "b"}, spec={"file": {"task": "t"}})
    found = row(comparisons, "one")

    assert (found["state"], found["ending"], found["judge"], found["race"]) == ("running", None, None, None)
    assert orjson.loads(found["parts"]) == {"cases": "a", "rule": "b"}
    assert orjson.loads(found["spec"]) == {"file": {"task": "t"}}
    assert comparisons.find("nobody") is None


def test_comparisons_are_listed_newest_first_and_the_latest_is_one_that_has_ended(comparisons: Comparisons) -> None:
    """A run that is still going on is not the latest; one that the cap stopped is."""
    for identity in ("one", "two", "three"):
        start(comparisons, identity)
    assert comparisons.find("latest") is None
    finish(comparisons, "one")
    finish(comparisons, "two", state="stopped", ending="budget")

    assert row(comparisons, "latest")["id"] == "two"
    assert row(comparisons, "two")["ending"] == "budget"
    assert [found["id"] for found in comparisons.all()] == ["three", "two", "one"]


def test_the_same_run_is_gone_on_with(comparisons: Comparisons) -> None:
    """The newest of exactly this run, finished or not; another run's is left alone."""
    start(comparisons, "old", run_key="mine")
    start(comparisons, "new", run_key="mine")
    start(comparisons, "other", run_key="other")
    finish(comparisons, "new", state="stopped", ending="cancel")

    found = comparisons.to_go_on_with("mine")
    assert found is not None
    assert found["id"] == "new"
    assert comparisons.to_go_on_with("nobody's") is None

    comparisons.go_on("new", {"options": {"max_usd": 2}})
    again = row(comparisons, "new")
    assert (again["state"], again["ending"]) == ("running", None)
    assert orjson.loads(again["spec"]) == {"options": {"max_usd": 2}}
    assert row(comparisons, "old")["spec"] == b'{"a":1}'


def test_a_task_file_has_an_unfinished_comparison_only_if_its_newest_is(comparisons: Comparisons) -> None:
    """What was abandoned before a finished one is over; another file's is another matter, under the same name too."""

    def unfinished(path: str, task: str = "t") -> str | None:
        found = comparisons.unfinished(task, path)
        return None if found is None else str(found["id"])

    start(comparisons, "one", spec={"path": "a.yaml"})
    assert unfinished("a.yaml") == "one"
    finish(comparisons, "one", state="stopped", ending="cancel")
    start(comparisons, "two", spec={"path": "b.yaml"})
    finish(comparisons, "two")
    assert unfinished("a.yaml") == "one"
    start(comparisons, "three", spec={"path": "a.yaml"})
    finish(comparisons, "three")

    assert unfinished("a.yaml") is unfinished("b.yaml") is unfinished("c.yaml") is None
    assert unfinished("a.yaml", "another task") is None


def test_what_a_run_found_out_is_kept_with_it(comparisons: Comparisons) -> None:
    """The race, the verdict, what is known of the judge; of this comparison and no other."""
    for identity in ("one", "two"):
        start(comparisons, identity)
    comparisons.keep_race("one", {"steps": [{"round": 1}]})
    comparisons.keep_verdict("one", "winner", "m")
    finish(comparisons, "one", judge={"model": "judge", "kappa": 0.5})
    found = row(comparisons, "one")

    assert orjson.loads(found["race"]) == {"steps": [{"round": 1}]}
    assert orjson.loads(found["judge"]) == {"model": "judge", "kappa": 0.5}
    assert (found["verdict"], found["chosen"], found["state"]) == ("winner", "m", "finished")
    other = row(comparisons, "two")
    assert (other["race"], other["verdict"], other["judge"], other["state"]) == (None, None, None, "running")


# Trials


def test_a_trial_is_shared_by_everybody_with_its_digest(comparisons: Comparisons, ledger: Ledger) -> None:
    """A further candidate, another goal, a higher cap: the cells of the others are found as they are."""
    assert comparisons.find_trial("digest") is None
    first = comparisons.trial("digest", RECIPE)
    keep(ledger, first, [(0, an_outcome())], "one")

    assert comparisons.trial("digest", RECIPE) == comparisons.find_trial("digest") == first
    assert comparisons.trial("another", RECIPE) != first
    for identity in ("one", "two"):
        start(comparisons, identity)
        comparisons.enter(identity, 0, first, f"as {identity}", {"of": identity})
    [one], [two] = comparisons.entries("one"), comparisons.entries("two")
    assert one["trial"] == two["trial"] == first
    assert (one["name"], two["name"]) == ("as one", "as two")
    assert orjson.loads(two["settings"]) == {"of": "two"}
    assert Recipe.model_validate_json(one["recipe"]) == RECIPE
    assert [bool(here) for here in comparisons.numbers(first, "one")["here"]] == [True]
    assert [bool(here) for here in comparisons.numbers(first, "two")["here"]] == [False]


def test_entries_come_in_the_order_of_the_task_file(comparisons: Comparisons) -> None:
    """Whatever the order in which they entered; a second entry at a place replaces the first."""
    for position in (2, 0, 1):
        comparisons.enter("c", position, comparisons.trial(f"d{position}", RECIPE), f"m{position}", {})
    comparisons.enter("c", 1, comparisons.trial("other", RECIPE), "instead", {})

    assert [entry["name"] for entry in comparisons.entries("c")] == ["m0", "instead", "m2"]
    assert comparisons.entries("nobody") == []


def test_an_entry_says_what_its_cells_without_an_outcome_are(comparisons: Comparisons) -> None:
    """And why it could not be asked any further; a later finish replaces both, also with nothing."""
    start(comparisons, "c")
    for position in (0, 1):
        comparisons.enter("c", position, comparisons.trial(f"d{position}", RECIPE), f"m{position}", {})
    finish(comparisons, "c", rest={0: "skipped_race", 1: "planned"}, closed={1: "no credit \ud800"})
    found = [(entry["rest"], entry["closed"]) for entry in comparisons.entries("c")]
    assert found == [("skipped_race", None), ("planned", "no credit \\ud800")]

    finish(comparisons, "c", rest={0: "skipped_race", 1: "skipped_race"})
    assert [(entry["rest"], entry["closed"]) for entry in comparisons.entries("c")] == [("skipped_race", None)] * 2


# Cells

CELLS = [
    (1, an_outcome(repeat=1, retries=2, retry_usd=0.25, queue_s=0.5, from_cache=True)),
    (0, an_outcome("error", error="down", retry_usd=None)),
    (1, an_outcome(repeat=0, score=0.25)),
    (3, an_outcome("unparsed")),
]


def test_numbers_come_as_columns_ordered_by_case_and_repeat(comparisons: Comparisons, ledger: Ledger) -> None:
    """What nobody knows is NaN there, and never zero."""
    keep(ledger, 1, CELLS, "run")
    found = comparisons.numbers(1, "run")

    assert [(int(at), int(repeat)) for at, repeat in zip(found["ordinal"], found["repeat"], strict=True)] == [
        (0, 0),
        (1, 0),
        (1, 1),
        (3, 0),
    ]
    assert [KINDS[code] for code in found["kind"]] == ["error", "scored", "scored", "unparsed"]
    np.testing.assert_array_equal(found["score"], [np.nan, 0.25, 1.0, np.nan])
    np.testing.assert_array_equal(found["cost_usd"], [np.nan, 0.5, 0.5, 0.5])
    np.testing.assert_array_equal(found["retry_usd"], [np.nan, 0.0, 0.25, 0.0])
    np.testing.assert_array_equal(found["queue_s"], [np.nan, np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(found["retries"], [0, 0, 2, 0])
    np.testing.assert_array_equal(found["from_cache"], [0, 0, 1, 0])
    assert found["here"].tolist() == [True] * 4
    assert all(len(values) == 0 for values in comparisons.numbers(9).values())


@pytest.mark.parametrize("run", ["run", "another", None])
def test_a_packed_copy_says_the_same(comparisons: Comparisons, ledger: Ledger, run: str | None) -> None:
    """Column by column, for whoever asks; also for the cells that an older version wrote, which belong to nobody."""
    keep(ledger, 1, CELLS[:2], "run")
    keep(ledger, 1, CELLS[2:])
    rows = comparisons.numbers(1, run)
    comparisons.pack(1)
    packed = comparisons.numbers(1, run)

    assert set(rows) == set(packed) == (set(COLUMNS) - {"run"}) | {"here"}
    for name in rows:
        np.testing.assert_array_equal(rows[name].astype(float), packed[name].astype(float))


def test_a_packed_copy_is_dropped_before_cells_are_added(comparisons: Comparisons, ledger: Ledger) -> None:
    """Dropped it hides nothing; packed again it has all; other trials keep theirs."""
    for trial in (1, 2):
        keep(ledger, trial, CELLS[:1])
        comparisons.pack(trial)
    comparisons.drop_packed([1])
    for trial in (1, 2):
        keep(ledger, trial, CELLS[1:])

    assert len(comparisons.numbers(1)["kind"]) == 4
    assert len(comparisons.numbers(2)["kind"]) == 1
    for trial in (1, 2):
        comparisons.pack(trial)
        assert len(comparisons.numbers(trial)["kind"]) == 4


def test_any_number_of_cells_is_read_whatever_the_block(
    comparisons: Comparisons, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rows are fetched at once."""
    keep(ledger, 1, [(at, an_outcome(score=at / 8)) for at in range(9)])
    for block in (1, 2, 9, 10):
        monkeypatch.setattr(module, "_BLOCK", block)
        assert comparisons.columns(1, ("score",))["score"].tolist() == [at / 8 for at in range(9)]


def test_texts_are_counted_the_commonest_first(comparisons: Comparisons, ledger: Ledger) -> None:
    """Ties in the order of the alphabet, cells without one left out; the packed copy says the same."""
    texts = ["b", "a", "c", "c", None]
    keep(ledger, 1, [(at, an_outcome("error", error=text)) for at, text in enumerate(texts)])
    for _ in range(2):
        assert comparisons.texts(1, 1)["error"] == TextCounts((("c", 2), ("a", 1), ("b", 1)), 4)
        assert comparisons.texts(1, 1)["remark"] == TextCounts((), 0)
        assert comparisons.texts(2, 1)["error"] == TextCounts((), 0)
        comparisons.pack(1)


def test_only_failed_calls_are_counted_as_such(comparisons: Comparisons, ledger: Ledger) -> None:
    """An answer that was bought, and whose judge the cap stopped, is none, although its cell says why."""
    keep(
        ledger,
        1,
        [
            (0, an_outcome("skipped_budget", error="the cap")),
            (1, an_outcome("in_doubt", error="lost")),
            (2, an_outcome()),
        ],
    )
    assert comparisons.texts(1, 1)["error"] == TextCounts((("lost", 1),), 1)


def test_further_draws_of_another_comparison_are_left_out(comparisons: Comparisons, ledger: Ledger) -> None:
    """Of columns and of texts, packed or not; also where an older version packed without saying how many it counted."""
    cells = [(0, an_outcome("error", error=f"draw {draw}", repeat=draw)) for draw in (0, 1, 1_000_000)]
    keep(ledger, 1, cells)
    for _ in range(2):
        for repeats in (1, 2, 1_000_001):
            draws = [draw for draw in (0, 1, 1_000_000) if draw < repeats]
            assert comparisons.columns(1, ("repeat",), repeats)["repeat"].tolist() == draws
            assert comparisons.texts(1, repeats)["error"].common == tuple((f"draw {draw}", 1) for draw in draws)
        comparisons.pack(1)
    with ledger.engine.begin() as connection:
        old = orjson.dumps({name: [[["draw 0", 1]], 1] for name in module.TEXTS})
        connection.execute(module.tables.packed_cells.update().values(texts=old))
    assert comparisons.texts(1, 1)["remark"] == TextCounts((), 0)


def test_of_many_different_texts_the_commonest_are_kept(comparisons: Comparisons, ledger: Ledger) -> None:
    """A hundred are named, and all are counted."""
    keep(ledger, 1, [(at, an_outcome("error", error=f"reason {max(at, 1):03}")) for at in range(150)])
    comparisons.pack(1)
    found = comparisons.texts(1, 1)["error"]
    assert (found.common[0], len(found.common), found.cells) == (("reason 001", 2), 100, 150)


def test_single_cells_are_found(comparisons: Comparisons, ledger: Ledger) -> None:
    """By case, in order, with all repeats; nothing where there is none."""
    keep(ledger, 1, CELLS)
    assert [(cell["ordinal"], cell["repeat"]) for cell in comparisons.cells_at(1, [1, 0, 7])] == [
        (0, 0),
        (1, 0),
        (1, 1),
    ]
    found = comparisons.cells_at(1, [1])[1]
    assert (found["score"], found["retries"]) == (1.0, 2)
    assert comparisons.cells_at(1, []) == []
