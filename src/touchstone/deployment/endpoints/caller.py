"""A model as an endpoint asks it: paid by the meter of the gateway, so that no journal stands between."""

from __future__ import annotations

from touchstone.catalog.base import Price
from touchstone.models.base import ChatModel, ChatRequest, Completion


class ServingCaller:
    """
    What a candidate asks while it is served; a `Caller` of the strategies.

    Args:
        model: Whom to ask.
    """

    def __init__(self, model: ChatModel) -> None:
        self.model = model

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def endpoint(self) -> str:
        """Identity of whom is asked."""
        return self.model.endpoint

    @property
    def price(self) -> Price | None:
        """As the model says it; what a request is charged stands in the version."""
        return self.model.price

    @property
    def paid(self) -> bool:
        """Whether a call may cost money."""
        return self.model.paid

    async def complete(self, request: ChatRequest) -> Completion:
        """The model's answer. Raises `ModelError`."""
        return self.model.read(await self.model.send(request))

    async def close(self) -> None:
        """Release connections."""
        await self.model.close()
