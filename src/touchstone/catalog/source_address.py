"""Where an outgoing request may go: an address taken apart once, and how far away an IP address is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal
from urllib.parse import urlsplit

from touchstone.catalog.addresses import check_base_url
from touchstone.errors import SettingsError

Standing = Literal["public", "near", "refused"]


_NEAR = (
    tuple(map(ip_network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))),
    tuple(map(ip_network, ("::1/128", "fc00::/7"))),
)
_REFUSED = (
    # This host, link-local, protocol assignments, documentation, 6to4 relays, benchmarks, multicast, reserved.
    tuple(
        map(
            ip_network,
            (
                *("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15"),
                *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            ),
        )
    ),
    # Teredo and its like, documentation, 6to4. What else is no unicast address of the internet lies outside 2000::/3.
    tuple(map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))),
)
_UNICAST = ip_network("2000::/3")

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*")
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)")


@dataclass(frozen=True)
class Target:
    """An address that was taken apart once; everything else is derived from the parts."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @classmethod
    def of(cls, url: str) -> Target:
        """
        Raises:
            SettingsError: it is no http(s) address, carries a credential or a fragment, or has a host that two
                programs could read differently.
        """
        check_base_url(url.partition("?")[0])
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        if parts.fragment or "#" in url or "\\" in url or any(ord(c) <= 32 or ord(c) >= 127 for c in url):
            raise SettingsError(
                "the address of {host} has a fragment, a backslash, a space or a letter beyond ASCII; write it plainly",
                host=host,
            )
        if literal(host) is None and (not _HOST.fullmatch(host) or _NUMBER.fullmatch(host.rpartition(".")[2])):
            raise SettingsError("{host!r} is no host name; write a name or a full IP address", host=host)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, host, port, parts.path or "/", parts.query)


def standing(address: str) -> Standing:
    """
    How far away an IP address is: `public`, `near` (this machine, a private network), or `refused`.

    Refused are, among others, link-local addresses (where clouds keep their secrets), 0.0.0.0, multicast, and IPv6
    addresses that hold an IPv4 address in some way (mapped, 6to4, NAT64, Teredo).
    """
    parsed = literal(address)
    if parsed is None or getattr(parsed, "scope_id", None):
        return "refused"
    six = parsed.version == 6
    if any(parsed in network for network in _NEAR[six]):
        return "near"
    if any(parsed in network for network in _REFUSED[six]) or (six and parsed not in _UNICAST):
        return "refused"
    return "public" if parsed.is_global and not parsed.is_multicast else "refused"


_NO_SERVER = (
    tuple(map(ip_network, ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32"))),
    # None, what holds an IPv4 address, link-local, multicast, and where one cloud keeps its secrets.
    tuple(map(ip_network, ("::/128", "::ffff:0:0/96", "64:ff9b::/96", "fe80::/10", "ff00::/8", "fd00:ec2::254/128"))),
)


def is_no_server(address: str) -> bool:
    """
    Whether nobody means this IP address as a server's, although they wrote its name: clouds keep their secrets at
    link-local addresses, and 0.0.0.0 is none. Private networks, and those that local proxies make up (198.18.0.0/15),
    are meant.
    """
    parsed = literal(address)
    return parsed is None or any(parsed in network for network in _NO_SERVER[parsed.version == 6])


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """The IP address that a host is written as, None when it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None
