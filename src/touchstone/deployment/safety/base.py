"""What a rule found, what a guard says of it and promises, and what is written down of a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from touchstone.deployment.base import EndpointName, SafetyFinding
from touchstone.noun import Noun

Way = Literal["in", "out"]


class Span(NamedTuple):
    """A place in a text that a rule points at."""

    kind: str
    start: int
    end: int
    score: float
    """How sure the rule is, from 0 to 1; it decides which name a mask has where two rules point at one place."""


class SafetyRecord(Noun):
    """One decision about one request or one reply. It holds places and rules, never a text."""

    request: str
    """Id of the request, as the client was told."""
    endpoint: EndpointName
    way: Way
    status: Literal["passed", "masked", "blocked", "unavailable", "not_checked"]
    """
    `unavailable`: nobody could tell, and it was refused. `not_checked`: it passed although something in it was not
    looked at: an image, or a text while the moderation endpoint was down and the policy lets texts pass then.
    """
    findings: tuple[SafetyFinding, ...] = ()
    not_checked: tuple[str, ...] = ()
    """Places of what nobody looked into, such as `messages[0].content[1].image_url.url`."""
    reason: str | None = None
    """Why nobody could tell, as a code: see `SafetyUnavailable.reason`; or that of a refusal by the budget."""
    texts: int
    """How many texts were looked at."""
    seconds: float
    at: str
    """ISO 8601, UTC."""


class Ruling(NamedTuple):
    """What a guard says of some texts."""

    action: Literal["pass", "mask", "block"]
    texts: tuple[str, ...]
    """The texts as they may pass; those that were given, but for masks."""
    findings: tuple[SafetyFinding, ...] = ()


class Guard(Protocol):
    """Looks at texts on their way in or out. The same check whether a reply is streamed or not."""

    async def check(self, texts: Sequence[str], way: Literal["in", "out"]) -> Ruling:
        """Raises `SafetyUnavailable` where it cannot tell and must not guess."""

    def orders(self, texts: Sequence[str]) -> Ruling:
        """Whether texts that no client sent, such as passages, give orders to the model. Nobody is asked."""
