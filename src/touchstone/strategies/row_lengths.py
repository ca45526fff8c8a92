"""How long rows are for the model that will learn them, and whether the answer at their end is still there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from touchstone.errors import DataError, SettingsError
from touchstone.evaluation.base import Finding
from touchstone.language import N_
from touchstone.models.local.words import OwnWords
from touchstone.models.starter.folder import TOKENIZER
from touchstone.models.starter.tokens import Tokens
from touchstone.noun import Noun
from touchstone.strategies.trained import Lesson
from touchstone.training.base import Example

MOST_MEASURED = 20_000
"""Rows that are looked at; of more, so many at even distances, and what is said of all is scaled up."""
_REMEMBERED_TURNS = 20_000

_CUT = N_(
    "{name}: about {cut:,} of {rows:,} rows are longer than the {longest:,} tokens that are learned from, so the "
    "answer at their end is cut off and nothing is learned from them; shorten the system text ({system:,} tokens) or "
    "what is shown with a question"
)


class RowLengths(Noun):
    """Of the rows of a lesson, by the vocabulary of its base."""

    rows: int
    tokens: int
    """Of all rows once through, as far as they are learned from."""
    longest: int
    """Of the longest row, before it is cut."""
    cut: int
    """Rows whose end, where the answer stands, is cut off."""
    system: int
    """Tokens of the longest system text."""


def lengths_of(lesson: Lesson) -> RowLengths | None:
    """
    The lengths of a lesson's rows; None where its base has no vocabulary of ours, and for a network from nothing.

    A tokenizer of others is read by a library in the process that trains, and never in this one.
    """
    base = lesson.base
    if base is None or base.family != "decoder-only":
        return None
    count = turn_counter(base.folder)
    if count is None:
        return None
    every: Sequence[Example] = lesson.rows.examples
    step = max(1, -(-len(every) // MOST_MEASURED))
    lengths = [sum(count(role, text) for role, text in one.turns) for one in every[::step]]
    scale, most = len(every) / len(lengths), lesson.job.longest
    texts = {text for one in every[::step] for role, text in one.turns if role == "system"}
    return RowLengths(
        rows=len(every),
        tokens=round(scale * sum(min(length, most) for length in lengths)),
        longest=max(lengths),
        cut=round(scale * sum(length > most for length in lengths)),
        system=max((count("system", text) for text in texts), default=0),
    )


def turn_counter(folder: Path) -> Callable[[str, str], int] | None:
    """
    (role, text) to the tokens of a turn with what frames it, which add up to those of a conversation.

    None where the vocabulary of a folder is none of ours; the shipped sizes share one beside their folders. What stands
    in many conversations, a system text or an example, is counted once.
    """
    own = folder / TOKENIZER
    try:
        words = OwnWords(Tokens.read(own if own.exists() else folder.parent / TOKENIZER))
    except (DataError, OSError):
        return None

    @lru_cache(maxsize=_REMEMBERED_TURNS)
    def count(role: str, text: str) -> int:
        return len(words.given(((role, text),)))

    return count


def findings_of_lengths(name: str, lesson: Lesson, found: RowLengths | None) -> tuple[Finding, ...]:
    """
    What is said of rows that are cut, before anything is trained.

    Raises:
        SettingsError: most of them would be, so that the training would teach next to nothing.
    """
    if found is None or not found.cut:
        return ()
    told = {
        "name": name,
        "cut": found.cut,
        "rows": found.rows,
        "longest": lesson.job.longest,
        "system": found.system,
    }
    if 2 * found.cut > found.rows:
        raise SettingsError(_CUT, **told)
    return (Finding(kind="cut_rows", template=_CUT, values=told),)
