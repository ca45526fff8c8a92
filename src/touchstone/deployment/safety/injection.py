"""
Texts that try to give orders to the model: a sum of weighed signs, compared with a threshold.

Every sign has a weight from 0 to 1. Weights add up as independent chances do, 1 - (1 - a)(1 - b)…; a phrase repeated
and two phrases over the same words count once. From `ENOUGH` on a text is said to be an attempt.

A sign counts less where a text speaks about it: after "never", "such as", "if a user asks you to" in the same sentence.
That is a heuristic like the rest, and whoever knows it can use it. `docs/guide/safety.md` says what was measured.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import accumulate
from typing import Any, NamedTuple

import tomli

from touchstone.deployment.safety.base import Span
from touchstone.deployment.safety.disguise import Reading, readings
from touchstone.deployment.safety.patterns import Grouped
from touchstone.deployment.safety.seen import INVISIBLE, Seen
from touchstone.scoring.source import compile_pattern

ENOUGH = 0.5
"""Sum from which on a text is said to give orders."""

_SPOKEN_OF = 0.5
"""What is left of a weight where the text speaks about the phrase instead of saying it."""

_DISGUISED = 0.25
"""What is added to a sign that was found in a disguise: who has nothing to hide writes plainly."""

_GAP = r"[\s!-/:-@\[-\x60{-~]*"
"""What may stand between the words of a phrase."""

# One class of ASCII characters is a small automaton; so what parts words and sentences elsewhere becomes ASCII first.
_PARTS = "“”‘’„«»—–‒―…·•、「」『』《》〈〉【】†‡※→‹›"
_PARTING = re.compile(f"[。！？{_PARTS}]")

_ABOUT = re.compile(
    r"(?:\b(?:never|do not|don't|must not|should not|cannot|can't|won't|refuse to|rejects?|decline to|prevent|detect"
    r"|blocks?|resist|attempts? to|tr(?:y|ies|ied) to|trying to|such as|for example|e\.g\.|phrases?|strings?"
    r"|(?:prompts?|attacks?) like|known as|called|says|said|to never|not to|(?:asks?|tells?|wants) you to"
    r"|(?:asking|telling) you to"
    r"|instruct(?:s|ed)? you to"
    r"|even if|when (?:a|the) user|if (?:a|the|any|some) (?:user|document|text|email|page))\b"
    r"|例如|比如|诸如|例句|类似|所谓|是指|如果用户|若用户|当用户|用户(?:若|要求|让|试图|说)|试图|企图|有人要求你|请勿|不得|禁止|切勿"
    r"|拒绝|防止|检测|拦截|识别|攻击|即使|哪怕|等(?:短语|字样|话术))[^.!?。！？\n]{0,60}$"
)
"""What stands before a phrase in the same sentence where a text speaks about it."""

_ABOUT_AFTER = re.compile(r"[^.!?。！？\n]{0,6}(?:之类|等(?:文字|短语|字样|话术)|这样的|这类)")
"""What stands behind it then."""

_SPLIT_WORD = re.compile(f"[A-Za-z][{INVISIBLE}]+[A-Za-z]")
_OVERRIDES = re.compile("[\u202d\u202e]")


class _Phrase(NamedTuple):
    number: int
    rule: str
    weight: float
    pattern: Any


class _Sign(NamedTuple):
    rule: str
    weight: float
    start: int
    end: int
    phrase: int = -1
    """Number of the phrase; -1 for a sign that is none."""
    about: bool = False
    """Whether the text speaks about the phrase."""


def find_injection(seen: Seen, others: Iterable[Reading] | None = None) -> list[Span]:
    """
    The signs of an attempt, with the sum as the score of each; nothing where the sum is not enough.

    Args:
        seen: The text.
        others: Its other readings, where they are known already.

    Places are in the text as it came; a sign in a disguise has the place of the disguise.
    """
    signs: dict[tuple[str, int, float, bool], _Sign] = {}
    for sign in _all_signs(seen, readings(seen) if others is None else others):
        # The first of each is enough: a phrase repeated a million times is to cost no more than once.
        signs.setdefault((sign.rule, sign.phrase, sign.weight, sign.about), sign)
    counted: list[_Sign] = []
    looked_at: list[_Sign] = []
    for sign in sorted(signs.values(), key=lambda one: -one.weight):
        # Also those that did not count: a weaker sign over a repeated phrase is no other sign either.
        if not any(_same(sign, other) for other in looked_at):
            counted.append(sign)
        looked_at.append(sign)
    score = round(1 - math.prod(1 - sign.weight for sign in counted), 3)
    if score < ENOUGH:
        return []
    # One finding a rule: the first sign is the strongest.
    named: dict[str, Span] = {}
    for sign in counted:
        named.setdefault(sign.rule, Span(sign.rule, sign.start, sign.end, score))
    return list(named.values())


def _all_signs(seen: Seen, others: Iterable[Reading]) -> Iterator[_Sign]:
    if seen.hides:
        yield from _unseen(seen.text)
    for sign in _signs(seen.folded):
        start, end = seen.folded_span(sign.start, sign.end)
        yield sign._replace(start=start, end=end)
    pieces: list[Reading] = []
    for reading in others:
        if (reading.start, reading.end) == (0, len(seen.text)) and reading.how not in {"tags", "selectors"}:
            yield from _otherwise(reading, seen.folded)
        else:
            pieces.append(reading)
    yield from _in_pieces(pieces)


def _same(sign: _Sign, other: _Sign) -> bool:
    """Whether two signs say one thing: the same words, a phrase repeated, or a text that speaks about attempts."""
    if sign.about and other.about:
        return True
    beside = sign.end <= other.start or other.end <= sign.start
    return not beside or (sign.rule == other.rule and sign.phrase == other.phrase)


def _signs(folded: str) -> Iterator[_Sign]:
    """Phrases in a case-folded text."""
    if not folded.isascii():
        folded = _PARTING.sub(lambda found: "\n" if found[0] in "。！？" else "-", folded)
    for phrases in _phrases():
        for phrase in phrases.worth_trying(folded):
            yield from _said(phrase, folded)


def _said(phrase: _Phrase, folded: str) -> Iterator[_Sign]:
    for found in phrase.pattern.finditer(folded):
        start, end = found.span()
        about = bool(_ABOUT.search(folded[max(0, start - 90) : start]) or _ABOUT_AFTER.match(folded, end))
        yield _Sign(phrase.rule, phrase.weight * (_SPOKEN_OF if about else 1.0), start, end, phrase.number, about)


def _otherwise(reading: Reading, folded: str) -> Iterator[_Sign]:
    """Phrases in another reading of the whole text."""
    says = reading.folded
    for sign in _signs(says):
        if says[sign.start : sign.end] not in folded:  # else it stands there plainly
            yield _disguised(sign, reading)


def _in_pieces(readings: Sequence[Reading]) -> Iterator[_Sign]:
    """
    Phrases in what pieces of the text say. All are read as one text: a thousand pieces cost no more than their length,
    and a phrase may be cut in two by the end of a line of base64.
    """
    said = [reading.folded for reading in readings]
    starts = list(accumulate((len(one) + 1 for one in said), initial=0))
    for sign in _signs("\n".join(said)):
        yield _disguised(sign, readings[bisect_right(starts, sign.start) - 1])
    for reading in readings:
        if reading.how in {"tags", "selectors"}:
            # Nothing but smuggling is written so: flags of regions, which use tags too, are not among the readings.
            yield _Sign("hidden", 0.9, reading.start, reading.end)


def _disguised(sign: _Sign, reading: Reading) -> _Sign:
    """A sign at the place of the disguise that it was found in."""
    weight = min(1.0, sign.weight + _DISGUISED)
    return _Sign(sign.rule, weight, reading.start, reading.end, sign.phrase, sign.about)


def _unseen(text: str) -> Iterator[_Sign]:
    """Signs in what nobody sees."""
    split = [found.span() for found in _SPLIT_WORD.finditer(text)]
    if len(split) >= 3:
        yield _Sign("hidden", 0.3, split[0][0], split[-1][1])
    for found in _OVERRIDES.finditer(text):
        yield _Sign("hidden", 0.3, found.start(), found.end())


@cache
def _phrases() -> list[Grouped[_Phrase]]:
    """The phrases of `injection.toml` by language, ready to be looked for."""
    read = tomli.loads((files("touchstone.deployment.safety") / "injection.toml").read_text(encoding="utf-8"))
    parts = {f"<{name}>": "".join(pieces) for name, pieces in read["parts"].items()}
    found: dict[str, list[tuple[str, _Phrase]]] = {}
    for number, phrase in enumerate(read["phrase"]):
        pattern = _pattern(phrase, parts)
        made = _Phrase(number, phrase["rule"], float(phrase["weight"]), compile_pattern(pattern))
        found.setdefault(phrase["language"], []).append((pattern, made))
    return [Grouped(every) for every in found.values()]


def _pattern(phrase: Mapping[str, Any], parts: Mapping[str, str]) -> str:
    pattern = "".join(phrase["pattern"])
    for _ in range(2):  # a part may hold another
        for name, part in parts.items():
            pattern = pattern.replace(name, part)
    if phrase["language"] == "marks":
        return pattern
    return (r"\b" if phrase["language"] == "en" and pattern[0] != "!" else "") + pattern.replace("_", _GAP)
