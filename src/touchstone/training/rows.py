"""Training rows as flat arrays: token numbers, which of them count, and where each row begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from touchstone.errors import DataError

_WINDOW = 50
"""So many batches are sorted by length together: little padding, and still a mixed order."""
_MOST_16 = 2**16 - 1
"""The vocabularies of some models are larger than 16 bits."""


Numbers = NDArray[np.unsignedinteger[Any]]
"""Token numbers: 16 bits wide where every one fits into them, since a training may have many millions; else 32."""


@dataclass(frozen=True)
class Rows:
    """Rows of tokens, one after another."""

    tokens: Numbers
    """(all tokens,)"""
    said: NDArray[np.bool_]
    """(all tokens,): whether a token is one that the model shall learn to write, not only to read."""
    starts: NDArray[np.int64]
    """(rows + 1,): where each row begins, and the end of the last."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row."""
        return np.diff(self.starts)

    def row(self, place: int) -> tuple[Numbers, NDArray[np.bool_]]:
        """(tokens, said) of one row."""
        span = slice(self.starts[place], self.starts[place + 1])
        return self.tokens[span], self.said[span]

    def write(self, folder: Path) -> None:
        """Keep the rows in a folder of their own."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("tokens", "said", "starts"):
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def read(cls, folder: Path) -> Rows:
        """
        Rows that were written before, read by memory map.

        Raises:
            DataError: the folder does not hold rows.
        """
        try:
            arrays = {
                name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in ("tokens", "said", "starts")
            }
        except (OSError, ValueError) as error:
            raise DataError("these are no training rows: {reason}", path=folder, reason=error) from error
        return cls(**arrays)


def rows_of(rendered: Iterable[tuple[list[int], list[bool]]], *, longest: int) -> Rows:
    """
    Rows from (tokens, said) pairs.

    Args:
        rendered: As `render` gives them.
        longest: Tokens that a model can take; longer rows are cut at the end.
    """
    tokens: list[Numbers] = []
    said: list[NDArray[np.bool_]] = []
    starts = [0]
    for numbers, own in rendered:
        kept = np.array(numbers[:longest], np.uint32)
        tokens.append(kept.astype(np.uint16) if not len(kept) or kept.max() <= _MOST_16 else kept)
        said.append(np.array(own[:longest], np.bool_))
        starts.append(starts[-1] + len(tokens[-1]))
    if not tokens:
        return Rows(np.empty(0, np.uint16), np.empty(0, np.bool_), np.zeros(1, np.int64))
    return Rows(np.concatenate(tokens), np.concatenate(said), np.array(starts, np.int64))


def joined(parts: Iterable[Rows]) -> Rows:
    """The rows of several parts, in their order."""
    parts = list(parts)
    offsets = np.cumsum([0, *(len(part.tokens) for part in parts)])
    return Rows(
        np.concatenate([part.tokens for part in parts]),
        np.concatenate([part.said for part in parts]),
        np.concatenate([[0], *(part.starts[1:] + offset for part, offset in zip(parts, offsets, strict=False))]),
    )


def batches(rows: Rows, *, batch_tokens: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """
    The rows of every batch of an epoch, in the order in which they are learned; the same for the same arguments.

    A batch holds rows of like length, and at most `batch_tokens` tokens with its padding; a longer row stands alone.
    """
    lengths = rows.lengths
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(rows))
    found: list[NDArray[np.int64]] = []
    mean = max(1.0, float(lengths.mean())) if len(rows) else 1.0
    window = max(1, int(_WINDOW * batch_tokens / mean))
    for first in range(0, len(order), window):
        part = order[first : first + window]
        part = part[np.argsort(lengths[part], kind="stable")]
        found.extend(_filled(part, lengths, batch_tokens))
    return [found[place] for place in rng.permutation(len(found))]


def _filled(part: NDArray[np.int64], lengths: NDArray[np.int64], batch_tokens: int) -> Iterator[NDArray[np.int64]]:
    begin = 0
    while begin < len(part):
        end = begin + 1
        while end < len(part) and lengths[part[end]] * (end + 1 - begin) <= batch_tokens:
            end += 1
        yield part[begin:end]
        begin = end


def padded(rows: Rows, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """
    A batch as rectangles.

    Returns:
        (tokens, weights), both (rows, longest): padding is token 0; weights are 0 for padding and for each row's first
        token, 1 for what is read, 2 for what is said.
    """
    longest = int(rows.lengths[chosen].max())
    tokens = np.zeros((len(chosen), longest), np.int64)
    weights = np.zeros((len(chosen), longest), np.int64)
    for place, row in enumerate(chosen):
        own, said = rows.row(int(row))
        tokens[place, : len(own)] = own
        weights[place, : len(own)] = 1 + said
    weights[:, 0] = 0
    return tokens, weights
