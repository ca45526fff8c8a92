"""The tables of the room: endpoints, keys, money, charges, and what is kept beside them."""

from __future__ import annotations

import orjson
import sqlalchemy as sa

from touchstone.storage.database import Schema

metadata = sa.MetaData()

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# Desired and observed state -------------------------------------------------------------------------------------------

endpoints = sa.Table(
    "endpoint",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("document", sa.LargeBinary, nullable=False),  # Endpoint as JSON
    sa.Column("revision", sa.Integer, nullable=False),
)

endpoint_states = sa.Table(
    "endpoint_state",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("replica", sa.Integer, primary_key=True),
    sa.Column("pid", sa.Integer),
    sa.Column("port", sa.Integer),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("since", sa.String, nullable=False),
    sa.Column("restarts", sa.Integer, nullable=False, default=0),
    sa.Column("note", sa.String),
)

revisions = sa.Table(
    "deployment_revision",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
)

# Keys and money -------------------------------------------------------------------------------------------------------

api_keys = sa.Table(
    "api_key",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),  # HMAC-SHA-256 of the secret under the pepper
    sa.Column("pepper", sa.String(16), nullable=False),  # which pepper that was; tells nothing else of it
    sa.Column("name", sa.String, nullable=False),
    sa.Column("project", sa.String, nullable=False),
    sa.Column("purse", sa.Integer),  # the first key of its rotations: a new key goes on with the old one's money
    sa.Column("document", sa.LargeBinary, nullable=False),  # Key as JSON
    sqlite_autoincrement=True,
)

key_windows = sa.Table(
    "key_window",
    metadata,
    sa.Column("key", sa.Integer, primary_key=True, autoincrement=False),  # a purse
    sa.Column("window", sa.Integer, primary_key=True, autoincrement=False),  # its number, see windows.py
    sa.Column("spent_usd", sa.Float, nullable=False, default=0.0),
    sa.Column("held_usd", sa.Float, nullable=False, default=0.0),
    sqlite_with_rowid=False,
)

