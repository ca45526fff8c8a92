"""Who is connected, how many of one address, and a transport that lets clients read why they were refused."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from touchstone.deployment.gateway.limits import DoorLimits

_BEGINS = b"HTTP/1.1 "
"""How the head of a reply begins. A piece of a body that does so too waits like one, which harms nobody."""
_JOINED_BYTES = 64 * 1024
"""What is longer goes out on its own: copying it would cost more than the call that is saved."""


class Arrivals:
    """
    Connections of one server, counted by address.

    Args:
        limits: How many there may be.
        refused: Told the code of each request that ended before the door saw it, and the address that sent it.
    """

    def __init__(self, limits: DoorLimits, refused: Callable[[str, str], None] = lambda _code, _address: None) -> None:
        self.limits = limits
        self.refused = refused
        self.by_address: Counter[str] = Counter()
        self.total = 0
        self.stopping = False
        """Whether connections end after the reply that is under way."""

    def enter(self, address: str) -> str | None:
        """Count a connection in; the code of a refusal where there are too many, and then it is counted too."""
        self.total += 1
        self.by_address[address] += 1
        if self.total > self.limits.connections:
            return "no_connection_left"
        if self.by_address[address] > self.limits.connections_per_address:
            return "too_many_connections"
        return None

    def leave(self, address: str) -> None:
        """Count it out."""
        self.total -= 1
        self.by_address[address] -= 1
        if self.by_address[address] <= 0:
            del self.by_address[address]


def network_of(address: str) -> str:
    """Who is counted as one: an IPv4 address, or the /64 of an IPv6 address, since whoever has one has all of those."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, 64), strict=False))


class Lingers(Protocol):
    """Whose line it is."""

    @property
    def still_receives(self) -> bool:
        """Whether the client may still be sending what belongs to a request that was begun."""
        ...

    def linger(self) -> None:
        """Read on for a while, for nothing, and then let the connection go."""
        ...


class Line:
    """
    The transport, with two differences: it is not closed under a client that still sends, and the head of a reply goes
    out together with what is written next.

    Its system would answer what arrives later with a reset, and the client's would then throw the reply away unread.
    And each write is a call of the system that runs all of the way to the client: two for a short reply are one too
    many. A head waits for the next turn of the loop at the latest.
    """

    def __init__(self, transport: asyncio.Transport, owner: Lingers) -> None:
        self._transport = transport
        self._owner = owner
        self._closing = False
        self._head = b""
        """The head of a reply that is not written yet."""
        self._loop = asyncio.get_running_loop()
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.abort = transport.abort

    def write(self, data: bytes) -> None:
        """Write, or keep the head of a reply back for a moment."""
        if self._head:
            head, self._head = self._head, b""
            if len(data) <= _JOINED_BYTES:
                self._transport.write(head + data)
            else:
                self._transport.write(head)
                self._transport.write(data)
        elif data.startswith(_BEGINS):
            self._head = data
            self._loop.call_soon(self._write_head)
        else:
            self._transport.write(data)

    def _write_head(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def is_closing(self) -> bool:
        """Whether nothing further will be said."""
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        """Say what is left to say, and close."""
        self._write_head()
        if not self.is_closing():
            self._closing = True
            if self._owner.still_receives and self._transport.can_write_eof():
                self._transport.write_eof()
                self._owner.linger()
            else:
                self._transport.close()

    def set_protocol(self, _protocol: asyncio.BaseProtocol) -> None:
        """Nobody takes over a connection here."""
        raise NotImplementedError
