"""A damaged store: what is good in it goes into a new file beside it, and people are told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from touchstone.errors import StoreDamaged, StoreError
from touchstone.storage.salvage import Salvaged, salvage


def rescued(file: Path, damage: StoreDamaged) -> StoreDamaged:
    """
    The error to raise for a damaged store, after its good rows were saved; the file itself is left alone.

    Opening it again saves nothing again: the first rescue is the one that is named.
    """
    # A folder of its own: beside the damaged file lies its log, which SQLite would replay onto whatever takes its name.
    target = file.parent.with_name(f"{file.parent.name}-salvaged") / file.name
    if target.exists():
        return StoreDamaged(
            "{damage}; its good rows were saved before: go on with them with --workspace {folder}",
            damage=damage,
            folder=str(target.parent),
        )
    try:
        target.parent.mkdir(exist_ok=True)
        # The packed copies would speak for cells that are lost; they are made anew when a run ends.
        found = salvage(file, target, verify={"reply": _is_reply}, derived=("packed_cells",))
    except (StoreError, OSError) as error:
        return StoreDamaged("{damage}; {reason}", damage=damage, reason=error)
    saved, lost = _rows(found)
    return StoreDamaged(
        "{damage}; {saved:,} rows were saved, {lost} could not be read: go on with them with --workspace {folder}; the "
        "damaged store is left as it is",
        damage=damage,
        saved=saved,
        lost="?" if lost is None else f"{lost:,}",
        folder=str(target.parent),
    )


def _is_reply(row: Mapping[str, Any]) -> bool:
    """Whether a reply is what was once stored: its digest says so."""
    body = row.get("body")
    return isinstance(body, bytes) and hashlib.sha256(body).hexdigest() == row.get("digest")


def _rows(found: Salvaged) -> tuple[int, int | None]:
    lost = [table.lost for table in found.tables]
    return (
        sum(table.saved for table in found.tables),
        None if any(number is None for number in lost) else sum(number for number in lost if number is not None),
    )
