"""Sessions of the playground in the store: what a page shows again after a reload, and what voters said."""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from touchstone.errors import SettingsError, UnknownName
from touchstone.evaluation.ledger import now
from touchstone.evaluation.noun_json import from_json, to_json
from touchstone.evaluation.store_errors import store_errors
from touchstone.evaluation.votes import Verdict, Vote, order_to_show, pair_to_show, places_of
from touchstone.language import N_
from touchstone.storage.database import begin_write, ensure_schema
from touchstone.workspace.playground_base import PaneAnswer, Session, Turn
from touchstone.workspace.playground_media import Medium
from touchstone.workspace.playground_tables import SCHEMA, answers, media, sessions, turns, votes

_FAR_DRAW = 1 << 50
"""Draws of the playground begin here, far from those of comparisons: no stored answer stands in for a new one."""
_LISTED = 50


class Asked(NamedTuple):
    """A turn with what came."""

    turn: Turn
    answers: tuple[PaneAnswer, ...]
    """In the order in which they are shown."""

    @property
    def is_open(self) -> bool:
        """Whether somebody is still answering."""
        return any(answer.state == "asking" for answer in self.answers)


class StoredVote(NamedTuple):
    """A vote as it lies in the store."""

    session: str
    turn: int
    who: str
    created: str
    prompt: str
    candidates: tuple[str, ...]
    verdict: Verdict
    places: tuple[int, ...]

    @property
    def vote(self) -> Vote:
        """What `result_of` takes."""
        return Vote(self.candidates, self.places, self.verdict == "bad")


