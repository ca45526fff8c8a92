"""Manifests, held to the schemas of those who read them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from touchstone.deployment.compute.manifest import Serving
from touchstone.deployment.compute.manifest_compose import compose_manifest
from touchstone.deployment.compute.manifest_kserve import kserve_manifest
from touchstone.deployment.compute.manifest_kubernetes import kubernetes_manifest
from touchstone.deployment.compute.manifest_systemd import systemd_unit

jsonschema = pytest.importorskip("jsonschema", reason="the extra `metrics` is not installed")

SCHEMAS = Path(__file__).parent / "schemas"
PLAIN = Serving(name="winner", hosts=("models.example.org",), memory_gib=4.5)
RICH = Serving(
    name="support-eu",
    hosts=("models.example.org", "gateway.internal:8443"),
    memory_gib=80,
    processors=7.5,
    accelerators=2,
    secrets=("OPENAI_API_KEY", "MISTRAL_API_KEY"),
    image="registry.example.org/touchstone@sha256:abc",
    port=9_000,
)
SERVINGS = st.builds(
    Serving,
    name=st.from_regex(r"[a-z](?:[-a-z0-9]{0,48}[a-z0-9])?", fullmatch=True),
    hosts=st.lists(st.sampled_from(["a.example", "b.example:443", "10.0.0.1"]), min_size=1, max_size=3).map(tuple),
    memory_gib=st.floats(0.1, 1e4),
    processors=st.floats(0.1, 1e3),
    accelerators=st.integers(0, 8),
    secrets=st.lists(st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True), max_size=3, unique=True).map(tuple),
)


def schema(*files: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for file in files:
        found |= json.loads((SCHEMAS / file).read_text())["definitions"]
    return found


KUBERNETES = schema("kubernetes-1.37.json", "kserve-0.21.json")
KINDS = {
    ("apps/v1", "Deployment"): "io.k8s.api.apps.v1.Deployment",
    ("v1", "Service"): "io.k8s.api.core.v1.Service",
    ("serving.kserve.io/v1beta1", "InferenceService"): "kserve.V1beta1InferenceService",
}
# Made once: looking at the schemas themselves takes longer than looking at a document.
CHECKS = {
    kind: jsonschema.Draft202012Validator({"$ref": f"#/definitions/{name}", "definitions": KUBERNETES})
    for kind, name in KINDS.items()
}


def check_kubernetes(document: Any) -> None:
    """Raise where it is not what Kubernetes, or KServe, takes."""
    CHECKS[document["apiVersion"], document["kind"]].validate(document)


@pytest.mark.parametrize("serving", [PLAIN, RICH])
def test_kubernetes_takes_it(serving: Serving) -> None:
    """A Deployment of one that gives its workspace back first, and a Service that finds it."""
    deployment, service = yaml.safe_load_all(kubernetes_manifest(serving))
    check_kubernetes(deployment)
    check_kubernetes(service)
    pod = deployment["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})
    container = pod["spec"]["containers"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["spec"]["securityContext"]["runAsNonRoot"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": serving.hosts[0]}]
    mounted = {one["name"] for one in container["volumeMounts"]}
    assert mounted == {one["name"] for one in pod["spec"]["volumes"]}


@pytest.mark.parametrize("serving", [PLAIN, RICH])
def test_kserve_takes_it(serving: Serving) -> None:
    """One predictor with a container of its own, never scaled."""
    document = yaml.safe_load(kserve_manifest(serving))
    check_kubernetes(document)
    predictor = document["spec"]["predictor"]
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (1, 1)
    assert predictor["containers"][0]["name"] == "kserve-container"


@pytest.mark.parametrize("serving", [PLAIN, RICH])
def test_compose_takes_it(serving: Serving) -> None:
    """Published on loopback; secrets are handed on by name."""
    document = yaml.safe_load(compose_manifest(serving))
    jsonschema.validate(document, json.loads((SCHEMAS / "compose-spec.json").read_text()))
    service = document["services"]["gateway"]
    assert service["ports"] == [f"127.0.0.1:{serving.port}:{serving.port}"]
    assert all(service["environment"][name] is None for name in serving.secrets)


@pytest.mark.parametrize("serving", [PLAIN, RICH])
def test_systemd_takes_it(serving: Serving, tmp_path: Path) -> None:
    """Without a word of warning, where its own checker is on this machine."""
    checker = shutil.which("systemd-analyze")
    if checker is None:
        pytest.skip("systemd-analyze is not on this machine")
    program = tmp_path / "touchstone"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / f"{serving.name}.service"
    unit.write_text(systemd_unit(serving, program=str(program)))
    done = subprocess.run(
        [checker, "verify", "--man=no", "--recursive-errors=no", str(unit)], capture_output=True, text=True, check=False
    )
    said = [line for line in done.stderr.splitlines() if unit.name in line]
    assert said == []
    assert done.returncode == 0, done.stderr


@settings(max_examples=8)  # each is held to schemas of a hundred parts
@given(SERVINGS)
def test_any_serving_is_taken(serving: Serving) -> None:
    """Whatever is asked for within what the noun allows."""
    for document in yaml.safe_load_all(kubernetes_manifest(serving)):
        check_kubernetes(document)
    check_kubernetes(yaml.safe_load(kserve_manifest(serving)))
    for line in systemd_unit(serving).splitlines():
        assert not line or line[0] in "#[" or "=" in line


def test_the_schemas_are_not_taken_in_by_everything() -> None:
    """A word too many is an error in each of them."""
    deployment = next(iter(yaml.safe_load_all(kubernetes_manifest(PLAIN))))
    deployment["spec"]["template"]["spec"]["containers"][0]["comand"] = []
    with pytest.raises(jsonschema.ValidationError, match="comand"):
        check_kubernetes(deployment)
    document = yaml.safe_load(kserve_manifest(PLAIN))
    document["spec"]["predictor"]["minReplica"] = 1
    with pytest.raises(jsonschema.ValidationError, match="minReplica"):
        check_kubernetes(document)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Up"},
        {"name": "a\nExecStartPre=/bin/sh"},
        {"hosts": ("a b",)},
        {"hosts": ("x\nExecStartPre=/bin/sh",)},
        {"hosts": ()},
        {"secrets": ("KEY=sk-1",)},
        {"image": "a b"},
        {"workspace": "relative"},
        {"workspace": "/a%h"},
        {"port": 80},
        {"user": 0},
    ],
)
def test_nothing_else_can_be_written_into_one(changes: dict[str, Any]) -> None:
    """No line, option or value of a secret comes in through a field."""
    with pytest.raises(ValidationError):
        Serving.model_validate({**PLAIN.model_dump(), **changes})