charges = sa.Table(
    "charge",
    metadata,
    # Random per meter, then a sequence: two never give the same, and rows of one sitting lie side by side.
    sa.Column("id", _BIG, primary_key=True, autoincrement=False),
    sa.Column("request", sa.String(64), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("key", sa.Integer, nullable=False),
    sa.Column("project", sa.String, nullable=False),
    sa.Column("endpoint", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("streamed", sa.Boolean, nullable=False),
    sa.Column("hold_usd", sa.Float),
    sa.Column("usd", sa.Float),
    sa.Column("input_tokens", sa.Integer),
    sa.Column("output_tokens", sa.Integer),
    sa.Column("cached_input_tokens", sa.Integer),
    sa.Column("reasoning_tokens", sa.Integer),
    sa.Column("estimated", sa.Boolean, nullable=False),
    sa.Column("started_at", sa.String, nullable=False),
    sa.Column("seconds", sa.Float),
    sa.Column("first_token_s", sa.Float),
    sa.Column("error", sa.String),
    sa.Column("shadow", sa.Boolean, nullable=False),
    sa.Column("purse", sa.Integer),  # whose money was held; null where no budget was touched
    sa.Column("window", sa.Integer),  # in which of its windows: what is left of a hold goes back there and nowhere else
    sa.Column("owner", sa.String(32), nullable=False),  # the meter that opened it
    sa.Index("charge_started", "started_at"),
    sa.Index("charge_request", "request"),
)

# The literal, not a parameter: SQLite uses the index only for a query that repeats these words.
unsettled = sa.text("charge.status IN ('running', 'in_doubt')")
sa.Index(
    "charge_unsettled",
    charges.c.id,
    sqlite_where=sa.text("status IN ('running', 'in_doubt')"),
    postgresql_where=sa.text("status IN ('running', 'in_doubt')"),
)

alerts = sa.Table(
    "alert",
    metadata,
    sa.Column("key", sa.Integer, primary_key=True, autoincrement=False),  # a purse
    sa.Column("window", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("percent", sa.Integer, primary_key=True, autoincrement=False),  # of the budget, which was reached
    sa.Column("spent_usd", sa.Float, nullable=False),
    sa.Column("cap_usd", sa.Float, nullable=False),
    sa.Column("at", sa.String, nullable=False),
)

# Beside the charges ---------------------------------------------------------------------------------------------------

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("what", sa.String, nullable=False),
    sa.Column("about", sa.String, nullable=False),
    sa.Column("before", sa.LargeBinary),  # JSON; null where there was nothing
    sa.Column("after", sa.LargeBinary),
    sqlite_autoincrement=True,
)

idempotent = sa.Table(
    "idempotent",
    metadata,
    sa.Column("key", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("idempotency_key", sa.String(255), primary_key=True),
    sa.Column("body_digest", sa.String(64), nullable=False),
    sa.Column("state", sa.String, nullable=False),  # running, kept, not_kept
    sa.Column("owner", sa.String(32), nullable=False),
    sa.Column("request", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("content_type", sa.String),
    sa.Column("reply", sa.LargeBinary),
    sa.Column("expires_s", _BIG, nullable=False, index=True),  # seconds since 1970
)

cached_replies = sa.Table(
    "cached_reply",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("project", sa.String, nullable=False),
    sa.Column("endpoint", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),  # of the body, looked at on reading
    sa.Column("document", sa.LargeBinary, nullable=False),  # Answered without its body, as JSON
    sa.Column("expires_s", _BIG, nullable=False, index=True),
)

content = sa.Table(
    "content",
    metadata,
    sa.Column("id", _BIG, primary_key=True, autoincrement=False),  # of the charge that it belongs to
    sa.Column("request", sa.String(64), nullable=False, index=True),
    sa.Column("project", sa.String, nullable=False),
    sa.Column("endpoint", sa.String(64), nullable=False),
    sa.Column("asked", sa.LargeBinary, nullable=False),
    sa.Column("answered", sa.LargeBinary, nullable=False),
    sa.Column("size_bytes", _BIG, nullable=False),
    sa.Column("kept_s", _BIG, nullable=False),
    sa.Column("expires_s", _BIG, nullable=False, index=True),
)

shadow_replies = sa.Table(
    "shadow_reply",
    metadata,
    sa.Column("request", sa.String(64), primary_key=True),
    sa.Column("endpoint", sa.String(64), nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("shadow_version", sa.Integer, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),  # what was asked and both replies, as JSON
    sa.Column("size_bytes", _BIG, nullable=False),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("expires_s", _BIG, nullable=False, index=True),
)

safety_records = sa.Table(
    "safety_record",
    metadata,
    sa.Column("id", _BIG, primary_key=True, autoincrement=False),
    sa.Column("request", sa.String(64), nullable=False, index=True),
    sa.Column("endpoint", sa.String(64), nullable=False),
    sa.Column("way", sa.String(3), nullable=False),
    sa.Column("action", sa.String, nullable=False),
    sa.Column("findings", sa.LargeBinary, nullable=False),  # SafetyFindings as JSON: rules and places, never a text
    sa.Column("at", sa.String, nullable=False, index=True),
    sa.Column("not_checked", sa.LargeBinary),  # places of what nobody looked into, as JSON; null where there are none
    sa.Column("reason", sa.String),  # why nobody could tell, as a code
)

stored_files = sa.Table(
    "stored_file",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("key", sa.Integer, nullable=False),
    sa.Column("project", sa.String, nullable=False, index=True),
    sa.Column("owner", sa.String),  # within the project; null where the key names none
    sa.Column("purpose", sa.String, nullable=False),
    sa.Column("filename", sa.String, nullable=False),  # as its owner calls it; never a path of ours
    sa.Column("digest", sa.String(64), nullable=False, index=True),  # of its bytes; names the file that holds them
    sa.Column("size_bytes", _BIG, nullable=False),
    sa.Column("created_s", _BIG, nullable=False),
    sa.Column("expires_s", _BIG),
    sa.Column("document", sa.LargeBinary),
)

batches = sa.Table(
    "batch",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("key", sa.Integer, nullable=False),
    sa.Column("project", sa.String, nullable=False, index=True),
    sa.Column("owner", sa.String),  # within the project; null where the key names none
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("input_file", sa.String(64), nullable=False),
    sa.Column("output_file", sa.String(64)),
    sa.Column("error_file", sa.String(64)),
    sa.Column("created_s", _BIG, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
)

# What was written down of an administrative act stays as it is, whoever asks.
_REFUSE = "BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END"
_ONLY_GROWS = {
    "sqlite": (
        f"CREATE TRIGGER audit_keeps_update BEFORE UPDATE ON audit {_REFUSE}",
        f"CREATE TRIGGER audit_keeps_delete BEFORE DELETE ON audit {_REFUSE}",
    ),
    "postgresql": (
        "CREATE RULE audit_keeps_update AS ON UPDATE TO audit DO INSTEAD NOTHING",
        "CREATE RULE audit_keeps_delete AS ON DELETE TO audit DO INSTEAD NOTHING",
    ),
}


@sa.event.listens_for(audit, "after_create")
def _only_grows(_table: sa.Table, connection: sa.Connection, **_more: object) -> None:
    for statement in _ONLY_GROWS.get(connection.dialect.name, ()):
        connection.exec_driver_sql(statement)


_UNSEEN = {
    "sqlite": (
        "ALTER TABLE safety_record ADD COLUMN not_checked BLOB",
        "ALTER TABLE safety_record ADD COLUMN reason VARCHAR",
    ),
    "postgresql": (
        "ALTER TABLE safety_record ADD COLUMN not_checked BYTEA",
        "ALTER TABLE safety_record ADD COLUMN reason VARCHAR",
    ),
}


def _say_what_was_not_checked(connection: sa.Connection) -> None:
    """
    Version 2: what nobody looked into, and why nobody could tell, are columns that can be asked for.

    Before, both stood beside the findings. Rows are read a block at a time: there may be ninety days of them.
    """
    for statement in _UNSEEN.get(connection.dialect.name, _UNSEEN["sqlite"]):
        connection.exec_driver_sql(statement)
    table, last = safety_records, -1
    while True:
        query = sa.select(table.c.id, table.c.findings).where(table.c.id > last).order_by(table.c.id).limit(500)
        rows = connection.execute(query).all()
        if not rows:
            return
        for row in rows:
            said = orjson.loads(row.findings)
            unseen = said.get("not_checked") or None
            values = {"not_checked": None if unseen is None else orjson.dumps(unseen), "reason": said.get("reason")}
            if any(value is not None for value in values.values()):
                connection.execute(table.update().where(table.c.id == row.id).values(**values))
        last = rows[-1].id


SCHEMA = Schema(name="deployment", version=2, metadata=metadata, migrations={2: _say_what_was_not_checked})
