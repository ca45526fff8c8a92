"""The process that runs a folder of weights with torch: one JSON line asks, one answers."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import orjson

from touchstone.errors import TouchstoneError
from touchstone.models.local.confine import confine
from touchstone.models.starter.write import TooLong


def main(folder: Path) -> None:
    """Answer until standard input ends."""
    confine()
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    from touchstone.models.local.write import LocalNetwork

    network: LocalNetwork | None = None
    for line in asked:
        try:
            network = network or LocalNetwork(folder)
            found = _answer(network, orjson.loads(line))
        except TooLong as error:
            found = {"too_long": [error.tokens, error.most]}
        except TouchstoneError as error:
            found = {"error": str(error)}
        except MemoryError:
            found = {"error": "there is not enough memory"}
        except Exception as error:  # noqa: BLE001 - whatever a library stumbles over is this request's error, and told
            found = {"error": f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:300]}"}
        answers.write(orjson.dumps(found) + b"\n")
        answers.flush()


def _answer(network: Any, asked: dict[str, Any]) -> dict[str, Any]:
    if not network.labels:
        if network.family == "encoder-only":
            return {"error": "this encoder has no labels; train it on cases first"}
        return dict(network.write(**{key: value for key, value in asked.items() if key != "json"})._asdict())
    chances, tokens, seconds = network.classify(asked["turns"])
    likeliest = next(iter(chances))
    text = likeliest
    if asked["json"]:
        text = orjson.dumps({"label": likeliest, "probabilities": chances}).decode()
    return {
        "text": text,
        "input_tokens": tokens,
        "output_tokens": 1,
        "finish": "stop",
        "first_token_s": seconds,
        "latency_s": seconds,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
