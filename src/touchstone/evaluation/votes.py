"""
Blind votes: who was preferred to whom, what that says of everybody's strength, and how many more votes it takes.

A vote is about answers that stood side by side without names. It says which was better, or puts all of them in an
order. Pure: no clock, no store, no chance but the seed of the order in which answers are shown.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

from touchstone.evaluation.bradley_terry import PRIOR, Outcome, Strength, bradley_terry
from touchstone.evaluation.distributions import normal_quantile
from touchstone.evaluation.power import cases_needed
from touchstone.evaluation.wilson import wilson

_MOST_WORTH_CASTING = 10_000
"""More votes than this nobody casts: the two are then as good as each other for whoever reads the answers."""
_FEW_FOR_TIES = 10
"""Votes between two from which on their own share of ties is taken, and not that of all votes."""


class Vote(NamedTuple):
    """One vote."""

    candidates: tuple[str, ...]
    """In the order shown, from left to right."""
    places: tuple[int, ...]
    """Of each of them: 1 is the best; who shares a place is tied."""
    all_bad: bool = False
    """Whether the voter said that none of the answers is good enough."""


class Standing(NamedTuple):
    """One candidate after all votes."""

    name: str
    strength: Strength
    votes: int
    """Votes that it stood in."""
    won: int
    tied: int
    lost: int
    """Pairs with another answer of the same vote."""
    bad: int
    """Votes in which it stood and none was good enough."""
    best_place: int
    """1 and all from which it is told apart as the weaker, pair by pair;"""
    worst_place: int
    """all but those from which it is told apart as the stronger."""

    @property
    def share(self) -> float:
        """Of its pairs, the share that it won; a tie counts half."""
        return (self.won + self.tied / 2) / (self.won + self.tied + self.lost)


class Sides(NamedTuple):
    """Where the preferred answer stood, in votes that preferred one of two."""

    left: int
    right: int
    low: float
    high: float
    """Ends of the interval of the share of left wins: Wilson, 95 %."""

    @property
    def share(self) -> float:
        """Left wins of all wins."""
        return self.left / (self.left + self.right)

    @property
    def is_biased(self) -> bool:
        """Whether the interval does not hold one half: the side, and not only the answers, decided."""
        return not self.low <= 0.5 <= self.high


class Enough(NamedTuple):
    """Whether the first two can be told apart, and what it takes."""

    first: str
    second: str
    told_apart: bool
    between: int
    """Votes so far in which both stood."""
    needed: int | None
    """Votes between the two after which a difference like theirs shows; None where no number worth casting does."""

    @property
    def more(self) -> int | None:
        """Further votes between the two; 0 where they are told apart, None where more will not help."""
        if self.told_apart:
            return 0
        return None if self.needed is None else max(1, self.needed - self.between)


class Result(NamedTuple):
    """What votes say."""

    standings: tuple[Standing, ...]
    """The strongest first."""
    votes: int
    ties: int
    """Votes that preferred nobody."""
    all_bad: int
    """Of these, votes that found none good enough."""
    sides: Sides | None
    """None while no vote preferred one of two."""
    enough: Enough | None
    """None while fewer than two stand in a vote."""


def outcomes_of(vote: Vote) -> list[Outcome]:
    """
    The pairs of a vote.

    An order of k answers holds k (k - 1) / 2 pairs that hang on one another; each of them counts for 2 / k, so that the
    whole vote counts for the k - 1 that would fix it.
    """
    weight = 2 / len(vote.candidates)
    found = []
    for a, b in combinations(range(len(vote.candidates)), 2):
        better = vote.places[b] - vote.places[a]
        won = 0.5 if better == 0 else 1.0 if better > 0 else 0.0
        found.append(Outcome(vote.candidates[a], vote.candidates[b], won, weight))
    return found


def result_of(votes: Iterable[Vote]) -> Result:
    """
    Everybody's strength (Bradley and Terry), whether the side decided, and how many more votes it takes.

    Intervals hold for a number of votes that was fixed before anybody looked.

    Raises:
        ValueError: a vote names somebody twice, or does not say a place for each.
    """
    votes = tuple(votes)
    for vote in votes:
        if len(set(vote.candidates)) != len(vote.candidates) or len(vote.candidates) != len(vote.places):
            raise ValueError(f"a vote puts each of several candidates in a place; got {vote!r}")
    strengths = bradley_terry(outcome for vote in votes for outcome in outcomes_of(vote))
    won, tied, lost, stood, bad = Counter[str](), Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    between, drawn = Counter[frozenset[str]](), Counter[frozenset[str]]()
    left = right = ties = 0
    for vote in votes:
        stood.update(vote.candidates)
        if vote.all_bad:
            bad.update(vote.candidates)
        ties += len(set(vote.places)) == 1
        for a, b, result, _weight in outcomes_of(vote):
            pair = frozenset((a, b))
            between[pair] += 1
            if result == 0.5:
                tied.update((a, b))
                drawn[pair] += 1
            else:
                winner, loser = (a, b) if result == 1 else (b, a)
                won[winner] += 1
                lost[loser] += 1
        if len(vote.candidates) == 2 and vote.places[0] != vote.places[1]:
            left += vote.places[0] < vote.places[1]
            right += vote.places[0] > vote.places[1]
    decisive = 1 - sum(drawn.values()) / max(1, sum(between.values()))
    apart = _told_apart(strengths, votes, decisive)
    standings = tuple(
        Standing(
            name,
            strength,
            stood[name],
            won[name],
            tied[name],
            lost[name],
            bad[name],
            1 + sum((other, name) in apart for other in strengths),
            len(strengths) - sum((name, other) in apart for other in strengths),
        )
        for name, strength in strengths.items()
    )
    return Result(
        standings,
        len(votes),
        ties,
        sum(vote.all_bad for vote in votes),
        Sides(left, right, *wilson(left, left + right)) if left + right else None,
        _enough(standings, apart, between, drawn) if len(standings) > 1 else None,
    )


def _told_apart(strengths: Mapping[str, Strength], votes: Sequence[Vote], decisive: float) -> set[tuple[str, str]]:
    """
    The pairs (stronger, weaker) whose difference is more than its 95 % interval is wide to one side.

    By the standard error of the difference itself: of few names the errors of two are far from independent. It comes
    from the information matrix that `bradley_terry` uses. A tie counts there as half a win, as if it varied like a
    win; it does not, and with a share t of ties the variance of a vote is at most 1 - t of that.
    """
    import numpy as np

    names = list(strengths)
    number = {name: at for at, name in enumerate(names)}
    values = [strengths[name].value for name in names]
    information = np.diag([PRIOR * math.exp(value) / (1 + math.exp(value)) ** 2 for value in values])
    for vote in votes:
        for a, b, _won, weight in outcomes_of(vote):
            i, j = number[a], number[b]
            p = 1 / (1 + math.exp(values[j] - values[i]))
            told = weight * p * (1 - p)
            information[i, i] += told
            information[j, j] += told
            information[i, j] -= told
            information[j, i] -= told
    inverse = np.linalg.inv(information) if names else information
    found = set()
    for i, j in combinations(range(len(names)), 2):
        error = math.sqrt(max(0.0, inverse[i, i] + inverse[j, j] - 2 * inverse[i, j]) * decisive)
        if decisive > 0 and values[i] - values[j] > normal_quantile(0.975) * error:
            found.add((names[i], names[j]))
    return found


def _enough(
    standings: Sequence[Standing],
    apart: Collection[tuple[str, str]],
    between: Counter[frozenset[str]],
    drawn: Counter[frozenset[str]],
) -> Enough:
    """
    A vote between two is one paired case: one wins, the other does, or neither. So it takes as many votes as a sign
    test of such cases does (`power.cases_needed`), at the difference that the strengths say and the share of ties.
    """
    first, second = standings[:2]
    pair = frozenset((first.name, second.name))
    base = (drawn, between) if between[pair] < _FEW_FOR_TIES else ({pair: drawn[pair]}, {pair: between[pair]})
    decisive = 1 - sum(base[0].values()) / max(1, sum(base[1].values()))
    p = 1 / (1 + math.exp(second.strength.value - first.strength.value))
    difference = (2 * p - 1) * decisive
    needed = cases_needed(difference, decisive) if difference > 0 else None
    if needed is not None and needed > _MOST_WORTH_CASTING:
        needed = None
    return Enough(first.name, second.name, (first.name, second.name) in apart, between[pair], needed)


def pair_to_show(count: int, shown: Counter[tuple[int, int]], seed: str, number: int) -> tuple[int, int]:
    """
    Whom of `count` candidates to hold against each other next, in the order in which they are shown.

    The pair that was shown least; among equals, and for the sides, the seed decides.

    Args:
        shown: How often each pair was shown, the smaller number first.
        number: Of the vote, from 1.
    """
    pairs = list(combinations(range(count), 2))
    least = min(shown[pair] for pair in pairs)
    draw = random.Random(f"{seed}/{number}")  # noqa: S311 - an order, not a secret; the seed is one
    pair = draw.choice([pair for pair in pairs if shown[pair] == least])
    return pair if draw.random() < 0.5 else (pair[1], pair[0])


def order_to_show(count: int, seed: str, number: int) -> tuple[int, ...]:
    """All of `count` candidates in the order in which they are shown for one vote."""
    order = list(range(count))
    random.Random(f"{seed}/{number}").shuffle(order)  # noqa: S311 - an order, not a secret; the seed is one
    return tuple(order)


Verdict = Literal["better", "good", "bad", "order"]
"""One is better than all others; all are equally good; all are equally bad; an order of all."""


def places_of(verdict: Verdict, count: int, given: Sequence[int] = ()) -> tuple[int, ...]:
    """
    The place of each answer, from left to right.

    Args:
        given: Of `better` the position of the one that is better; of `order` the place of each, ties allowed.

    Raises:
        ValueError: it does not say what such a verdict says.
    """
    if verdict == "better":
        if len(given) != 1 or not 0 <= given[0] < count:
            raise ValueError(f"one of {count} answers is better; got {given!r}")
        return tuple(1 if at == given[0] else 2 for at in range(count))
    if verdict == "order":
        if len(given) != count or not all(1 <= place <= count for place in given):
            raise ValueError(f"each of {count} answers has a place; got {given!r}")
        kept = sorted(set(given))
        return tuple(kept.index(place) + 1 for place in given)
    return (1,) * count
