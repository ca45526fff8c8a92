"""
Kinds of requests beside chat, passed on to a provider: embeddings, images, recordings, moderation, reranking.

Each kind has one path, one list of fields that may pass, and one way of saying what it took. Bodies are built anew.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
import orjson

from touchstone.catalog.base import Price
from touchstone.deployment.base import Answered, Asked, Flow, Kind, Ready, Usage
from touchstone.deployment.endpoints.fields import Unusable
from touchstone.deployment.json_object import json_object
from touchstone.errors import ProviderFailed, RequestRejected
from touchstone.models.chat_reply import BYTES_PER_TOKEN
from touchstone.models.openai_compatible import OpenAICompatible


class File(NamedTuple):
    """A file of a form."""

    name: str
    content: bytes
    content_type: str


def written_file(name: str, content: bytes, content_type: str) -> Mapping[str, Any]:
    """A file among the fields of a request, so that a guard finds its name, and a store can keep all of it."""
    return {"filename": name, "type": content_type, "file_data": base64.b64encode(content).decode()}


def read_file(written: Mapping[str, Any]) -> File:
    """The file of such a field. Raises `Unusable`."""
    try:
        content = base64.b64decode(written["file_data"], validate=True)
        return File(str(written["filename"]), content, str(written["type"]))
    except (KeyError, TypeError, ValueError):
        raise Unusable("file cannot be read", param="file") from None


class _Form(NamedTuple):
    path: str
    fields: frozenset[str]
    needed: tuple[str, ...]
    output_tokens: int
    """That one answer takes at most, where the request names no limit."""


_FORMS: Mapping[Kind, _Form] = {
    "embedding": _Form("/embeddings", frozenset({"input", "dimensions", "encoding_format"}), ("input",), 0),
    "moderation": _Form("/moderations", frozenset({"input"}), ("input",), 0),
    "rerank": _Form(
        "/rerank",
        frozenset({"query", "documents", "top_n", "return_documents", "max_tokens_per_doc", "rank_fields"}),
        ("query", "documents"),
        0,
    ),
    "image": _Form(
        "/images/generations",
        frozenset(
            {"prompt", "n", "size", "quality", "style", "response_format", "background", "moderation", "output_format",
             "output_compression"}
        ),
        ("prompt",),
        16_384,  # gpt-image-1 takes 6,240 for its largest picture at high quality (OpenAI's guide, 2025)
    ),
    "transcription": _Form(
        "/audio/transcriptions",
        frozenset({"file", "language", "prompt", "response_format", "temperature", "timestamp_granularities"}),
        ("file",),
        16_384,
    ),
}  # fmt: skip
_NOTES = frozenset({"model", "user", "touchstone", "stream"})
MOST_PICTURES = 10


class PassedOn:
    """
    A provider's other kinds, as an `Upstream`.

    Args:
        model: Whom to ask.
        price: What a request is charged.
    """

    kinds: frozenset[Kind] = frozenset(_FORMS)

    def __init__(self, model: OpenAICompatible, price: Price | None) -> None:
        self._model = model
        self.model = model.name
        self.price = price

    async def prepare(self, asked: Asked) -> Ready:
        """The body that is sent. Raises `Unusable`."""
        form = _FORMS[asked.kind]
        unknown = sorted(set(asked.body) - form.fields - _NOTES)
        if unknown:
            raise Unusable("the field {field!r} is not known here", param=unknown[0], field=unknown[0])
        missing = next((name for name in form.needed if asked.body.get(name) in (None, "", [])), None)
        if missing is not None:
            raise Unusable("{field} is missing", param=missing, field=missing)
        if asked.stream:
            raise Unusable("this kind of reply is not streamed")
        fields = {name: value for name, value in asked.body.items() if name in form.fields and value is not None}
        if isinstance(fields.get("file"), Mapping):
            fields["file"] = read_file(fields["file"])
        pictures = fields.get("n", 1)
        if isinstance(pictures, bool) or not isinstance(pictures, int) or not 1 <= pictures <= MOST_PICTURES:
            raise Unusable("n is {value!r}; give 1 to {most}", param="n", value=pictures, most=MOST_PICTURES)
        size = sum(
            len(value.content) if isinstance(value, File) else len(orjson.dumps(value)) for value in fields.values()
        )
        return Ready(asked, fields, size, form.output_tokens * pictures)

    async def answer(self, ready: Ready) -> Answered:
        """The whole reply, as the provider wrote it."""
        form = _FORMS[ready.asked.kind]
        passed = await self._model.relay().ask(form.path, self._body(ready))
        content_type = passed.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if content_type != "application/json":
            # A transcript may be asked for as plain text or subtitles.
            usage = Usage(_estimate(ready.input_tokens), _estimate(len(passed.body)), estimated=True)
            return Answered(passed.body, usage, self.model, _plain(content_type))
        found = _document(passed.body, self.model)
        return Answered(passed.body, usage_of_other(found, ready), str(found.get("model") or self.model))

    async def open(self, ready: Ready) -> Flow:
        """None of these kinds is streamed."""
        raise RequestRejected("this kind of reply is not streamed")

    def _body(self, ready: Ready) -> bytes | aiohttp.FormData:
        fields: Mapping[str, Any] = ready.sent
        if ready.asked.kind != "transcription":
            return orjson.dumps({"model": self._model.served_name, **fields})
        form = aiohttp.FormData()
        form.add_field("model", self._model.served_name)
        for name, value in fields.items():
            if isinstance(value, File):
                form.add_field(name, value.content, filename=value.name, content_type=value.content_type)
            else:
                for one in value if isinstance(value, list) else [value]:
                    form.add_field(f"{name}[]" if isinstance(value, list) else name, str(one))
        return form

    async def close(self) -> None:
        """Release connections."""
        await self._model.close()


def usage_of_other(found: Mapping[str, Any], ready: Ready) -> Usage:
    """
    What a reply of these kinds took.

    Providers name it differently: `prompt_tokens` (embeddings), `input_tokens` and `output_tokens` (images, newer
    transcripts), `total_tokens` (Jina), `meta.tokens` (Cohere). Where none is there, the text that was sent is counted.
    """
    said = found.get("usage")
    if not isinstance(said, dict):
        meta = found.get("meta")
        said = meta.get("tokens") if isinstance(meta, dict) else None
    said = said if isinstance(said, dict) else {}
    read = _first(said, "prompt_tokens", "input_tokens", "total_tokens")
    written = _first(said, "completion_tokens", "output_tokens")
    if read is None:
        text = str(found.get("text") or "")
        return Usage(_estimate(ready.input_tokens), _estimate(len(text.encode())), estimated=True)
    return Usage(read, written or 0)


def _first(said: Mapping[str, Any], *names: str) -> int | None:
    """The first of these that is a count."""
    for name in names:
        value = said.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return int(value)
    return None


def _estimate(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)


def _plain(content_type: str) -> str:
    """The content type of a reply that is no JSON; nothing that a browser would run is passed on as such."""
    return content_type if content_type in ("text/plain", "text/vtt", "application/x-subrip") else "text/plain"


def _document(body: bytes, place: str) -> dict[str, Any]:
    found = json_object(body)
    if found is None:
        raise ProviderFailed("{place}: status 200, but the reply is no JSON object", place=place)
    return found
