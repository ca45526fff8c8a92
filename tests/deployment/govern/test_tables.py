"""The tables of the room: what an older store keeps when it is brought up."""

from __future__ import annotations

from pathlib import Path

import orjson
import sqlalchemy as sa

from touchstone.deployment.govern.state import prepare_store
from touchstone.deployment.govern.tables import SCHEMA, safety_records
from touchstone.storage.database import open_database

BEFORE = (
    "CREATE TABLE schema_version (name VARCHAR NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (name))",
    "INSERT INTO schema_version VALUES ('deployment', 1)",
    """
    CREATE TABLE safety_record (
        id BIGINT NOT NULL, request VARCHAR(64) NOT NULL, endpoint VARCHAR(64) NOT NULL, way VARCHAR(3) NOT NULL,
        action VARCHAR NOT NULL, findings BLOB NOT NULL, at VARCHAR NOT NULL, PRIMARY KEY (id)
    )
    """,
)


def test_records_of_guards_get_columns_for_what_nobody_looked_at(tmp_path: Path) -> None:
    """Rows of version 1 had both beside the findings; every row keeps what it said, and the store a copy of itself."""
    engine = open_database(tmp_path / "touchstone.db")
    said = [
        {"findings": [], "not_checked": ["messages[0].content[1]"], "reason": None, "texts": 1, "seconds": 0.1},
        {"findings": [], "not_checked": [], "reason": "timeout", "texts": 1, "seconds": 0.1},
        {"findings": [{"rule": "blocked", "way": "in"}], "not_checked": [], "reason": None, "texts": 1, "seconds": 0.1},
    ]
    with engine.begin() as connection:
        for statement in BEFORE:
            connection.exec_driver_sql(statement)
        for number in range(1_200):
            row = (number, f"r{number}", "e", "in", "passed", orjson.dumps(said[number % 3]), "2026")
            connection.exec_driver_sql("INSERT INTO safety_record VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    prepare_store(engine)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(safety_records).order_by(safety_records.c.id)).all()
    engine.dispose()

    assert len(rows) == 1_200
    for number, row in enumerate(rows):
        unseen = None if row.not_checked is None else orjson.loads(row.not_checked)
        assert (unseen or []) == said[number % 3]["not_checked"]
        assert row.reason == said[number % 3]["reason"]
        assert orjson.loads(row.findings)["findings"] == said[number % 3]["findings"]
    assert list(tmp_path.glob("*.bak"))
    assert SCHEMA.version == 2
