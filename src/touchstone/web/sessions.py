"""
Who is signed in: sessions by a cookie whose digest is kept, and the single-use link of this machine.

A session's token is 256 random bits, known to the browser alone. Forms carry another token made from it, so a page of
somebody else can neither read nor guess it (R7, R8). Sessions lie in the workspace's file of people, so a restart of
the site signs nobody out; what a person may do is looked up again at every request.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from touchstone.storage.database import begin_write
from touchstone.web.base import Role, Viewer
from touchstone.workspace.people import People, digest_of
from touchstone.workspace.people_tables import sessions
from touchstone.workspace.projects import DEFAULT_PROJECT, projects

IDLE_S = 12 * 3_600.0
"""A session that was not used for so long has ended."""
LONGEST_S = 7 * 86_400.0
"""No session lasts longer, however often it is used."""
_FRESH_S = 1.0
"""For so long an answer about a token is taken again: what another process ends is over within a second."""
_NOTED_S = 60.0
"""How often the use of a session is written down."""
_KEPT = 10_000
"""Answers in memory; strangers can ask about as many tokens as they like."""


@dataclass(frozen=True)
class Session:
    """Somebody who came in."""

    person: str
    project: str
    is_local: bool
    """Whether the single-use link of this machine opened it."""


def form_token_of(token: str) -> str:
    """What the forms of a session carry."""
    return hmac.digest(token.encode(), b"form", "sha256").hex()


class Sessions:
    """
    Open sessions and links that may open one.

    Args:
        workspace: The site's workspace.
        local: Whether only this machine reaches the site. Sessions that a link of this machine opened are nobody's
            where others do.
        now: The wall clock, seconds: sessions outlive the process.
    """

    def __init__(self, workspace: Path, *, local: bool = True, now: Callable[[], float] = time.time) -> None:
        self.workspace = workspace
        self.local = local
        self.now = now
        self.people = People(workspace, now=now)
        self._links: set[str] = set()
        self._known: dict[str, tuple[float, Session | None, Mapping[str, Role]]] = {}
        self._guard = threading.Lock()

    def close(self) -> None:
        """Release the file."""
        self.people.close()

    # Coming in and going out ------------------------------------------------------------------------------------------

    def new_link(self) -> str:
        """A token that opens one session, once; it goes into the link that the command prints."""
        token = secrets.token_urlsafe(32)
        with self._guard:
            self._links.add(digest_of(token))
        return token

    def enter(self, link: str, person: str) -> str | None:
        """The token of a new session for this machine's user; None where the link is unknown or was used."""
        if not self.local:
            return None
        with self._guard:
            if digest_of(link) not in self._links:
                return None
            self._links.discard(digest_of(link))
        return self.open(Session(person=person, project=DEFAULT_PROJECT, is_local=True))

    def open(self, session: Session) -> str:
        """The token of a new session, never one that was known before (no session fixation)."""
        token = secrets.token_urlsafe(32)
        now = self.now()
        with self.people.engine.begin() as connection:
            begin_write(connection)
            connection.execute(sessions.delete().where(_over(now)))
            connection.execute(
                sessions.insert().values(
                    digest=digest_of(token),
                    person=session.person,
                    is_local=session.is_local,
                    project=session.project,
                    seen_s=now,
                    ends_s=now + LONGEST_S,
                )
            )
        return token

    def end(self, token: str) -> None:
        """Sign out here."""
        self._write(sessions.delete().where(sessions.c.digest == digest_of(token)))

    def end_all(self, token: str) -> None:
        """Sign out everywhere: every session of whoever holds this one."""
        session = self._session(token)[0]
        if session is not None:
            self._write(
                sessions.delete().where(sessions.c.person == session.person, sessions.c.is_local.is_(session.is_local))
            )

    def switch(self, token: str, project: str) -> None:
        """Show another project; whether the person may is asked again at every request."""
        self._write(sessions.update().where(sessions.c.digest == digest_of(token)).values(project=project))

    # Who asks ---------------------------------------------------------------------------------------------------------

    def viewer(self, token: str | None) -> Viewer | None:
        """Who holds this token, with the role in the project that is shown; None for nobody."""
        if not token:
            return None
        session, given = self._session(token)
        if session is None or (session.is_local and not self.local):
            return None
        names = tuple(name for name in projects(self.workspace) if session.is_local or name in given)
        if not names:
            return None
        project = session.project if session.project in names else names[0]
        role: Role = "admin" if session.is_local else given[project]
        return Viewer(
            name=session.person,
            role=role,
            project=project,
            projects=names,
            form_token=form_token_of(token),
            is_local=session.is_local,
            governs=session.is_local or given.get(DEFAULT_PROJECT) == "admin",
        )

    def forget(self) -> None:
        """Look everything up anew: people or their roles have changed."""
        with self._guard:
            self._known.clear()

    def _session(self, token: str) -> tuple[Session | None, Mapping[str, Role]]:
        digest, moment = digest_of(token), time.monotonic()
        kept = self._known.get(digest)
        if kept is not None and kept[0] > moment:
            return kept[1], kept[2]
        session, given = self._look_up(digest)
        with self._guard:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[digest] = (moment + _FRESH_S, session, given)
        return session, given

    def _look_up(self, digest: str) -> tuple[Session | None, Mapping[str, Role]]:
        if not self.people.file.exists():
            return None, {}
        now = self.now()
        with self.people.engine.connect() as connection:
            row = connection.execute(sa.select(sessions).where(sessions.c.digest == digest, ~_over(now))).first()
        if row is None:
            return None, {}
        given = {} if row.is_local else self.people.roles_of(row.person)
        if given is None:
            return None, {}
        if now - row.seen_s > _NOTED_S:
            with self.people.engine.begin() as connection:
                begin_write(connection)
                connection.execute(sessions.update().where(sessions.c.digest == digest).values(seen_s=now))
        return Session(row.person, row.project, row.is_local), given

    def _write(self, statement: sa.Executable) -> None:
        with self.people.engine.begin() as connection:
            begin_write(connection)
            connection.execute(statement)
        self.forget()


def _over(now: float) -> sa.ColumnElement[bool]:
    return sa.or_(sessions.c.ends_s <= now, sessions.c.seen_s <= now - IDLE_S)
