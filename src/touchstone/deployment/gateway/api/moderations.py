"""`/v1/moderations`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from touchstone.deployment.base import Kind
from touchstone.deployment.gateway.api.base import Form
from touchstone.deployment.gateway.api.pipeline import Pipeline
from touchstone.deployment.gateway.base import Incoming, Outgoing, Route
from touchstone.noun import Noun


class ModerationBody(Noun):
    """Texts that are to be judged."""

    model: str
    """The name of an endpoint; there is no default here."""
    input: str | Sequence[str] | Sequence[Mapping[str, Any]]
    user: str | None = None
    """Never passed on."""


class ModerationForm(Form):
    """Moderation as it is."""

    kind: Kind = "moderation"
    asks: Kind = "moderation"
    path = "/v1/moderations"


def moderation_routes(pipeline: Pipeline) -> tuple[Route, ...]:
    """The one route of moderation."""
    form = ModerationForm()

    async def judge(incoming: Incoming) -> Outgoing:
        return await pipeline.run(incoming, form)

    return (
        Route("POST", form.path, "infer", judge, "Whether texts may pass.", ModerationBody, media="json", tag="models"),
    )  # fmt: skip
