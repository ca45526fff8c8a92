"""Prompts and answers: kept only where an endpoint's policy asks for it, and given up first when the disk is short."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from touchstone.deployment.govern.rows import Rows
from touchstone.deployment.govern.tables import content
from touchstone.deployment.govern.writer import Writer
from touchstone.evaluation.store_errors import store_errors
from touchstone.noun import Noun

_DAY_S = 86_400
LONGEST_BYTES = 1 << 20
"""Of either text; the rest is not kept."""


class Kept(Noun):
    """What was asked and answered."""

    request: str
    endpoint: str
    asked: bytes
    answered: bytes


class ContentLog:
    """
    Keeps content.

    Args:
        engine: The store.
        writer: What all of the gateway's writes go through.
        may_keep: Whether the disk has room for it; see `disk.Watermark`.
        clock: Wall clock, seconds since 1970.
    """

    def __init__(
        self,
        engine: sa.Engine,
        writer: Writer,
        *,
        may_keep: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._writer = writer
        self._may_keep = may_keep
        self._clock = clock
        self._rows = Rows(content, engine.dialect, replace=True)

    def keep(
        self,
        charge: int,
        *,
        request: str,
        project: str,
        endpoint: str,
        asked: bytes,
        answered: bytes,
        keep_days: int,
    ) -> asyncio.Future[Any] | None:
        """
        Keep what was asked and answered, after masks; None where the disk is short of room.

        Args:
            charge: Id of the hold that it belongs to.
        """
        if not self._may_keep():
            return None
        asked, answered, now_s = asked[:LONGEST_BYTES], answered[:LONGEST_BYTES], int(self._clock())
        row = (
            charge, request, project, endpoint, asked, answered, len(asked) + len(answered), now_s,
            now_s + keep_days * _DAY_S,
        )  # fmt: skip
        return self._writer.enqueue(self._rows, row)


def kept_content(engine: sa.Engine, request: str, *, project: str) -> Sequence[Kept]:
    """What is kept of a request, by attempts; nothing where it belongs to another project (R9)."""
    query = sa.select(content.c.request, content.c.endpoint, content.c.asked, content.c.answered).where(
        content.c.request == request, content.c.project == project
    )
    with store_errors(), engine.connect() as connection:
        rows = connection.execute(query.order_by(content.c.id)).all()
    return [Kept(request=row[0], endpoint=row[1], asked=bytes(row[2]), answered=bytes(row[3])) for row in rows]
