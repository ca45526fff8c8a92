"""The playground's tables: sessions, what was asked, what came, pictures and recordings, votes."""

from __future__ import annotations

import sqlalchemy as sa

from touchstone.storage.database import Schema

metadata = sa.MetaData()

sessions = sa.Table(
    "playground_session",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("created", sa.String, nullable=False, index=True),
    sa.Column("seed", sa.String(32), nullable=False),  # of the order in which answers are shown; never leaves the store
    sa.Column("document", sa.LargeBinary, nullable=False),  # Session as JSON
)

turns = sa.Table(
    "playground_turn",
    metadata,
    sa.Column("session", sa.String(16), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("document", sa.LargeBinary, nullable=False),  # Turn as JSON
)

answers = sa.Table(
    "playground_answer",
    metadata,
    sa.Column("session", sa.String(16), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # of the turn
    sa.Column("pane", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("document", sa.LargeBinary, nullable=False),  # PaneAnswer as JSON
)

media = sa.Table(
    "playground_media",
    metadata,
    sa.Column("session", sa.String(16), primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),  # media type, told by its first bytes
    sa.Column("body", sa.LargeBinary, nullable=False),
)

votes = sa.Table(
    "playground_vote",
    metadata,
    sa.Column("session", sa.String(16), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # of the turn
    sa.Column("who", sa.String, primary_key=True),
    sa.Column("created", sa.String, nullable=False),
    sa.Column("prompt", sa.String(64), nullable=False),  # SHA-256 of what was asked
    sa.Column("candidates", sa.LargeBinary, nullable=False),  # names in the order shown, JSON
    sa.Column("verdict", sa.String, nullable=False),  # better, good, bad, order
    sa.Column("places", sa.LargeBinary, nullable=False),  # of each in the order shown, JSON
)

SCHEMA = Schema(name="playground", version=1, metadata=metadata)
