"""
How good the rules are on the labelled set: precision, recall and false positives, each with its interval.

A rule is right about a text when it finds something exactly where there is something to find. Whether masks hide all of
it is counted apart: a mask that leaves three digits standing has found the number and not hidden it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

from touchstone.deployment.base import SafetyPolicy
from touchstone.deployment.safety.guard import RuleGuard
from touchstone.deployment.safety.labelled import Half, LabelledText, labelled_texts
from touchstone.deployment.safety.pii import MASKS
from touchstone.evaluation.wilson import wilson
from touchstone.noun import Noun

_ATTACKS = ("direct", "indirect", "hidden", "encoded", "marker")


class Share(Noun):
    """Some of many, with its 95 % interval (Wilson 1927)."""

    part: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """From 0 to 1."""
        return self.part / self.of


class RuleMeasure(Noun):
    """One rule on one half of the set."""

    rule: str
    """`pii.email`, …; `injection`; `injection (hidden)` for the attacks of one kind; `masks` for what masks hide."""
    half: Half
    precision: Share | None = None
    """Of the texts in which it found something, those with something to find; None where it found nothing."""
    recall: Share | None = None
    """Of the texts with something to find, those in which it found something; None where there are none."""
    false_positives: Share | None = None
    """Of the texts with nothing to find, those in which it found something."""
    missed: tuple[str, ...] = ()
    """Ids of the texts in which it found nothing although it should."""
    wrong: tuple[str, ...] = ()
    """Ids of the texts in which it found something although there was nothing."""


class Evaluation(Noun):
    """The rules on the whole set."""

    measured_on: date
    halves: Mapping[Half, int]
    """Texts in each half."""
    attacks: int
    personal: int
    """Texts with personal data."""
    measures: tuple[RuleMeasure, ...]


def evaluate(today: date) -> Evaluation:
    """Measure all rules on both halves of the labelled set; asks nobody and takes about a second."""
    texts = labelled_texts()
    guard = RuleGuard(SafetyPolicy(pii="mask", injection="flag"))
    seen = [(text, *_found(guard, text)) for text in texts]
    measures = []
    for half in ("tuned", "apart"):
        part = [one for one in seen if one[0].half == half]
        for kind in MASKS:
            rule = f"pii.{kind}"
            measures.append(_measure(rule, half, part, _holds(kind), {rule}))
        measures.append(_measure("injection", half, part, lambda text: text.injection, {"injection"}))
        for kind in _ATTACKS:
            some = [one for one in part if one[0].kind == kind]
            measures.append(_measure(f"injection ({kind})", half, some, lambda text: text.injection, {"injection"}))
        measures.append(_masks(half, part))
    return Evaluation(
        measured_on=today,
        halves=dict(Counter(text.half for text in texts)),
        attacks=sum(text.injection for text in texts),
        personal=sum(bool(text.find) for text in texts),
        measures=tuple(measures),
    )


def _holds(kind: str) -> Callable[[LabelledText], bool]:
    return lambda text: kind in text.find


_Seen = tuple[LabelledText, frozenset[str], str]


def _found(guard: RuleGuard, text: LabelledText) -> tuple[frozenset[str], str]:
    """The rules that found something, all orders to the model as one, and the masked text."""
    ruling = guard.by_rules([text.text], "in")
    names = {"injection" if one.rule.startswith("injection.") else one.rule for one in ruling.findings}
    return frozenset(names), ruling.texts[0]


def _measure(
    rule: str, half: Half, seen: Sequence[_Seen], wanted: Callable[[LabelledText], bool], names: set[str]
) -> RuleMeasure:
    hits = [(text.id, wanted(text), bool(found & names)) for text, found, _ in seen]
    return RuleMeasure(
        rule=rule,
        half=half,
        # Among attacks alone every finding is right, which says nothing.
        precision=_share(want for _, want, found in hits if found) if not all(want for _, want, _ in hits) else None,
        recall=_share(found for _, want, found in hits if want),
        false_positives=_share(found for _, want, found in hits if not want),
        missed=tuple(name for name, want, found in hits if want and not found),
        wrong=tuple(name for name, want, found in hits if found and not want),
    )


def _masks(half: Half, seen: Sequence[_Seen]) -> RuleMeasure:
    """Of all pieces of personal data, those of which nothing is left in the masked text."""
    hidden: list[tuple[str, bool]] = []
    for text, _, masked in seen:
        hidden += [(text.id, value not in masked) for values in text.find.values() for value in values]
    return RuleMeasure(
        rule="masks",
        half=half,
        recall=_share(gone for _, gone in hidden),
        missed=tuple(name for name, gone in hidden if not gone),
    )


def _share(outcomes: Iterable[bool]) -> Share | None:
    every = list(outcomes)
    if not every:
        return None
    low, high = wilson(sum(every), len(every))
    return Share(part=sum(every), of=len(every), low=low, high=high)
