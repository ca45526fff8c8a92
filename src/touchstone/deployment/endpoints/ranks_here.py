"""Our own reranker behind `/v1/rerank`, in the shape that Cohere's and Jina's clients read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from touchstone.catalog.base import Price
from touchstone.deployment.base import Answered, Asked, Flow, Kind, Ready, Usage
from touchstone.deployment.endpoints.fields import Unusable
from touchstone.deployment.endpoints.own_fields import check_fields, texts_of
from touchstone.errors import RequestRejected
from touchstone.retrieval.base import Found, Passage
from touchstone.retrieval.rerank import TermReranker
from touchstone.retrieval.tokens import terms

MOST_DOCUMENTS = 1000
"""In one request; as many as Cohere advises."""
_FIELDS = frozenset({"query", "documents", "top_n", "return_documents", "max_tokens_per_doc"})
_SIGNS = 4.0
"""The most that the reranker's signs add up to for a passage without headings."""
_AT_ONCE = 2


class _Sent(NamedTuple):
    query: str
    documents: Sequence[str]
    top_n: int
    shows: bool


class RanksHere:
    """
    The reranker that needs no weights, as an `Upstream`.

    The order in which documents come says nothing here: there was no search before that anybody knows of.

    Args:
        name: What replies call it.
        price: What a request is charged.
    """

    kinds: frozenset[Kind] = frozenset({"rerank"})

    def __init__(self, name: str, price: Price | None) -> None:
        self.model = name
        self.price = price
        self._reranker = TermReranker(first=0.0)
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def prepare(self, asked: Asked) -> Ready:
        """The query and the documents. Raises `Unusable`."""
        check_fields(asked, _FIELDS)
        body = asked.body
        [query] = texts_of(body.get("query"), "query", most=1)
        given = body.get("documents")
        if isinstance(given, list):
            # Jina's clients may send objects with the text in a field.
            given = [one.get("text") if isinstance(one, dict) and set(one) == {"text"} else one for one in given]
        documents = texts_of(given if isinstance(given, list) else None, "documents", most=MOST_DOCUMENTS)
        top_n = body.get("top_n")
        top_n = len(documents) if top_n is None else top_n
        if isinstance(top_n, bool) or not isinstance(top_n, int) or top_n < 1:
            raise Unusable("top_n is {value!r}; give a whole number from 1 on", param="top_n", value=top_n)
        shows = body.get("return_documents")
        if shows is not None and not isinstance(shows, bool):
            raise Unusable("return_documents is {value!r}; write true or false", param="return_documents", value=shows)
        size = sum(len(text.encode("utf-8", "surrogatepass")) for text in (query, *documents))
        ignored = ("max_tokens_per_doc",) if body.get("max_tokens_per_doc") is not None else ()
        return Ready(asked, _Sent(query, documents, top_n, bool(shows)), size, 0, ignored)

    async def answer(self, ready: Ready) -> Answered:
        """The best documents first, each with its place in the request."""
        async with self._turns:
            return await asyncio.to_thread(self._answer, ready)

    def _answer(self, ready: Ready) -> Answered:
        sent: _Sent = ready.sent
        found = [
            Found(passage=Passage(id=str(place), document=str(place), text=text), score=0.0)
            for place, text in enumerate(sent.documents)
        ]
        results: list[dict[str, Any]] = []
        for one in self._reranker.rerank(sent.query, found)[: sent.top_n]:
            result: dict[str, Any] = {
                "index": int(one.passage.id),
                "relevance_score": min(1.0, max(0.0, one.score / _SIGNS)),
            }
            if sent.shows:
                result["document"] = {"text": one.passage.text}
            results.append(result)
        tokens = min(ready.input_tokens, sum(len(terms(text)) for text in (sent.query, *sent.documents)))
        body = orjson.dumps(
            {
                "id": f"rerank-{ready.asked.request}",
                "model": self.model,
                "results": results,
                "usage": {"total_tokens": tokens},
                "meta": {"tokens": {"input_tokens": tokens, "output_tokens": 0}},
            }
        )
        return Answered(body, Usage(tokens, 0), self.model)

    async def open(self, ready: Ready) -> Flow:
        """An order is not streamed."""
        raise RequestRejected("this kind of reply is not streamed")

    async def close(self) -> None:
        """There is nothing to release."""
