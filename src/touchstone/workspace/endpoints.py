"""What commands and pages ask of endpoints: who they are, what speaks for them, and where they can be reached."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa
import yaml
from pydantic import ValidationError

from touchstone.deployment.base import Endpoint, Policy
from touchstone.deployment.compute.log_file import tail
from touchstone.deployment.compute.manifest import Serving
from touchstone.deployment.compute.manifest_compose import compose_manifest
from touchstone.deployment.compute.manifest_kserve import kserve_manifest
from touchstone.deployment.compute.manifest_kubernetes import kubernetes_manifest
from touchstone.deployment.compute.manifest_systemd import systemd_unit
from touchstone.deployment.compute.supervisor import load_compute
from touchstone.deployment.endpoints.registry import Registry
from touchstone.deployment.govern.tables import endpoint_states
from touchstone.deployment.safety.guard import RuleGuard
from touchstone.errors import SettingsError, TaskError, refusal
from touchstone.evaluation.store_errors import store_errors
from touchstone.workspace.workspace import Workspace
from touchstone.workspace.yaml_file import read_yaml


class ProcessRow(NamedTuple):
    """One process of an endpoint, as the gateway last noted it."""

    version: int
    replica: int
    state: str
    since: str
    restarts: int
    pid: int | None
    note: str | None


class Standing(NamedTuple):
    """One endpoint as a table shows it."""

    endpoint: Endpoint
    processes: tuple[ProcessRow, ...]
    expired: tuple[int, ...]
    """Versions whose evidence is older than their decision allows."""


def registry(workspace: Workspace, who: str) -> Registry:
    """The endpoints of a workspace, to change them."""
    return Registry(workspace.ledger.engine, who)


def remove_endpoint(workspace: Workspace, name: str, who: str) -> None:
    """
    Take an endpoint out, with the copies of what its versions were made of.

    Raises:
        UnknownName: there is none of this name.
        SettingsError: another one relies on it.
    """
    registry(workspace, who).remove(name)
    shutil.rmtree(workspace.settings.workspace / "endpoints" / name, ignore_errors=True)


def read_policy(file: Path) -> Policy:
    """
    A policy out of a YAML or JSON file.

    Raises:
        SettingsError: it cannot be read, or a key or value in it is none.
    """
    try:
        raw, _lines = read_yaml(file)
    except TaskError as error:
        raise SettingsError("{path} cannot be read as a policy: {reason}", path=str(file), reason=str(error)) from None
    return _policy(raw if isinstance(raw, dict) else {})


def policy_of_text(text: str) -> Policy:
    """
    A policy out of YAML or JSON that somebody wrote.

    Raises:
        SettingsError: it cannot be read, or a key or value in it is none.
    """
    with TemporaryDirectory() as scratch:
        place = Path(scratch) / "policy.yaml"
        place.write_text(text, encoding="utf-8")
        try:
            raw, _lines = read_yaml(place)
        except TaskError as error:
            # Without the path, which is ours and tells nobody anything.
            reason = str(error).replace(f"{place}", "").lstrip(": ")
            raise SettingsError("that cannot be read as a policy: {reason}", reason=reason) from None
    if not isinstance(raw, dict):
        raise SettingsError("a policy is a mapping of keys and values, such as `cache_s: 60`")
    return _policy(raw)


def policy_text(policy: Policy) -> str:
    """A policy as the YAML that `read_policy` takes."""
    plain = policy.model_dump(mode="json")
    written: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    return written.rstrip()


def change_policy(
    workspace: Workspace,
    name: str,
    whole: Policy | None,
    changes: Mapping[str, Any],
    safety: Mapping[str, Any],
    who: str,
) -> Policy:
    """
    Give an endpoint another policy.

    Args:
        whole: Taken instead of the one it has; None changes that.
        changes: Fields of the policy; 0 and `-` mean none where a field may be without.
        safety: Fields of what is looked for.

    Raises:
        SettingsError: a value cannot be used.
        UnknownName: a kind of personal data that nobody knows.
        ExtraMissing: it wants presidio, which is not installed.
    """
    found = registry(workspace, who)
    before = whole or found.find(name).policy
    plain = before.model_dump(mode="json")
    plain |= {key: None if value == 0 and key in _OPTIONAL else value for key, value in changes.items()}
    plain["safety"] = {
        **plain["safety"],
        **{key: None if value == "-" and key == "moderation" else value for key, value in safety.items()},
    }
    wanted = _policy(plain)
    # Made once here, so that a term that is no expression is refused now and not with every request.
    RuleGuard(wanted.safety)
    return found.change_policy(name, wanted).policy


_OPTIONAL = frozenset({"cache_s", "keep_content_days"})


def _policy(raw: Mapping[str, Any]) -> Policy:
    try:
        return Policy.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(
            "{key} of a policy cannot be {value!r}: {reason}",
            key=".".join(map(str, first["loc"])) or "it",
            value=first["input"] if not isinstance(first["input"], dict) else "…",
            reason=refusal(first),
        ) from None


def process_logs(workspace: Workspace, name: str, version: int | None, lines: int) -> list[tuple[str, tuple[str, ...]]]:
    """(which process, its last lines) of an endpoint's processes, by version. Raises `UnknownName`."""
    endpoint = registry(workspace, "").find(name)
    found = []
    for one in endpoint.versions:
        if version is not None and one.number != version:
            continue
        place = workspace.settings.workspace / "processes" / name / str(one.number)
        for path in sorted(place.glob("replica-*.log")):
            replica = path.stem.removeprefix("replica-")
            found.append((f"v{one.number}.{replica}", tail(path, lines)))
    return found


