"""A kept reply for a client that wants a stream: the same events as if it came now, all at once."""

from __future__ import annotations

from touchstone.deployment.gateway.api.base import END, Request
from touchstone.deployment.gateway.api.gathered import events_of_whole


def events_of(request: Request, body: bytes) -> bytes:
    """The events of a whole chat completion as the request's route writes them, with the end mark."""
    options = request.wanted.get("stream_options")
    usage = isinstance(options, dict) and options.get("include_usage") is True
    found = events_of_whole(body, usage=usage)
    events = request.form.events(request.body, request.incoming.request)
    if events is None:
        return b"".join((*found, END))
    return b"".join((*(events.piece(one) for one in found), events.end()))