class PlaygroundStore:
    """
    What people asked and how they voted, in one workspace's database.

    Args:
        engine: To write into; the tables are made where they are absent.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        with store_errors():
            ensure_schema(engine, SCHEMA)

    # Sessions ---------------------------------------------------------------------------------------------------------

    def begin(self, session: Session) -> Session:
        """Keep a new session; its id is made here."""
        made = session.model_copy(update={"id": secrets.token_hex(8), "created": now()})
        with self._writing() as connection:
            connection.execute(
                sessions.insert().values(
                    id=made.id, created=made.created, seed=secrets.token_hex(16), document=to_json(made)
                )
            )
        return made

    def session(self, identity: str) -> Session:
        """One session. Raises `UnknownName`."""
        return from_json(Session, self._row(identity)["document"])

    def sessions(self) -> tuple[Session, ...]:
        """The newest ones, newest first."""
        query = sa.select(sessions.c.document).order_by(sessions.c.created.desc()).limit(_LISTED)
        with self._reading() as connection:
            return tuple(from_json(Session, row.document) for row in connection.execute(query))

    def change_cap(self, identity: str, cap_usd: float) -> Session:
        """Another cap for the same session; what was spent counts on."""
        changed = self.session(identity).model_copy(update={"cap_usd": cap_usd})
        with self._writing() as connection:
            connection.execute(sessions.update().where(sessions.c.id == identity).values(document=to_json(changed)))
        return changed

    def _row(self, identity: str) -> Any:
        with self._reading() as connection:
            row = connection.execute(sa.select(sessions).where(sessions.c.id == identity)).mappings().one_or_none()
        if row is None:
            raise UnknownName(kind=N_("session"), name=identity, known=())
        return row

    # Turns and answers ------------------------------------------------------------------------------------------------

    def ask(self, session: Session, turn: Turn, *, after: int, found: Sequence[Medium] = ()) -> Asked:
        """
        Keep what is asked next, with an open answer of everybody who is asked.

        Args:
            turn: Its number, its time and who is asked are made here.
            after: The number of the last turn that whoever asks has seen; 0 before the first.
            found: The picture and the recording that it names.

        Raises:
            SettingsError: something else was asked meanwhile, in another tab or by somebody else.
        """
        seed = self._row(session.id)["seed"]
        with self._writing() as connection:
            query = sa.select(sa.func.max(turns.c.number)).where(turns.c.session == session.id)
            last = connection.execute(query).scalar() or 0
            if last != after:
                raise SettingsError("something else was asked in this session meanwhile; look at it, then ask again")
            number = last + 1
            asked = self._who_is_asked(connection, session, seed, number)
            made = turn.model_copy(update={"number": number, "created": now(), "asked": asked})
            for medium in found:
                self._keep_medium(connection, session.id, medium)
            connection.execute(turns.insert().values(session=session.id, number=number, document=to_json(made)))
            fresh = tuple(PaneAnswer(pane=pane, draw=_FAR_DRAW + secrets.randbelow(_FAR_DRAW)) for pane in asked)
            for answer in fresh:
                connection.execute(
                    answers.insert().values(
                        session=session.id, number=number, pane=answer.pane, document=to_json(answer)
                    )
                )
        return Asked(made, fresh)

    def _who_is_asked(self, connection: sa.Connection, session: Session, seed: str, number: int) -> tuple[int, ...]:
        count = len(session.panes)
        if session.how == "open":
            return tuple(range(count))
        if session.how == "order":
            return order_to_show(count, seed, number)
        query = sa.select(turns.c.document).where(turns.c.session == session.id)
        before = (from_json(Turn, row.document).asked for row in connection.execute(query))
        return pair_to_show(count, Counter((min(pair), max(pair)) for pair in before), seed, number)

    def numbers(self, session: str) -> tuple[int, ...]:
        """The numbers of the turns of a session, first to last."""
        query = sa.select(turns.c.number).where(turns.c.session == session).order_by(turns.c.number)
        with self._reading() as connection:
            return tuple(connection.execute(query).scalars())

    def turns(self, session: str, *, since: int = 0) -> tuple[Asked, ...]:
        """What was asked in a session from a number on, with what came, first to last."""
        asked = (
            sa.select(turns.c.document)
            .where(turns.c.session == session, turns.c.number >= since)
            .order_by(turns.c.number)
        )
        came = sa.select(answers.c.number, answers.c.document).where(
            answers.c.session == session, answers.c.number >= since
        )
        with self._reading() as connection:
            found = [from_json(Turn, row.document) for row in connection.execute(asked)]
            by_turn: dict[int, dict[int, PaneAnswer]] = {}
            for row in connection.execute(came):
                answer = from_json(PaneAnswer, row.document)
                by_turn.setdefault(row.number, {})[answer.pane] = answer
        return tuple(Asked(turn, tuple(by_turn[turn.number][pane] for pane in turn.asked)) for turn in found)

    def turn(self, session: str, number: int) -> Asked:
        """One of them. Raises `UnknownName`."""
        asked = sa.select(turns.c.document).where(turns.c.session == session, turns.c.number == number)
        came = sa.select(answers.c.document).where(answers.c.session == session, answers.c.number == number)
        with self._reading() as connection:
            row = connection.execute(asked).one_or_none()
            by_pane = {one.pane: one for one in (from_json(PaneAnswer, r.document) for r in connection.execute(came))}
        if row is None:
            raise UnknownName(kind=N_("turn"), name=str(number), known=())
        turn = from_json(Turn, row.document)
        return Asked(turn, tuple(by_pane[pane] for pane in turn.asked))

    def ask_again(self, session: str, asked: Asked) -> None:
        """
        Open the answers of a turn that are none.

        Who failed or was stopped draws anew. Who was cut off with the site goes on with the same draw: what was bought
        before the end is found in the ledger and not bought again.
        """
        for answer in asked.answers:
            if answer.state in ("failed", "stopped"):
                fresh = PaneAnswer(pane=answer.pane, draw=_FAR_DRAW + secrets.randbelow(_FAR_DRAW))
                self.keep(session, asked.turn.number, fresh)

    def keep(self, session: str, number: int, answer: PaneAnswer, pictures: Sequence[Medium] = ()) -> None:
        """What became of an answer; nothing is kept of a session that was thrown away meanwhile."""
        with self._writing() as connection:
            found = connection.execute(
                answers.update()
                .where(answers.c.session == session, answers.c.number == number, answers.c.pane == answer.pane)
                .values(document=to_json(answer))
            )
            for medium in pictures if found.rowcount else ():
                self._keep_medium(connection, session, medium)

    # Pictures and recordings ------------------------------------------------------------------------------------------

    def _keep_medium(self, connection: sa.Connection, session: str, medium: Medium) -> None:
        where = sa.and_(media.c.session == session, media.c.digest == medium.digest)
        if connection.execute(sa.select(media.c.digest).where(where)).first() is None:
            connection.execute(
                media.insert().values(session=session, digest=medium.digest, kind=medium.kind, body=medium.body)
            )

    def medium(self, session: str, digest: str) -> Medium:
        """A picture or a recording of a session. Raises `UnknownName`."""
        query = sa.select(media).where(media.c.session == session, media.c.digest == digest)
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise UnknownName(kind=N_("picture"), name=digest[:12], known=())
        return Medium(row.kind, bytes(row.body))

    # Votes ------------------------------------------------------------------------------------------------------------

    def vote(self, session: Session, number: int, who: str, verdict: Verdict, given: Sequence[int] = ()) -> StoredVote:
        """
        Keep what somebody says of a turn. The first word holds: after it names are shown.

        Raises:
            SettingsError: it was voted on before, nobody has answered yet, or it is no vote on these answers.
        """
        asked = self.turn(session.id, number)
        if not session.is_blind or any(answer.state != "done" for answer in asked.answers):
            raise SettingsError("there is nothing to vote on here: not all of them have answered")
        if verdict == "order" and session.how != "order":
            raise SettingsError("two answers are not put in an order; say which is better")
        try:
            places = places_of(verdict, len(asked.answers), given)
        except ValueError:
            raise SettingsError("that is no vote on these answers; give each of them a place") from None
        found = StoredVote(
            session=session.id,
            turn=number,
            who=who,
            created=now(),
            prompt=prompt_digest(asked.turn),
            candidates=tuple(session.panes[answer.pane].name for answer in asked.answers),
            verdict=verdict,
            places=places,
        )
        with self._writing() as connection:
            query = sa.select(votes.c.who).where(
                votes.c.session == session.id, votes.c.number == number, votes.c.who == who
            )
            if connection.execute(query).first() is not None:
                raise SettingsError("you have voted on this already; the first vote holds")
            connection.execute(
                votes.insert().values(
                    session=found.session,
                    number=found.turn,
                    who=who,
                    created=found.created,
                    prompt=found.prompt,
                    candidates=orjson.dumps(found.candidates),
                    verdict=verdict,
                    places=orjson.dumps(places),
                )
            )
        return found

    def votes(self, session: str) -> tuple[StoredVote, ...]:
        """Every vote of a session, in the order of its turns."""
        query = sa.select(votes).where(votes.c.session == session).order_by(votes.c.number, votes.c.created)
        with self._reading() as connection:
            return tuple(
                StoredVote(
                    row.session,
                    row.number,
                    row.who,
                    row.created,
                    row.prompt,
                    tuple(orjson.loads(row.candidates)),
                    row.verdict,
                    tuple(orjson.loads(row.places)),
                )
                for row in connection.execute(query)
            )

    def vote_counts(self) -> dict[str, int]:
        """Session to how many votes it has; those without one are left out."""
        query = sa.select(votes.c.session, sa.func.count()).group_by(votes.c.session)
        with self._reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with store_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with store_errors(), self._engine.begin() as connection:
            begin_write(connection)
            yield connection


def prompt_digest(turn: Turn) -> str:
    """SHA-256 of what was asked: text, picture and recording, or the case of a series."""
    said = turn.case.model_dump(mode="json") if turn.case is not None else [turn.text, turn.image, turn.sound]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def votes_jsonl(found: Sequence[StoredVote]) -> bytes:
    """Votes for programs: one JSON object a line, exactly as they were cast."""
    rows = ({"schema": "touchstone.vote/1", **one._asdict()} for one in found)
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)
