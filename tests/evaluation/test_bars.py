"""What requirements promise: a candidate that meets one is never refuted by it, and what is unknown refutes nobody."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from touchstone.evaluation.bars import COST_CEILING, SLOW_SHARE, Quantity, Requirement
from touchstone.evaluation.base import OutcomeKind
from touchstone.evaluation.packed import KINDS
from touchstone.evaluation.scorecard import score_ends

NAN = float("nan")

cells = st.lists(
    st.tuples(
        st.sampled_from(["scored", "refused", "empty", "error", "in_doubt", "judge_unparsed"]),
        st.floats(0, 1),
        st.just(NAN) | st.floats(0, 50),
        st.just(NAN) | st.floats(0, 50),
    ),
    min_size=1,
    max_size=40,
)


def ends(requirement: Requirement, rows: list[tuple[Any, float, float, float]]) -> tuple[Any, Any]:
    kind = np.array([KINDS.index(row[0]) for row in rows], dtype=np.uint8)
    low, high = score_ends(kind, np.array([row[1] for row in rows]))
    return requirement.values(kind, low, high, np.array([row[2] for row in rows]), np.array([row[3] for row in rows]))


@example(rows=[("scored", 0.0, 1.0, NAN)], quantity="cost_usd", limit=2.2250738585e-313)
@given(
    rows=cells,
    quantity=st.sampled_from(["score", "latency_s", "cost_usd", "refused"]),
    limit=st.floats(0, 1) | st.floats(0, 100),
)
def test_every_variable_lies_between_0_and_1(rows: list[Any], quantity: Quantity, limit: float) -> None:
    """And its low end is not above its high end; what is known has one value."""
    low, high = ends(Requirement("r", quantity, limit), rows)

    assert low.shape == high.shape == (len(rows),)
    assert ((low >= 0) & (low <= high) & (high <= 1)).all()
    known = {
        "score": [kind != "judge_unparsed" for kind, *_ in rows],
        "refused": [True] * len(rows),
        "latency_s": [row[3] == row[3] for row in rows],
        "cost_usd": [row[2] == row[2] for row in rows],
    }[quantity]
    assert (low == high)[np.array(known)].all()
    if quantity != "score":
        assert (high - low)[~np.array(known)].tolist() == [1.0] * known.count(False)


@given(rows=cells, limit=st.floats(0, 1))
def test_a_score_is_its_own_variable(rows: list[Any], limit: float) -> None:
    """The mean of the variable is the strict mean, and the bar is at the limit."""
    found, _ = ends(Requirement("min_score", "score", limit), rows)
    bar = Requirement("min_score", "score", limit).bar

    assert found.tolist() == [row[1] if row[0] == "scored" else 0.0 for row in rows]
    assert (bar.name, bar.kind, bar.level) == ("min_score", "at_least", limit)


@given(rows=cells, limit=st.floats(0.1, 60))
def test_a_latency_limit_is_about_the_share_of_slower_cells(rows: list[Any], limit: float) -> None:
    """At most one cell in twenty may be slower, which is what a 95th percentile says; as slow is not slower."""
    requirement = Requirement("max_p95_latency_s", "latency_s", limit)
    low, high = ends(requirement, rows)
    slower = [row[3] > limit for row in rows]

    assert low.tolist() == [float(slow) for slow in slower]
    assert high.tolist() == [1.0 if row[3] != row[3] else float(slow) for row, slow in zip(rows, slower, strict=True)]
    assert (requirement.bar.kind, requirement.bar.level) == ("at_most", SLOW_SHARE)
    assert ends(requirement, [("scored", 1.0, 0.0, limit)])[1].tolist() == [0.0]


@given(costs=st.lists(st.floats(0, 100), min_size=1, max_size=40), limit=st.floats(0.01, 50))
def test_a_mean_cost_within_the_limit_meets_its_bar(costs: list[float], limit: float) -> None:
    """However dear single cells are: they are cut, which makes the mean smaller and never larger."""
    requirement = Requirement("max_usd_per_case", "cost_usd", limit)
    low, high = ends(requirement, [("scored", 1.0, cost, 0.0) for cost in costs])

    assert low.tolist() == high.tolist()
    assert low.mean() * COST_CEILING * limit <= np.mean(costs) * (1 + 1e-9) + 1e-300
    if np.mean(costs) <= limit:
        assert low.mean() <= requirement.bar.level * (1 + 1e-9)
    if max(costs) <= COST_CEILING * limit and np.mean(costs) > limit * (1 + 1e-9):
        assert low.mean() > requirement.bar.level
    assert (requirement.bar.kind, requirement.bar.level) == ("at_most", 1 / COST_CEILING)


@pytest.mark.parametrize(("cost", "wanted"), [(0.0, 0.0), (1e-9, 1.0), (5.0, 1.0)])
def test_where_nothing_may_be_paid_every_paid_cell_counts(cost: float, wanted: float) -> None:
    """A limit of 0 divides nothing by nothing."""
    low, high = ends(Requirement("max_usd_per_case", "cost_usd", 0.0), [("scored", 1.0, cost, 0.0)])
    assert (low.tolist(), high.tolist()) == ([wanted], [wanted])


@pytest.mark.parametrize("kind", ["scored", "refused", "filtered", "error", "judge_unparsed"])
def test_a_refusal_is_the_models_and_not_the_filters(kind: OutcomeKind) -> None:
    """Of the share of refusals, a block by the provider's filter is none."""
    requirement = Requirement("max_refused_share", "refused", 0.02)
    low, high = ends(requirement, [(kind, 1.0, 0.0, 0.0)])

    assert low.tolist() == high.tolist() == [float(kind == "refused")]
    assert (requirement.bar.kind, requirement.bar.level) == ("at_most", 0.02)
