"""From the chunks of a streamed chat completion to the events of a streamed response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from touchstone.deployment.gateway.api.gathered import chunks_of
from touchstone.deployment.gateway.api.responses_write import call_item, message_item, response_object, text_part

_PARTS = {"content": ("output_text", "text"), "refusal": ("refusal", "refusal")}
"""Chat's field, the type of the part that it becomes, and the field that holds its text there."""


class _Part:
    """A part of the message that grows."""

    def __init__(self, index: int, kind: str, field: str) -> None:
        self.index = index
        self.kind = kind
        self.field = field
        self.text = ""

    @property
    def whole(self) -> dict[str, Any]:
        """It as it stands."""
        return text_part(self.text) if self.kind == "output_text" else {"type": "refusal", "refusal": self.text}


class _Call:
    """A call of a function that grows."""

    def __init__(self, place: int, number: int) -> None:
        self.place = place
        self.number = number
        self.id: str | None = None
        self.name = ""
        self.arguments = ""

    def item(self, request: str, status: str) -> dict[str, Any]:
        """It as it stands."""
        return call_item(request, self.number, self.id, self.name, self.arguments, status)


class ResponseEvents:
    """
    Writes events of a response; see `Events`.

    Args:
        body: The request.
        request: Its id.
    """

    def __init__(self, body: Mapping[str, Any], request: str) -> None:
        self._body = body
        self._request = request
        self._number = 0
        self._items = 0
        self._message: int | None = None
        """Place of the message among the items; None while nothing was said."""
        self._parts: dict[str, _Part] = {}
        self._calls: dict[int, _Call] = {}
        self._head: dict[str, Any] = {}
        self._usage: Mapping[str, Any] | None = None
        self._finish: str | None = None
        self._begun = False

    def piece(self, block: bytes) -> bytes:
        """See `Events`."""
        said: list[bytes] = []
        for chunk in chunks_of([block]):
            for name in ("created", "model"):
                if chunk.get(name) is not None:
                    self._head.setdefault(name, chunk[name])
            if not self._begun:
                self._begun = True
                begun = self._response("in_progress", [])
                said += (self._event(kind, response=begun) for kind in ("response.created", "response.in_progress"))
            if isinstance(chunk.get("usage"), dict):
                self._usage = chunk["usage"]
            for choice in chunk.get("choices") or ():
                if isinstance(choice, dict) and not choice.get("index"):
                    self._finish = choice.get("finish_reason") or self._finish
                    self._hear(choice.get("delta") or {}, said)
        return b"".join(said)

    def end(self) -> bytes:
        """See `Events`; a response's stream has no other end mark than its last event."""
        said: list[bytes] = []
        output: dict[int, dict[str, Any]] = {}
        if self._message is None and not self._calls:
            self._open_message(said)
        if self._message is not None:
            for part in self._parts.values():
                place = self._at(self._message, part.index)
                more: dict[str, Any] = {"logprobs": []} if part.kind == "output_text" else {}
                done: dict[str, Any] = {part.field: part.text, **more}
                said.append(self._event(f"response.{part.kind}.done", **place, **done))
                said.append(self._event("response.content_part.done", **place, part=part.whole))
            item = message_item(self._request, [part.whole for part in self._parts.values()], "completed")
            output[self._message] = item
            said.append(self._event("response.output_item.done", output_index=self._message, item=item))
        for call in self._calls.values():
            item = call.item(self._request, "completed")
            output[call.place] = item
            ended: dict[str, Any] = {
                "item_id": item["id"],
                "output_index": call.place,
                "arguments": call.arguments,
                "name": call.name,
            }
            said.append(self._event("response.function_call_arguments.done", **ended))
            said.append(self._event("response.output_item.done", output_index=call.place, item=item))
        whole = self._response(None, [output[place] for place in sorted(output)])
        said.append(self._event(f"response.{whole['status']}", response=whole))
        return b"".join(said)

    def _hear(self, delta: Mapping[str, Any], said: list[bytes]) -> None:
        for name, (kind, field) in _PARTS.items():
            if delta.get(name):
                self._say(name, kind, field, delta[name], said)
        for piece in delta.get("tool_calls") or ():
            if isinstance(piece, dict):
                self._call(piece, said)

    def _say(self, name: str, kind: str, field: str, text: str, said: list[bytes]) -> None:
        if self._message is None:
            self._open_message(said)
        assert self._message is not None
        part = self._parts.get(name)
        if part is None:
            part = self._parts[name] = _Part(len(self._parts), kind, field)
            place = self._at(self._message, part.index)
            said.append(self._event("response.content_part.added", **place, part=part.whole))
        part.text += text
        more: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
        said.append(self._event(f"response.{kind}.delta", **self._at(self._message, part.index), delta=text, **more))

    def _open_message(self, said: list[bytes]) -> None:
        self._message, self._items = self._items, self._items + 1
        item = message_item(self._request, [], "in_progress")
        said.append(self._event("response.output_item.added", output_index=self._message, item=item))

    def _call(self, piece: Mapping[str, Any], said: list[bytes]) -> None:
        function = piece.get("function") or {}
        number = piece.get("index") or 0
        call = self._calls.get(number)
        if call is None:
            call = self._calls[number] = _Call(self._items, number)
            self._items += 1
            call.id, call.name = piece.get("id"), function.get("name") or ""
            item = call.item(self._request, "in_progress")
            said.append(self._event("response.output_item.added", output_index=call.place, item=item))
        text = function.get("arguments")
        if text:
            call.arguments += text
            place = {"item_id": call.item(self._request, "in_progress")["id"], "output_index": call.place}
            said.append(self._event("response.function_call_arguments.delta", **place, delta=text))

    def _at(self, item: int, part: int) -> dict[str, Any]:
        return {"item_id": f"msg_{self._request}", "output_index": item, "content_index": part}

    def _response(self, status: str | None, output: list[dict[str, Any]]) -> dict[str, Any]:
        return response_object(
            self._body,
            self._request,
            self._head,
            output=output,
            finish=self._finish,
            usage=self._usage if status is None else None,
            status=status,
        )

    def _event(self, kind: str, **fields: Any) -> bytes:
        written = orjson.dumps({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
        return b"event: " + kind.encode("ascii") + b"\ndata: " + written + b"\n\n"
