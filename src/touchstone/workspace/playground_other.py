"""
Embeddings, pictures and transcripts of a provider, asked like a chat model, so that a journal can stand before them.

What is asked is a `ChatRequest` with one turn, for the ledger; what is sent is the body of that kind.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from touchstone.catalog.base import Price
from touchstone.errors import ProviderFailed, RequestRejected, SettingsError
from touchstone.models.base import (
    AudioPart,
    ChatRequest,
    Completion,
    ImagePart,
    Part,
    Reply,
    TextPart,
    Usage,
    account_of,
)
from touchstone.models.chat_reply import BYTES_PER_TOKEN
from touchstone.models.openai_compatible import OpenAICompatible
from touchstone.workspace.playground_base import Kind
from touchstone.workspace.playground_media import picture

PATHS: Mapping[Kind, str] = {
    "embedding": "/embeddings",
    "image": "/images/generations",
    "transcription": "/audio/transcriptions",
}
OUTPUT_TOKENS: Mapping[Kind, int] = {"embedding": 1, "image": 16_384, "transcription": 16_384}
"""That one answer takes at most; the last two as for the gateway (`deployment/endpoints/passed_on.py`)."""


class OtherKind:
    """
    A provider's model of another kind than chat, as a `ChatModel`.

    Args:
        model: Its address, name, key and price.
        kind: What it answers with.
    """

    def __init__(self, model: OpenAICompatible, kind: Kind) -> None:
        self.model = model
        self.kind = kind
        self.name = model.name
        self.endpoint = f"{model.endpoint}|{kind}"
        self.paid = model.paid
        self.price: Price | None = model.price
        self.account = account_of(model)

    async def send(self, request: ChatRequest) -> Reply:
        """Ask once. Raises a `ModelError` subclass."""
        body = self._body(request)
        passed = await self.model.relay().ask(PATHS[self.kind], body)
        size = sum(len(part.text.encode()) for part in _parts(request) if isinstance(part, TextPart))
        return Reply(body=passed.body, latency_s=passed.seconds, headers=passed.headers, request_bytes=size)

    def _body(self, request: ChatRequest) -> bytes | aiohttp.FormData:
        text = "".join(part.text for part in _parts(request) if isinstance(part, TextPart))
        if self.kind == "embedding":
            return orjson.dumps({"model": self.model.served_name, "input": text})
        if self.kind == "image":
            return orjson.dumps({"model": self.model.served_name, "prompt": text, "n": 1})
        recordings = [part for part in _parts(request) if isinstance(part, AudioPart)]
        if len(recordings) != 1:
            raise RequestRejected("{model} writes down what a recording says; send one", model=self.name)
        form = aiohttp.FormData()
        form.add_field("model", self.model.served_name)
        form.add_field("response_format", "json")
        if text:
            form.add_field("prompt", text)
        form.add_field(
            "file",
            base64.b64decode(recordings[0].data),
            filename=f"recording.{recordings[0].format}",
            content_type=f"audio/{recordings[0].format}",
        )
        return form

    def read(self, reply: Reply) -> Completion:
        """What a reply says. Raises `ProviderFailed` where it is none of its kind."""
        try:
            found = orjson.loads(reply.body)
            parts = self._read(found)
        except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, ValueError, SettingsError) as error:
            raise ProviderFailed(
                "{place}: status 200, but the reply is no {kind} that can be read", place=self.name, kind=self.kind
            ) from error
        usage = _usage(self.kind, found.get("usage"), reply, parts)
        cost = None
        if self.price is not None:
            cost = self.price.cost_usd(usage.input_tokens, usage.output_tokens)
        return Completion(
            parts=parts,
            usage=usage,
            cost_usd=cost,
            latency_s=reply.latency_s,
            finish="stop",
            served_model=found.get("model") if isinstance(found.get("model"), str) else None,
        )

    def _read(self, found: Any) -> tuple[Part, ...]:
        if self.kind == "embedding":
            vector = [float(number) for number in found["data"][0]["embedding"]]
            if not vector:
                raise ValueError("no numbers")
            return (TextPart(text=orjson.dumps(vector).decode()),)
        if self.kind == "image":
            bodies = [base64.b64decode(one["b64_json"], validate=True) for one in found["data"]]
            return tuple(ImagePart(url=picture(body).url) for body in bodies)
        return (TextPart(text=str(found["text"])),)

    async def close(self) -> None:
        """Release connections; may be called twice."""
        await self.model.close()


def _parts(request: ChatRequest) -> tuple[Part, ...]:
    content = request.messages[-1].content
    return (TextPart(text=content),) if isinstance(content, str) else content


def _usage(kind: Kind, said: Any, reply: Reply, parts: tuple[Part, ...]) -> Usage:
    """What the provider counted; what it did not is estimated at four bytes a token, and flagged."""
    stated = said if isinstance(said, dict) else {}

    def count(*names: str) -> int | None:
        return next((stated[name] for name in names if type(stated.get(name)) is int), None)

    read, written = count("input_tokens", "prompt_tokens"), count("output_tokens", "completion_tokens")
    if written is None and kind == "embedding":
        written = 0  # nobody bills what a vector has
    estimated = read is None or written is None
    if read is None and reply.request_bytes:
        read = -(-reply.request_bytes // BYTES_PER_TOKEN)
    if written is None:
        texts = [part.text for part in parts if isinstance(part, TextPart)]
        # Of a picture without a count nobody knows what it is billed as.
        written = -(-sum(len(text.encode()) for text in texts) // BYTES_PER_TOKEN) if texts else None
    return Usage(input_tokens=read, output_tokens=written, estimated=estimated)
