"""
Endpoints in the store: the desired state that commands and pages write, and the gateway reads.

Every change is one transaction that counts the revision up, and stands in the audit log with what was there before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import sqlalchemy as sa

from touchstone.deployment.base import Endpoint, Policy, Version
from touchstone.deployment.govern.audit import note_act
from touchstone.deployment.govern.state import count_up, prepare_store
from touchstone.deployment.govern.tables import endpoints
from touchstone.errors import SettingsError, UnknownName
from touchstone.evaluation.store_errors import store_errors
from touchstone.storage.database import begin_write

WHOLE = 100
"""Percent of the requests."""


class Registry:
    """
    Endpoints by name.

    Args:
        engine: The store.
        who: Whoever changes something, for the audit log.
    """

    def __init__(self, engine: sa.Engine, who: str) -> None:
        self.engine = engine
        self.who = who
        prepare_store(engine)

    def all(self) -> tuple[Endpoint, ...]:
        """Every endpoint, by name."""
        return read_all(self.engine)

    def find(self, name: str) -> Endpoint:
        """
        One endpoint.

        Raises:
            UnknownName: there is none of this name; the closest are named.
        """
        with store_errors(), self.engine.connect() as connection:
            found = _read(connection, name)
            if found is None:
                raise UnknownName(kind="endpoint", name=name, known=_names(connection))
            return found

    def add_version(
        self, name: str, make: Callable[[int], Version], *, percent: int = WHOLE, project: str | None = None
    ) -> Endpoint:
        """
        Give an endpoint a further version; a name that is new becomes an endpoint.

        Args:
            make: From the number that it gets to the version.
            percent: Of the requests that it answers from now on; the others keep their proportions.
            project: Whose keys may ask a new endpoint; None means those of every project, or as it was.

        Raises:
            SettingsError: the percentage is none, the first version would not answer everybody, or the endpoint is
                another project's.
        """
        if not 0 <= percent <= WHOLE:
            raise SettingsError("{percent} is no percentage of the requests; give 0 to 100", percent=percent)
        with self._writing() as connection:
            before = _read(connection, name)
            if before is None and percent < WHOLE:
                raise SettingsError(
                    "{name} has no other version that could answer the rest; deploy the first one without a split",
                    name=name,
                )
            if before is not None and project not in (None, before.project):
                if before.project is None:
                    raise SettingsError(
                        "{name} belongs to every project already; give the endpoint of {project} another --name",
                        name=name,
                        project=project,
                    )
                raise SettingsError(
                    "{name} belongs to project {owner}; give the endpoint of {project} another --name",
                    name=name,
                    owner=before.project,
                    project=project,
                )
            number = 1 if before is None else max(one.number for one in before.versions) + 1
            version = make(number)
            if before is None:
                after = Endpoint(
                    name=name,
                    versions=(version,),
                    split={number: WHOLE},
                    project=project,
                    created_at=version.created_at,
                )
            else:
                after = before.model_copy(
                    update={
                        "versions": (*before.versions, version),
                        "split": _shared(before.split, number, percent),
                        "before": before.split,
                        "state": "running",
                    }
                )
            self._keep(connection, "endpoint.version", before, after)
            return after

    def split(self, name: str, wanted: Mapping[int, int]) -> Endpoint:
        """
        Which version answers which percentage of the requests.

        Raises:
            SettingsError: a version does not exist, or the percentages are not 100 together.
        """

        def change(found: Endpoint) -> Mapping[str, Any]:
            known = {one.number for one in found.versions}
            unknown = sorted(set(wanted) - known)
            if unknown:
                raise SettingsError(
                    "{name} has no version {version}; there are {known}",
                    name=name,
                    version=unknown[0],
                    known=", ".join(map(str, sorted(known))),
                )
            total = sum(wanted.values())
            if any(percent < 0 for percent in wanted.values()) or total != WHOLE:
                raise SettingsError(
                    "the percentages of {name} are {sum} together; they must be 100",
                    name=name,
                    sum=total,
                )
            return _answering(found, {n: p for n, p in sorted(wanted.items()) if p})

        return self._change(name, "endpoint.split", change)

    def roll_back(self, name: str) -> Endpoint:
        """The split before the last one. Raises `SettingsError` where there was none."""

        def change(found: Endpoint) -> Mapping[str, Any]:
            if found.before is None:
                raise SettingsError("{name} has had one split only; there is nothing to go back to", name=name)
            return _answering(found, found.before)

        return self._change(name, "endpoint.roll-back", change)

    def shadow(self, name: str, version: int | None, percent: int = WHOLE) -> Endpoint:
        """
        Which version is asked too, without answering anybody; None ends that.

        Raises:
            SettingsError: there is no such version, or it answers requests itself.
        """

        def change(found: Endpoint) -> Mapping[str, Any]:
            if version is not None and version not in {one.number for one in found.versions}:
                raise SettingsError(
                    "{name} has no version {version}; there are {known}",
                    name=name,
                    version=version,
                    known=", ".join(str(one.number) for one in found.versions),
                )
            if version is not None and version in found.split:
                raise SettingsError(
                    "version {version} of {name} answers requests already; a shadow answers nobody",
                    name=name,
                    version=version,
                )
            if not 1 <= percent <= WHOLE:
                raise SettingsError("{percent} is no percentage of the requests; give 1 to 100", percent=percent)
            return {"shadow": version, "shadow_percent": percent}

        return self._change(name, "endpoint.shadow", change)

    def change_policy(self, name: str, policy: Policy) -> Endpoint:
        """
        How an endpoint behaves beside its recipe.

        Raises:
            SettingsError: it fails over to an endpoint that does not exist, or to itself; or its moderation would be
                asked about by the very endpoint that it speaks about.
        """

        def change(_found: Endpoint) -> Mapping[str, Any]:
            judges = {one.name: one.policy.safety.moderation for one in self.all()}
            others = set(judges) - {name}
            named = (*policy.fail_over, *([policy.safety.moderation] if policy.safety.moderation else []))
            unknown = [one for one in named if one not in others]
            if unknown:
                raise SettingsError(
                    "{name} cannot rely on {other}; the other endpoints are {known}",
                    name=name,
                    other=unknown[0],
                    known=", ".join(sorted(others)) or "none",
                )
            _refuse_circle(name, judges | {name: policy.safety.moderation})
            return {"policy": policy}

        return self._change(name, "endpoint.policy", change)

    def scale(self, name: str, replicas: int) -> Endpoint:
        """
        With how many processes each version that runs here is served.

        Raises:
            SettingsError: the number cannot be used, or nothing of it runs here.
        """

        def change(found: Endpoint) -> Mapping[str, Any]:
            if not 1 <= replicas <= 64:
                raise SettingsError("{replicas} is no number of processes; give 1 to 64", replicas=replicas)
            if all(one.compute is None for one in found.versions):
                raise SettingsError("nothing of {name} runs here; its provider scales by itself", name=name)
            return {
                "versions": tuple(
                    one
                    if one.compute is None
                    else one.model_copy(update={"compute": one.compute.model_copy(update={"replicas": replicas})})
                    for one in found.versions
                )
            }

        return self._change(name, "endpoint.scale", change)

    def set_state(self, name: str, state: Literal["running", "stopped"]) -> Endpoint:
        """Run or stop an endpoint: `running` or `stopped`."""
        return self._change(name, f"endpoint.{state}", lambda _found: {"state": state})

    def restart(self, name: str) -> Endpoint:
        """Ask for new processes: they are started, and the old ones end when nobody waits for them."""
        return self._change(name, "endpoint.restart", lambda found: {"restarts": found.restarts + 1})

    def remove(self, name: str) -> Endpoint:
        """Take an endpoint out; its charges and its trial stay. Returns what was there."""
        with self._writing() as connection:
            found = _read(connection, name)
            if found is None:
                raise UnknownName(kind="endpoint", name=name, known=_names(connection))
            rows = connection.execute(sa.select(endpoints.c.document)).all()
            others = [Endpoint.model_validate_json(row.document) for row in rows]
            relying = [one.name for one in others if name in one.policy.fail_over]
            if relying:
                raise SettingsError(
                    "{name} is what {other} fails over to; change that first", name=name, other=", ".join(relying)
                )
            judged = [one.name for one in others if one.policy.safety.moderation == name and one.name != name]
            if judged:
                raise SettingsError(
                    "{name} is what {other} asks whether a text may pass; change that first",
                    name=name,
                    other=", ".join(judged),
                )
            connection.execute(endpoints.delete().where(endpoints.c.name == name))
            note_act(connection, who=self.who, what="endpoint.remove", about=f"endpoint {name}", before=found)
            count_up(connection)
            return found

    def _change(self, name: str, what: str, change: Callable[[Endpoint], Mapping[str, Any]]) -> Endpoint:
        with self._writing() as connection:
            before = _read(connection, name)
            if before is None:
                raise UnknownName(kind="endpoint", name=name, known=_names(connection))
            after = before.model_copy(update=dict(change(before)))
            self._keep(connection, what, before, after)
            return after

    def _keep(self, connection: sa.Connection, what: str, before: Endpoint | None, after: Endpoint) -> None:
        number = count_up(connection)
        document = after.model_dump_json().encode()
        if before is None:
            connection.execute(endpoints.insert().values(name=after.name, document=document, revision=number))
        else:
            connection.execute(
                endpoints.update().where(endpoints.c.name == after.name).values(document=document, revision=number)
            )
        note_act(connection, who=self.who, what=what, about=f"endpoint {after.name}", before=before, after=after)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with store_errors(), self.engine.connect() as connection:
            begin_write(connection)
            yield connection
            connection.commit()


def read_all(engine: sa.Engine) -> tuple[Endpoint, ...]:
    """Every endpoint of a store, by name. Raises `StoreError`."""
    with store_errors(), engine.connect() as connection:
        rows = connection.execute(sa.select(endpoints.c.document).order_by(endpoints.c.name))
        return tuple(Endpoint.model_validate_json(row.document) for row in rows)


def _read(connection: sa.Connection, name: str) -> Endpoint | None:
    row = connection.execute(sa.select(endpoints.c.document).where(endpoints.c.name == name)).first()
    return None if row is None else Endpoint.model_validate_json(row.document)


def _names(connection: sa.Connection) -> list[str]:
    return list(connection.execute(sa.select(endpoints.c.name).order_by(endpoints.c.name)).scalars())


def _refuse_circle(name: str, judges: Mapping[str, str | None]) -> None:
    """Raises `SettingsError` where an endpoint's moderation comes back to it: nobody outside would judge anything."""
    way = [name]
    while (judge := judges.get(way[-1])) is not None:
        if judge in way:
            raise SettingsError(
                "{name} cannot be moderated by {other}, for that would be a circle: {way}; name one outside of it",
                name=name,
                other=judges[name],
                way=" → ".join((*way, judge)),
            )
        way.append(judge)


def _answering(found: Endpoint, split: Mapping[int, int]) -> Mapping[str, Any]:
    """What a new split changes: a shadow that answers somebody now is none any more, or it would be asked twice."""
    shadow = None if found.shadow in split else found.shadow
    return {"split": split, "before": found.split, "shadow": shadow}


def _shared(split: Mapping[int, int], number: int, percent: int) -> dict[int, int]:
    """A split with a newcomer: what is left is shared as it was, rounded so that it is 100 together."""
    left = WHOLE - percent
    found: dict[int, int] = {}
    given = 0
    total = 0
    for version, share in sorted(split.items()):
        total += share
        upto = round(left * total / WHOLE)
        found[version] = upto - given
        given = upto
    found[number] = percent
    return {version: share for version, share in found.items() if share}
