"""Where the site may listen (R4)."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.deployment.gateway.server import where_to_listen
from touchstone.errors import SettingsError


def check_bind(host: str, allowed_hosts: Sequence[str], *, has_people: bool) -> tuple[str, bool]:
    """
    The address to listen on, and whether only this machine can reach it.

    Another machine may only reach a site that knows its people, and by which names it is called.

    Args:
        host: An address or a name of this machine.
        allowed_hosts: Names by which browsers may call it.
        has_people: Whether somebody governs the site, or an issuer vouches for people.

    Raises:
        SettingsError: it may not listen there, or there is no such address here.
    """
    address, is_local = where_to_listen(host)
    if is_local:
        return address, True
    if not allowed_hosts:
        raise SettingsError(
            "--host {host} lets other machines in; say by which names they may call the site, "
            "with --allow-host NAME for each, or leave --host out",
            host=host,
        )
    if "*" in "".join(allowed_hosts):
        raise SettingsError("--allow-host {names} has a *; name each host in full", names=", ".join(allowed_hosts))
    if not has_people:
        raise SettingsError(
            "--host {host} lets other machines in, and nobody governs the site yet; make somebody its admin with: "
            "touchstone people add NAME --role admin",
            host=host,
        )
    return address, False
