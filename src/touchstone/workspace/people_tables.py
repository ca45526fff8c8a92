"""The tables of who may come in: people, their roles, invitations, open sessions. A small file of their own."""

from __future__ import annotations

import sqlalchemy as sa

from touchstone.storage.database import Schema

metadata = sa.MetaData()

people = sa.Table(
    "person",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("password", sa.String),  # argon2id with its parameters and salt; NULL where none was set
    sa.Column("issuer", sa.String),  # who vouches for the person, for single sign-on
    sa.Column("subject", sa.String),  # what the issuer calls them; never changes, unlike names
    sa.Column("created_at", sa.String, nullable=False),
    sa.UniqueConstraint("issuer", "subject"),
)

roles = sa.Table(
    "person_role",
    metadata,
    sa.Column("person", sa.ForeignKey("person.name", ondelete="CASCADE"), primary_key=True),
    sa.Column("project", sa.String(40), primary_key=True),
    sa.Column("role", sa.String, nullable=False),
    sqlite_with_rowid=False,
)

invitations = sa.Table(
    "invitation",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("person", sa.ForeignKey("person.name", ondelete="CASCADE"), nullable=False),
    sa.Column("ends_s", sa.Float, nullable=False),
    sqlite_with_rowid=False,
)

sessions = sa.Table(
    "session",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("person", sa.String(64), nullable=False),
    # Whether the single-use link of this machine opened it: then there is no row of the person.
    sa.Column("is_local", sa.Boolean, nullable=False),
    sa.Column("project", sa.String(40), nullable=False),
    sa.Column("seen_s", sa.Float, nullable=False),
    sa.Column("ends_s", sa.Float, nullable=False),
    sqlite_with_rowid=False,
)

SCHEMA = Schema("people", 1, metadata)
