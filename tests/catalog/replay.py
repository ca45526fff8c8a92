"""
Servers on loopback that answer as live sources are documented to, and as they should not.

All models in them are invented. A server knows nothing but paths and what to send for each.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Page:
    """One answer."""

    body: bytes = b""
    status: int = 200
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    parts: Callable[[], Iterator[bytes]] | None = None
    """A body sent piece by piece and ended by closing, without its length."""
    pause_s: float = 0.0
    """Before each piece."""
    etag: str | None = None


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Answering = Page | Callable[[Asked], Page]


class Replay:
    """
    A server on loopback; use it with `async with`.

    Args:
        pages: What to answer by path; everything else is 404.
        tls: To speak https.
    """

    def __init__(self, pages: Mapping[str, Answering], *, tls: Any = None) -> None:
        self.pages = dict(pages)
        self.tls = tls
        self.asked: list[Asked] = []
        self.serving: list[asyncio.Future[None]] = []

    async def __aenter__(self) -> Replay:
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls)
        self.port = self.server.sockets[0].getsockname()[1]
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for task in self.serving:
            task.cancel()
        await asyncio.gather(*self.serving, return_exceptions=True)
        await self.server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.append(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ", 2)
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            asked = Asked(method, path, headers, body)
            self.asked.append(asked)
            found = self.pages.get(path, Page(b'{"error":"nothing here"}', status=404))
            page = found(asked) if callable(found) else found
            if page.etag is not None and headers.get("if-none-match") == page.etag:
                page = Page(status=304, etag=page.etag)
            await self._send(writer, page)
            writer.close()
            await writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError):
            pass  # whoever asked has left
        finally:
            writer.transport.abort()

    async def _send(self, writer: asyncio.StreamWriter, page: Page) -> None:
        lines = [f"HTTP/1.1 {page.status} X", f"Content-Type: {page.kind}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in page.headers.items()]
        if page.etag is not None:
            lines.append(f"ETag: {page.etag}")
        if page.parts is None:
            lines.append(f"Content-Length: {len(page.body)}")
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        for part in page.parts() if page.parts is not None else (page.body,):
            if page.pause_s:
                await asyncio.sleep(page.pause_s)
            writer.write(part)
            await writer.drain()


def as_json(value: Any) -> Page:
    """A value, as an answer."""
    return Page(json.dumps(value).encode())


def redirect(to: str, status: int = 302) -> Page:
    """Sends the asker elsewhere."""
    return Page(status=status, headers={"Location": to})


def dripping(body: bytes, pause_s: float = 0.05) -> Page:
    """A good answer, one byte at a time."""
    return Page(parts=lambda: (body[i : i + 1] for i in range(len(body))), pause_s=pause_s)


def endless(piece: bytes = b" " * (1 << 16)) -> Page:
    """An answer that has no end."""

    def parts() -> Iterator[bytes]:
        while True:
            yield piece

    return Page(parts=parts)


def bomb(size: int) -> Page:
    """A small answer that unpacks to `size` bytes."""
    pack = zlib.compressobj(9, wbits=31)
    block = b" " * (1 << 20)
    body = b"".join([*(pack.compress(block) for _ in range(size // len(block))), pack.flush()])
    return Page(body, headers={"Content-Encoding": "gzip"})


def many(head: bytes, entry: Callable[[int], bytes], tail: bytes, count: int) -> Page:
    """An answer with `count` entries that are made while they are sent."""

    def parts() -> Iterator[bytes]:
        yield head
        for start in range(0, count, 10_000):
            rows = b",".join(entry(place) for place in range(start, min(start + 10_000, count)))
            yield (b"," if start else b"") + rows
        yield tail

    return Page(parts=parts)


# --- What the five sources answer -----------------------------------------------------------------------------------


def models_dev_entry(name: str = "Quill Large", **changes: Any) -> dict[str, Any]:
    """One model of one provider, in the documented shape."""
    return {
        "id": "quill-large",
        "name": name,
        "family": "quill",
        "attachment": True,
        "reasoning": True,
        "tool_call": True,
        "structured_output": False,
        "temperature": True,
        "knowledge": "2025-04",
        "release_date": "2025-09-16",
        "last_updated": "2026-01-02",
        "modalities": {"input": ["text", "image", "pdf"], "output": ["text"]},
        "open_weights": True,
        "limit": {"context": 131072, "output": 8192},
        "cost": {"input": 0.25, "output": 1.0, "cache_read": 0.025, "cache_write": 0.3},
        **changes,
    }


def models_dev(count: int = 6) -> dict[str, Answering]:
    """A small api.json: one lab with its own service, and a reseller."""
    models = {f"quill-{place}": models_dev_entry(f"Quill {place}", id=f"quill-{place}") for place in range(count - 1)}
    return {
        "/api.json": as_json(
            {
                "inkwell": {
                    "id": "inkwell",
                    "name": "Inkwell",
                    "env": ["INKWELL_API_KEY"],
                    "npm": "@ai-sdk/openai-compatible",
                    "api": "https://api.inkwell.example/v1",
                    "doc": "https://docs.inkwell.example",
                    "models": models,
                },
                "resale": {
                    "id": "resale",
                    "name": "Resale",
                    "doc": "https://resale.example",
                    "models": {
                        "inkwell/quill-0": models_dev_entry(id="inkwell/quill-0", cost={"input": 0.3, "output": 1.2})
                    },
                },
            }
        )
    }


def openrouter_entry(name: str = "inkwell/quill-0", **changes: Any) -> dict[str, Any]:
    """One model, in the documented shape."""
    return {
        "id": name,
        "canonical_slug": f"{name}-20250916",
        "hugging_face_id": "Inkwell/Quill-0",
        "name": "Inkwell: Quill",
        "created": 1758000000,
        "description": "An invented model.",
        "context_length": 131072,
        "architecture": {
            "modality": "text+image->text",
            "input_modalities": ["text", "image"],
            "output_modalities": ["text"],
            "tokenizer": "Other",
            "instruct_type": None,
        },
        "pricing": {
            "prompt": "0.00000025",
            "completion": "0.000001",
            "request": "0.002",
            "image": "0.0005",
            "input_cache_read": "0.000000025",
        },
        "top_provider": {"context_length": 65536, "max_completion_tokens": 8192, "is_moderated": False},
        "per_request_limits": None,
        "supported_parameters": ["max_tokens", "temperature", "tools", "structured_outputs"],
        "expiration_date": None,
        **changes,
    }


def openrouter(count: int = 6) -> dict[str, Answering]:
    """A small list."""
    return {"/models": as_json({"data": [openrouter_entry(f"inkwell/quill-{place}") for place in range(count)]})}


CARD = "---\nlicense: apache-2.0\n---\n# Quill\n\nAn invented model.\n"
RESULTS = "- dataset:\n    id: example/quiz\n    task_id: quiz\n  value: 41.5\n"


def hugging_face_entry(repository: str = "Inkwell/Quill-0", **changes: Any) -> dict[str, Any]:
    """What the Hub says of one repository, in the documented shape."""
    return {
        "_id": "0123456789abcdef01234567",
        "id": repository,
        "author": repository.partition("/")[0],
        "sha": "0" * 40,
        "createdAt": "2025-09-16T08:00:00.000Z",
        "lastModified": "2026-01-02T08:00:00.000Z",
        "private": False,
        "gated": "manual",
        "disabled": False,
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
        "tags": ["transformers", "safetensors", "license:apache-2.0"],
        "downloads": 1234,
        "likes": 56,
        "cardData": {"license": "apache-2.0", "language": ["en", "zh"], "base_model": "Inkwell/Quill-0-Base"},
        "config": {"architectures": ["QuillForCausalLM"], "model_type": "quill"},
        "safetensors": {"parameters": {"BF16": 8030261248}, "total": 8030261248},
        "siblings": [
            {"rfilename": "README.md"},
            {"rfilename": "model.safetensors"},
            {"rfilename": ".eval_results/quiz.yaml"},
        ],
        **changes,
    }


def hugging_face(count: int = 6) -> dict[str, Answering]:
    """Some repositories with card and results."""
    pages: dict[str, Answering] = {}
    for place in range(count):
        repository = f"Inkwell/Quill-{place}"
        pages[f"/api/models/{repository}"] = as_json(hugging_face_entry(repository))
        pages[f"/{repository}/raw/main/README.md"] = Page(CARD.encode(), kind="text/plain; charset=utf-8")
        pages[f"/{repository}/raw/main/.eval_results/quiz.yaml"] = Page(RESULTS.encode(), kind="text/plain")
    return pages


def v1_models(count: int = 6) -> dict[str, Answering]:
    """What a server of one's own lists."""
    rows = [
        {"id": f"quill-{place}", "object": "model", "created": 1758000000, "owned_by": "vllm", "max_model_len": 32768}
        for place in range(count)
    ]
    return {"/v1/models": as_json({"object": "list", "data": rows})}


