"""`/v1/rerank`, as Cohere's and Jina's clients speak it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from touchstone.deployment.base import Kind
from touchstone.deployment.gateway.api.base import Form
from touchstone.deployment.gateway.api.pipeline import Pipeline
from touchstone.deployment.gateway.base import Incoming, Outgoing, Route
from touchstone.noun import Noun


class RerankBody(Noun):
    """Documents that are to be put in order."""

    model: str
    """The name of an endpoint."""
    query: str = Field(min_length=1)
    documents: Sequence[str | Mapping[str, Any]] = Field(min_length=1)
    top_n: int | None = Field(default=None, ge=1)
    return_documents: bool | None = None
    max_tokens_per_doc: int | None = Field(default=None, ge=1)
    rank_fields: Sequence[str] | None = None
    user: str | None = None
    """Never passed on."""


class RerankForm(Form):
    """An order as it is."""

    kind: Kind = "rerank"
    asks: Kind = "rerank"
    path = "/v1/rerank"


def rerank_routes(pipeline: Pipeline) -> tuple[Route, ...]:
    """The one route of reranking."""
    form = RerankForm()

    async def rank(incoming: Incoming) -> Outgoing:
        return await pipeline.run(incoming, form)

    summary = "Documents in the order of their use for a query."
    return (Route("POST", form.path, "infer", rank, summary, RerankBody, media="json", tag="models"),)
