"""
The process that loads weights and writes, for `serve_weights`: one JSON line asks, several answer.

It is confined as those of trials are (`models/local/confine.py`), and writes with what writes there, so that the same
request has the same answer. A piece of text is told as soon as its token is fed back: by PyTorch's own hook before the
network runs, or by a decoder that looks at what it is given.

Asked: `{"id": 1, "turns": [...], ...}`, or `{"leave": 1}`. Told: `{"loaded": {...}}` once, then `{"id", "piece"}` and
at the end `{"id", "done": {...}}`, `{"id", "too_long": [tokens, most]}` or `{"id", "error": "..."}`.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import orjson

from touchstone.deployment.compute.adapters import with_adapter
from touchstone.deployment.compute.telling import Stopped, Telling
from touchstone.errors import TouchstoneError
from touchstone.models.local.confine import confine
from touchstone.models.starter.write import TooLong

Tell = Callable[[dict[str, Any]], None]


class Writer(Protocol):
    """Weights that were loaded."""

    context: int
    """Tokens, input and output together."""

    def listen(self, heard: Callable[[int], None] | None) -> None:
        """Whom to call with each token that is fed back, from the next answer on."""
        ...

    def decode(self, numbers: Sequence[int]) -> str:
        """Tokens as text."""
        ...

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a `Written`. Raises `TooLong`, and `TouchstoneError` where it cannot answer at all."""
        ...


class StarterWriter:
    """A decoder on NumPy."""

    def __init__(self, folder: Path) -> None:
        from touchstone.models.starter.folder import read_model

        self._decoder, self._tokens = read_model(folder)
        self.context = self._decoder.sizes.max_position_embeddings
        self.decode = self._tokens.decode
        self._heard: Callable[[int], None] | None = None

    def listen(self, heard: Callable[[int], None] | None) -> None:
        """As `Writer` has it."""
        self._heard = heard

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """As `Writer` has it."""
        from touchstone.models.starter.network import Decoder
        from touchstone.models.starter.write import write

        listening = cast("Decoder", _ListeningDecoder(self._decoder, self._heard))
        return write(listening, self._tokens, **_without(asked, "json"))._asdict()


class _ListeningDecoder:
    """A decoder that tells the tokens which it is given after the first time, when it is given the conversation."""

    def __init__(self, decoder: Any, heard: Callable[[int], None] | None) -> None:
        self.sizes = decoder.sizes
        self._decoder = decoder
        self._heard = heard
        self._begun = False

    def logits(self, numbers: list[int], cache: Any) -> Any:
        if self._begun and self._heard is not None:
            self._heard(numbers[-1])
        self._begun = True
        return self._decoder.logits(numbers, cache)


class NetworkWriter:
    """A network of `transformers`, with an adapter where there is one."""

    def __init__(self, folder: Path, adapter: Path | None) -> None:
        from touchstone.models.local.write import LocalNetwork

        self._network = LocalNetwork(folder)
        if adapter is not None:
            self._network.network = with_adapter(self._network.network, adapter)
        self.context = self._network.context
        self.decode = self._network.words.text
        self._heard: Callable[[int], None] | None = None
        self._begun = False
        self._network.network.register_forward_pre_hook(self._before, with_kwargs=True)

    def listen(self, heard: Callable[[int], None] | None) -> None:
        """As `Writer` has it."""
        self._heard = heard

    def _before(self, _network: Any, _given: Any, named: dict[str, Any]) -> None:
        # (1, tokens): the conversation first, or where a decoder begins; then the token that was chosen last.
        numbers = named.get("decoder_input_ids", named.get("input_ids"))
        if self._begun and self._heard is not None and numbers is not None:
            self._heard(int(numbers[0, -1]))
        self._begun = True

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """As `Writer` has it."""
        self._begun = False
        network = self._network
        if not network.labels:
            if network.family == "encoder-only":
                raise TouchstoneError("this encoder has no labels; train it on cases first")
            return network.write(**_without(asked, "json"))._asdict()
        chances, tokens, seconds = network.classify(asked["turns"])
        likeliest = next(iter(chances))
        as_json = orjson.dumps({"label": likeliest, "probabilities": chances}).decode()
        return {
            "text": as_json if asked["json"] else likeliest,
            "input_tokens": tokens,
            "output_tokens": 1,
            "finish": "stop",
            "first_token_s": seconds,
            "latency_s": seconds,
        }


def _without(asked: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in asked.items() if key != name}


def main(kind: str, folder: Path, adapter: Path | None) -> None:
    """Load, and answer until standard input ends."""
    confine()
    lines = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer

    def tell(what: dict[str, Any]) -> None:
        lines.write(orjson.dumps(what) + b"\n")
        lines.flush()

    inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    stopped: set[int] = set()
    threading.Thread(target=_read, args=(inbox, stopped), daemon=True, name="reading what is asked").start()
    try:
        writer: Writer = StarterWriter(folder) if kind == "starter" else NetworkWriter(folder, adapter)
    except (TouchstoneError, MemoryError) as error:
        tell({"refused": str(error) or "there is not enough memory"})
        return
    tell({"loaded": {"context": writer.context}})
    while True:
        asked = inbox.get()
        number = int(asked.pop("id"))
        answer(writer, number, asked, tell, lambda number=number: number in stopped)  # type: ignore[misc]  # a default that binds the value has no type
        stopped.discard(number)


def _read(inbox: queue.SimpleQueue[dict[str, Any]], stopped: set[int]) -> None:
    try:
        for line in sys.stdin.buffer:
            asked = orjson.loads(line)
            if "leave" in asked:
                stopped.add(asked["leave"])
            else:
                inbox.put(asked)
    finally:
        os._exit(0)  # whoever asked is gone, and an answer under way is for nobody


def answer(writer: Writer, number: int, asked: dict[str, Any], tell: Tell, stopped: Callable[[], bool]) -> None:
    """Answer one request; whatever goes wrong is told as its end."""
    telling: Telling | None = None
    if asked.pop("stream"):
        telling = Telling(
            writer.decode,
            stop=asked["stop"],
            tell=lambda piece: tell({"id": number, "piece": piece}),
            stopped=stopped,
        )

    def heard(token: int) -> None:
        if telling is not None:
            telling.hear(token)
        elif stopped():
            raise Stopped

    writer.listen(heard)
    try:
        if stopped():
            raise Stopped
        found = writer.answer(asked)
        if telling is not None and not telling.end(found["text"]):
            tell({"id": number, "error": "the pieces of the answer are not its text"})
            return
        tell({"id": number, "done": found})
    except Stopped:
        tell({"id": number, "error": "stopped"})
    except TooLong as error:
        tell({"id": number, "too_long": [error.tokens, error.most]})
    except TouchstoneError as error:
        tell({"id": number, "error": str(error)})
    except MemoryError:
        tell({"id": number, "error": "there is not enough memory"})
    except Exception as error:  # noqa: BLE001 - whatever a library stumbles over is this request's error, and told
        line = (str(error).strip().splitlines() or [""])[0][:300]
        tell({"id": number, "error": f"{type(error).__name__}: {line}"})


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
