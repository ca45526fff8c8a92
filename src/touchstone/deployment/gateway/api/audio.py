"""`/v1/audio/transcriptions`. A recording is passed on as it came; nobody here decodes it (R14)."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson

from touchstone.deployment.base import Kind
from touchstone.deployment.endpoints.passed_on import written_file
from touchstone.deployment.gateway.api.base import Form
from touchstone.deployment.gateway.api.multipart import InMemory, one, read_form
from touchstone.deployment.gateway.api.pipeline import Pipeline
from touchstone.deployment.gateway.base import GatewayError, Incoming, Outgoing, Route
from touchstone.noun import Noun

RECORDING_BYTES = 25 * 1024 * 1024
"""As much as OpenAI takes."""
_FORM_BYTES = 256 * 1024
_UPLOAD_S = 120.0
_LISTS = frozenset({"timestamp_granularities"})


class TranscriptionBody(Noun):
    """A recording whose words are wanted."""

    file: bytes
    """The recording."""
    model: str
    """The name of an endpoint."""
    language: str | None = None
    prompt: str | None = None
    response_format: str | None = None
    temperature: float | None = None
    timestamp_granularities: Sequence[str] | None = None
    stream: bool | None = None
    """Transcripts come whole; `true` is refused."""


class TranscriptionForm(Form):
    """Transcripts as they are."""

    kind: Kind = "transcription"
    asks: Kind = "transcription"
    path = "/v1/audio/transcriptions"


class TranscriptionRoutes:
    """
    The handler of recordings.

    Args:
        pipeline: Every request's way.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._form = TranscriptionForm()

    def routes(self) -> tuple[Route, ...]:
        """The one route of recordings."""
        return (
            Route(
                "POST", self._form.path, "infer", self.transcribe, "The words of a recording.", TranscriptionBody,
                media="multipart", body_bytes=RECORDING_BYTES + _FORM_BYTES, body_s=_UPLOAD_S, tag="models",
            ),
        )  # fmt: skip

    async def transcribe(self, incoming: Incoming) -> Outgoing:
        """Read the form; from there on it is a request like others."""
        takes = InMemory()
        fields = await read_form(incoming, _once(await incoming.body()), takes, field="file")
        body: dict[str, Any] = {}
        for name in fields:
            plain = name.removesuffix("[]")
            if plain in body:
                raise GatewayError("invalid_value", param=plain, reason="it stands twice")
            body[plain] = list(fields[name]) if plain in _LISTS else one(fields, name)
        if body.get("stream") in ("true", "false"):
            body["stream"] = body["stream"] == "true"
        if body.get("stream"):
            raise GatewayError("unsupported", param="stream", what="streamed transcripts")
        content = takes.content
        if len(content) > RECORDING_BYTES:
            raise GatewayError("body_too_large", param="file", limit=RECORDING_BYTES)
        assert takes.part is not None, "a form without a file was refused"
        name = takes.part.filename or "recording"
        # A client that asks again draws another boundary; what it asks is told by fields and bytes.
        told = [sorted(body.items()), name, hashlib.sha256(content).hexdigest()]
        body["file"] = written_file(name, content, takes.part.content_type)
        return await self._pipeline.serve(incoming, self._form, body, orjson.dumps(told))


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
