"""
The process that loads weights and writes: one JSON line asks, one answers.

It has no keys in its environment, and limits on memory and open files; the process that asks stays responsive and is
not at the mercy of a model folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson

from touchstone.errors import TouchstoneError
from touchstone.models.starter.folder import read_model
from touchstone.models.starter.network import Decoder
from touchstone.models.starter.tokens import Tokens
from touchstone.models.starter.write import TooLong, write

MEMORY_BYTES = 4 * 2**30
OPEN_FILES = 64


def main() -> None:
    """Answer until standard input ends."""
    _limit()
    loaded: dict[str, tuple[Decoder, Tokens]] = {}
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(orjson.dumps(_answer(orjson.loads(line), loaded)) + b"\n")
        sys.stdout.buffer.flush()


def _answer(asked: dict[str, Any], loaded: dict[str, tuple[Decoder, Tokens]]) -> dict[str, Any]:
    folder = asked.pop("folder")
    try:
        if folder not in loaded:
            loaded[folder] = read_model(Path(folder))
        decoder, tokens = loaded[folder]
        return write(decoder, tokens, **asked)._asdict()
    except TooLong as error:
        return {"too_long": [error.tokens, error.most]}
    except TouchstoneError as error:
        return {"error": str(error)}


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _soft, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    main()
