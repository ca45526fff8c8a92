"""
Strengths from pairs: who beats whom, however few of all pairs were ever held against each other.

The model of Bradley and Terry (1952), "Rank analysis of incomplete block designs", Biometrika 39: `a` beats `b` with
probability 1 / (1 + exp(strength of b - strength of a)). A tie counts as half a win each. Pure Python: up to 200 names
it is done before numpy would be loaded.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import mul
from typing import NamedTuple

from touchstone.evaluation.distributions import normal_quantile

PRIOR = 1.0
"""
Weight of one tie of everybody against a rival of middle strength (0), who stands in no list.

It is the weak prior that keeps who never lost finite, and leaves near the middle, with a wide interval, whoever was
held against few. The middle is also what unconnected parts have in common. Whelan (2017), arXiv:1712.05311, compares
this prior with others.
"""
_SETTLED = 1e-7
_MOST_ROUNDS = 10_000
_STRETCH = 1.2
"""Each step goes this much further than it asks for, as in successive over-relaxation: a third fewer rounds."""
_FEW = 200
"""Up to so many names the information matrix is inverted here; numpy's import alone would take longer."""


Pair = tuple[int, int, float, float]
"""Two names by their numbers, and what each of them won."""


class Outcome(NamedTuple):
    """One pair."""

    a: str
    b: str
    won: float
    """1 when `a` won, 0 when `b` did, 0.5 for a tie."""
    weight: float = 1.0
    """How many pairs it counts for; below 1 where several are not independent of each other."""


class Strength(NamedTuple):
    """How strong one name is."""

    value: float
    """Log-odds of winning against a rival of middle strength."""
    error: float
    """Standard error of its distance from the mean of all."""
    low: float
    high: float
    """Ends of the interval."""
    place: int
    """1 is the strongest; equal strengths share a place."""
    best_place: int
    """1 and all from which it is told apart as the weaker, pair by pair at the confidence asked for;"""
    worst_place: int
    """all but those from which it is told apart as the stronger."""
    part: int
    """Who hangs together by a chain of pairs shares it, and 0 is the largest part. How two parts compare only the prior
    says."""


def bradley_terry(
    outcomes: Iterable[Outcome], *, prior: float = PRIOR, confidence: float = 0.95
) -> dict[str, Strength]:
    """
    The strength of everybody who stands in a pair, the strongest first, equal ones by name.

    Values maximise the likelihood of the outcomes and the prior. Intervals are Wald's, from the inverse of the
    information matrix at those values, so that what the others' strengths leave open is in them; what moves all
    strengths together is not. Places take the errors of two names for independent.

    Args:
        outcomes: In any order; nobody is held against themselves.
        prior: Weight of the prior, more than 0; see `PRIOR`.

    Raises:
        ValueError: a pair has one name twice, a weight that is not above 0, or a result outside 0 to 1.
    """
    if not prior > 0:
        raise ValueError(f"the prior weighs more than 0; got {prior!r}")
    names, wins = _added_up(outcomes)
    pairs = [(i, j, won, lost) for (i, j), (won, lost) in wins.items()]
    parts = _parts(len(names), pairs)
    worth = _worth(len(names), pairs, parts, prior)
    # What is equal may differ in its last digits after rounds of rounding; a place must not hang on them.
    values = [round(math.log(one), 5) + 0.0 for one in worth]
    errors = [math.sqrt(variance) for variance in _variances(worth, pairs, prior)]
    z = normal_quantile((1 + confidence) / 2)
    part_of = {at: number for number, part in enumerate(parts) for at in part}
    order = sorted(range(len(names)), key=lambda at: (-values[at], names[at]))
    places = _places(order, values, errors, z)
    return {
        names[at]: Strength(
            value=values[at],
            error=errors[at],
            low=values[at] - z * errors[at],
            high=values[at] + z * errors[at],
            place=places[at][0],
            best_place=places[at][1],
            worst_place=places[at][2],
            part=part_of[at],
        )
        for at in order
    }


def _added_up(outcomes: Iterable[Outcome]) -> tuple[list[str], dict[tuple[int, int], tuple[float, float]]]:
    """The names, and of each pair the weight of both sides' wins; nothing is left of the order they came in."""
    sides: list[tuple[str, str, float, float]] = []
    for a, b, won, weight in outcomes:
        if a == b or not 0 < weight < math.inf or not 0 <= won <= 1:
            raise ValueError(
                f"no pair with a result from 0 to 1 and a weight above 0: {a!r}, {b!r}, {won!r}, {weight!r}"
            )
        mine, theirs = won * weight, (1 - won) * weight
        sides.append((a, b, mine, theirs) if a < b else (b, a, theirs, mine))
    sides.sort()  # so that sums are rounded alike in whatever order the pairs came
    names = sorted({name for side in sides for name in side[:2]})
    number = {name: at for at, name in enumerate(names)}
    added: dict[tuple[int, int], tuple[float, float]] = {}
    for a, b, mine, theirs in sides:
        pair = number[a], number[b]
        before = added.get(pair, (0.0, 0.0))
        added[pair] = before[0] + mine, before[1] + theirs
    return names, added


