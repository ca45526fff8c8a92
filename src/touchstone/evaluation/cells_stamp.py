"""What the cells of trials are, in one short text: for whoever keeps what was made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from touchstone.evaluation import tables
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.store_errors import store_errors
from touchstone.storage.blobs import read_blob

DIGEST = "digest"
"""Key among the packed texts: a digest of the packed numbers. Older copies do not say; their numbers are read."""


def digest_of(parts: Iterable[Any]) -> str:
    """SHA-256 of buffers that follow each other, as hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def as_texts(digest: str) -> tuple[list[tuple[str, int]], int]:
    """A digest in the shape of counted texts, which older versions of this program read without harm."""
    return [(digest, 0)], 0


def cells_stamp(ledger: Ledger, trials: Sequence[int]) -> str:
    """
    A text that is another one once cells of these trials were added or asked again, or say anything else.

    Of a trial with a packed copy that is a digest; the copy is made anew whenever cells change. Of others, which are
    small or at work, every text that is counted is compared, and of numbers and lengths sums that are weighted by their
    place: a cell that is asked again takes another time to answer, so such a sum is another one too.
    """
    packed = tables.packed_cells
    wanted = sorted({int(trial) for trial in trials})
    query = sa.select(packed.c.trial, packed.c.texts).where(packed.c.trial.in_(wanted)).order_by(packed.c.trial)
    with store_errors(), ledger.engine.connect() as connection:
        texts = {int(trial): bytes(body) for trial, body in connection.execute(query)}
        return digest_of(_stamp(connection, trial, texts.get(trial)) for trial in wanted)


def _stamp(connection: sa.Connection, trial: int, texts: bytes | None) -> bytes:
    body = None
    if texts is not None and DIGEST not in orjson.loads(texts):
        body = read_blob(connection, tables.packed_cells.c.body, trial)
        texts = texts if body is not None else None  # another process took it away meanwhile
    if texts is not None:
        return f"{trial} packed {digest_of([texts, body or b''])} ".encode()
    rows = sorted(repr(tuple(row)) for row in connection.execute(_SUMS, {"b_trial": trial}))
    return f"{trial} {digest_of(row.encode() for row in rows)} ".encode()


def _sums() -> sa.Select[Any]:
    cells = tables.outcomes.c
    said = [cells[name] for name in ("kind", "run", "how", "served_model", "system_fingerprint", "remark", "error")]
    place = cells.ordinal * 64.0 + cells.repeat + 1.0
    numbers = [cells[name] for name in _NUMBERS] + [sa.func.length(cells[name]) for name in _TEXTS]
    counts = [sa.func.count(number) for number in numbers]
    sums = [sa.func.sum(number * place) for number in numbers]
    own = cells.trial == sa.bindparam("b_trial")
    return sa.select(*said, sa.func.count(), sa.func.sum(place), *counts, *sums).where(own).group_by(*said)


_NUMBERS = (
    "score", "latency_s", "first_token_s", "queue_s", "cost_usd", "retry_usd", "judge_usd", "input_tokens",
    "output_tokens", "retries",
)  # fmt: skip
_TEXTS = ("text", "answer", "scores")
_SUMS = _sums()
