"""A gateway as a systemd service (`systemd.service(5)`, `systemd.exec(5)`)."""

from __future__ import annotations

from touchstone.deployment.compute.manifest import STOP_S, Serving

_PROGRAM = "/opt/touchstone/bin/touchstone"


def systemd_unit(serving: Serving, *, program: str = _PROGRAM) -> str:
    """
    A unit file `NAME.service`.

    It runs as a user of its own that exists while it runs, with a workspace below `/var/lib`, and listens on loopback;
    a proxy before it brings TLS. Secrets stand in `/etc/touchstone/NAME.env`, which only root reads.

    Args:
        serving: What is run; its image and its workspace's place are those of containers, and not used.
        program: Absolute path of the installed command, without spaces.
    """
    allowed = "".join(f" --allow-host {host}" for host in serving.hosts)
    devices = "no" if serving.accelerators else "yes"
    secrets = f"EnvironmentFile=-/etc/touchstone/{serving.name}.env\n" if serving.secrets else ""
    named = "".join(f"# {name} is read from there.\n" for name in serving.secrets)
    return f"""\
[Unit]
Description=Touchstone gateway {serving.name}
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=exec
ExecStart={program} serve --host 127.0.0.1 --port {serving.port}{allowed}
Environment=TOUCHSTONE_HOME=%S/{serving.name}
{secrets}{named}Restart=on-failure
RestartSec=2
# The gateway ends its processes itself; what is left after that is killed.
KillMode=mixed
TimeoutStopSec={STOP_S}
MemoryMax={serving.memory.removesuffix("i")}
CPUQuota={round(serving.processors * 100)}%
LimitNOFILE=65536
LimitCORE=0

DynamicUser=yes
StateDirectory={serving.name}
StateDirectoryMode=0700
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
PrivateDevices={devices}
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"""
