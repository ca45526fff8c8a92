"""
Model kind `local`: weights in a folder on this machine, run with torch (extra `train`) in a process of their own.

`local/NAME` with `folder: my-model`. A decoder continues the conversation, an encoder-decoder writes an answer to it,
an encoder with a head for labels says one; asked for JSON, it says with which probabilities.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from touchstone.catalog.base import Price
from touchstone.errors import DataError, RequestRejected, SettingsError
from touchstone.models.base import ChatRequest, Completion, Message, Reply
from touchstone.models.chat_reply import read_reply
from touchstone.models.local.process import DEADLINE_S, LocalProcess
from touchstone.models.local.weights_folder import check_weights_folder
from touchstone.models.written import drawing, reply_of, text_of

_FREE = Price(input_usd=0.0, output_usd=0.0, source="this machine")


class LocalModel:
    """
    A network in a process of its own on this machine.

    Args:
        served_name: What it is called; any name.
        folder: Of the weights: config.json, safetensors, tokenizer.
        name: What people call it.
        price: What an answer costs on this machine, as in the task file; nothing by default.
        memory_gb: Most memory of its process; None sets no limit.
        deadline_s: Seconds after which an answer is given up.

    Raises:
        SettingsError: the folder cannot be trusted or is none.
    """

    paid = True
    """Journalled like a server's: an answer takes time, and a run that is killed must not ask for it again."""

    def __init__(
        self,
        served_name: str,
        *,
        folder: str,
        name: str | None = None,
        price: Price | None = None,
        memory_gb: float | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.served_name = served_name
        self.folder = folder
        self.name = name or f"local/{served_name}"
        self.price = price or _FREE
        place = Path(folder).resolve()
        try:
            check_weights_folder(place)
        except DataError as error:
            raise SettingsError("{model} cannot be used: {reason}", model=self.name, reason=error) from error
        self.endpoint = f"local/1|{served_name}|{folder_digest(place)[:16]}"
        memory_bytes = None if memory_gb is None else round(memory_gb * 2**30)
        self._process = LocalProcess(place, memory_bytes=memory_bytes, deadline_s=deadline_s)

    @property
    def weights(self) -> Path:
        """The folder of its weights."""
        return Path(self.folder).resolve()

    async def send(self, request: ChatRequest) -> Reply:
        """
        Ask once.

        Raises:
            RequestRejected: the conversation is too long, or holds more than text; the folder cannot be loaded.
            ProviderFailed: the process ended.
        """
        asked: dict[str, Any] = {
            "turns": [(_role(message), text_of(message, self.name)) for message in request.messages],
            "max_tokens": request.max_tokens,
            **drawing(request),
            "json": request.response_format is not None,
        }
        found = await self._process.ask(asked)
        return reply_of(found, self.name, self.served_name)

    def read(self, reply: Reply) -> Completion:
        """What a reply says."""
        return read_reply(reply, place=self.name, price=self.price)

    async def close(self) -> None:
        """End the process; may be called twice."""
        await self._process.close()


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files, so that a folder is known again wherever it lies."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as opened:
            while part := opened.read(2**20):
                digest.update(part)
    return digest.hexdigest()


def _role(message: Message) -> str:
    if message.role == "tool":
        raise RequestRejected("a model from a folder knows no tools here")
    return "system" if message.role == "developer" else message.role
