"""A gateway as a service of docker compose (compose-spec)."""

from __future__ import annotations

from typing import Any

import yaml

from touchstone.deployment.compute.manifest import STOP_S, Serving

_LOOK = (
    "import sys, urllib.request as u; "
    "u.urlopen(u.Request('http://127.0.0.1:' + sys.argv[1] + '/readyz', headers={'Host': sys.argv[2]}), timeout=4)"
)


def compose_manifest(serving: Serving) -> str:
    """
    YAML of one service with a volume for its workspace.

    Its port is published on the machine's loopback alone; a proxy before it brings TLS. Values of secrets are taken
    from the environment of whoever starts it.
    """
    service: dict[str, Any] = {
        "image": serving.image,
        "command": list(serving.command),
        "init": True,
        "restart": "unless-stopped",
        "user": f"{serving.user}:{serving.user}",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": ["/tmp"],  # noqa: S108 - an empty folder of the container's own
        "environment": {
            "TOUCHSTONE_HOME": serving.workspace,
            "HOME": "/tmp",  # noqa: S108 - as above
            **dict.fromkeys(serving.secrets),
        },
        "ports": [f"127.0.0.1:{serving.port}:{serving.port}"],
        "volumes": [f"workspace:{serving.workspace}"],
        "mem_limit": serving.memory.removesuffix("i").lower(),
        "cpus": serving.processors,
        "stop_grace_period": f"{STOP_S}s",
        "healthcheck": {
            "test": ["CMD", "python", "-c", _LOOK, str(serving.port), serving.hosts[0]],
            "interval": "10s",
            "timeout": "5s",
            "retries": 3,
            "start_period": "60s",
        },
    }
    if serving.accelerators:
        device = {"driver": "nvidia", "count": serving.accelerators, "capabilities": ["gpu"]}
        service["deploy"] = {"resources": {"reservations": {"devices": [device]}}}
    document = {"name": serving.name, "services": {"gateway": service}, "volumes": {"workspace": None}}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
