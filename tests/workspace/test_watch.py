"""What is told while a run goes on: intervals that hold whenever one looks, whatever is still to come."""

from __future__ import annotations

import numpy as np

from touchstone.evaluation.order import CaseOrder
from touchstone.evaluation.packed import KINDS
from touchstone.evaluation.race import Race, Rules
from touchstone.evaluation.scorecard import Scorecard
from touchstone.reporting.live import Progress
from touchstone.workspace.watch import Watch


def test_an_interval_allows_for_the_large_group_that_was_not_asked_yet() -> None:
    """Two hundred single cases, all right, and a group of forty to come: the mean by case may still be 0.83."""
    order = CaseOrder(np.arange(240), np.array([*range(201), 240]))
    card = Scorecard(order, 1)
    right, nothing = np.full(200, KINDS.index("scored")), np.zeros(200)
    card.load(0, np.arange(200), np.zeros(200, dtype=np.int64), right, np.ones(200), nothing, nothing, nothing)
    told: list[Progress] = []
    watch = Watch(["a"], card, lambda: 0.0, 0.95, told.append)
    watch.round(Race(1, order.sizes.tolist(), Rules()).standing())
    watch.finish()

    assert told[-1].lanes[0].low is not None
    assert told[-1].lanes[0].low <= 200 / 240


def test_who_cannot_be_reached_is_waited_for_and_saves_nothing() -> None:
    """Nor does its rival, whose race is not over; who is ruled out, or was settled, is asked no more."""
    order = CaseOrder(np.arange(100), np.arange(101))
    card = Scorecard(order, 3)
    race = Race(3, [1] * 100, Rules())
    race.withdraw(1)
    told: list[Progress] = []
    for ruled_out, saved in ((frozenset[int](), 0), (frozenset({1}), 100)):
        watch = Watch(["a", "b", "c"], card, lambda: 0.0, 0.95, told.append, ruled_out)
        watch.round(race.standing())
        watch.finish()
        assert told[-1].saved_calls == saved
        assert told[-1].lanes[1].state == ("infeasible" if ruled_out else "unreachable")