MANIFESTS = ("kubernetes", "kserve", "compose", "systemd")
"""What `write_manifest` writes."""


def write_manifest(
    workspace: Workspace,
    kind: str,
    *,
    name: str,
    hosts: Sequence[str],
    memory_gib: float | None,
    processors: float,
    accelerators: int,
    secrets: Sequence[str],
    image: str,
    port: int,
) -> str:
    """
    What other people's machinery needs to run this workspace's gateway.

    Args:
        kind: kubernetes, kserve, compose or systemd.
        memory_gib: None reckons it: a GiB for the gateway, and what each process takes.

    Raises:
        SettingsError: a value cannot be used.
    """
    try:
        serving = Serving(
            name=name,
            hosts=tuple(hosts),
            memory_gib=memory_gib if memory_gib is not None else _memory_gib(workspace),
            processors=processors,
            accelerators=accelerators,
            secrets=tuple(secrets),
            image=image,
            port=port,
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        flag, example = _WRITTEN.get(field, ("--" + field.replace("_", "-"), None))
        if example is None:
            raise SettingsError(
                "{flag} cannot be {value!r}: {reason}", flag=flag, value=first["input"], reason=refusal(first)
            ) from None
        raise SettingsError(
            "{flag} cannot be {value!r}; write it as {example}", flag=flag, value=first["input"], example=example
        ) from None
    writers = {
        "kubernetes": kubernetes_manifest,
        "kserve": kserve_manifest,
        "compose": compose_manifest,
        "systemd": systemd_unit,
    }
    return writers[kind](serving)


_WRITTEN = {
    "hosts": ("--host", "models.internal"),
    "name": ("--name", "touchstone"),
    "secrets": ("--secret", "OPENAI_API_KEY"),
    "image": ("--image", "touchstone:latest"),
}
"""Fields that have a shape: the flag that gives them, and how one is written."""


def _memory_gib(workspace: Workspace) -> float:
    total = 1.0
    for endpoint in registry(workspace, "").all():
        for version in endpoint.versions:
            if version.compute is not None and endpoint.split.get(version.number):
                kind = load_compute(version.compute.kind)
                each = version.compute.memory_gib or kind.memory_gib(
                    version.compute, workspace.settings.workspace / version.folder
                )
                total += (each or 2.0) * version.compute.replicas
    return round(total, 2)


def standings(workspace: Workspace, today: date, project: str | None = None) -> tuple[Standing, ...]:
    """Every endpoint, by name; of a project those that its keys may ask, which those of every project are too."""
    found = registry(workspace, "").all()
    return tuple(_standing(workspace, one, today) for one in found if project is None or one.project in (None, project))


def standing(workspace: Workspace, name: str, today: date) -> Standing:
    """One endpoint. Raises `UnknownName`."""
    return _standing(workspace, registry(workspace, "").find(name), today)


def _standing(workspace: Workspace, endpoint: Endpoint, today: date) -> Standing:
    table = endpoint_states
    query = sa.select(table).where(table.c.name == endpoint.name).order_by(table.c.version, table.c.replica)
    with store_errors(), workspace.ledger.engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return Standing(
        endpoint,
        tuple(
            ProcessRow(
                row["version"], row["replica"], row["state"], row["since"], row["restarts"], row["pid"], row["note"]
            )
            for row in rows
        ),
        tuple(one.number for one in endpoint.versions if one.evidence is not None and one.evidence.expired(today)),
    )


def as_json(found: Sequence[Standing]) -> bytes:
    """Endpoints for programs."""
    return orjson.dumps({"schema": "touchstone.endpoints/1", "endpoints": [_plain(one) for one in found]})


def _plain(found: Standing) -> Mapping[str, Any]:
    return {
        **found.endpoint.model_dump(mode="json"),
        "processes": [process._asdict() for process in found.processes],
        "evidence_expired": list(found.expired),
    }
