"""
The answers of a stored comparison, opened to be looked through: all its cells in memory, and the file of their texts.

What was opened is kept for the next page, by the store, the comparison and the store's word of its cells; a few at a
time, the least used given up first.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from touchstone.errors import UnknownName
from touchstone.evaluation.amendments import Amendments, Standing
from touchstone.evaluation.answer_filter import AnswerFilter, Sort
from touchstone.evaluation.answer_texts import Hits, Texts, TextsMade, Where, make_texts, open_texts
from touchstone.evaluation.answers import AnswerMatrix
from touchstone.evaluation.base import STRICT_ZEROS
from touchstone.evaluation.cells import Cells, scorer_names
from touchstone.evaluation.comparisons import Comparisons
from touchstone.workspace.amended import Corrections, corrections

if TYPE_CHECKING:
    from touchstone.workspace.workspace import Workspace

_KEPT_BYTES = 512 << 20
_KEPT = 12
_FRESH_S = 2.0
"""While cells come in, what was opened is good for so long, or for longer where opening takes long."""
_AT_ONCE = 20_000
"""Cells whose texts are made searchable while somebody waits; of more, a job does it."""
_SCANNED = 2_000
"""Cells whose texts are looked at one by one where there is no file of them."""


@dataclass(frozen=True)
class OpenedAnswers:
    """A comparison whose answers are looked through."""

    comparison: str
    task: str
    state: str
    dataset: str
    spec: Mapping[str, Any]
    trials: tuple[int, ...]
    scorers: tuple[str, ...]
    """Names, the one that decides first."""
    matrix: AnswerMatrix
    standing: Standing
    corrected: Corrections
    key: str
    """The store's word of the cells."""
    texts: Texts | None = None
    """None while nobody has made the file."""
    _places: dict[str, list[int]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The candidates, in the order of the task file."""
        return self.matrix.candidates

    def cases_called(self, case: str) -> Sequence[int]:
        """Places of the cases with this id; none where nobody is called so."""
        if not self._places:
            places: dict[str, list[int]] = {}
            for place, one in enumerate(self.matrix.ids):
                places.setdefault(one, []).append(place)
            self._places.update(places)
        return self._places.get(case, ())


@dataclass
class _Entry:
    cells_key: str
    base: OpenedAnswers
    """Without what people changed."""
    looked_at: float
    took_s: float
    shown: OpenedAnswers
    changes: int


_entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
_locks: dict[tuple[str, str], threading.Lock] = {}
_guard = threading.Lock()


def open_answers(workspace: Workspace, comparison: str) -> OpenedAnswers:
    """
    The answers of a comparison, as they are counted now.

    Raises:
        UnknownName: there is no such comparison.
    """
    ledger = workspace.reader
    stored = Comparisons(ledger)
    row = stored.find(comparison)
    if row is None:
        raise UnknownName(kind="comparison", name=comparison, known=[item["id"] for item in stored.all()])
    place = (str(workspace.settings.store_url or workspace.settings.workspace.absolute()), str(row["id"]))
    with _guard:
        lock = _locks.setdefault(place, threading.Lock())
    # One at a time: eight pages that each read a million cells would only wait for each other.
    with lock:
        entry = _entries.get(place)
        now = time.monotonic()
        entries = stored.entries(row["id"])
        trials = [int(one["trial"]) for one in entries]
        rests = [one["rest"] for one in entries]
        is_fresh = entry is not None and now - entry.looked_at < max(_FRESH_S, 10 * entry.took_s)
        key = entry.cells_key if entry is not None and is_fresh and row["state"] == "running" else ""
        if not key:
            key = f"{row['dataset']} {row['state']} {rests} {stored.revision(trials)}"
        if entry is None or entry.cells_key != key:
            base = _load(workspace, row, entries, key)
            entry = _Entry(key, base, now, time.monotonic() - now, base, -1)
        changes = Amendments(ledger).revision(row["dataset"])
        if entry.changes != changes:
            entry.shown, entry.changes = _changed(workspace, entry.base), changes
        if entry.shown.texts is None:
            entry.shown = _with_texts(workspace, entry.shown)
        with _guard:
            _entries[place] = entry
            _entries.move_to_end(place)
            _give_up_the_oldest()
    return entry.shown


def _give_up_the_oldest() -> None:
    while len(_entries) > 1:
        if len(_entries) <= _KEPT and sum(one.base.matrix.nbytes for one in _entries.values()) <= _KEPT_BYTES:
            return
        _entries.popitem(last=False)


def _load(
    workspace: Workspace, row: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], key: str
) -> OpenedAnswers:
    ledger = workspace.reader
    spec = orjson.loads(row["spec"])
    comparisons, datasets, dataset = Comparisons(ledger), ledger.datasets, row["dataset"]
    cases = int(spec["test_cases"])
    ids = datasets.case_column(dataset, "test", "case_id")
    groups = datasets.case_column(dataset, "test", "group_name") if datasets.has_groups(dataset, "test") else None
    none = np.zeros(cases, dtype=bool)
    cells = [
        Cells.load(
            comparisons,
            entry["trial"],
            planned_cases=cases,
            repeats=int(spec["options"]["repeats"]),
            run=row["id"],
            rest=entry["rest"] or ("planned" if row["run_key"] else "skipped_cancel"),
        )
        for entry in entries
    ]
    matrix = AnswerMatrix.of(
        [entry["name"] for entry in entries],
        cells,
        ids,
        tags=[tags.split("\n") if tags else () for tags in datasets.case_column(dataset, "test", "tags")],
        groups=groups,
        excluded=none,
        corrected=none,
    )
    return OpenedAnswers(
        comparison=row["id"],
        task=row["task"],
        state=row["state"],
        dataset=dataset,
        spec=spec,
        trials=tuple(entry["trial"] for entry in entries),
        scorers=scorer_names([str(scorer["name"]) for scorer in spec["scorers"]]),
        matrix=matrix,
        standing=Standing(excluded={}, corrected={}, revision=0),
        corrected=Corrections(),
        key=key,
    )


def _changed(workspace: Workspace, base: OpenedAnswers) -> OpenedAnswers:
    """The comparison with what stands about its cases."""
    ledger, ids = workspace.reader, base.matrix.ids
    standing = Amendments(ledger).standing(base.dataset)
    if not standing.excluded and not standing.corrected:
        return replace(base, standing=standing)
    corrected = corrections(ledger, base.spec, base.dataset, base.trials, standing, ids)
    cells: dict[tuple[int, int, int], tuple[str, float | None]] = {}
    for candidate, own in enumerate(corrected.cells):
        for (case, repeat), again in own.items():
            score = 0.0 if again.kind in STRICT_ZEROS else again.score if again.kind == "scored" else None
            cells[case, candidate, repeat] = (again.kind, score)
    matrix = base.matrix.changed(
        np.fromiter((case in standing.excluded for case in ids), dtype=bool, count=len(ids)),
        np.fromiter((case in standing.corrected for case in ids), dtype=bool, count=len(ids)),
        cells,
    )
    return replace(base, matrix=matrix, standing=standing, corrected=corrected, _places={})


# Texts ----------------------------------------------------------------------------------------------------------------


def texts_file(workspace: Workspace, comparison: str) -> Path:
    """Where the file of a comparison's texts belongs."""
    return workspace.settings.workspace / "answers" / f"{comparison}.sqlite"


def _with_texts(workspace: Workspace, opened: OpenedAnswers) -> OpenedAnswers:
    texts = open_texts(texts_file(workspace, opened.comparison), opened.matrix.kind.shape, opened.key)
    if texts is None:
        return opened
    return replace(opened, texts=texts, matrix=replace(opened.matrix, answers_differ=texts.answers_differ))


def may_be_made_at_once(opened: OpenedAnswers) -> bool:
    """Whether making the texts searchable takes so little that somebody may wait for it."""
    return opened.matrix.kind.size <= _AT_ONCE


def make_searchable(
    workspace: Workspace, opened: OpenedAnswers, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> TextsMade:
    """
    Make the file of texts, in place of an older one.

    Raises:
        StoreError: the store cannot be read.
        OSError, sqlite3.Error: the file cannot be written.
    """
    return make_texts(
        workspace.reader,
        texts_file(workspace, opened.comparison),
        dataset=opened.dataset,
        trials=opened.trials,
        repeats=opened.matrix.repeats,
        cases=opened.matrix.cases,
        key=opened.key,
        progress=progress,
    )


def search(
    workspace: Workspace, opened: OpenedAnswers, words: str, where: Where, wanted: AnswerFilter, sort: Sort
) -> Hits:
    """
    Cells in whose texts all the words stand; without the file of texts, among the first cells that are asked for.

    Args:
        wanted: What else is asked; where there is no file, only cells that meet it are looked at.
        sort: In which order they are looked at then.
    """
    if opened.texts is not None:
        return opened.texts.find(words, where)
    return _scan(workspace, opened, words, where, wanted, sort)


def _scan(
    workspace: Workspace, opened: OpenedAnswers, words: str, where: Where, wanted: AnswerFilter, sort: Sort
) -> Hits:
    matrix, ledger = opened.matrix, workspace.reader
    places, there = matrix.page(matrix.matching(wanted), sort, 0, _SCANNED)
    cells = [matrix.cell(place) for place in places]
    outputs: dict[tuple[int, int, int], str] = {}
    if where in ("any", "output"):
        for candidate, trial in enumerate(opened.trials):
            own = sorted({case for case, who, _repeat in cells if who == candidate})
            for row in Comparisons(ledger).cells_at(trial, own, 20_000) if own else ():
                outputs[row["ordinal"], candidate, row["repeat"]] = row["text"] or row["error"] or ""
    asked: dict[int, tuple[str, str]] = {}
    if where != "output":
        ordinals = sorted({case for case, _who, _repeat in cells})
        for ordinal, case in zip(ordinals, ledger.datasets.cases_at(opened.dataset, "test", ordinals), strict=True):
            question = "\n".join([case.text, *case.options])
            asked[ordinal] = (
                question if where in ("any", "input") else "",
                case.target or "" if where in ("any", "target") else "",
            )
    wanted_words = [word.casefold() for word in words.split()]
    mask = np.zeros(matrix.kind.shape, dtype=bool)
    for case_place, candidate, repeat in cells:
        # As in the file of texts: all words in one text, not some in the question and some in the answer.
        texts = (outputs.get((case_place, candidate, repeat), ""), *asked.get(case_place, ()))
        mask[candidate * matrix.repeats + repeat, case_place] = any(
            all(word in text.casefold() for word in wanted_words) for text in texts
        )
    return Hits(mask, is_cut=there > len(places))
