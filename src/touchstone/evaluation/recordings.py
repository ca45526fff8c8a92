"""Answers recorded earlier, by anything: kept in the ledger by case, so that a file of any size is streamed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson
import sqlalchemy as sa

from touchstone.evaluation import tables
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.noun_json import safe_text
from touchstone.evaluation.store_errors import store_errors
from touchstone.noun import Noun

_BLOCK = 1_000

_PAGES_MB = 32
"""Of the store in memory: cases come in random order, and with 2 MB nearly every look-up reads the file again."""


class Recording(Noun):
    """One recorded output."""

    output: str | None = None
    """None when the call had failed; then `error` says why."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_s: float | None = None
    cost_usd: float | None = None
    error: str | None = None


class Recordings:
    """The recorded outputs of one file, found by model and case."""

    def __init__(self, ledger: Ledger, file: str) -> None:
        self._ledger = ledger
        self._file = file
        ledger.keep_pages(_PAGES_MB)

    @property
    def digest(self) -> str:
        """SHA-256 of the file and of how its columns are named."""
        return self._file

    def models(self) -> Mapping[str, int] | None:
        """Model name to number of its outputs; None when this file was not read yet."""
        query = sa.select(tables.recording_files.c.models).where(tables.recording_files.c.file == self._file)
        with store_errors(), self._ledger.engine.connect() as connection:
            body = connection.execute(query).scalar()
        return None if body is None else dict(orjson.loads(body))

    def add(self, rows: Iterable[tuple[str, str, Recording]]) -> None:
        """
        Keep (model, case id, recording) rows; all of them or, when one fails, none.

        Several outputs of one model for one case are its draws, in the order of the file.
        """
        counts: dict[str, int] = {}
        draws: dict[tuple[str, str], int] = {}
        block = []
        insert = tables.recordings.insert()
        with store_errors(), self._ledger.writing() as connection:
            for given_model, given_id, recording in rows:
                model, case_id = safe_text(given_model), safe_text(given_id)
                draw = draws.get((model, case_id), 0)
                draws[model, case_id] = draw + 1
                counts[model] = counts.get(model, 0) + 1
                block.append(
                    {
                        "file": self._file,
                        "model": model,
                        "case_id": case_id,
                        "draw": draw,
                        "payload": orjson.dumps(
                            {
                                key: safe_text(value) if isinstance(value, str) else value
                                for key, value in recording.model_dump(exclude_defaults=True).items()
                            }
                        ),
                    }
                )
                if len(block) == _BLOCK:
                    connection.execute(insert, block)
                    block = []
            if block:
                connection.execute(insert, block)
            connection.execute(tables.recording_files.insert().values(file=self._file, models=orjson.dumps(counts)))

    def find(self, model: str, case_id: str, draw: int = 0) -> Recording | None:
        """The recorded output, None when there is none."""
        with store_errors():
            row = self._ledger.find_one(
                self._ledger.statements.find_recording, (self._file, safe_text(model), safe_text(case_id), draw)
            )
        return None if row is None else Recording.model_validate_json(bytes(row[0]))

    def missing(self, model: str, dataset: str, split: str) -> int:
        """How many cases of a split have no recording of this model."""
        cases, table = tables.cases, tables.recordings
        found = (
            sa.select(sa.literal(1))
            .where(
                table.c.file == self._file,
                table.c.model == safe_text(model),
                table.c.case_id == cases.c.case_id,
                table.c.draw == 0,
            )
            .exists()
        )
        query = sa.select(sa.func.count()).where(cases.c.dataset == dataset, cases.c.split == split, ~found)
        with store_errors(), self._ledger.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())
