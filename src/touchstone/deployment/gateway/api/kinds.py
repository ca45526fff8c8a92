"""The routes of the API beside chat, each of them in front of the same pipeline."""

from __future__ import annotations

from touchstone.deployment.gateway.api.audio import TranscriptionRoutes
from touchstone.deployment.gateway.api.embeddings import embedding_routes
from touchstone.deployment.gateway.api.images import image_routes
from touchstone.deployment.gateway.api.moderations import moderation_routes
from touchstone.deployment.gateway.api.pipeline import Pipeline
from touchstone.deployment.gateway.api.rerank import rerank_routes
from touchstone.deployment.gateway.base import Route


def kind_routes(pipeline: Pipeline) -> tuple[Route, ...]:
    """Embeddings, pictures, transcripts, moderation, reranking."""
    return (
        *embedding_routes(pipeline),
        *image_routes(pipeline),
        *TranscriptionRoutes(pipeline).routes(),
        *moderation_routes(pipeline),
        *rerank_routes(pipeline),
    )
