"""`/v1/images/generations`. Nobody here looks into a picture; its words of invitation pass the guard."""

from __future__ import annotations

from pydantic import Field

from touchstone.deployment.base import Kind
from touchstone.deployment.gateway.api.base import Form
from touchstone.deployment.gateway.api.pipeline import Pipeline
from touchstone.deployment.gateway.base import Incoming, Outgoing, Route
from touchstone.noun import Noun


class ImageBody(Noun):
    """A picture that is wanted."""

    model: str
    """The name of an endpoint."""
    prompt: str = Field(min_length=1)
    n: int | None = Field(default=None, ge=1, le=10)
    size: str | None = None
    quality: str | None = None
    style: str | None = None
    response_format: str | None = None
    background: str | None = None
    moderation: str | None = None
    output_format: str | None = None
    output_compression: int | None = None
    user: str | None = None
    """Never passed on."""


class ImageForm(Form):
    """Pictures as they are."""

    kind: Kind = "image"
    asks: Kind = "image"
    path = "/v1/images/generations"


def image_routes(pipeline: Pipeline) -> tuple[Route, ...]:
    """The one route of pictures."""
    form = ImageForm()

    async def draw(incoming: Incoming) -> Outgoing:
        return await pipeline.run(incoming, form)

    summary = "Pictures of what a prompt says."
    return (Route("POST", form.path, "infer", draw, summary, ImageBody, media="json", tag="models"),)
