"""
`/v1/responses`, the part of it that keeps nothing: one request, its answer, and all that came before in the request.

What needs a memory here (`store`, `previous_response_id`, `conversation`, `background`, items by reference) or tools
that run here (web search, files, code) is refused by name; nothing is passed over in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from touchstone.deployment.base import Answered, Kind
from touchstone.deployment.gateway.api.base import Events, Form
from touchstone.deployment.gateway.api.responses_events import ResponseEvents
from touchstone.deployment.gateway.api.responses_read import chat_body
from touchstone.deployment.gateway.api.responses_write import output_of, response_object


class ResponseForm(Form):
    """A response as a chat completion."""

    kind: Kind = "response"
    asks: Kind = "chat"
    path = "/v1/responses"

    def read(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields of a chat request. Raises `GatewayError`."""
        return chat_body(body)

    def write(self, answered: Answered, body: Mapping[str, Any], request: str) -> Answered:
        """A response object."""
        found = orjson.loads(answered.body)
        choice = found["choices"][0]
        output = output_of(choice["message"], request)
        written = response_object(
            body, request, found, output=output, finish=choice.get("finish_reason"), usage=found.get("usage")
        )
        return answered._replace(body=orjson.dumps(written))

    def events(self, body: Mapping[str, Any], request: str) -> Events:
        """Events of a response."""
        return ResponseEvents(body, request)
