"""Which cases are the same as others: ids, questions, twins across splits, groups. Numbers are kept, no texts."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from touchstone.data.base import SPLITS, Case
from touchstone.data.digests import different, repeated
from touchstone.data.findings import Findings
from touchstone.data.likeness import near_text, same_text
from touchstone.language import N_

_TWIN = N_(
    "{split} texts that also stand in {other}: {count} (rows {rows}, the same as {others}); what learns from {other} "
    "has seen them, take them out of one"
)
_NEAR_TWIN = N_(
    "{split} texts that stand in {other} but for punctuation and spaces: {count} (rows {rows}, like {others}); think "
    "about taking them out of one"
)
# Only what is tested is kept from learners by `leaks: drop`.
_TESTED_TWIN = N_(
    "{split} texts that also stand in {other}: {count} (rows {rows}, the same as {others}); what learns from {other} "
    "has seen them: write `leaks: drop` in the task file, which keeps them from it, or take them out of one"
)
_TESTED_NEAR_TWIN = N_(
    "{split} texts that stand in {other} but for punctuation and spaces: {count} (rows {rows}, like {others}); write "
    "`leaks: drop` in the task file, which keeps them from what learns from {other}, or take them out of one"
)

_LOW_32 = (1 << 32) - 1
_ALL_64 = (1 << 64) - 1


class Sameness:
    """
    Remembers a few numbers per case: 22 bytes, 8 more with ids, 8 more with groups.

    `near` is the digest of the text without punctuation; among cases with the same one, 32 bits are enough to tell
    whether the exact texts and the targets are the same.
    """

    def __init__(self) -> None:
        self._files: list[Path] = []
        self._ids = array("Q")
        self._near = array("Q")
        self._exact = array("I")
        self._targets = array("I")
        self._rows = array("I")
        self._places = array("H")
        self._groups = array("Q")

    def remember(self, path: Path, case: Case, asked: str, given: bool) -> None:
        """Take note of a case; `asked` is everything it asks as one text, `given` whether its id stands in the file."""
        if not self._files or self._files[-1] is not path:
            self._files.append(path)
        same = same_text(asked)
        # Python's own hash has 64 bits, is keyed per process and free; nothing of it leaves the process.
        self._near.append(hash(near_text(same)) & _ALL_64 or 1 if same else 0)
        self._exact.append(hash(same) & _LOW_32)
        self._targets.append(0 if case.target is None else hash(case.target) & _LOW_32 or 1)
        self._rows.append(case.row or 0)
        if given:
            _put(self._ids, len(self._rows) - 1, hash((case.split, case.id)))
        self._places.append(3 * (len(self._files) - 1) + SPLITS.index(case.split))
        if case.group is not None:
            _put(self._groups, len(self._rows) - 1, hash(case.group))

    def groups(self) -> int:
        """Number of different groups."""
        return different(self._groups)

    def report(self, findings: Findings, *, allow_duplicates: bool) -> None:
        """Everything that occurs twice and should not; called once, it forgets the ids."""
        if not allow_duplicates:
            for places in repeated(self._ids):
                self._same_id(places.tolist(), findings)
        self._ids = array("Q")
        for places in repeated(self._near):
            self._alike(places.tolist(), findings, allow_duplicates)
        for places in repeated(self._groups):
            self._same_group(places, findings)

    def _same_id(self, places: list[int], findings: Findings) -> None:
        first, *others = places
        for place in others:
            findings.error(
                "duplicate_id",
                self._path(place),
                self._rows[place],
                template="ids that occur twice in a split: {count} (the first is {value!r} in row {other_row} and "
                "row {first_row}; repeated in rows {rows}); "
                "give each case an id of its own, or set `allow_duplicates: true` if they are further draws",
                others=self._name(first, place),
            )

    def _alike(self, places: list[int], findings: Findings, allow_duplicates: bool) -> None:
        """Look at cases whose texts are alike but for punctuation."""
        first_of: dict[tuple[int, str], int] = {}
        first_answer: dict[int, int] = {}
        first_in: dict[str, int] = {}
        for place in sorted(places, key=lambda place: (SPLITS.index(self._split(place)), place)):
            exact, split, target = self._exact[place], self._split(place), self._targets[place]
            same = first_of.setdefault((exact, split), place)
            answered = first_answer.setdefault(exact, place) if target else place
            if target and self._targets[answered] not in (0, target):
                self._warn_conflict(place, answered, findings)
            elif same != place and not allow_duplicates and self._targets[same] == target:
                self._warn_duplicate(place, same, findings)
            for other in SPLITS[: SPLITS.index(split)]:
                if (exact, other) in first_of:
                    self._warn_twin(place, first_of[exact, other], findings)
                elif other in first_in:
                    self._warn_near_twin(place, first_in[other], findings)
            first_in.setdefault(split, place)

    def _warn_conflict(self, place: int, other: int, findings: Findings) -> None:
        findings.warning(
            "conflicting_targets",
            self._path(place),
            self._rows[place],
            template="cases that ask what another asks and have another target: {count} (rows {rows}, against "
            "{others}); "
            "at most one of the two can be right",
            others=self._name(other, place),
        )

    def _warn_duplicate(self, place: int, other: int, findings: Findings) -> None:
        findings.warning(
            "duplicate_input",
            self._path(place),
            self._rows[place],
            template="cases that repeat another of their split: {count} (rows {rows} repeat {others}); "
            "they count twice, take them out unless that is meant",
            of=self._split(place),
            others=self._name(other, place),
        )

    def _warn_twin(self, place: int, other: int, findings: Findings) -> None:
        findings.warning(
            "twin_across_splits",
            self._path(place),
            self._rows[place],
            template=_TESTED_TWIN if self._split(place) == "test" else _TWIN,
            of=(self._split(place), self._split(other)),
            split=self._split(place),
            other=self._split(other),
            others=self._name(other, place),
        )

    def _warn_near_twin(self, place: int, other: int, findings: Findings) -> None:
        findings.warning(
            "near_twin_across_splits",
            self._path(place),
            self._rows[place],
            template=_TESTED_NEAR_TWIN if self._split(place) == "test" else _NEAR_TWIN,
            of=(self._split(place), self._split(other)),
            split=self._split(place),
            other=self._split(other),
            others=self._name(other, place),
        )

    def _same_group(self, places: Iterable[int], findings: Findings) -> None:
        """A group in test that also stands in a split that candidates may learn from."""
        learned = tested = None
        for place in map(int, places):
            if self._split(place) != "test":
                learned = place if learned is None else learned
            else:
                tested = place if tested is None else tested
            if learned is not None and tested is not None:
                break
        if learned is None or tested is None:
            return
        findings.warning(
            "group_across_splits",
            self._path(tested),
            self._rows[tested],
            template="groups of the test split that also stand in {other}: {count} (rows {rows}, together "
            "with {others}); "
            "put each group into one split, or test scores flatter what was trained",
            of=self._split(learned),
            other=self._split(learned),
            others=self._name(learned, tested),
        )

    def _path(self, place: int) -> Path:
        return self._files[self._places[place] // 3]

    def _split(self, place: int) -> Any:
        return SPLITS[self._places[place] % 3]

    def _name(self, place: int, seen_from: int) -> str:
        """A row as people name it: with its file where that is another one."""
        path, row = self._path(place), self._rows[place]
        return str(row) if path == self._path(seen_from) else f"{path.name}:{row}"


def _put(digests: array[int], place: int, digest: int) -> None:
    """Write a digest at a place at or behind the end; the places between hold nothing."""
    digests.extend(0 for _ in range(place - len(digests)))
    digests.append(digest & _ALL_64 or 1)
