"""What the scorecard promises: the same unit results however cells came, and nothing asked twice or forgotten."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.evaluation.bars import Requirement
from touchstone.evaluation.base import STRICT_ZEROS, Outcome, OutcomeKind
from touchstone.evaluation.order import CaseOrder
from touchstone.evaluation.packed import KINDS
from touchstone.evaluation.race import Race, Rules
from touchstone.evaluation.scorecard import ASKED_AGAIN, FAILED, OWN_FAILURES, Scorecard, UnitResult
from touchstone.models.base import Completion, TextPart
from touchstone.scoring.base import Score

NAN = float("nan")

REQUIREMENTS = (
    Requirement("min_score", "score", 0.5),
    Requirement("max_p95_latency_s", "latency_s", 1.0),
    Requirement("max_usd_per_case", "cost_usd", 0.25),
    Requirement("max_refused_share", "refused", 0.1),
)


@dataclass(frozen=True)
class Cell:
    """One cell as the brute-force reference sees it; everything in eighths, so that sums are exact."""

    ordinal: int
    repeat: int
    kind: OutcomeKind
    score: float
    cost_usd: float | None
    retry_usd: float | None
    latency_s: float | None

    @property
    def answered(self) -> bool:
        """A reply that is a failure, such as one of another model, has its price; silence has none."""
        return self.kind not in OWN_FAILURES or self.cost_usd is not None

    @property
    def outcome(self) -> Outcome:
        completion = Completion(parts=(TextPart(text="x"),), cost_usd=self.cost_usd, latency_s=self.latency_s)
        scored = self.kind == "scored"
        return Outcome(
            case=str(self.ordinal),
            candidate="m",
            repeat=self.repeat,
            kind=self.kind,
            completion=completion if self.answered else None,
            scores=(Score(scorer="s", value=self.score),) if scored else (),
            retry_usd=self.retry_usd,
        )

    @property
    def all_usd(self) -> float:
        """With its lost sends; NaN where one of the two is not known."""
        found = (self.cost_usd, self.retry_usd) if self.answered else (0.0, self.retry_usd)
        return NAN if None in found else sum(usd for usd in found if usd is not None)

    @property
    def stored_latency_s(self) -> float:
        return NAN if self.latency_s is None or not self.answered else self.latency_s

    # What it means

    @property
    def ends(self) -> tuple[float, float]:
        if self.kind == "scored":
            return self.score, self.score
        return (0.0, 0.0) if self.kind in STRICT_ZEROS | OWN_FAILURES else (0.0, 1.0)

    @property
    def bars(self) -> list[tuple[float, float]]:
        latency, cost = self.stored_latency_s, self.all_usd
        return [
            self.ends,
            (0.0, 1.0) if latency != latency else (float(latency > 1.0),) * 2,
            (0.0, 1.0) if cost != cost else (min(cost, 1.0),) * 2,
            (float(self.kind == "refused"),) * 2,
        ]


def expected(order: CaseOrder, repeats: int, cells: list[Cell]) -> dict[int, UnitResult]:
    """The complete units, one after the other, by the definition."""
    found = {}
    for unit in range(order.units):
        members = set(order.cases_of(unit, unit + 1).tolist())
        own = [cell for cell in cells if cell.ordinal in members]
        if len(own) < len(members) * repeats:
            continue
        bars = [
            tuple(sum(cell.bars[at][end] for cell in own) / len(own) for end in (0, 1))
            for at in range(len(REQUIREMENTS))
        ]
        cost = sum(cell.all_usd for cell in own) / repeats
        found[unit] = UnitResult(
            unit=unit,
            low=sum(cell.ends[0] for cell in own) / len(own),
            high=sum(cell.ends[1] for cell in own) / len(own),
            bars=tuple((low, high) for low, high in bars),
            cost_usd=None if cost != cost else cost,
        )
    return found


@st.composite
def scorecards(draw: st.DrawFn) -> tuple[CaseOrder, int, list[Cell]]:
    groups = draw(st.lists(st.none() | st.sampled_from("ab"), min_size=1, max_size=5))
    repeats = draw(st.integers(1, 2))
    order = CaseOrder.draw(len(groups), draw(st.integers(0, 9)), groups)
    places = [(ordinal, repeat) for ordinal in range(len(groups)) for repeat in range(repeats)]
    eighths = st.integers(0, 8).map(lambda number: number / 8)
    others = ["unparsed", "refused", "error", "in_doubt", "judge_unparsed"]
    kinds = st.sampled_from(["scored"] * 3 + others)
    cells = [
        Cell(
            ordinal,
            repeat,
            draw(kinds),
            draw(eighths),
            draw(st.none() | eighths),
            draw(st.just(0.0) | eighths | st.none()),
            draw(st.none() | eighths.map(lambda number: 2 * number)),
        )
        for ordinal, repeat in draw(st.permutations(places))
        if draw(st.integers(0, 9)) > 0
    ]
    return order, repeats, cells


def load(card: Scorecard, candidate: int, cells: list[Cell]) -> dict[int, UnitResult]:
    units, low, high, bars, cost = card.load(
        candidate,
        np.array([cell.ordinal for cell in cells], dtype=np.int64),
        np.array([cell.repeat for cell in cells], dtype=np.int64),
        np.array([KINDS.index(cell.kind) for cell in cells], dtype=np.uint8),
        np.array([cell.score if cell.kind == "scored" else NAN for cell in cells], dtype=float),
        *(
            np.array([NAN if usd is None else usd for usd in column], dtype=float)
            for column in ([cell.cost_usd for cell in cells], [cell.retry_usd for cell in cells])
        ),
        np.array([cell.stored_latency_s for cell in cells], dtype=float),
    )
    assert bars.shape == (len(units), len(card.requirements), 2)
    return {
        int(unit): UnitResult(
            unit=int(unit),
            low=float(low[at]),
            high=float(high[at]),
            bars=tuple((float(a), float(b)) for a, b in bars[at]),
            cost_usd=None if np.isnan(cost[at]) else float(cost[at]),
        )
        for at, unit in enumerate(units)
    }


@given(drawn=scorecards(), split=st.integers(0, 15))
@settings(max_examples=80, deadline=None)
def test_stored_cells_and_new_ones_give_the_same_units(drawn: tuple[CaseOrder, int, list[Cell]], split: int) -> None:
    """Whatever part of them was loaded and whatever came one by one, in any order: what the definition says."""
    order, repeats, cells = drawn
    card = Scorecard(order, 2, repeats, REQUIREMENTS)
    found = load(card, 1, cells[:split])
    for cell in cells[split:]:
        result = card.add(1, cell.ordinal, cell.outcome)
        if result is not None:
            assert result.unit not in found
            found[result.unit] = result

    assert found == expected(order, repeats, cells)
    assert card.answered(1) == len(cells)
    assert card.answered(0) == 0


@given(drawn=scorecards(), split=st.integers(0, 15), ends=st.tuples(st.integers(0, 5), st.integers(0, 5)))
@settings(max_examples=50, deadline=None)
def test_missing_is_what_nobody_answered(
    drawn: tuple[CaseOrder, int, list[Cell]], split: int, ends: tuple[int, int]
) -> None:
    """In the shared order, of these units alone, every repeat of a case one after the other."""
    order, repeats, cells = drawn
    card = Scorecard(order, 1, repeats)
    load(card, 0, cells[:split])
    for cell in cells[split:]:
        card.add(0, cell.ordinal, cell.outcome)
    start, stop = sorted(min(end, order.units) for end in ends)
    done = {(cell.ordinal, cell.repeat) for cell in cells}

    assert list(card.missing(0, start, stop)) == [
        (ordinal, repeat)
        for ordinal in order.cases_of(start, stop).tolist()
        for repeat in range(repeats)
        if (ordinal, repeat) not in done
    ]


@given(drawn=scorecards(), split=st.integers(0, 15))
@settings(max_examples=50, deadline=None)
def test_scores_are_those_of_the_leading_complete_units(drawn: tuple[CaseOrder, int, list[Cell]], split: int) -> None:
    """Up to the first gap: what comes after it was not asked in the order that intervals rely on."""
    order, repeats, cells = drawn
    card = Scorecard(order, 1, repeats)
    load(card, 0, cells[:split])
    for cell in cells[split:]:
        card.add(0, cell.ordinal, cell.outcome)
    whole = expected(order, repeats, cells)
    leading = [whole[unit] for unit in range(next(at for at in range(order.units + 1) if at not in whole))]

    low, high = card.scores(0)
    assert low.tolist() == [result.low for result in leading]
    assert high.tolist() == [result.high for result in leading]


def test_a_cell_counts_once() -> None:
    """The same cell a second time changes nothing and completes nothing."""
    card = Scorecard(CaseOrder.draw(2, 1, ["a", "a"]), 1)
    right, wrong = (Cell(0, 0, "scored", score, 0.0, 0.0, 0.0).outcome for score in (1.0, 0.0))
    for outcome in (right, wrong, right):
        assert card.add(0, 0, outcome) is None
    assert card.answered(0) == 1
    whole = card.add(0, 1, Cell(1, 0, "scored", 0.5, 0.0, 0.0, 0.0).outcome)
    assert whole is not None
    assert whole.low == whole.high == 0.75


@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        ("scored", (0.75, 0.75)),
        ("unparsed", (0.0, 0.0)),
        ("refused", (0.0, 0.0)),
        ("filtered", (0.0, 0.0)),
        ("truncated", (0.0, 0.0)),
        ("empty", (0.0, 0.0)),
        ("error", (0.0, 0.0)),
        ("in_doubt", (0.0, 0.0)),
        ("judge_unparsed", (0.0, 1.0)),
    ],
)
def test_a_candidates_own_failures_are_wrong_and_a_judges_are_unknown(
    kind: OutcomeKind, ends: tuple[float, float]
) -> None:
    """What a race is told of a cell, loaded or new."""
    cell = Cell(0, 0, kind, 0.75, 0.0, 0.0, 0.0)
    new = Scorecard(CaseOrder.draw(1, 0), 1).add(0, 0, cell.outcome)
    stored = load(Scorecard(CaseOrder.draw(1, 0), 1), 0, [cell])[0]

    assert new is not None
    assert (new.low, new.high) == (stored.low, stored.high) == ends


def test_every_kind_is_asked_again_or_stays() -> None:
    """What was never asked is asked; a failure stays unless one asks for it; an answer is never asked again."""
    assert {"skipped_race", "skipped_budget", "skipped_cancel", "planned"} == ASKED_AGAIN
    assert {"error", "in_doubt", "judge_unparsed"} == FAILED
    assert not (ASKED_AGAIN | FAILED) & (STRICT_ZEROS | {"scored"})
    assert ASKED_AGAIN | FAILED | STRICT_ZEROS | {"scored"} == set(KINDS)


def test_a_unit_costs_what_its_cases_cost_together() -> None:
    """A race divides by cases, so a cluster of three is told at three times the price of a case, repeats averaged."""
    cells = [Cell(at, repeat, "scored", 1.0, 0.25 + 0.5 * repeat, 0.0, 0.5) for at in range(4) for repeat in (0, 1)]
    order = CaseOrder.draw(4, 2, ["a", "a", "a", None])
    found = load(Scorecard(order, 1, 2), 0, cells)
    costs = {int(order.sizes[unit]): result.cost_usd for unit, result in found.items()}
    assert costs == {3: 1.5, 1: 0.5}

    race = Race(1, order.sizes.tolist(), Rules())
    for unit, result in found.items():
        race.tell(0, unit, low=result.low, high=result.high, cost_usd=result.cost_usd)
    assert race._board.cost_at(0, race._board.level(0)) == 0.5


def test_a_requirement_is_shown_for_cases_and_not_for_clusters() -> None:
    """Many right single cases and a large wrong cluster among them: nobody has shown 80 % right."""
    groups = [*range(300), *[300] * 200]
    card = Scorecard(CaseOrder.draw(500, 5, groups), 1, 1, (Requirement("min_score", "score", 0.8),))
    load(card, 0, [Cell(at, 0, "scored", float(at < 300), 0.0, 0.0, 0.5) for at in range(500)])
    assert not card.shows(0, 0.95)


def shows(kind: Any, share: float, cells: int, *requirements: Requirement, **fields: Any) -> bool:
    """Whether a candidate of which so large a share is of this kind has shown that it meets the requirements."""
    card = Scorecard(CaseOrder.draw(cells, 5), 1, 1, requirements)
    kinds = [kind] * round(share * cells) + ["scored"] * (cells - round(share * cells))
    random.Random(3).shuffle(kinds)
    base = {"score": 1.0, "cost_usd": 0.1, "retry_usd": 0.0, "latency_s": 0.5}
    load(card, 0, [Cell(at, 0, found, **{**base, **fields}) for at, found in enumerate(kinds)])
    return card.shows(0, 0.95)


def test_a_requirement_is_shown_only_by_evidence() -> None:
    """Many good cells show it; few do not, bad ones do not, unknown ones do not; costs are not looked at."""
    score, refused, quick, cost = (
        Requirement("min_score", "score", 0.8),
        Requirement("max_refused_share", "refused", 0.2),
        Requirement("max_p95_latency_s", "latency_s", 1.0),
        Requirement("max_usd_per_case", "cost_usd", 1e-9),
    )
    assert shows("unparsed", 0.0, 2_000, score, refused, quick, cost)
    assert not shows("unparsed", 0.0, 3, score)
    assert not shows("unparsed", 0.0, 0, score)
    assert not shows("unparsed", 0.5, 1_000, score)
    assert not shows("judge_unparsed", 0.5, 1_000, score)
    assert not shows("refused", 0.5, 1_000, refused)
    assert not shows("scored", 0.0, 1_000, quick, latency_s=2.0)
    assert not shows("scored", 0.0, 1_000, quick, latency_s=None)
    assert shows("unparsed", 0.0, 0)
