"""
Keys: made, found by what a request carries, replaced, ended.

A secret is `ts-` and 43 characters, 256 bits from the system's source of randomness, shown once. What is stored is its
HMAC-SHA-256 under the pepper: a key of so much chance needs no slow hash, and the pepper keeps a copied store from
being of use for testing guesses. A secret is looked up by its digest in one indexed query. Unknown, revoked and expired
secrets take the same path and give the same None.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from touchstone.deployment.base import Budget, EndpointName, Key, Limits, Scope
from touchstone.deployment.govern.audit import note_act
from touchstone.deployment.govern.pepper import mark_of
from touchstone.deployment.govern.state import count_up, seconds_of, stamp, writing
from touchstone.deployment.govern.tables import api_keys
from touchstone.errors import SettingsError, StoreError, UnknownName
from touchstone.evaluation.noun_json import from_json, to_json
from touchstone.evaluation.store_errors import store_errors
from touchstone.language import N_

PREFIX = "ts-"
_SHOWN = 8
FRESH_S = 1.0
"""For so long a key that was found is believed; so a revoked one works for at most so long."""
_CACHED = 10_000
"""So many digests are remembered: guesses must not fill the memory."""


class _Known(NamedTuple):
    """What was found for a digest, good keys and others alike."""

    key: Key | None
    expires_s: float | None
    until: float
    """By the monotonic clock."""


def purse_of(connection: sa.Connection, key: int) -> int:
    """Whose budget a key spends: the first key of its rotations, itself where there were none."""
    found = connection.execute(sa.select(api_keys.c.purse).where(api_keys.c.id == key)).scalar()
    return key if found is None else int(found)


class Keys:
    """
    The keys of a workspace. Its calls block for one short look into the store; see `found` for an event loop.

    Args:
        engine: The store, whose tables are there (`prepare_store`).
        pepper: See `load_pepper`.
        clock: Wall clock, seconds since 1970, by which keys expire.
        monotonic: Clock by which the cache ages.

    Raises:
        StoreError: the keys in the store were made under another pepper.
    """

    def __init__(
        self,
        engine: sa.Engine,
        pepper: bytes,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._pepper = pepper
        self._mark = mark_of(pepper)
        self._clock = clock
        self._monotonic = monotonic
        self._cache: OrderedDict[bytes, _Known] = OrderedDict()
        self._reading: sa.Connection | None = None
        self._look = sa.select(api_keys.c.digest, api_keys.c.document).where(api_keys.c.digest == sa.bindparam("b_d"))
        decoy = Key(id=0, name="decoy", shown=PREFIX, created_at=stamp(0), revoked_at=stamp(0))
        self._decoy = ("0" * 64, to_json(decoy))
        self._check_pepper()

    def _check_pepper(self) -> None:
        query = sa.select(sa.func.count()).select_from(api_keys).where(api_keys.c.pepper != self._mark)
        with store_errors(), self._engine.connect() as connection:
            strange = connection.execute(query).scalar_one()
        if strange:
            raise StoreError(
                "{count} keys in the store were made under another pepper than this workspace has, and cannot be told "
                "any more; put the file gateway.pepper back that belongs to this store",
                count=strange,
            )

    def close(self) -> None:
        """Release its connection; may be called twice."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    # Looking up

    def find(self, secret: str) -> Key | None:
        """
        The key whose secret this is; None where it is unknown, revoked or expired.

        What was found is believed for `FRESH_S`; that a key has expired is noticed at once.
        """
        return self._found(self._digest(secret))

    async def found(self, secret: str) -> Key | None:
        """Like `find`, for an event loop: a store on a server is asked in a thread."""
        digest = self._digest(secret)
        if self._engine.dialect.name != "sqlite":
            known = self._cache.get(digest)
            if known is None or self._monotonic() >= known.until:
                import asyncio

                return await asyncio.to_thread(self._found, digest)
        return self._found(digest)

    def _found(self, digest: bytes) -> Key | None:
        known = self._cache.get(digest)
        now = self._monotonic()
        if known is None or now >= known.until:
            known = self._remember(digest, self._looked_up(digest), now)
        if known.key is None or (known.expires_s is not None and self._clock() >= known.expires_s):
            return None
        return known.key

    async def ended(self, numbers: Collection[int]) -> frozenset[int]:
        """Those of these keys that are revoked, expired or gone, as the store has it now. Raises `StoreError`."""
        import asyncio

        return await asyncio.to_thread(self._ended_of, numbers)

    def _ended_of(self, numbers: Collection[int]) -> frozenset[int]:
        query = sa.select(api_keys.c.document).where(api_keys.c.id.in_(numbers))
        with store_errors(), self._engine.connect() as connection:
            found = [from_json(Key, bytes(document)) for document in connection.execute(query).scalars()]
        return frozenset(numbers).difference(key.id for key in found if not self._ended(key))

    def forget(self) -> None:
        """Look everything up anew, because the desired state has changed."""
        self._cache.clear()

    def _digest(self, secret: str) -> bytes:
        return hmac.digest(self._pepper, secret.encode("utf-8", "surrogatepass"), "sha256")

    def _looked_up(self, digest: bytes) -> Key | None:
        """One indexed query and one document read, whoever asks: a decoy stands in where there is no such key."""
        with store_errors():
            if self._engine.dialect.name == "sqlite":
                if self._reading is None:
                    self._reading = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                row = self._reading.execute(self._look, {"b_d": digest.hex()}).first()
            else:
                with self._engine.connect() as connection:
                    row = connection.execute(self._look, {"b_d": digest.hex()}).first()
        stored, document = row or self._decoy
        key = from_json(Key, bytes(document))
        same = hmac.compare_digest(bytes.fromhex(stored), digest)
        return key if same and key.revoked_at is None else None

    def _remember(self, digest: bytes, key: Key | None, now: float) -> _Known:
        expires_s = None if key is None or key.expires_at is None else seconds_of(key.expires_at)
        known = self._cache[digest] = _Known(key, expires_s, now + FRESH_S)
        self._cache.move_to_end(digest)
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return known

    def _ended(self, key: Key) -> bool:
        expired = key.expires_at is not None and self._clock() >= seconds_of(key.expires_at)
        return key.revoked_at is not None or expired

    # Administering

    def create(
        self,
        name: str,
        *,
        who: str,
        scopes: Sequence[Scope] = ("infer", "files"),
        endpoints: Sequence[EndpointName] | None = None,
        project: str = "default",
        owner: str | None = None,
        limits: Limits | None = None,
        budget: Budget | None = None,
        expires_at: str | None = None,
    ) -> tuple[Key, str]:
        """
        A new key, and its secret, which nobody can show again.

        Args:
            name: By which people know it; no other live key of the project has it.
            who: Who makes it, for the audit log.
            expires_at: ISO 8601; None lets it live until it is revoked.

        Raises:
            SettingsError: the name is taken or empty, or the day has passed.
        """
        if not name.strip() or name.strip().isdecimal():
            raise SettingsError("a key needs a name that is no number, by which people know it; give one with --name")
        if expires_at is not None and seconds_of(expires_at) <= self._clock():
            raise SettingsError("the key would have expired at {moment} already; name a later one", moment=expires_at)
        with writing(self._engine) as connection:
            for other in self._all(connection, project=project):
                if other.name == name and not self._ended(other):
                    raise SettingsError(
                        "the project {project} has a key {name!r} already (number {id}); choose another name, or "
                        "replace it with: touchstone keys rotate {id}",
                        project=project,
                        name=name,
                        id=other.id,
                    )
            draft = Key(
                id=0,
                name=name,
                shown=PREFIX,
                scopes=tuple(scopes),
                endpoints=None if endpoints is None else tuple(endpoints),
                project=project,
                owner=owner,
                limits=limits or Limits(),
                budget=budget,
                created_at=stamp(self._clock()),
                expires_at=None if expires_at is None else stamp(seconds_of(expires_at)),
            )
            key, secret = self._put(connection, draft, purse=None)
            note_act(connection, who=who, what="key.create", about=f"key {key.id}", after=key)
        return key, secret

    def rotate(self, number: int, *, grace_s: float, who: str) -> tuple[Key, str]:
        """
        A new key in place of an old one, which works for `grace_s` more. Both spend from the same budget.

        Raises:
            UnknownName: there is no such key.
            SettingsError: it has ended.
        """
        with writing(self._engine) as connection:
            old = self._one(connection, number)
            if self._ended(old):
                raise SettingsError("key {id} has ended and cannot be replaced; make a new one", id=number)
            ends_s = self._clock() + max(0.0, grace_s)
            if old.expires_at is not None:
                ends_s = min(ends_s, seconds_of(old.expires_at))
            draft = old.model_copy(update={"created_at": stamp(self._clock()), "replaces": old.id})
            key, secret = self._put(connection, draft, purse=purse_of(connection, old.id))
            ending = old.model_copy(update={"expires_at": stamp(ends_s)})
            self._change(connection, ending)
            note_act(connection, who=who, what="key.rotate", about=f"key {old.id}", before=old, after=ending)
            note_act(connection, who=who, what="key.create", about=f"key {key.id}", after=key)
        return key, secret

    def revoke(self, number: int, *, who: str) -> Key:
        """End a key for good; it is refused within `FRESH_S`. Raises `UnknownName`."""
        return self._altered(number, "key.revoke", who, lambda key: {"revoked_at": key.revoked_at or self._now()})

    def expire(self, number: int, at: str, *, who: str) -> Key:
        """
        Let a key end at a moment, ISO 8601, instead of whenever it would have ended.

        Raises:
            UnknownName: there is no such key.
            SettingsError: it is revoked.
        """

        def change(key: Key) -> Mapping[str, Any]:
            if key.revoked_at is not None:
                raise SettingsError("key {id} is revoked, which is for good; make a new one", id=number)
            return {"expires_at": stamp(seconds_of(at))}

        return self._altered(number, "key.expire", who, change)

    def list(self, *, project: str | None = None) -> Sequence[Key]:
        """All keys ever made, ended ones included, oldest first; of one project where it is named."""
        with store_errors(), self._engine.connect() as connection:
            return self._all(connection, project=project)

    def get(self, number: int, *, project: str | None = None) -> Key:
        """The key of a number, of one project where it is named. Raises `UnknownName`."""
        with store_errors(), self._engine.connect() as connection:
            return self._one(connection, number, project=project)

    def named(self, name: str) -> Key:
        """The key of a number, or the newest of a name, a live one before an ended one. Raises `UnknownName`."""
        keys = self.list()
        found = [key for key in keys if name in (key.name, str(key.id))]
        if not found:
            raise UnknownName(kind=N_("key"), name=name, known={key.name for key in keys})
        return max(found, key=lambda key: (not self._ended(key), key.id))

    def state(self, key: Key) -> str:
        """`live`, `revoked` or `expired`."""
        return "revoked" if key.revoked_at is not None else "expired" if self._ended(key) else "live"

    def _now(self) -> str:
        return stamp(self._clock())

    def _put(self, connection: sa.Connection, draft: Key, *, purse: int | None) -> tuple[Key, str]:
        secret = PREFIX + secrets.token_urlsafe(32)
        shown = secret[:_SHOWN]
        values = {
            "digest": self._digest(secret).hex(),
            "pepper": self._mark,
            "name": draft.name,
            "project": draft.project,
            "purse": purse,
            "document": b"",
        }
        [number] = connection.execute(api_keys.insert().values(**values)).inserted_primary_key or [None]
        assert number is not None
        key = draft.model_copy(update={"id": number, "shown": shown})
        self._change(connection, key)
        return key, secret

    def _change(self, connection: sa.Connection, key: Key) -> None:
        connection.execute(api_keys.update().where(api_keys.c.id == key.id).values(document=to_json(key)))
        count_up(connection)
        self._cache.clear()

    def _altered(self, number: int, what: str, who: str, change: Callable[[Key], Mapping[str, Any]]) -> Key:
        with writing(self._engine) as connection:
            before = self._one(connection, number)
            after = before.model_copy(update=dict(change(before)))
            self._change(connection, after)
            note_act(connection, who=who, what=what, about=f"key {number}", before=before, after=after)
        return after

    def _all(self, connection: sa.Connection, *, project: str | None) -> Sequence[Key]:
        query = sa.select(api_keys.c.document).order_by(api_keys.c.id)
        if project is not None:
            query = query.where(api_keys.c.project == project)
        return [from_json(Key, bytes(document)) for document in connection.execute(query).scalars()]

    def _one(self, connection: sa.Connection, number: int, *, project: str | None = None) -> Key:
        query = sa.select(api_keys.c.document).where(api_keys.c.id == number)
        if project is not None:
            query = query.where(api_keys.c.project == project)
        document = connection.execute(query).scalar()
        if document is None:
            raise UnknownName(kind=N_("key"), name=str(number), known=())
        return from_json(Key, bytes(document))