def _worth(count: int, pairs: Sequence[Pair], parts: Sequence[Sequence[int]], prior: float) -> list[float]:
    """
    The exponentials of the strengths.

    Each round sets the worth of one after the other to what the worths of the rivals ask for, as the MM algorithm of
    Hunter (2004), Annals of Statistics 32, does; the step is that of Newman (2023), JMLR 24, eq. 12 and 27, whose limit
    is the same and is reached in far fewer rounds. Pairs say nothing of how high a part stands as a whole, only
    the prior does, and step by step that takes longest of all; so each part is moved as a whole after each round.
    """
    rivals: list[list[tuple[int, float, float]]] = [[] for _ in range(count)]
    for i, j, won, lost in pairs:
        rivals[i].append((j, won, lost))
        rivals[j].append((i, lost, won))
    half = prior / 2
    worth = [
        (half + math.fsum(won for _, won, _ in met)) / (half + math.fsum(lost for _, _, lost in met)) for met in rivals
    ]
    for _ in range(_MOST_ROUNDS):
        before = worth.copy()
        for at, met in enumerate(rivals):
            mine = worth[at]
            up = down = half / (mine + 1)
            for other, won, lost in met:
                theirs = worth[other]
                both = mine + theirs
                up += won * theirs / both
                down += lost / both
            worth[at] = mine * (up / down / mine) ** _STRETCH
        for part in parts:
            _move(worth, part)
        if max((abs(new / old - 1) for new, old in zip(worth, before, strict=True)), default=0.0) < _SETTLED:
            return worth
    raise ArithmeticError("the strengths did not settle")


def _move(worth: list[float], part: Sequence[int]) -> None:
    """Scale a part so that against the prior's rival it wins as much as it loses: one step of Newton's."""
    shares = [worth[at] / (worth[at] + 1) for at in part]
    off = math.fsum(shares) - len(part) / 2
    factor = math.exp(-max(-1.0, min(1.0, off / math.fsum(share * (1 - share) for share in shares))))
    for at in part:
        worth[at] *= factor


def _variances(worth: Sequence[float], pairs: Sequence[Pair], prior: float) -> list[float]:
    """
    Of the distance from the mean of all, from the inverse of the information matrix, the prior's information in it.

    How high all stand together only the prior says, and no comparison hangs on it: of C, the inverse, what is left is
    the diagonal of (1 - E/n) C (1 - E/n), where E is all ones.
    """
    count = len(worth)
    rows = [{at: prior * one / (one + 1) ** 2} for at, one in enumerate(worth)]
    for i, j, won, lost in pairs:
        told = (won + lost) * worth[i] * worth[j] / (worth[i] + worth[j]) ** 2
        rows[i][i] += told
        rows[j][j] += told
        rows[i][j] = rows[j][i] = -told
    if count <= _FEW:
        own, sums = _inverse(rows)
    else:
        import numpy as np

        inverse = np.linalg.inv(np.array([[row.get(at, 0.0) for at in range(count)] for row in rows]))
        own, sums = inverse.diagonal().tolist(), inverse.sum(axis=0).tolist()
    shared = math.fsum(sums) / count / count if count else 0.0
    return [max(0.0, one - 2 * total / count + shared) for one, total in zip(own, sums, strict=True)]


def _inverse(rows: Sequence[Mapping[int, float]]) -> tuple[list[float], list[float]]:
    """
    Of the inverse of a sparse positive definite matrix the diagonal, and the sums of its columns.

    Elimination in the order of the fewest rivals, for hardly anybody meets everybody; then, from the last one back,
    the entries of the inverse that stand where the factor has entries: Takahashi, Fagan and Chen (1973), as in Erisman
    and Tinney (1975), Communications of the ACM 18.
    """
    left = [dict(row) for row in rows]
    waiting = set(range(len(left)))
    steps: list[tuple[int, float, list[int], list[float]]] = []
    ones = [1.0] * len(left)
    while waiting:
        at = min(waiting, key=lambda one: (len(left[one]), one))
        waiting.remove(at)
        row = left[at]
        pivot = row.pop(at)
        others, shares = list(row), [value / pivot for value in row.values()]
        steps.append((at, pivot, others, shares))
        for other, share in zip(others, shares, strict=True):
            theirs = left[other]
            del theirs[at]
            ones[other] -= share * ones[at]
            for one, value in row.items():
                theirs[one] = theirs.get(one, 0.0) - share * value
    inverse: list[dict[int, float]] = [{} for _ in left]
    for at, pivot, others, shares in reversed(steps):
        mine = inverse[at]
        for other in others:
            theirs = inverse[other]
            mine[other] = theirs[at] = -sum(map(mul, shares, map(theirs.__getitem__, others)))
        mine[at] = 1 / pivot - sum(map(mul, shares, map(mine.__getitem__, others)))
        ones[at] = ones[at] / pivot - sum(map(mul, shares, map(ones.__getitem__, others)))
    return [inverse[at][at] for at in range(len(left))], ones


def _places(
    order: Sequence[int], values: Sequence[float], errors: Sequence[float], z: float
) -> dict[int, tuple[int, int, int]]:
    """Of each its place, the best and the worst one."""
    stronger, weaker = dict.fromkeys(order, 0), dict.fromkeys(order, 0)
    for rank, i in enumerate(order):
        for j in order[rank + 1 :]:
            if values[i] - values[j] > z * math.hypot(errors[i], errors[j]):
                stronger[j] += 1
                weaker[i] += 1
    found: dict[int, tuple[int, int, int]] = {}
    for rank, at in enumerate(order):
        before = order[rank - 1]
        place = found[before][0] if rank and values[before] == values[at] else rank + 1
        found[at] = place, 1 + stronger[at], len(order) - weaker[at]
    return found


def _parts(count: int, pairs: Iterable[Pair]) -> list[list[int]]:
    """Who hangs together by a chain of pairs, the largest part first."""
    head = list(range(count))

    def find(at: int) -> int:
        while head[at] != at:
            head[at] = head[head[at]]
            at = head[at]
        return at

    for i, j, _won, _lost in pairs:
        head[find(i)] = find(j)
    parts: dict[int, list[int]] = {}
    for at in range(count):
        parts.setdefault(find(at), []).append(at)
    return sorted(parts.values(), key=len, reverse=True)
