"""The ledger's tables: cases, intents, raw replies, recordings, outcomes, trials, comparisons."""

from __future__ import annotations

import sqlalchemy as sa

from touchstone.storage.database import Schema

metadata = sa.MetaData()

datasets = sa.Table(
    "dataset",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
)

cases = sa.Table(
    "dataset_case",
    metadata,
    sa.Column("dataset", sa.String(64), primary_key=True),
    sa.Column("split", sa.String(5), primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True),
    sa.Column("case_id", sa.String, nullable=False),
    sa.Column("group_name", sa.String),
    sa.Column("tags", sa.String, nullable=False, default=""),
    sa.Column("payload", sa.LargeBinary, nullable=False),  # Case as JSON
    sqlite_with_rowid=False,
)

replies = sa.Table(
    "reply",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),  # digest of endpoint, canonical request and draw
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),  # of the body, checked on reading
    sa.Column("meta", sa.LargeBinary, nullable=False),  # Reply without its body, as JSON
    sa.Column("stored_at", sa.String, nullable=False),
)

attempts = sa.Table(
    "attempt",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("key", sa.String(64), nullable=False, index=True),
    sa.Column("endpoint", sa.String, nullable=False),
    sa.Column("purpose", sa.String, nullable=False),  # answer or judge
    sa.Column("request", sa.LargeBinary, nullable=False),
    sa.Column("hold_usd", sa.Float),  # worst case reserved for it; None when the price is unknown
    sa.Column("state", sa.String, nullable=False),  # intent, replied, failed, in_doubt
    sa.Column("cost_usd", sa.Float),
    sa.Column("error", sa.String),
    sa.Column("received", sa.LargeBinary),  # first MiB of what came and was no answer
    sa.Column("sent_at", sa.String, nullable=False),
)

recordings = sa.Table(
    "recording",
    metadata,
    sa.Column("file", sa.String(64), primary_key=True),  # digest of the file and of how its columns are named
    sa.Column("model", sa.String, primary_key=True),
    sa.Column("case_id", sa.String, primary_key=True),
    sa.Column("draw", sa.Integer, primary_key=True),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

recording_files = sa.Table(
    "recording_file",
    metadata,
    sa.Column("file", sa.String(64), primary_key=True),
    sa.Column("models", sa.LargeBinary, nullable=False),  # model name to number of outputs, as JSON
)

comparisons = sa.Table(
    "comparison",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("created", sa.String, nullable=False),
    sa.Column("task", sa.String, nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("dataset", sa.String(64), nullable=False),
    sa.Column("spec", sa.LargeBinary, nullable=False),  # the task file as it was read, JSON
    sa.Column("state", sa.String, nullable=False),  # running, finished, stopped
    sa.Column("calls", sa.LargeBinary),  # what the calls amounted to, JSON
    sa.Column("verdict", sa.String),  # as decided under the task's own demands
    sa.Column("chosen", sa.String),
    sa.Column("judge", sa.LargeBinary),  # what is known about the judge, JSON; null without one
)

trials = sa.Table(
    "trial",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("comparison", sa.String(32), nullable=False, index=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("recipe", sa.LargeBinary, nullable=False),
    sa.Column("settings", sa.LargeBinary, nullable=False),  # what the report says about how it was called
)

outcomes = sa.Table(
    "outcome",
    metadata,
    sa.Column("trial", sa.Integer, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True),  # of the case in its split
    sa.Column("repeat", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("score", sa.Float),  # by the first scorer
    sa.Column("answer", sa.String),
    sa.Column("how", sa.String),
    sa.Column("text", sa.String),
    sa.Column("scores", sa.LargeBinary),  # all Scores as JSON, when there is more than the number to say
    sa.Column("input_tokens", sa.Integer),
    sa.Column("output_tokens", sa.Integer),
    sa.Column("estimated", sa.Boolean),
    sa.Column("cost_usd", sa.Float),
    sa.Column("retry_usd", sa.Float),  # sends without an answer that may be billed; null when their price is unknown
    sa.Column("judge_usd", sa.Float),
    sa.Column("latency_s", sa.Float),
    sa.Column("first_token_s", sa.Float),
    sa.Column("served_model", sa.String),
    sa.Column("error", sa.String),
    sa.Column("retries", sa.Integer, nullable=False, default=0),
    sa.Column("from_cache", sa.Boolean, nullable=False, default=False),
    sqlite_with_rowid=False,
)

SCHEMA = Schema(name="ledger", version=1, metadata=metadata)
