"""Whether what is asked fits into what a small model reads, worked out before anybody is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from touchstone.errors import DataError, RequestRejected
from touchstone.models.base import ChatRequest
from touchstone.models.local.model import LocalModel
from touchstone.models.local.weights_kind import family_of, read_config
from touchstone.models.starter.folder import SHIPPED
from touchstone.models.starter.model import StarterModel
from touchstone.models.written import text_of
from touchstone.strategies.row_lengths import turn_counter
from touchstone.workspace.base import TooLong


class Room:
    """
    Counts the requests that a decoder cannot read.

    Args:
        count: (role, text) to the tokens of a turn.
        most: Tokens that it reads; one more must be left to write.
    """

    def __init__(self, count: Callable[[str, str], int], most: int) -> None:
        self._count = count
        self._most = most
        self._calls = 0
        self._longest = 0

    def look(self, request: ChatRequest, size_bytes: int) -> None:
        """
        Look at a request that would be sent.

        Args:
            size_bytes: Of its texts; a token stands for at least one byte, so what is short enough in bytes fits.
        """
        if size_bytes + 3 * len(request.messages) < self._most:
            return
        try:
            turns = [(turn.role, text_of(turn, "")) for turn in request.messages]
            # One more begins the turn of the assistant.
            tokens = 1 + sum(self._count("system" if role == "developer" else role, text) for role, text in turns)
        except (RequestRejected, KeyError):
            return  # refused for another reason
        self._calls += tokens > self._most
        self._longest = max(self._longest, tokens)

    def found(self) -> TooLong | None:
        """What was counted; None where everything fits."""
        return TooLong(calls=self._calls, most=self._most, longest=self._longest) if self._calls else None


def room_of(model: object) -> Room | None:
    """The room of a model of ours; None where nobody here knows its vocabulary, or it reads otherwise."""
    if isinstance(model, StarterModel):
        folder = SHIPPED / model.served_name if model.folder is None else Path(model.folder)
    elif isinstance(model, LocalModel):
        folder = Path(model.folder)
    else:
        return None
    count = turn_counter(folder)
    try:
        config = read_config(folder)
        context = config.get("max_position_embeddings")
        if count is None or family_of(config) != "decoder-only" or not isinstance(context, int):
            return None
    except (DataError, OSError):
        return None
    return Room(count, context - 1)
