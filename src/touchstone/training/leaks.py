"""
Whether what is learned from contains what is tested: a copy, a copy in other dress, or a long piece of one.

A model that has seen the test cases is not better for having been trained; a claim that it is must wait until they are
out of its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from touchstone.data.base import Case
from touchstone.data.digests import digest64
from touchstone.data.likeness import asked_text, near_text, same_text
from touchstone.noun import Noun

PIECE_WORDS = 13
"""Words in a row that two texts do not share by chance (Brown et al. 2020, arXiv:2005.14165, appendix C)."""

LeakKind = Literal["same", "near", "piece"]
"""The same text but for capitals; also but for punctuation and spaces; 13 words in a row of either."""


class Leak(Noun):
    """A row to learn from that is, or holds a long piece of, a test case."""

    kind: LeakKind
    train_id: str
    train_row: int | None
    """Data row in its file, counted from 1; None where the case came from no file."""
    test_id: str
    test_row: int | None
    piece: str = ""
    """The words in a row that both have; empty where the whole text is the same."""


class TestTexts:
    """
    What test cases ask, ready to be compared with rows one after the other; memory is 8 bytes for every word.

    Args:
        cases: Of the test split, streamed.
    """

    __test__ = False  # no test of pytest's

    def __init__(self, cases: Iterable[Case]) -> None:
        self._same: dict[int, tuple[str, int | None]] = {}
        self._near: dict[int, tuple[str, int | None]] = {}
        self._pieces: dict[int, tuple[str, int | None]] = {}
        for case in cases:
            text, place = asked_text(case), (case.id, case.row)
            near = near_text(text)
            self._same.setdefault(digest64(same_text(text)), place)
            self._near.setdefault(digest64(near), place)
            for piece in _pieces(near):
                self._pieces.setdefault(digest64(piece), place)

    def asked_by(self, key: int) -> tuple[str, int | None] | None:
        """(id, row) of the test case whose question has a key, the digest of its text as `near_text` has it."""
        return self._near.get(key)

    def shared_with(self, question: str) -> tuple[str, int | None] | None:
        """(id, row) of a test case that asks this, or shares 13 words in a row with it."""
        near = near_text(question)
        found = self._near.get(digest64(near))
        pieces = (self._pieces.get(digest64(piece)) for piece in _pieces(near))
        return found or next((one for one in pieces if one is not None), None)

    def leak(self, case: Case) -> Leak | None:
        """How a row is, or holds, one of the test cases; None where it is none."""
        text = asked_text(case)
        near = near_text(text)
        for kind, known, key in (("same", self._same, same_text(text)), ("near", self._near, near)):
            found = known.get(digest64(key))
            if found is not None:
                return _leak(kind, case, found)
        for piece in _pieces(near):
            found = self._pieces.get(digest64(piece))
            if found is not None:
                return _leak("piece", case, found, piece)
        return None


def find_leaks(train: Iterable[Case], test: Iterable[Case]) -> tuple[Leak, ...]:
    """
    Every row to learn from that is, or holds a long piece of, a test case; one leak a row, in the order of the rows.

    Compared is what is asked (input or conversation, options, names of files), not the answer: a model that knows the
    question knows which answer went with it.
    """
    texts = TestTexts(test)
    return tuple(found for case in train if (found := texts.leak(case)) is not None)


def _leak(kind: LeakKind | str, case: Case, found: tuple[str, int | None], piece: str = "") -> Leak:
    return Leak.model_validate(
        {
            "kind": kind,
            "train_id": case.id,
            "train_row": case.row,
            "test_id": found[0],
            "test_row": found[1],
            "piece": piece,
        }
    )


def _pieces(near: str) -> Iterator[str]:
    """Runs of 13 words of a text without punctuation; none of a shorter one, which is compared as a whole."""
    words: Sequence[str] = _words(near)
    for place in range(len(words) - PIECE_WORDS + 1):
        yield " ".join(words[place : place + PIECE_WORDS])


def _words(near: str) -> list[str]:
    """Words between spaces; where a script writes without spaces, each of its characters counts as one."""
    found: list[str] = []
    for word in near.split():
        if any(_without_spaces(sign) for sign in word):
            run = ""
            for sign in word:
                if _without_spaces(sign):
                    found += [run, sign] if run else [sign]
                    run = ""
                else:
                    run += sign
            found += [run] if run else []
        else:
            found.append(word)
    return found


def _without_spaces(sign: str) -> bool:
    return "\u3040" <= sign <= "\u30ff" or "\u3400" <= sign <= "\u9fff" or "\u0e00" <= sign <= "\u0eff"
