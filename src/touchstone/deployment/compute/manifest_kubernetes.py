"""A gateway as a Kubernetes Deployment and Service (apps/v1, v1)."""

from __future__ import annotations

import yaml

from touchstone.deployment.compute.manifest import Serving, pod_of


def kubernetes_manifest(serving: Serving) -> str:
    """
    YAML of two documents.

    They need a claim `NAME-workspace` for the workspace, on a volume that one node mounts at a time, and where there
    are secrets, a Secret `NAME-keys` that has each variable as a key.
    """
    labels = {"app.kubernetes.io/name": serving.name, "app.kubernetes.io/managed-by": "touchstone"}
    chosen = {"app.kubernetes.io/name": serving.name}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": serving.name, "labels": labels},
        "spec": {
            "replicas": 1,
            # The old one gives the workspace back before the new one opens it.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": chosen},
            "template": {"metadata": {"labels": labels}, "spec": pod_of(serving, "gateway")},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": serving.name, "labels": labels},
        "spec": {
            "type": "ClusterIP",
            "selector": chosen,
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        },
    }
    return yaml.safe_dump_all([deployment, service], sort_keys=False, allow_unicode=True)
