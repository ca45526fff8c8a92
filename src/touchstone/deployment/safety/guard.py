"""
One pass over texts: words, personal data, orders to the model, and whether an endpoint objects.

A guard knows texts and nothing of where they came from; `texts.py` finds all texts of a request or a reply, whole or
streamed, and `screen.py` is what the gateway calls.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from touchstone.deployment.base import SafetyFinding, SafetyPolicy
from touchstone.deployment.safety.base import Guard, Ruling, Span, Way
from touchstone.deployment.safety.disguise import Reading, readings
from touchstone.deployment.safety.injection import find_injection
from touchstone.deployment.safety.moderation import Ask, Kind, Moderation
from touchstone.deployment.safety.pii import PiiFinder
from touchstone.deployment.safety.seen import Seen, see
from touchstone.deployment.safety.spans import apart, masked
from touchstone.deployment.safety.words import WordList
from touchstone.errors import InvalidValue, SafetyUnavailable

NOT_CHECKED = "moderation.not_checked"
"""Rule of the finding that says: it passed without a verdict, because the policy lets texts pass then."""

_LONG = 65_536
"""Characters from which on rules run beside the event loop: other requests wait 2 ms for this many."""


def make_guard(
    policy: SafetyPolicy,
    ask: Ask | None = None,
    *,
    asks: Kind = "moderation",
    clock: Callable[[], float] = time.monotonic,
) -> Guard:
    """
    The guard of a policy.

    Args:
        policy: What to look for.
        ask: Asks the policy's moderation endpoint.
        asks: What that endpoint is.
        clock: Monotonic seconds.

    Raises:
        InvalidValue: the policy names a moderation endpoint and there is nobody to ask; a term is empty.
        SettingsError: a term between slashes is no regular expression.
        UnknownName: a kind of personal data that nobody knows.
        ExtraMissing: the policy wants presidio, which is not installed.
    """
    if policy.moderation is not None and ask is None:
        raise InvalidValue("the moderation endpoint {name} cannot be asked from here", name=policy.moderation)
    return RuleGuard(policy, _moderation(policy, ask, asks, clock))


def _moderation(policy: SafetyPolicy, ask: Ask | None, asks: Kind, clock: Callable[[], float]) -> Moderation | None:
    if policy.moderation is None or ask is None:
        return None
    return Moderation(ask, kind=asks, timeout_s=policy.timeout_s, clock=clock)


_MOST_FINDINGS = 200
"""Findings that are told; masks are put over all. A text of nothing but numbers is not to fill the store."""


class RuleGuard:
    """
    A `Guard` made of rules, in order: words, personal data, injection, moderation.

    The first three always run, so that a record names all that they found. The endpoint is asked last, only where
    nothing blocked yet, and reads the masked texts: what is hidden from a model is hidden from it too.
    """

    def __init__(self, policy: SafetyPolicy, moderation: Moderation | None = None) -> None:
        self.policy = policy
        self.moderation = moderation
        self._blocked = WordList(policy.blocked)
        self._allowed = WordList(policy.allowed)
        self._pii = PiiFinder(policy.pii_kinds, presidio=policy.presidio) if policy.pii != "off" else None

    async def check(self, texts: Sequence[str], way: Way) -> Ruling:
        """See `Guard`."""
        if way not in self.policy.ways or not self.policy.checks or not texts:
            return Ruling("pass", tuple(texts))
        if sum(map(len, texts)) > _LONG:
            ruling = await asyncio.to_thread(self.by_rules, texts, way)
        else:
            ruling = self.by_rules(texts, way)
        return ruling if ruling.action == "block" or self.moderation is None else await self._moderated(ruling, way)

    def orders(self, texts: Sequence[str]) -> Ruling:
        """See `Guard`. Personal data and words are not looked for: the documents are the recipe's own."""
        findings: list[SafetyFinding] = []
        for number, text in enumerate(texts):
            seen = see(text)
            allowed = [span[1:3] for span in self._allowed.find(seen)] if self._allowed else []
            found = _without(find_injection(seen, list(readings(seen))), allowed)
            room = max(0, _MOST_FINDINGS - len(findings))
            findings += [_finding("injection.", span, "in", number) for span in found[:room]]
        if findings and self.policy.injection == "block":
            return Ruling("block", (), tuple(findings))
        return Ruling("pass", tuple(texts), tuple(findings))

    def by_rules(self, texts: Sequence[str], way: Way) -> Ruling:
        """What rules say that ask nobody."""
        passed: list[str] = []
        findings: list[SafetyFinding] = []
        blocks = False
        for number, text in enumerate(texts):
            seen = see(text)
            allowed = [span[1:3] for span in self._allowed.find(seen)] if self._allowed else []
            orders_count = self._looks_for_orders(way)
            others = list(readings(seen)) if self._blocked or orders_count else []
            words = _without(self._words(seen, others), allowed)
            personal = apart(_without(self._pii.find(seen) if self._pii else [], allowed))
            orders = _without(find_injection(seen, others) if orders_count else [], allowed)
            blocks |= bool(words) or bool(personal and self.policy.pii == "block")
            blocks |= bool(orders and self.policy.injection == "block")
            for family, spans in (("", words), ("pii.", personal), ("injection.", orders)):
                room = max(0, _MOST_FINDINGS - len(findings))
                findings += [_finding(family, span, way, number) for span in spans[:room]]
            passed.append(masked(seen.text, personal, self._pii.mask) if self._pii and personal else text)
        if blocks:
            return Ruling("block", (), tuple(findings))
        return Ruling("mask" if passed != list(texts) else "pass", tuple(passed), tuple(findings))

    def _words(self, seen: Seen, others: Sequence[Reading]) -> list[Span]:
        if not self._blocked:
            return []
        found = self._blocked.find(seen)
        # In a disguise the place is that of the disguise.
        found += [Span("blocked", one.start, one.end, 1.0) for one in others if any(self._blocked.places(one.folded))]
        return found

    def _looks_for_orders(self, way: Way) -> bool:
        # Orders matter where a model reads them. What comes out is read by people.
        return way == "in" and self.policy.injection != "off"

    async def _moderated(self, ruling: Ruling, way: Way) -> Ruling:
        assert self.moderation is not None
        try:
            flagged = await self.moderation.flagged(ruling.texts)
        except SafetyUnavailable:
            if self.policy.when_down == "closed":
                raise
            return ruling._replace(findings=(*ruling.findings, SafetyFinding(rule=NOT_CHECKED, way=way)))
        if flagged is None:
            return ruling
        said = [SafetyFinding(rule="moderation", way=way, score=score) for score in flagged]
        return Ruling("block", (), (*ruling.findings, *said))


def _without(spans: Sequence[Span], allowed: Sequence[tuple[int, int]]) -> list[Span]:
    """The spans that do not lie within an allowed text."""
    if not allowed:
        return list(spans)
    inside = sorted(allowed)
    starts = [start for start, _ in inside]
    reach = list(accumulate((end for _, end in inside), max))
    return [one for one in spans if not (place := bisect_right(starts, one.start)) or reach[place - 1] < one.end]


def _finding(family: str, span: Span, way: Way, number: int) -> SafetyFinding:
    return SafetyFinding(
        rule=family + span.kind, way=way, start=span.start, end=span.end, score=span.score, text=number
    )
