"""`/v1/embeddings`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from touchstone.deployment.base import Kind
from touchstone.deployment.gateway.api.base import Form
from touchstone.deployment.gateway.api.pipeline import Pipeline
from touchstone.deployment.gateway.base import Incoming, Outgoing, Route
from touchstone.noun import Noun


class EmbeddingBody(Noun):
    """Texts whose vectors are wanted."""

    model: str
    """The name of an endpoint."""
    input: str | Sequence[str]
    """One text or several; token numbers only where a provider is asked and no guard looks."""
    dimensions: int | None = Field(default=None, ge=1)
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None
    """Never passed on."""


class EmbeddingForm(Form):
    """Embeddings as they are."""

    kind: Kind = "embedding"
    asks: Kind = "embedding"
    path = "/v1/embeddings"


def embedding_routes(pipeline: Pipeline) -> tuple[Route, ...]:
    """The one route of embeddings."""
    form = EmbeddingForm()

    async def embed(incoming: Incoming) -> Outgoing:
        return await pipeline.run(incoming, form)

    return (
        Route("POST", form.path, "infer", embed, "Vectors of texts.", EmbeddingBody, media="json", tag="models"),
    )  # fmt: skip