def ollama_tag(name: str = "quill:8b", **changes: Any) -> dict[str, Any]:
    """One installed model, in the documented shape."""
    return {
        "name": name,
        "model": name,
        "modified_at": "2026-01-02T08:00:00.000000000+01:00",
        "size": 4683087332,
        "digest": "0" * 64,
        "details": {
            "parent_model": "",
            "format": "gguf",
            "family": "quill",
            "families": ["quill"],
            "parameter_size": "8.0B",
            "quantization_level": "Q4_K_M",
        },
        **changes,
    }


OLLAMA_SHOW = {
    "license": "Apache License 2.0",
    "modelfile": "FROM quill",
    "template": "{{ .Prompt }}",
    "details": {"family": "quill", "parameter_size": "8.0B", "quantization_level": "Q4_K_M"},
    "model_info": {
        "general.architecture": "quill",
        "general.parameter_count": 8030261248,
        "quill.context_length": 131072,
        "quill.embedding_length": 4096,
        "quill.block_count": 32,
        "tokenizer.ggml.tokens": None,
    },
    "capabilities": ["completion", "tools", "vision"],
}


def ollama(count: int = 6) -> dict[str, Answering]:
    """Some installed models."""
    return {
        "/api/tags": as_json({"models": [ollama_tag(f"quill:{place}b") for place in range(count)]}),
        "/api/show": as_json(OLLAMA_SHOW),
    }
