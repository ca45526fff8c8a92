"""The ledger's tables: cases, intents, raw replies, money, recordings, outcomes, trials, comparisons."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()

datasets = sa.Table(
    "dataset",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
)

checks = sa.Table(
    "checked_source",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),  # of the files' bytes and of how they were read
    sa.Column("summary", sa.LargeBinary, nullable=False),  # CaseSummary as JSON
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
)

replies = sa.Table(
    "reply",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),  # digest of endpoint, canonical request and draw
    sa.Column("attempt", sa.BigInteger),  # which attempt brought it; null where an older version did not note it
    sa.Column("run", sa.String(32)),  # the run that bought it
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),  # of the body, checked on reading
    sa.Column("meta", sa.LargeBinary, nullable=False),  # Reply without its body, as JSON
    sa.Column("stored_at", sa.String, nullable=False),
)

attempts = sa.Table(
    "attempt",
    metadata,
    # Random per ledger, then a sequence: two never give the same id; one sitting's rows lie in the order of sending.
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("run", sa.String(32)),
    sa.Column("key", sa.String(64), nullable=False),
    sa.Column("endpoint", sa.String, nullable=False),
    sa.Column("purpose", sa.String, nullable=False),  # answer or judge
    sa.Column("retry", sa.Boolean, nullable=False, default=False),  # whether an earlier attempt of the cell had failed
    sa.Column("request", sa.LargeBinary, nullable=False),
    sa.Column("hold_usd", sa.Float),  # worst case reserved for it; null when the price is unknown
    sa.Column("state", sa.String, nullable=False),  # intent, unread, replied, failed, in_doubt
    sa.Column("cost_usd", sa.Float),
    sa.Column("error", sa.String),
    sa.Column("received", sa.LargeBinary),  # first MiB of what came and was no answer
    sa.Column("sent_at", sa.String, nullable=False),
    sa.Column("served_model", sa.String),  # the name the provider echoed
    sa.Column("system_fingerprint", sa.String),
    sa.Column("region", sa.String),
)


@sa.event.listens_for(attempts, "after_create")
def _index_open_attempts(_table: sa.Table, connection: sa.Connection, **_how: Any) -> None:
    """What a crash left behind is found without reading every attempt there ever was."""
    # As text: an index with `postgresql_where` imports the whole dialect at every start, a twentieth of a short run.
    connection.execute(sa.text("CREATE INDEX attempt_open ON attempt (state) WHERE state IN ('intent', 'unread')"))


budgets = sa.Table(
    "budget",
    metadata,
    sa.Column("run", sa.String(32), primary_key=True),
    sa.Column("cap_usd", sa.Float),  # null: no cap
    sa.Column("held_usd", sa.Float, nullable=False),  # reserved for what is in flight
    sa.Column("spent_usd", sa.Float, nullable=False),  # settled, calls in doubt at their worst case
    sa.Column("made", sa.Integer, nullable=False),  # sends
    sa.Column("retries", sa.Integer, nullable=False),
    sa.Column("in_doubt", sa.Integer, nullable=False),
    sa.Column("unpriced", sa.Integer, nullable=False),  # paid sends whose cost nobody knows
)

recordings = sa.Table(
    "recording",
    metadata,
    sa.Column("file", sa.String(64), primary_key=True),  # digest of the file and of how its columns are named
    sa.Column("model", sa.String, primary_key=True),
    sa.Column("case_id", sa.String, primary_key=True),
    sa.Column("draw", sa.Integer, primary_key=True),
    sa.Column("payload", sa.LargeBinary, nullable=False),
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
    sa.Column("run_key", sa.String(64), index=True),  # the fingerprint with what was asked of the run; the same goes on
    sa.Column("parts", sa.LargeBinary),  # digests of what the fingerprint is made of, JSON
    sa.Column("dataset", sa.String(64), nullable=False),
    sa.Column("spec", sa.LargeBinary, nullable=False),  # the task file as it was read, JSON
    sa.Column("state", sa.String, nullable=False),  # running, finished, stopped
    sa.Column("ending", sa.String),  # why it stopped: budget, cancel, lanes, offline, store; null when not
    sa.Column("calls", sa.LargeBinary),  # what an older version counted, JSON
    sa.Column("race", sa.LargeBinary),  # the steps of the race as they happened, JSON
    sa.Column("verdict", sa.String),  # as decided under the task's own demands
    sa.Column("chosen", sa.String),
    sa.Column("judge", sa.LargeBinary),  # what is known about the judge, JSON; null without one
)

trials = sa.Table(
    "trial",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("digest", sa.String(64), index=True, unique=True),  # of everything that, changed, makes other cells
    sa.Column("recipe", sa.LargeBinary, nullable=False),
)

entries = sa.Table(
    "entry",
    metadata,
    sa.Column("comparison", sa.String(32), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("trial", sa.Integer, nullable=False, index=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("settings", sa.LargeBinary, nullable=False),  # what the report says about how it was called
    sa.Column("rest", sa.String),  # what its cells without an outcome are: planned, skipped_race, skipped_budget, ...
    sa.Column("closed", sa.String),  # why it could not be asked any further; null when it could
)

packed_cells = sa.Table(
    "packed_cells",
    metadata,
    sa.Column("trial", sa.Integer, primary_key=True),
    sa.Column("cells", sa.Integer, nullable=False),
    sa.Column("texts", sa.LargeBinary, nullable=False),  # what its cells say in words, counted, as JSON
    sa.Column("body", sa.LargeBinary, nullable=False),  # the numbers of all its cells, column after column
)

outcomes = sa.Table(
    "outcome",
    metadata,
    sa.Column("trial", sa.Integer, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True),  # of the case in its split
    sa.Column("repeat", sa.Integer, primary_key=True),
    sa.Column("run", sa.String(32)),  # the comparison that asked for it
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
    sa.Column("queue_s", sa.Float),  # waited in our own limiter, which is no latency
    sa.Column("first_token_s", sa.Float),
    sa.Column("served_model", sa.String),
    sa.Column("system_fingerprint", sa.String),
    sa.Column("remark", sa.String),  # what is odd about the reply and did not keep it from being scored
    sa.Column("error", sa.String),
    sa.Column("retries", sa.Integer, nullable=False, default=0),
    sa.Column("from_cache", sa.Boolean, nullable=False, default=False),
)
