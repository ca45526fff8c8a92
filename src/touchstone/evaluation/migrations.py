"""The ledger's schema and the steps from older stores to it; the store keeps a copy of itself before the first step."""

from __future__ import annotations

import sqlalchemy as sa

from touchstone.evaluation import tables
from touchstone.storage.database import Schema


def _share_trials_and_count_money(connection: sa.Connection) -> None:
    """
    Version 2: trials are shared between comparisons, attempts belong to runs, each run has a budget.

    Old comparisons keep their numbers; their trials have no digest and are therefore continued by nobody.
    """
    run = connection.exec_driver_sql
    run("ALTER TABLE attempt RENAME TO attempt_v1")
    run("DROP INDEX IF EXISTS ix_attempt_key")
    run("ALTER TABLE trial RENAME TO trial_v1")
    run("DROP INDEX IF EXISTS ix_trial_comparison")
    for table, column, kind in (
        ("reply", "attempt", "BIGINT"),
        ("reply", "run", "VARCHAR(32)"),
        ("comparison", "run_key", "VARCHAR(64)"),
        ("comparison", "parts", _bytes(connection)),
        ("comparison", "ending", "VARCHAR"),
        ("comparison", "race", _bytes(connection)),
        ("outcome", "run", "VARCHAR(32)"),
        ("outcome", "queue_s", "FLOAT"),
        ("outcome", "system_fingerprint", "VARCHAR"),
        ("outcome", "remark", "VARCHAR"),
    ):
        run(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
    new = (
        tables.attempts,
        tables.budgets,
        tables.checks,
        tables.trials,
        tables.entries,
        tables.packed_cells,
    )
    tables.metadata.create_all(connection, tables=list(new))
    run("CREATE INDEX IF NOT EXISTS ix_comparison_run_key ON comparison (run_key)")
    run(
        "INSERT INTO attempt (id, key, endpoint, purpose, retry, request, hold_usd, state, cost_usd, error, received, "
        "sent_at) SELECT row_number() OVER (ORDER BY sent_at, id), key, endpoint, purpose, false, request, hold_usd, "
        "state, cost_usd, error, received, sent_at FROM attempt_v1"
    )
    run("INSERT INTO trial (id, recipe) SELECT id, recipe FROM trial_v1")
    run(
        "INSERT INTO entry (comparison, position, trial, name, settings) "
        "SELECT comparison, position, id, name, settings FROM trial_v1"
    )
    run("DROP TABLE attempt_v1")
    run("DROP TABLE trial_v1")
    if connection.dialect.name == "postgresql":
        # The numbers were copied, not drawn: the next one must not be given twice.
        run("SELECT setval(pg_get_serial_sequence('trial', 'id'), greatest((SELECT max(id) FROM trial), 1))")


def _bytes(connection: sa.Connection) -> str:
    return "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"


SCHEMA = Schema(name="ledger", version=2, metadata=tables.metadata, migrations={2: _share_trials_and_count_money})
