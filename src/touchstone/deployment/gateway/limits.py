"""How much, how long and how many: the caps of the gateway in one noun."""

from __future__ import annotations

from pydantic import Field

from touchstone.noun import Noun


class DoorLimits(Noun):
    """How much, how long and how many: everything that arrives ends somewhere."""

    header_bytes: int = Field(default=16 * 1024, ge=1024)
    """Request line and headers together (A6)."""
    header_count: int = Field(default=100, ge=1)
    body_bytes: int = Field(default=4 * 1024 * 1024, ge=1)
    """A body, declared or counted, unless its route says otherwise (A6)."""
    json_depth: int = Field(default=64, ge=1)
    """How deep arrays and objects may stand in each other (A6)."""
    json_containers: int = Field(default=100_000, ge=1)
    """How many arrays and objects a body may have: each becomes an object in memory many times its text."""
    header_s: float = Field(default=10.0, gt=0)
    """From the first byte of a request, or of a connection, to the end of its headers (A5)."""
    body_s: float = Field(default=30.0, gt=0)
    """From the end of the headers to the end of the body (A5)."""
    stalled_s: float = Field(default=60.0, gt=0)
    """For how long a client may take nothing of a reply that waits for it."""
    keep_alive_s: float = Field(default=65.0, gt=0)
    """For how long a connection may be idle; longer than clients keep theirs, so that it is they who close."""
    connections: int = Field(default=4096, ge=1)
    connections_per_address: int = Field(default=2048, ge=1)
    """Of one address; a reverse proxy is one address (A5)."""
    in_flight: int = Field(default=2048, ge=1)
    """Requests of all keys together (A1)."""
    in_flight_per_key: int = Field(default=1024, ge=1)
    """Of a key, for models, where the key itself says nothing (A1)."""
    aside_per_key: int = Field(default=256, ge=1)
    """Of a key, for what reaches no model: its files, its batches, the list of models (A1)."""
    bodies_bytes: int = Field(default=256 * 1024 * 1024, ge=1)
    """All bodies of requests in flight together."""
    failures_per_minute: int = Field(default=30, ge=1)
    """Wrong keys of one address, after which further ones are not looked at (A9)."""
    stop_s: float = Field(default=30.0, gt=0)
    """How long what runs may still run when the gateway is told to stop (A16)."""
    settle_s: float = Field(default=5.0, gt=0)
    """How long what was cut off then may take to write down what it used."""
