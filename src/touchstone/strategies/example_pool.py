"""The cases that examples may be chosen from, and what is kept out of them."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from touchstone.data.base import Case
from touchstone.data.digests import digest64
from touchstone.data.likeness import asked_text, near_text
from touchstone.errors import SettingsError
from touchstone.strategies.chat import Shown
from touchstone.strategies.example_answer import AnswerWriter
from touchstone.strategies.template import case_values, slots

LARGEST_POOL = 50_000
"""Cases that are held in memory; of a larger split this many are drawn."""


def question_key(case: Case) -> int:
    """What two cases share that ask the same but for capitals, punctuation and spacing."""
    return digest64(near_text(asked_text(case)))


@dataclass(frozen=True)
class Example:
    """One case of the pool with its answer."""

    shown: Shown
    key: int
    """`question_key` of the case: it is never an example for a case with the same one."""

    @property
    def id(self) -> str:
        """The case's."""
        return self.shown.case.id

    @property
    def target(self) -> str:
        """The case's, which is there."""
        return self.shown.case.target or ""


def digest_of(examples: Iterable[Example]) -> str:
    """SHA-256 over ids, questions and answers, in order."""
    state = hashlib.sha256()
    for one in examples:
        state.update(f"{one.id}\0{one.key}\0{one.shown.answer}\0".encode("utf-8", "surrogatepass"))
    return state.hexdigest()


@dataclass(frozen=True)
class Pool:
    """Examples in the order of their file, every question once."""

    examples: Sequence[Example]
    cases: int
    """Of the split, with those that are no examples."""
    without_target: int = 0
    repeated: int = 0
    """Cases that ask what an earlier one asks."""
    unusable: int = 0
    """Cases that lack a column which the template names."""
    whole: bool = True
    """Whether the split was read to its end; the first ones need no more than a few rows of it."""

    @property
    def digest(self) -> str:
        """`digest_of` all of them."""
        return digest_of(self.examples)

    @property
    def keys(self) -> frozenset[int]:
        """Keys of all questions."""
        return frozenset(one.key for one in self.examples)

    def by_id(self, ids: Sequence[str], name: str, split: str) -> tuple[Example, ...]:
        """
        The examples with these ids, in this order.

        Raises:
            SettingsError: one is not there.
        """
        from difflib import get_close_matches

        known: dict[str, Example] = {}
        for one in self.examples:
            known.setdefault(one.id, one)
        for wanted in ids:
            if wanted not in known:
                close = get_close_matches(wanted, list(known)[:10_000], n=3, cutoff=0.0)
                raise SettingsError(
                    "{name}: the example {id!r} is no case of {split} with a target of its own; closest: {close}",
                    name=name,
                    id=wanted,
                    split=split,
                    close=", ".join(close) or "none",
                )
        return tuple(known[wanted] for wanted in ids)


def read_pool(
    cases: Iterable[Case],
    writer: AnswerWriter,
    template: str | None,
    *,
    seed: int,
    most: int = LARGEST_POOL,
    enough: int | None = None,
) -> Pool:
    """
    The pool of a split.

    Args:
        cases: Of the split, in the order of their file.
        writer: Writes their answers.
        template: Of the user turn; cases that lack a column of it are no examples.
        seed: Of the draw where there are more than `most`.
        most: Examples that are kept.
        enough: Stop after so many, where the first ones are wanted.

    Raises:
        SettingsError: an answer cannot be written so that it would be read.
    """
    needed = slots(template) - {"passages"} if template is not None else frozenset()
    chance = random.Random(seed)  # noqa: S311 - a draw that must come out the same again
    kept: list[tuple[int, Case, int]] = []
    seen: set[int] = set()
    counts: Counter[str] = Counter()
    whole = True
    for case in cases:
        counts["cases"] += 1
        key = question_key(case)
        if case.target is None:
            counts["without_target"] += 1
        elif key in seen:
            counts["repeated"] += 1
        elif not needed <= case_values(case).keys():
            counts["unusable"] += 1
        else:
            seen.add(key)
            if len(kept) < most:
                kept.append((len(seen), case, key))
            elif (place := chance.randrange(len(seen))) < most:
                # Every case so far has the same chance to be among those kept (reservoir sampling, Vitter 1985).
                kept[place] = (len(seen), case, key)
            if enough is not None and len(kept) >= enough:
                whole = False
                break
    kept.sort(key=lambda item: item[0])
    examples = [Example(Shown(case, writer.write(case)), key) for _, case, key in kept]
    return Pool(examples, counts["cases"], counts["without_target"], counts["repeated"], counts["unusable"], whole)
