"""A model that is served as it is: every kind of request that its provider answers, chat and the others."""

from __future__ import annotations

from touchstone.catalog.base import Price
from touchstone.deployment.base import Answered, Asked, Flow, Kind, Ready
from touchstone.deployment.endpoints.passed_on import PassedOn
from touchstone.deployment.endpoints.served import PassedThrough


class WholeProvider:
    """
    As an `Upstream`: chat by its recipe, everything else passed on.

    Which kinds a model has only its provider knows, and says so in a reply.

    Args:
        chat: Answers chat.
        others: Answers the rest, on the same connections.
    """

    def __init__(self, chat: PassedThrough, others: PassedOn) -> None:
        self._chat = chat
        self._others = others
        self.model = chat.model
        self.price: Price | None = chat.price
        self.kinds: frozenset[Kind] = chat.kinds | others.kinds

    def _of(self, asked: Asked) -> PassedThrough | PassedOn:
        return self._chat if asked.kind in self._chat.kinds else self._others

    async def prepare(self, asked: Asked) -> Ready:
        """Understand a request. Raises `RequestRejected`."""
        return await self._of(asked).prepare(asked)

    async def answer(self, ready: Ready) -> Answered:
        """The whole reply. Raises `ModelError`."""
        return await self._of(ready.asked).answer(ready)

    async def open(self, ready: Ready) -> Flow:
        """The reply as it comes. Raises `ModelError`."""
        return await self._of(ready.asked).open(ready)

    async def close(self) -> None:
        """Release connections."""
        await self._chat.close()
