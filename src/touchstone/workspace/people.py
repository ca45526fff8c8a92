"""
Who may come in, and what they may do in which project.

People are kept in a small file of their own beside the store (`people.sqlite`), so that a copy of the store carries no
password. An admin of the first project, `default`, governs the site; an admin of another project governs that one.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import sqlalchemy as sa

from touchstone.errors import SettingsError, UnknownName
from touchstone.language import N_
from touchstone.storage.database import begin_write, ensure_schema, open_database
from touchstone.workspace.people_tables import SCHEMA, invitations, people, roles, sessions
from touchstone.workspace.projects import DEFAULT_PROJECT

if TYPE_CHECKING:
    from argon2 import PasswordHasher

Role = Literal["viewer", "editor", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "editor", "admin")
INVITED_S = 3 * 86_400.0
"""For so long an invitation can be used."""
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1_000
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._@+-]{0,62}[a-z0-9])?")
_HASHING = threading.BoundedSemaphore(2)
"""Each hashing takes 64 MiB for a moment; more at once would let strangers take the machine's memory."""


@dataclass(frozen=True)
class Person:
    """Somebody who may come in."""

    name: str
    roles: Mapping[str, Role]
    """By project."""
    has_password: bool
    issuer: str | None
    """Whose single sign-on vouches for the person; None for a person of this site's own."""
    created_at: str

    @property
    def governs(self) -> bool:
        """Whether the person governs the site."""
        return self.roles.get(DEFAULT_PROJECT) == "admin"


def person_name(text: str) -> str:
    """
    A name as it is kept.

    Raises:
        SettingsError: nobody can have that name.
    """
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise SettingsError(
            "{name!r} can be nobody's name: write small letters, digits and . _ @ + -, at most 64", name=text[:80]
        )
    return name


