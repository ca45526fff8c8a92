"""What the table of answers promises: filters, counts and order are those that looking at every cell would give."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.evaluation.answer_filter import BUCKETS, SORTS, AnswerFilter
from touchstone.evaluation.answers import AnswerMatrix
from touchstone.evaluation.cells import Cells
from touchstone.evaluation.packed import KINDS

NAMES = ("a", "b", "c")
SEEN = ("scored", "unparsed", "refused", "error", "judge_unparsed")


def cells_of(kinds: list[str], scores: list[float], costs: list[float]) -> Cells:
    """One candidate's cells, one a case."""
    n = len(kinds)
    none = np.full(n, np.nan)
    return Cells(
        planned_cases=n,
        repeats=1,
        rest="planned",
        ordinal=np.arange(n),
        repeat=np.zeros(n, dtype=np.int64),
        kind=np.array([KINDS.index(kind) for kind in kinds], dtype=np.uint8),
        here=np.ones(n, dtype=bool),
        score=np.array([score if kind == "scored" else np.nan for kind, score in zip(kinds, scores, strict=True)]),
        cost_usd=np.array(costs),
        retry_usd=none,
        judge_usd=none,
        latency_s=np.array(costs)[::-1],
        queue_s=none,
        first_token_s=none,
        input_tokens=none,
        output_tokens=none,
        estimated=none,
        retries=none,
        from_cache=none,
    )


@st.composite
def matrices(draw: st.DrawFn) -> AnswerMatrix:
    """Small ones, of every kind of cell."""
    n = draw(st.integers(1, 6))
    cells = [
        cells_of(
            draw(st.lists(st.sampled_from(SEEN), min_size=n, max_size=n)),
            draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=n, max_size=n)),
            draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, math.nan]), min_size=n, max_size=n)),
        )
        for _ in NAMES
    ]
    flags = st.lists(st.booleans(), min_size=n, max_size=n)
    words = st.lists(st.sampled_from(["x", "y", "z"]), max_size=2, unique=True)
    return AnswerMatrix.of(
        NAMES,
        cells,
        [f"case {place}" for place in range(n)],
        tags=draw(st.lists(words, min_size=n, max_size=n)),
        groups=draw(st.lists(st.none() | st.sampled_from(["g", "h"]), min_size=n, max_size=n)),
        excluded=np.array(draw(flags)),
        corrected=np.array(draw(flags)),
    )


filters = st.builds(
    AnswerFilter,
    candidates=st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple),
    kinds=st.lists(st.sampled_from(SEEN), max_size=2, unique=True).map(tuple),
    low=st.none() | st.sampled_from([0.0, 0.25, 0.75]),
    high=st.none() | st.sampled_from([0.25, 1.0]),
    buckets=st.lists(st.sampled_from(BUCKETS), max_size=2, unique=True).map(tuple),
    tags=st.lists(st.sampled_from(["x", "y", "nowhere"]), max_size=2, unique=True).map(tuple),
    groups=st.sampled_from([(), ("g",), ("g", "h")]),
    differ=st.sampled_from(["", "score"]),
    state=st.sampled_from(["", "excluded", "corrected", "counted"]),
)


def words_of(labels: Any, case: int) -> set[str]:
    """Words that a case carries."""
    return {labels.names[word] for at, word in zip(labels.case, labels.word, strict=True) if at == case}


def is_meant(matrix: AnswerMatrix, case: int, candidate: int, wanted: AnswerFilter) -> bool:
    """The same question, asked of one cell in plain words."""
    score, kind = float(matrix.score[candidate, case]), KINDS[matrix.kind[candidate, case]]
    known = [float(one) for one in matrix.score[:, case] if not math.isnan(one)]
    bucket = "none" if math.isnan(score) else "zero" if score == 0 else "full" if score == 1 else "part"
    out, corrected = bool(matrix.excluded[case]), bool(matrix.corrected[case])
    return all(
        (
            not wanted.candidates or NAMES[candidate] in wanted.candidates,
            not wanted.kinds or kind in wanted.kinds,
            not wanted.buckets or bucket in wanted.buckets,
            wanted.low is None or score >= wanted.low,
            wanted.high is None or score <= wanted.high,
            not wanted.tags or bool(words_of(matrix.tags, case) & set(wanted.tags)),
            not wanted.groups or bool(words_of(matrix.groups, case) & set(wanted.groups)),
            not wanted.differ or (len(known) > 1 and max(known) > min(known)),
            {"": True, "excluded": out, "corrected": corrected and not out, "counted": not out}[wanted.state],
        )
    )


