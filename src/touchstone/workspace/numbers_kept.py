"""
The numbers of comparisons, kept beside the store by what they were made of.

One file a comparison, `measured/ID.json` in the workspace: its stamp, what was measured, and the race under the task's
own demands. The stamp covers the cells, what people said of the cases, the comparison's row and this program; whatever
changes makes another stamp, and what was kept under the old one is not read again. Whoever removes a file loses time.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from pydantic import TypeAdapter, ValidationError

from touchstone import __version__
from touchstone.evaluation.amendments import Amendments
from touchstone.evaluation.cells_stamp import cells_stamp, digest_of
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.recovery import balance_of
from touchstone.noun import Noun
from touchstone.storage.whole_file import replace_whole
from touchstone.workspace.measured import Measured, Numbers
from touchstone.workspace.standings import Raced
from touchstone.workspace.stored import load

_FORMAT = 1
"""Raised when what is kept, or how it is worked out, changes within a version of the program."""
_MOST = 32
"""Comparisons whose numbers stay in memory."""
_MOST_RACES = 64
"""Races of a comparison that stay in memory, of which each was asked for under other demands."""
_NAME = re.compile(r"[0-9a-z]{1,64}")
_OF_NO_ACCOUNT = frozenset({"verdict", "chosen"})
"""Columns of a comparison's row that nothing is made of: what lists show."""


class _File(Noun):
    """What a file holds."""

    stamp: str
    measured: Measured
    races: Mapping[str, Any]
    """By what was asked of each; see `Numbers.raced`."""


@dataclass
class _Entry:
    stamp: str
    measured: Measured
    races: OrderedDict[str, Raced] = field(default_factory=OrderedDict)
    written: bool = False
    """Whether its file says the same."""


_entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
_guard = threading.Lock()


class KeptNumbers:
    """
    The numbers of one comparison, with what is known of them already.

    Args:
        ledger: The store.
        row: Of the `comparison` table.
        workspace: Folder beside whose store they are kept.
        store: What tells this store from others.
    """

    def __init__(self, ledger: Ledger, row: Mapping[str, Any], workspace: Path, store: str) -> None:
        self._ledger = ledger
        self._row = row
        self._key = (store, str(row["id"]))
        is_plain = _NAME.fullmatch(str(row["id"])) is not None
        self._file = workspace / "measured" / f"{row['id']}.json" if is_plain else None
        self.stamp = stamp_of(ledger, row)
        """What the numbers are made of; None while the comparison is measured."""
        entry = self._entry = None if self.stamp is None else self._find(self.stamp)
        self._races = len(entry.races) if entry is not None else 0
        known = None if entry is None else entry.measured
        self.numbers = Numbers(ledger, load(ledger, row), known, None if entry is None else dict(entry.races))

    def _find(self, stamp: str) -> _Entry | None:
        with _guard:
            entry = _entries.get(self._key)
            if entry is not None and entry.stamp == stamp:
                _entries.move_to_end(self._key)
                return entry
        entry = None if self._file is None else _read(self._file, stamp)
        if entry is not None:
            self._remember(entry)
        return entry

    def keep(self, *, own_demands: bool) -> None:
        """
        Keep what was worked out since, unless what it was made of has changed meanwhile.

        Args:
            own_demands: Whether it was decided under the task's own demands, whose race is written down too.
        """
        numbers, stamp = self.numbers, self.stamp
        if stamp is None or not numbers.is_known:
            return
        entry = self._entry
        if entry is None:
            if stamp != stamp_of(self._ledger, Comparisons(self._ledger).find(self._key[1]) or self._row):
                return
            entry = self._entry = _Entry(stamp, numbers.measured)
        if len(numbers.races) > self._races or not entry.written:
            with _guard:
                entry.races.update(numbers.races)
                while len(entry.races) > _MOST_RACES:
                    entry.races.popitem(last=False)
            self._remember(entry)
            if self._file is not None and (not entry.written or own_demands):
                entry.written = _write(self._file, entry, numbers.races if own_demands else {})
            self._races = len(numbers.races)

    def _remember(self, entry: _Entry) -> None:
        with _guard:
            _entries[self._key] = entry
            _entries.move_to_end(self._key)
            while len(_entries) > _MOST:
                _entries.popitem(last=False)


def stamp_of(ledger: Ledger, row: Mapping[str, Any]) -> str | None:
    """What the numbers of a comparison are made of, as a digest; None while it is measured: then nothing is kept."""
    if row["state"] == "running":
        return None
    entries = Comparisons(ledger).entries(row["id"])
    cells = cells_stamp(ledger, [entry["trial"] for entry in entries])
    words = Amendments(ledger)
    said: Any = words.standing(row["dataset"])
    said = [said.model_dump_json(), words.first_answers(row["dataset"]) if said.excluded or said.corrected else None]
    told = {str(name): value for name, value in row.items() if name not in _OF_NO_ACCOUNT}
    made_of = [
        _FORMAT,
        __version__,
        np.__version__,
        told,
        [[*entry.values()] for entry in entries],
        repr(balance_of(ledger, row["id"])),
        cells,
        said,
    ]
    return digest_of([orjson.dumps(made_of, option=orjson.OPT_SORT_KEYS, default=_bytes)])


def _bytes(value: Any) -> str:
    return digest_of([bytes(value)])


def _read(file: Path, stamp: str) -> _Entry | None:
    try:
        body = file.read_bytes()
        # Whoever asks after a change need not read all of what no longer holds.
        if stamp.encode() not in body[:200]:
            return None
        found = _File.model_validate_json(body)
        races = OrderedDict((key, _raced().validate_python(race)) for key, race in found.races.items())
    except (OSError, ValidationError, ValueError):
        return None
    return _Entry(stamp, found.measured, races, written=True) if found.stamp == stamp else None


def _write(file: Path, entry: _Entry, races: Mapping[str, Raced]) -> bool:
    """Write a file, whole or not at all; what would not come back as it was is not written."""
    plain = {key: _raced().dump_python(race, mode="json") for key, race in races.items()}
    body = _File(stamp=entry.stamp, measured=entry.measured, races=plain).model_dump_json().encode()
    try:
        back = _File.model_validate_json(body)
        if back.measured != entry.measured:
            return False
        if {key: _raced().validate_python(race) for key, race in back.races.items()} != dict(races):
            return False
    except ValidationError:
        return False
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_whole(file, body)
    except OSError:
        return False  # a folder that cannot be written to costs time and nothing else
    return True


@cache
def _raced() -> TypeAdapter[Raced]:
    return TypeAdapter(Raced)
