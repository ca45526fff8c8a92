"""Places in a text: overlapping ones made one, and masks put over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from touchstone.deployment.safety.base import Span


def apart(spans: Iterable[Span]) -> tuple[Span, ...]:
    """
    Spans that do not touch the same character, in order.

    Spans that overlap become one that covers all of them: to take only the better one would leave a piece of the other
    readable. It bears the kind of the surest, then of the longest.
    """
    found: list[Span] = []
    best: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.start, -one.end)):
        if found and span.start < found[-1].end:
            best[-1] = max(best[-1], span, key=lambda one: (one.score, one.end - one.start))
            whole = found[-1]
            found[-1] = Span(best[-1].kind, whole.start, max(whole.end, span.end), best[-1].score)
        else:
            found.append(span)
            best.append(span)
    return tuple(found)


def masked(text: str, spans: Sequence[Span], mask: Callable[[str], str]) -> str:
    """The text with a mask instead of each span; `spans` lie apart and in order, `mask` gives the mask of a kind."""
    pieces: list[str] = []
    reached = 0
    for span in spans:
        pieces += (text[reached : span.start], mask(span.kind))
        reached = span.end
    return "".join((*pieces, text[reached:]))
