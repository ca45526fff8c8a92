"""The two files that a batch leaves: what was answered well, and all else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import BinaryIO

from touchstone.deployment.gateway.api.batch_lines import Answer, Place
from touchstone.deployment.govern.batches import Batch
from touchstone.deployment.govern.file_bytes import Draft
from touchstone.deployment.govern.files import Files, StoredFile, Tenant


def write_results(
    files: Files, batch: Batch, work: BinaryIO, kept: Mapping[int, Place], rest: Iterable[Answer]
) -> tuple[StoredFile | None, StoredFile | None]:
    """
    Put the bytes of both files in their place.

    Args:
        files: Where they go.
        batch: Whose they are.
        work: Holds the answers.
        kept: Where they lie in it; both files have them in the order of the input.
        rest: What is said of lines that nobody was asked; they follow the other errors.

    Returns:
        Rows for output and errors, not yet in the store; None for a file that would be empty.

    Raises:
        OSError: there is no room.
    """
    drafts = files.place.begin(), files.place.begin()
    found: list[StoredFile | None] = []
    try:
        _write(work, kept, rest, *drafts)
        for draft, name in zip(drafts, ("output", "error"), strict=True):
            if not draft.size_bytes:
                found.append(None)
                continue
            tenant = Tenant(batch.project, batch.owner)
            filename = f"{batch.id}_{name}.jsonl"
            found.append(files.row(batch.key, tenant, draft.keep(), purpose="batch_output", filename=filename))
    finally:
        for draft in drafts:
            draft.discard()
    return found[0], found[1]


def _write(work: BinaryIO, kept: Mapping[int, Place], rest: Iterable[Answer], output: Draft, errors: Draft) -> None:
    for number in sorted(kept):
        place = kept[number]
        work.seek(place.start)
        said = b""
        while len(said) < place.size and (piece := work.read(place.size - len(said))):
            said += piece
        (output if place.good else errors).write(said)
    for answer in rest:
        errors.write(answer.said + b"\n")
