"""A gateway as a KServe InferenceService (serving.kserve.io/v1beta1) with a container of its own."""

from __future__ import annotations

import yaml

from touchstone.deployment.compute.manifest import Serving, pod_of


def kserve_manifest(serving: Serving) -> str:
    """
    YAML of one document; the claim and the Secret are those of the Kubernetes manifest.

    Without Knative, because there is one gateway that is never scaled: it holds the workspace's lock.
    """
    document = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": serving.name,
            "labels": {"app.kubernetes.io/managed-by": "touchstone"},
            "annotations": {"serving.kserve.io/deploymentMode": "RawDeployment"},
        },
        "spec": {
            "predictor": {
                "minReplicas": 1,
                "maxReplicas": 1,
                "deploymentStrategy": {"type": "Recreate"},
                # KServe knows a container of one's own by this name.
                **pod_of(serving, "kserve-container"),
            }
        },
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