@given(matrix=matrices(), wanted=filters)
def test_filters_find_what_looking_at_each_cell_finds(matrix: AnswerMatrix, wanted: AnswerFilter) -> None:
    """Any of them together."""
    mask = matrix.matching(wanted)
    expected = [
        [is_meant(matrix, case, candidate, wanted) for case in range(matrix.cases)] for candidate in range(len(NAMES))
    ]
    assert mask.tolist() == expected


@given(matrix=matrices(), wanted=filters)
def test_a_count_is_what_its_filter_would_leave(matrix: AnswerMatrix, wanted: AnswerFilter) -> None:
    """Each value of each filter, with all others as they are."""
    facets = matrix.facets(wanted)
    for name, field, counts in (
        ("candidates", tuple, facets.candidates),
        ("kinds", tuple, facets.kinds),
        ("buckets", tuple, facets.buckets),
        ("tags", tuple, facets.tags),
        ("groups", tuple, facets.groups),
        ("differ", str, facets.differ),
        ("state", str, facets.states),
    ):
        for value, cells in counts:
            asked = wanted.model_copy(update={name: (value,) if field is tuple else value})
            assert int(matrix.matching(asked).sum()) == cells, (name, value)


@given(matrix=matrices(), wanted=filters, sort=st.sampled_from(SORTS))
def test_pages_hold_every_cell_once_and_in_order(matrix: AnswerMatrix, wanted: AnswerFilter, sort: Any) -> None:
    """What is unknown stands last; equals stand in the order of the cases."""
    mask = matrix.matching(wanted)
    found, there = matrix.page(mask, sort, 0, 100)
    again = [place for start in range(0, there, 2) for place in matrix.page(mask, sort, start, start + 2)[0]]
    assert found == again
    assert sorted(found) == np.flatnonzero(mask.T).tolist()
    keys = {
        "case": lambda place: 0.0,
        "disagreement": lambda place: -float(matrix.spread()[matrix.cell(place)[0]]),
        "score": lambda place: float(matrix.score.T.ravel()[place]),
        "score-high": lambda place: -float(matrix.score.T.ravel()[place]),
        "cost": lambda place: -float(matrix.cost_usd.T.ravel()[place]),
        "latency": lambda place: -float(matrix.latency_s.T.ravel()[place]),
    }[sort]
    ranked = [(math.inf if math.isnan(keys(place)) else keys(place), place) for place in found]
    assert ranked == sorted(ranked)


@given(matrix=matrices(), wanted=filters, sort=st.sampled_from(SORTS))
def test_neighbours_walk_through_the_list(matrix: AnswerMatrix, wanted: AnswerFilter, sort: Any) -> None:
    """From the first case to the last and back."""
    mask = matrix.matching(wanted)
    cases, _there = matrix.case_page(mask, sort, 0, 100)
    for at, case in enumerate(cases):
        before, after = matrix.neighbours(mask, sort, case)
        assert before == (cases[at - 1] if at else None)
        assert after == (cases[at + 1] if at + 1 < len(cases) else None)


def test_who_answers_differently_is_unknown_until_somebody_has_looked() -> None:
    """The numbers do not tell, so asking is a mistake of ours, and no empty list."""
    matrix = AnswerMatrix.of(
        ("a",), [cells_of(["scored"], [1.0], [0.0])], ["one"], tags=[()], groups=None,
        excluded=np.zeros(1, dtype=bool), corrected=np.zeros(1, dtype=bool),
    )  # fmt: skip
    with pytest.raises(ValueError, match="nobody has looked"):
        matrix.matching(AnswerFilter(differ="answer"))
    assert [one.value for one in matrix.facets(AnswerFilter()).differ] == ["score"]


def test_changed_cells_change_order_and_counts() -> None:
    """A corrected target's score takes its place, and the table before stays as it was."""
    matrix = AnswerMatrix.of(
        ("a", "b"), [cells_of(["scored", "scored"], [1.0, 0.0], [0.0, 1.0])] * 2, ["one", "two"], tags=[(), ()],
        groups=None, excluded=np.zeros(2, dtype=bool), corrected=np.zeros(2, dtype=bool),
    )  # fmt: skip
    assert matrix.page(matrix.matching(AnswerFilter()), "score", 0, 4)[0] == [2, 3, 0, 1]
    out, corrected = np.array([True, False]), np.array([False, True])
    changed = matrix.changed(out, corrected, {(1, 0, 0): ("scored", 1.0), (1, 1, 0): ("unparsed", 0.0)})
    assert changed.page(changed.matching(AnswerFilter()), "score", 0, 4)[0] == [3, 0, 1, 2]
    assert int(changed.matching(AnswerFilter(differ="score")).sum()) == 2
    assert int(changed.matching(AnswerFilter(state="excluded")).sum()) == 2
    assert int(matrix.matching(AnswerFilter(differ="score")).sum()) == 0