def digest_of(token: str) -> str:
    """What is kept of a token of 256 random bits; it needs no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


class People:
    """
    The people of one site.

    Args:
        workspace: The site's workspace; the file is made when it is first needed.
        now: The wall clock, seconds.
    """

    def __init__(self, workspace: Path, *, now: Callable[[], float] = time.time) -> None:
        self.file = workspace / "people.sqlite"
        self.now = now
        self._engine: sa.Engine | None = None
        self._guard = threading.Lock()

    @property
    def engine(self) -> sa.Engine:
        """The file, with its tables. Raises `StoreError`."""
        with self._guard:
            if self._engine is None:
                engine = open_database(self.file)
                with contextlib.suppress(OSError):
                    self.file.chmod(0o600)
                ensure_schema(engine, SCHEMA)
                self._engine = engine
            return self._engine

    def close(self) -> None:
        """Release the file."""
        with self._guard:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    # Looking ----------------------------------------------------------------------------------------------------------

    def all(self) -> Sequence[Person]:
        """Everybody, by name; nobody where there is no file yet."""
        if self._engine is None and not self.file.exists():
            return ()
        with self.engine.connect() as connection:
            found: dict[str, dict[str, Role]] = {}
            for row in connection.execute(sa.select(roles)):
                found.setdefault(row.person, {})[row.project] = cast("Role", row.role)
            return [
                Person(row.name, found.get(row.name, {}), row.password is not None, row.issuer, row.created_at)
                for row in connection.execute(sa.select(people).order_by(people.c.name))
            ]

    def find(self, name: str) -> Person:
        """One person. Raises `UnknownName`."""
        everybody = self.all()
        for person in everybody:
            if person.name == name:
                return person
        raise UnknownName(kind=N_("person"), name=name, known=[person.name for person in everybody])

    def roles_of(self, name: str) -> Mapping[str, Role] | None:
        """What somebody may do by project; None where there is no such person."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                sa.select(people.c.name, roles.c.project, roles.c.role)
                .select_from(people.outerjoin(roles, roles.c.person == people.c.name))
                .where(people.c.name == name)
            ).all()
        if not rows:
            return None
        return {row.project: cast("Role", row.role) for row in rows if row.project is not None}

    # Changing ---------------------------------------------------------------------------------------------------------

    def add(self, name: str, given: Mapping[str, Role]) -> str:
        """
        A new person with roles; returns the token of a link by which they set a password.

        Raises:
            SettingsError: the name cannot be used or is taken, or nobody would govern the site: the first one must.
        """
        name = person_name(name)
        with self._writing() as connection:
            if connection.execute(sa.select(people.c.name).where(people.c.name == name)).first():
                raise SettingsError("there is somebody called {name} already; choose another name", name=name)
            connection.execute(people.insert().values(name=name, created_at=_moment(self.now())))
            for project, role in given.items():
                connection.execute(roles.insert().values(person=name, project=project, role=_known_role(role)))
            self._keep_an_admin(connection)
            return self._invited(connection, name)

    def invite(self, name: str) -> str:
        """
        A new link by which somebody sets a password; earlier ones end.

        Raises:
            UnknownName: there is no such person.
            SettingsError: somebody else vouches for the person.
        """
        if self.find(name).issuer is not None:
            raise SettingsError("{name} comes in by single sign-on and has no password here", name=name)
        with self._writing() as connection:
            return self._invited(connection, name)

    def set_role(self, name: str, project: str, role: Role | None) -> None:
        """
        What somebody may do in a project from now on; None takes it away.

        Raises:
            UnknownName: there is no such person.
            SettingsError: nobody would govern the site any more.
        """
        self.find(name)
        with self._writing() as connection:
            self._replace_role(connection, name, project, role)
            self._keep_an_admin(connection)

    def remove(self, name: str) -> None:
        """
        Take somebody out, with roles, invitations and sessions.

        Raises:
            UnknownName: there is no such person.
            SettingsError: nobody would govern the site any more.
        """
        self.find(name)
        with self._writing() as connection:
            connection.execute(sessions.delete().where(sessions.c.person == name, sessions.c.is_local.is_(False)))
            connection.execute(people.delete().where(people.c.name == name))
            self._keep_an_admin(connection)

    # Projects ---------------------------------------------------------------------------------------------------------

    def roles_in(self, project: str) -> Mapping[str, Role]:
        """What everybody may do in a project, by name."""
        return {person.name: person.roles[project] for person in self.all() if project in person.roles}

    def set_roles_in(self, project: str, given: Mapping[str, Role]) -> None:
        """What everybody may do in a project from now on; whoever is not named has no role there any more."""
        if not self.file.exists():
            return
        with self._writing() as connection:
            connection.execute(roles.delete().where(roles.c.project == project))
            known = set(connection.execute(sa.select(people.c.name)).scalars())
            for name, role in given.items():
                if name in known:
                    connection.execute(roles.insert().values(person=name, project=project, role=_known_role(role)))
            self._keep_an_admin(connection)

    def show_instead(self, project: str, name: str) -> None:
        """Open sessions that show a project show another one: it has another name now."""
        if not self.file.exists():
            return
        with self._writing() as connection:
            connection.execute(sessions.update().where(sessions.c.project == project).values(project=name))

    # Passwords --------------------------------------------------------------------------------------------------------

    def invited(self, token: str) -> str | None:
        """Whom a link invites; None where it was used, has ended or never was."""
        with self.engine.connect() as connection:
            found = connection.execute(
                sa.select(invitations.c.person).where(
                    invitations.c.digest == digest_of(token), invitations.c.ends_s > self.now()
                )
            ).scalar()
        return None if found is None else str(found)

    def set_password(self, token: str, password: str) -> str | None:
        """
        Use a link: set the password of whom it invites, and end all their sessions.

        Returns:
            The person's name; None where the link was used meanwhile or has ended.

        Raises:
            SettingsError: the password is too short or too long.
        """
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise SettingsError(
                "a password has {least} to {most:,} characters", least=SHORTEST_PASSWORD, most=LONGEST_PASSWORD
            )
        with _HASHING:
            hashed = _hasher().hash(password)
        with self._writing() as connection:
            found = connection.execute(
                invitations.delete()
                .where(invitations.c.digest == digest_of(token), invitations.c.ends_s > self.now())
                .returning(invitations.c.person)
            ).scalar()
            if found is None:
                return None
            connection.execute(people.update().where(people.c.name == found).values(password=hashed))
            connection.execute(invitations.delete().where(invitations.c.person == found))
            connection.execute(sessions.delete().where(sessions.c.person == found, sessions.c.is_local.is_(False)))
        return str(found)

    def knows(self, name: str, password: str) -> bool:
        """Whether that is somebody's password; takes as long for a name that nobody has."""
        from argon2.exceptions import VerificationError

        with self.engine.connect() as connection:
            found = connection.execute(sa.select(people.c.password).where(people.c.name == name)).scalar()
        try:
            with _HASHING:
                _hasher().verify(found or _nobodys(), password[: LONGEST_PASSWORD + 1])
        except VerificationError:
            return False
        return found is not None

    # Single sign-on ---------------------------------------------------------------------------------------------------

    def vouched_for(self, issuer: str, subject: str, wanted_name: str, given: Mapping[str, Role] | None) -> Person:
        """
        The person whom an issuer calls `subject`; made when they come for the first time.

        A name that somebody has already is never taken over: the newcomer gets another one.

        Args:
            given: Roles as the issuer's claims say, which replace earlier ones; None leaves them to the admins here.
        """
        with self._writing() as connection:
            name = connection.execute(
                sa.select(people.c.name).where(people.c.issuer == issuer, people.c.subject == subject)
            ).scalar()
            if name is None:
                name = self._free_name(connection, wanted_name)
                connection.execute(
                    people.insert().values(name=name, issuer=issuer, subject=subject, created_at=_moment(self.now()))
                )
            if given is not None:
                connection.execute(roles.delete().where(roles.c.person == name))
                for project, role in given.items():
                    connection.execute(roles.insert().values(person=name, project=project, role=_known_role(role)))
        return self.find(str(name))

    # Within a transaction ---------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self.engine.begin() as connection:
            begin_write(connection)
            yield connection

    def _invited(self, connection: sa.Connection, name: str) -> str:
        token = secrets.token_urlsafe(32)
        connection.execute(invitations.delete().where(invitations.c.person == name))
        connection.execute(
            invitations.insert().values(digest=digest_of(token), person=name, ends_s=self.now() + INVITED_S)
        )
        return token

    def _replace_role(self, connection: sa.Connection, name: str, project: str, role: Role | None) -> None:
        connection.execute(roles.delete().where(roles.c.person == name, roles.c.project == project))
        if role is not None:
            connection.execute(roles.insert().values(person=name, project=project, role=_known_role(role)))

    def _keep_an_admin(self, connection: sa.Connection) -> None:
        """Whoever remains is governed by somebody, or there is nobody left."""
        if connection.execute(sa.select(people.c.name).limit(1)).first() is None:
            return
        governs = sa.select(roles.c.person).where(roles.c.project == DEFAULT_PROJECT, roles.c.role == "admin").limit(1)
        if connection.execute(governs).first() is None:
            raise SettingsError(
                "nobody would govern the site; make somebody else admin of the project {project} first",
                project=DEFAULT_PROJECT,
            )

    def _free_name(self, connection: sa.Connection, wanted: str) -> str:
        plain = re.sub(r"[^a-z0-9._@+-]+", "-", wanted.strip().lower())[:56].strip("-._@+") or "somebody"
        taken = set(connection.execute(sa.select(people.c.name).where(people.c.name.startswith(plain))).scalars())
        name, number = plain, 1
        while name in taken:
            number += 1
            name = f"{plain}-{number}"
        return name


def _known_role(role: str) -> Role:
    if role not in ROLES:
        raise SettingsError("{role!r} is no role; there are {known}", role=role, known=", ".join(ROLES))
    return role


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    # RFC 9106's second recommendation: argon2id, 3 passes over 64 MiB, 4 lanes.
    return PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4)


@cache
def _nobodys() -> str:
    """The hash of a password that nobody knows, against which unknown names are tried."""
    return _hasher().hash(secrets.token_urlsafe(32))
