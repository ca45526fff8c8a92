"""What an HTTP address says about itself: whether it can be used at all, and how far away it is."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from touchstone.errors import SettingsError

_PORTS = {"http": 80, "https": 443}
_PRIVATE_SUFFIXES = (".local", ".internal", ".lan", ".home.arpa", ".localhost")


def check_base_url(base_url: str) -> str:
    """
    The address without its trailing slash.

    Raises:
        SettingsError: it is not http or https, names no host, or carries a credential, a query or a fragment.
    """
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        raise SettingsError("base_url {url!r} is no address; write it like https://host/v1", url=base_url) from None
    # The value itself is not shown where it may hold a password.
    if parts.username is not None or parts.password is not None:
        raise SettingsError(
            "the base_url of {host} carries a credential; name the variable that holds the key with key_env instead",
            host=parts.hostname,
        )
    if parts.query or parts.fragment:
        raise SettingsError(
            "the base_url of {host} ends in a query or fragment; write only scheme, host and path", host=parts.hostname
        )
    if parts.scheme not in _PORTS or not parts.hostname or port == 0 or any(ord(c) <= 32 for c in base_url):
        raise SettingsError("base_url {url!r} is no address; write it like https://host/v1", url=base_url)
    return base_url.rstrip("/")


def origin_of(base_url: str) -> str:
    """Scheme, host and port, which is what a key belongs to."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{_host(parts)}:{parts.port or _PORTS.get(parts.scheme, 0)}"


def is_loopback(base_url: str) -> bool:
    """Whether the address is on this very machine."""
    host = _host(urlsplit(base_url))
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_near(base_url: str) -> bool:
    """
    Whether the address is on this machine or in a private network, where a key may travel without encryption.

    A name without a dot (a container, a machine in the office) and the reserved local suffixes count as private.
    """
    if is_loopback(base_url):
        return True
    host = _host(urlsplit(base_url))
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE_SUFFIXES)
    return address.is_private and not address.is_unspecified


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").lower().rstrip(".")
