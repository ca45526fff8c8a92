"""An embedder of our own behind `/v1/embeddings`: vectors made in this process, without a provider or a key."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson

from touchstone.catalog.base import Price
from touchstone.deployment.base import Answered, Asked, Flow, Kind, Ready, Usage
from touchstone.deployment.endpoints.fields import Unusable
from touchstone.deployment.endpoints.own_fields import check_fields, texts_of
from touchstone.errors import RequestRejected
from touchstone.retrieval.base import Embedder, Vectors

MOST_TEXTS = 2048
"""In one request; as many as OpenAI takes."""
_FIELDS = frozenset({"input", "dimensions", "encoding_format"})
_AT_ONCE = 2
"""Requests that compute at the same time: threads beyond that would only wait for one another."""

CountsTokens = Callable[[str], int]
"""How many tokens a text is, as the embedder reads it."""


class _Sent(NamedTuple):
    texts: Sequence[str]
    dimensions: int
    base64: bool


class EmbedsHere:
    """
    An embedder as an `Upstream`.

    Args:
        embedder: Makes the vectors.
        name: What replies call it.
        price: What a request is charged.
        count: Counts tokens.
        cuts: Whether the first numbers of a vector are the most important ones, so that fewer may be asked for.
    """

    kinds: frozenset[Kind] = frozenset({"embedding"})

    def __init__(
        self, embedder: Embedder, name: str, price: Price | None, *, count: CountsTokens, cuts: bool = False
    ) -> None:
        self.model = name
        self.price = price
        self._embedder = embedder
        self._count = count
        self._cuts = cuts
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def prepare(self, asked: Asked) -> Ready:
        """The texts. Raises `Unusable`."""
        check_fields(asked, _FIELDS)
        texts = texts_of(asked.body.get("input"), "input", most=MOST_TEXTS)
        written = asked.body.get("encoding_format") or "float"
        if written not in ("float", "base64"):
            raise Unusable(
                "encoding_format is {value!r}; write float or base64", param="encoding_format", value=written
            )
        whole = self._embedder.dimensions
        wanted = asked.body.get("dimensions")
        wanted = whole if wanted is None else wanted
        least = 1 if self._cuts else whole
        if isinstance(wanted, bool) or not isinstance(wanted, int) or not least <= wanted <= whole:
            raise Unusable(
                "dimensions is {value!r}; this embedder gives {least} to {most}",
                param="dimensions",
                value=wanted,
                least=least,
                most=whole,
            )
        # No token is shorter than a byte; a text may be one more where a tokenizer marks its beginning.
        most = sum(len(text.encode("utf-8", "surrogatepass")) + 1 for text in texts)
        return Ready(asked, _Sent(texts, wanted, written == "base64"), most, 0)

    async def answer(self, ready: Ready) -> Answered:
        """The vectors, in the order of the texts."""
        async with self._turns:
            return await asyncio.to_thread(self._answer, ready)

    def _answer(self, ready: Ready) -> Answered:
        sent: _Sent = ready.sent
        vectors = _cut(self._embedder.embed(sent.texts), sent.dimensions)
        tokens = min(ready.input_tokens, sum(self._count(text) for text in sent.texts))
        data = [
            {"object": "embedding", "index": place, "embedding": _written(vector, sent.base64)}
            for place, vector in enumerate(vectors)
        ]
        body = orjson.dumps(
            {
                "object": "list",
                "data": data,
                "model": self.model,
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            },
            option=orjson.OPT_SERIALIZE_NUMPY,
        )
        return Answered(body, Usage(tokens, 0), self.model)

    async def open(self, ready: Ready) -> Flow:
        """Vectors are not streamed."""
        raise RequestRejected("this kind of reply is not streamed")

    async def close(self) -> None:
        """There is nothing to release."""


def _cut(vectors: Vectors, dimensions: int) -> Vectors:
    """The first numbers of each vector, of length 1 again; the vectors themselves where none is left out."""
    if vectors.shape[1] == dimensions:
        return vectors
    cut = vectors[:, :dimensions]
    lengths = np.linalg.norm(cut, axis=1, keepdims=True)
    unit: Vectors = np.divide(cut, lengths, out=np.zeros_like(cut), where=lengths > 1e-12)
    return unit


def _written(vector: Any, as_base64: bool) -> Any:
    """A vector as clients ask for it; base64 holds little-endian numbers of 4 bytes, as OpenAI writes them."""
    plain = np.ascontiguousarray(vector, "<f4")
    return base64.b64encode(plain.tobytes()).decode() if as_base64 else plain
