"""
Byte-level byte pair encoding, read from a `tokenizer.json`: text to token numbers and back, without a library.

The file is the one that the `tokenizers` library writes; a test holds both to the same numbers. The library itself
would bring a client for a model hub and its twelve distributions into every installation.

Text never becomes a special token here, whatever it spells: special tokens are only ever put in by number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from touchstone.errors import DataError

END, SYSTEM, USER, ASSISTANT = "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
SPECIAL = (END, SYSTEM, USER, ASSISTANT)
"""Special tokens of every model of ours, with the numbers 0 to 3."""

PATTERN = r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s"
"""Pieces within which bytes are merged. Digits stand alone, so that a number can be copied digit by digit."""

_MOST_BYTES = 4_000_000
_REMEMBERED_PIECES = 50_000


def byte_signs() -> dict[int, str]:
    """
    Byte to the visible character that stands for it in a vocabulary.

    As in GPT-2: printable bytes of Latin-1 stand for themselves, the others for characters from 256 on.
    """
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in set(visible)]
    return {**{byte: chr(byte) for byte in visible}, **{byte: chr(256 + place) for place, byte in enumerate(hidden)}}


class Tokens:
    """
    A vocabulary and its merges.

    Args:
        vocabulary: Token, its bytes written as signs, to its number.
        merges: Pairs of tokens that become one, the most important first.
    """

    def __init__(self, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
        import re2

        self.size = max(vocabulary.values()) + 1
        self._numbers = dict(vocabulary)
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}
        self._signs = byte_signs()
        bytes_of = {sign: byte for byte, sign in self._signs.items()}
        special = set(SPECIAL)
        self._bytes = {
            number: bytes(bytes_of[sign] for sign in token)
            for token, number in vocabulary.items()
            if token not in special
        }
        self._pattern = re2.compile(PATTERN)
        self._piece = lru_cache(maxsize=_REMEMBERED_PIECES)(self._merged)
        self.special = {name: self._numbers[name] for name in SPECIAL}
        """Special token to its number."""

    @classmethod
    def read(cls, path: Path) -> Tokens:
        """
        The tokens of a `tokenizer.json`.

        Raises:
            DataError: the file is too large, or is no byte-level BPE of ours.
        """
        if path.stat().st_size > _MOST_BYTES:
            raise DataError("the tokenizer is larger than {most:,} bytes", path=path, most=_MOST_BYTES)
        try:
            return cls.of(orjson.loads(path.read_bytes()))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                "this is not a byte-level BPE tokenizer of Touchstone: {reason}", path=path, reason=error
            ) from error

    @classmethod
    def of(cls, read: Mapping[str, Any]) -> Tokens:
        """The tokens of a parsed `tokenizer.json`. Raises `ValueError` and the like for anything else."""
        model = read["model"]
        split = read["pre_tokenizer"]["pretokenizers"][0]
        if model["type"] != "BPE" or split["type"] != "Split" or split["pattern"] != {"Regex": PATTERN}:
            raise ValueError("its pieces are cut another way")
        merges = [tuple(pair.split(" ")) if isinstance(pair, str) else tuple(pair) for pair in model["merges"]]
        added = {token["content"]: token["id"] for token in read["added_tokens"]}
        return cls({**model["vocab"], **added}, [(first, second) for first, second in merges])

    def encode(self, text: str) -> list[int]:
        """Token numbers of a text; none of them is special."""
        numbers: list[int] = []
        for piece in self._pattern.findall(text):
            numbers.extend(self._piece(piece))
        return numbers

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of tokens; special ones say nothing, and bytes that are no text become the replacement sign."""
        return b"".join(self._bytes.get(number, b"") for number in numbers).decode("utf-8", errors="replace")

    def _merged(self, piece: str) -> tuple[int, ...]:
        parts = [self._signs[byte] for byte in piece.encode()]
        while len(parts) > 1:
            ranked = [(self._ranks.get(pair, len(self._ranks)), place) for place, pair in enumerate(pairwise(parts))]
            rank, place = min(ranked)
            if rank == len(self._ranks):
                break
            first, second = parts[place], parts[place + 1]
            merged: list[str] = []
            at = 0
            while at < len(parts):  # every place where this pair stands, as the reference does
                if at + 1 < len(parts) and parts[at] == first and parts[at + 1] == second:
                    merged.append(first + second)
                    at += 2
                else:
                    merged.append(parts[at])
                    at += 1
            parts = merged
        return tuple(self._numbers[part] for part in parts)


def render(
    tokens: Tokens, turns: Iterable[tuple[str, str]], *, open_ended: bool = False
) -> tuple[list[int], list[bool]]:
    """
    A conversation as tokens.

    Args:
        tokens: The vocabulary.
        turns: (role, text); the roles are system, user and assistant.
        open_ended: Whether the assistant's next turn begins at the end.

    Returns:
        (token numbers, for each whether it belongs to what the assistant says, its end included).
    """
    roles = {"system": tokens.special[SYSTEM], "user": tokens.special[USER], "assistant": tokens.special[ASSISTANT]}
    numbers: list[int] = []
    said: list[bool] = []
    for role, text in turns:
        own = [*tokens.encode(text), tokens.special[END]]
        numbers += [roles[role], *own]
        said += [False, *([role == "assistant"] * len(own))]
    if open_ended:
        numbers.append(tokens.special[ASSISTANT])
        said.append(False)
    return numbers, said
