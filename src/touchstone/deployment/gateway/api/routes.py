"""The routes of the API that speak of chat: chat completions, completions, responses."""

from __future__ import annotations

from touchstone.deployment.gateway.api.base import Form
from touchstone.deployment.gateway.api.bodies import ChatBody, CompletionBody, ResponseBody
from touchstone.deployment.gateway.api.chat import ChatForm
from touchstone.deployment.gateway.api.completions import CompletionForm
from touchstone.deployment.gateway.api.pipeline import Pipeline
from touchstone.deployment.gateway.api.responses import ResponseForm
from touchstone.deployment.gateway.base import Handler, Incoming, Outgoing, Route
from touchstone.noun import Noun

_TAG = "models"


def chat_routes(pipeline: Pipeline) -> tuple[Route, ...]:
    """Routes whose requests become questions to a chat model."""

    def handler(form: Form) -> Handler:
        async def handle(incoming: Incoming) -> Outgoing:
            return await pipeline.run(incoming, form)

        return handle

    def route(form: Form, body: type[Noun], summary: str) -> Route:
        return Route(
            "POST", form.path, "infer", handler(form), summary, request=body, media="json", streams=True, tag=_TAG
        )

    return (
        route(ChatForm(), ChatBody, "A measured recipe answers a conversation."),
        route(CompletionForm(), CompletionBody, "The same for a prompt without turns, in the older shape."),
        route(ResponseForm(), ResponseBody, "The same in the shape of responses; nothing is kept between requests."),
    )
