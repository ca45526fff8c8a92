"""
Who is signed in: sessions by a cookie whose digest is kept, and the single-use link of this machine.

A session's token is 256 random bits, known to the browser alone. Forms carry another token made from it, so a page of
somebody else can neither read nor guess it (R7, R8).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path

from touchstone.web.base import Role, Viewer
from touchstone.workspace.projects import DEFAULT_PROJECT, projects


@dataclass(frozen=True)
class Session:
    """Somebody who came in."""

    person: str
    project: str
    is_local: bool


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def form_token_of(token: str) -> str:
    """What the forms of a session carry."""
    return hmac.digest(token.encode(), b"form", "sha256").hex()


class Sessions:
    """
    Open sessions and links that may open one.

    Args:
        workspace: The site's workspace.
    """

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self._links: set[str] = set()
        self._open: dict[str, Session] = {}
        self._guard = threading.Lock()

    def close(self) -> None:
        """Release what is kept."""

    def new_link(self) -> str:
        """A token that opens one session, once; it goes into the link that the command prints."""
        token = secrets.token_urlsafe(32)
        with self._guard:
            self._links.add(digest_of(token))
        return token

    def enter(self, link: str, person: str) -> str | None:
        """The token of a new session for this machine's user; None where the link is unknown or was used."""
        with self._guard:
            if digest_of(link) not in self._links:
                return None
            self._links.discard(digest_of(link))
        return self.open(Session(person=person, project=DEFAULT_PROJECT, is_local=True))

    def open(self, session: Session) -> str:
        """The token of a new session."""
        token = secrets.token_urlsafe(32)
        with self._guard:
            self._open[digest_of(token)] = session
        return token

    def end(self, token: str) -> None:
        """Sign out."""
        with self._guard:
            self._open.pop(digest_of(token), None)

    def switch(self, token: str, project: str) -> None:
        """Show another project; whether the person may is asked again at every request."""
        with self._guard:
            key = digest_of(token)
            session = self._open[key]
            self._open[key] = Session(session.person, project, session.is_local)

    def viewer(self, token: str | None) -> Viewer | None:
        """Who holds this token, with the role in the project that is shown; None for nobody."""
        session = self._open.get(digest_of(token)) if token else None
        if session is None or token is None:
            return None
        role: Role = "admin"
        return Viewer(
            name=session.person,
            role=role,
            project=session.project,
            projects=projects(self.workspace),
            form_token=form_token_of(token),
            is_local=session.is_local,
        )
