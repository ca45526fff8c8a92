"""What arrays of cells promise: two conventions, averages over repeats, and nothing missing that looks like zero."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import examples

from touchstone.evaluation.base import STRICT_ZEROS, Outcome, OutcomeKind, Recipe
from touchstone.evaluation.cells import Cells, further_scores, scorer_names
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.ledger import Ledger
from touchstone.models.base import Completion, TextPart
from touchstone.scoring.base import Reading, Score

KINDS = ["scored", "unparsed", "refused", "filtered", "truncated", "empty", "error", "judge_unparsed", "in_doubt"]
KINDS += ["skipped_budget", "skipped_cancel", "skipped_race"]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path_factory.mktemp("store") / "store.db")
    yield ledger
    ledger.close()


def outcome(kind: Any, repeat: int = 0, score: float | None = None, **completion: Any) -> Outcome:
    return Outcome(
        case="c",
        candidate="m",
        kind=kind,
        repeat=repeat,
        completion=Completion(parts=(TextPart(text="x"),), **completion) if completion else None,
        scores=(Score(scorer="exact", value=score),) if score is not None else (),
    )


def stored(ledger: Ledger, cells: list[tuple[int, Outcome]]) -> int:
    """The number of a trial with these cells."""
    trial = Comparisons(ledger).trial(uuid4().hex, Recipe(model="m", strategy="prompt"))

    async def keep() -> None:
        for ordinal, cell in cells:
            await ledger.keep_outcome(trial, ordinal, cell, "run")
        await ledger.drain()

    asyncio.run(keep())
    return trial


def load(ledger: Ledger, cells: list[tuple[int, Outcome]], planned: int, repeats: int = 1, **more: Any) -> Cells:
    return Cells.load(
        Comparisons(ledger), stored(ledger, cells), planned_cases=planned, repeats=repeats, run="run", **more
    )


def test_strict_zeros_count_and_failures_do_not(ledger: Ledger) -> None:
    """Refused, filtered, truncated, empty and unparsed are 0; errors, doubts, skips and judge failures are unknown."""
    cells = load(ledger, [(at, outcome(kind, score=0.75)) for at, kind in enumerate(KINDS)], len(KINDS) + 1)
    strict = cells.strict()

    assert strict[0] == 0.75
    zeros = {kind for kind, value in zip(KINDS, strict, strict=False) if value == 0.0}
    assert zeros == STRICT_ZEROS
    assert np.isnan(strict[6:]).all()
    assert np.isnan(cells.answered()[1:]).all()
    assert cells.score_sum() == 0.75


@pytest.mark.parametrize("rest", ["skipped_race", "skipped_budget", "skipped_cancel", "planned"])
def test_counts_add_up_and_cells_without_a_row_are_the_rest(ledger: Ledger, rest: OutcomeKind) -> None:
    """A run that ended early planned more than it kept; why it ended says what the others are."""
    cells = load(ledger, [(at, outcome(kind, score=1.0)) for at, kind in enumerate(KINDS)], 10, repeats=2, rest=rest)
    counts = cells.counts()

    assert counts.planned == 20
    for kind in ("skipped_race", "skipped_budget", "skipped_cancel"):
        assert getattr(counts, kind) == 1 + (20 - len(KINDS)) * (kind == rest)
    assert counts.unasked == (20 - len(KINDS)) * (rest == "planned")
    assert sum(counts.model_dump(exclude={"planned"}).values()) == 20
    assert counts.strict_n == 6
    assert counts.asked == 9
    assert cells.asked().sum() == 9
    assert counts.coverage == 6 / 9


def test_nobody_asked_is_no_coverage(ledger: Ledger) -> None:
    """Zero of nothing, and no error."""
    assert load(ledger, [], 3).counts().coverage == 0.0


def test_further_draws_of_another_comparison_are_none_of_this_one(ledger: Ledger) -> None:
    """A shared trial may have been asked more often; here only the planned repeats count."""
    cells = [(0, outcome("scored", repeat, score)) for repeat, score in enumerate((1.0, 0.0, 0.0))]
    once = load(ledger, cells, 1)

    assert once.strict().tolist() == [1.0]
    assert (once.counts().planned, once.counts().scored) == (1, 1)
    assert load(ledger, cells, 1, 2).strict().tolist() == [0.5]


def test_cells_know_which_comparison_asked_for_them(ledger: Ledger) -> None:
    """Those of this one are here; of a shared trial, the others' are not."""
    trial = stored(ledger, [(0, outcome("scored", score=1.0))])
    comparisons = Comparisons(ledger)
    here = [
        Cells.load(comparisons, trial, planned_cases=1, repeats=1, run=run).here.tolist()
        for run in ("run", "another", None)
    ]
    assert here == [[True], [False], [False]]


