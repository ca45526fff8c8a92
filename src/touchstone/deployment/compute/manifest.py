"""What other people's machinery is told so that it runs `touchstone serve`; a file of its own for each format."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from touchstone.noun import Noun

_Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?$")]
_Place = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]*$", max_length=500)]
_Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$", max_length=200)]

STOP_S = 40
"""Requests under way get 30 s at the end (promises.md, A16), and what is left then is cut and written down."""


class Serving(Noun):
    """
    One gateway with everything that it manages.

    Its processes run beside it and listen on loopback alone, so that keys, budgets and the measured recipe stand before
    them wherever it runs. There is one of it: it holds the workspace's lock.
    """

    name: Annotated[str, Field(pattern=r"^[a-z](?:[-a-z0-9]{0,48}[a-z0-9])?$")]
    """Of the service: small letters, digits and dashes."""
    hosts: Annotated[tuple[_Host, ...], Field(min_length=1, max_length=20)]
    """Names by which it is called; any other is refused."""
    memory_gib: float = Field(gt=0, le=100_000)
    """Of the gateway and all its processes."""
    processors: float = Field(default=2.0, gt=0, le=1_024)
    accelerators: int = Field(default=0, ge=0, le=64)
    secrets: tuple[_Variable, ...] = ()
    """Variables with providers' keys. Only their names are written; the values are kept by the machinery."""
    image: Annotated[str, Field(pattern=r"^[a-z0-9][A-Za-z0-9._:/@-]*$", max_length=500)] = "touchstone:latest"
    """Of a container that has the package installed."""
    port: int = Field(default=8080, ge=1_024, le=65_535)
    workspace: _Place = "/var/lib/touchstone"
    """Where the workspace lies within the container, or on the machine."""
    user: int = Field(default=10_001, ge=1, le=2**31 - 1)
    """Number of the user, and of the group, that it runs as within a container; never root."""

    @property
    def command(self) -> tuple[str, ...]:
        """Its argument list within a container, which is reached from outside."""
        allowed = (part for host in self.hosts for part in ("--allow-host", host))
        return ("touchstone", "serve", "--host", "0.0.0.0", "--port", str(self.port), *allowed)  # noqa: S104 - in a container

    @property
    def memory(self) -> str:
        """In whole MiB, as Kubernetes writes it."""
        return f"{-int(-self.memory_gib * 1024 // 1)}Mi"


def pod_of(serving: Serving, container: str) -> dict[str, Any]:
    """
    The pod, as Kubernetes and KServe share it.

    Args:
        serving: What is run.
        container: How the container must be called.
    """
    accelerators = {"nvidia.com/gpu": str(serving.accelerators)} if serving.accelerators else {}
    limits = {"memory": serving.memory, **accelerators}

    def probe(path: str, **times: int) -> dict[str, Any]:
        # A name that is not allowed is refused, and a probe would send the pod's address.
        headers = [{"name": "Host", "value": serving.hosts[0]}]
        return {"httpGet": {"path": path, "port": "http", "httpHeaders": headers}, **times}

    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": STOP_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": serving.user,
            "runAsGroup": serving.user,
            "fsGroup": serving.user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": container,
                "image": serving.image,
                "command": list(serving.command),
                "env": [
                    {"name": "TOUCHSTONE_HOME", "value": serving.workspace},
                    {"name": "HOME", "value": "/tmp"},  # noqa: S108 - an empty folder of the pod's own
                    *(
                        {
                            "name": name,
                            "valueFrom": {"secretKeyRef": {"name": f"{serving.name}-keys", "key": name}},
                        }
                        for name in serving.secrets
                    ),
                ],
                "ports": [{"name": "http", "containerPort": serving.port, "protocol": "TCP"}],
                "resources": {"requests": {"cpu": f"{serving.processors:g}", **limits}, "limits": limits},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "startupProbe": probe("/healthz", periodSeconds=2, failureThreshold=60),
                "readinessProbe": probe("/readyz", periodSeconds=5, failureThreshold=3),
                "livenessProbe": probe("/healthz", periodSeconds=10, timeoutSeconds=5, failureThreshold=6),
                "volumeMounts": [
                    {"name": "workspace", "mountPath": serving.workspace},
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - as above
                ],
            }
        ],
        "volumes": [
            {"name": "workspace", "persistentVolumeClaim": {"claimName": f"{serving.name}-workspace"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
