"""
Model kind `starter`: the small models that ship with the package, and others of their kind from a folder.

`starter/s`, `starter/m`, `starter/l`, or `starter` with `folder: my-model`. No key, no network, no torch.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from touchstone.catalog.base import Price
from touchstone.errors import RequestRejected, SettingsError, UnknownName
from touchstone.models.base import ChatRequest, Completion, Message, Reply
from touchstone.models.chat_reply import read_reply
from touchstone.models.starter.folder import CONFIG, SHIPPED, TOKENIZER, WEIGHTS
from touchstone.models.starter.pool import Pool, pool_here
from touchstone.models.written import drawing, reply_of, text_of

SIZES = ("s", "m", "l")
MOST_OUTPUT_TOKENS = 128
"""Where nobody says how long an answer may be: these models answer in a sentence."""

_FREE = Price(input_usd=0.0, output_usd=0.0, source="this machine")


class StarterModel:
    """
    A small decoder in processes of its own on this machine.

    Args:
        served_name: `s`, `m` or `l`; any name with `folder`.
        name: What people call it.
        folder: A model folder of the same kind: config.json, model.safetensors, tokenizer.json.
        price: What an answer costs on this machine, as in the task file; nothing by default.

    Raises:
        UnknownName: there is no such size.
        SettingsError: the folder is none.
    """

    paid = True
    """Journalled like a server's: an answer takes time, and a run that is killed must not ask for it again."""

    def __init__(
        self, served_name: str = "s", *, name: str | None = None, folder: str | None = None, price: Price | None = None
    ) -> None:
        if folder is None and served_name not in SIZES:
            raise UnknownName(kind="starter model", name=served_name, known=SIZES)
        self.served_name = served_name
        self.name = name or f"starter/{served_name}"
        self.folder = folder
        self.price = price or _FREE
        self._place = SHIPPED / served_name if folder is None else Path(folder).resolve()
        if not self._place.is_dir():
            raise SettingsError("the model folder {folder} does not exist; mend the path", folder=str(self._place))
        self.endpoint = f"starter/1|{served_name}|{_digest(self._place)}"
        self._pool: Pool | None = None

    @property
    def weights(self) -> Path:
        """The folder of its weights."""
        return self._place

    async def send(self, request: ChatRequest) -> Reply:
        """
        Ask once.

        Raises:
            RequestRejected: the conversation is too long, or holds more than text.
            ProviderFailed: the process ended.
        """
        turns = [(_role(message), text_of(message, self.name)) for message in request.messages]
        if self._pool is None:
            self._pool = pool_here()
        asked: dict[str, Any] = {
            "folder": str(self._place),
            "turns": turns,
            "max_tokens": request.max_tokens or MOST_OUTPUT_TOKENS,
            **drawing(request),
        }
        found = await self._pool.ask(asked)
        return reply_of(found, self.name, self.served_name)

    def read(self, reply: Reply) -> Completion:
        """What a reply says."""
        return read_reply(reply, place=self.name, price=self.price)

    async def close(self) -> None:
        """Let the processes go once nobody else uses them; may be called twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.release()


def _role(message: Message) -> str:
    if message.role == "developer":
        return "system"
    if message.role == "tool":
        raise RequestRejected("the starter models know no tools")
    return message.role


def _digest(place: Path) -> str:
    """Of everything that decides what is written, so that stored answers are not taken for another model's."""
    digest = hashlib.blake2b(digest_size=8)
    for name in (CONFIG, WEIGHTS, TOKENIZER):
        file = place / name if (place / name).exists() else place.parent / name
        try:
            digest.update(file.read_bytes())
        except OSError as error:
            raise SettingsError(
                "the model folder {folder} has no {name} that can be read; mend it or name another",
                folder=str(place),
                name=name,
            ) from error
    return digest.hexdigest()