@given(
    st.integers(1, 6).flatmap(
        lambda planned: st.tuples(
            st.just(planned),
            st.dictionaries(
                st.tuples(st.integers(0, planned - 1), st.integers(0, 2)),
                st.tuples(st.sampled_from(KINDS), st.floats(0, 1)),
            ),
        )
    )
)
@examples(25)
def test_repeats_are_averaged_case_by_case(
    ledger: Ledger, drawn: tuple[int, dict[tuple[int, int], tuple[str, float]]]
) -> None:
    """The score of a case is the mean of those of its repeats that have one; without any it is unknown."""
    planned, table = drawn
    cells = load(
        ledger, [(at, outcome(kind, repeat, score)) for (at, repeat), (kind, score) in table.items()], planned, 3
    )
    strict, answered = cells.strict(), cells.answered()
    assert strict.shape == answered.shape == (planned,)
    draws = cells.strict_draws()
    assert draws.shape == (planned, 3)
    for (at, repeat), (kind, score) in table.items():
        wanted = score if kind == "scored" else 0.0 if kind in STRICT_ZEROS else np.nan
        np.testing.assert_equal(draws[at, repeat], wanted)
    assert (~np.isnan(draws)).sum() == sum(kind == "scored" or kind in STRICT_ZEROS for kind, _ in table.values())
    for at in range(planned):
        of_case = [cell for (place, _), cell in table.items() if place == at]
        scored = [score for kind, score in of_case if kind == "scored"]
        zeros = [0.0 for kind, _ in of_case if kind in STRICT_ZEROS]
        for found, known in ((answered[at], scored), (strict[at], scored + zeros)):
            assert np.isnan(found) if not known else found == pytest.approx(sum(known) / len(known))
    assert cells.score_sum() == pytest.approx(sum(score for kind, score in table.values() if kind == "scored"))
    assert cells.counts().planned == 3 * planned


def test_a_trial_without_cells_is_all_unknown(ledger: Ledger) -> None:
    """No warning, no zero."""
    cells = load(ledger, [], 4)
    assert np.isnan(cells.strict()).all()
    assert (cells.counts().planned, cells.counts().unasked, cells.score_sum()) == (4, 4, 0.0)


def test_further_scorers_have_scores_of_their_own(ledger: Ledger) -> None:
    """Averaged over repeats; a scorer that could not say is unknown there, and the first scorer is left out."""
    cells = [
        (
            at,
            outcome("scored", repeat).model_copy(
                update={"scores": scores, "reading": Reading(answer="x", how="whole")}
            ),
        )
        for at, repeat, scores in [
            (0, 0, (Score(scorer="exact", value=1.0), Score(scorer="length", value=0.5))),
            (0, 1, (Score(scorer="exact", value=1.0), Score(scorer="length", value=1.0))),
            (1, 0, (Score(scorer="exact", value=0.0), Score(scorer="length", value=None))),
            (2, 0, (Score(scorer="exact", value=0.0),)),
        ]
    ]
    found = further_scores(
        Comparisons(ledger), stored(ledger, cells), planned_cases=4, repeats=2, scorers=("exact", "length")
    )

    assert list(found) == ["length"]
    assert found["length"][0] == 0.75
    assert np.isnan(found["length"][1:]).all()


def test_further_scorers_count_unusable_answers_as_the_first_does(ledger: Ledger) -> None:
    """Strict zeros are 0 for every scorer that did not score the cell; failures are left out, a failed judge too."""
    unread = (Score(scorer="exact", value=None), Score(scorer="length", value=1.0), Score(scorer="label", value=None))
    broken = (Score(scorer="exact", value=None), *[Score(scorer=name, value=None, failed=True) for name in "ab"])
    unread_only = (
        Score(scorer="judge", value=0.5),
        Score(scorer="length", value=1.0),
        Score(scorer="label", value=None),
    )
    cells = [
        (0, outcome("refused")),
        (1, outcome("error")),
        (4, outcome("scored").model_copy(update={"scores": unread_only})),
        (2, outcome("unparsed").model_copy(update={"scores": unread})),
        (3, outcome("unparsed").model_copy(update={"scores": broken})),
    ]
    found = further_scores(
        Comparisons(ledger), stored(ledger, cells), planned_cases=5, repeats=1, scorers=("exact", "length", "label")
    )

    np.testing.assert_array_equal(found["length"], [0.0, np.nan, 1.0, np.nan, 1.0])
    np.testing.assert_array_equal(found["label"], [0.0, np.nan, 0.0, np.nan, 0.0])


def test_scorers_of_one_name_are_told_apart(ledger: Ledger) -> None:
    """Two `contains` are two columns, also where the first of them decides."""
    names = scorer_names(["contains", "contains", "exact", "contains"])
    assert names == ("contains", "contains 2", "exact", "contains 3")
    scores = tuple(
        Score(scorer=name.split()[0], value=value) for name, value in zip(names, [1.0, 0.0, 1.0, 0.5], strict=True)
    )
    cells = [(0, outcome("scored").model_copy(update={"scores": scores}))]
    found = further_scores(Comparisons(ledger), stored(ledger, cells), planned_cases=1, repeats=1, scorers=names)
    assert {name: float(values[0]) for name, values in found.items()} == {
        "contains 2": 0.0,
        "exact": 1.0,
        "contains 3": 0.5,
    }


def test_a_case_is_whole_when_each_of_its_answers_was_asked_for(ledger: Ledger) -> None:
    """Failed or declined is asked; skipped, or not there yet, is not."""
    cells = [
        *[(0, outcome("scored", repeat, score=1.0)) for repeat in (0, 1)],
        *[(1, outcome(kind, repeat)) for repeat, kind in enumerate(("error", "refused"))],
        *[(2, outcome(kind, repeat)) for repeat, kind in enumerate(("refused", "skipped_cancel"))],
        (3, outcome("scored", 1, score=1.0)),
    ]
    found = load(ledger, cells, 5, 2)

    assert found.whole().tolist() == [True, True, False, False, False]
    assert found.refused().tolist()[:4] == [0.0, 1.0, 1.0, 0.0]
    assert np.isnan(found.refused()[4])
