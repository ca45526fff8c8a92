"""Writing with a decoder: one token after another, the likeliest or drawn."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from touchstone.models.starter.network import Cache, Decoder
from touchstone.models.starter.tokens import END, Tokens, render


class Written(NamedTuple):
    """What a model wrote."""

    text: str
    input_tokens: int
    output_tokens: int
    """The sign that it is done included."""
    finish: str
    """stop or length"""
    first_token_s: float
    latency_s: float


class TooLong(ValueError):
    """The conversation leaves no room to answer."""

    def __init__(self, tokens: int, most: int) -> None:
        super().__init__(f"{tokens} tokens of at most {most}")
        self.tokens, self.most = tokens, most


def write(
    decoder: Decoder,
    tokens: Tokens,
    turns: Sequence[tuple[str, str]],
    *,
    max_tokens: int | None = None,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
    stop: Sequence[str] = (),
) -> Written:
    """
    The assistant's next turn.

    Args:
        decoder: Who writes.
        tokens: Its vocabulary.
        turns: (role, text) so far.
        max_tokens: Most tokens to write; the room that the context leaves, where it is less or nothing is said.
        temperature: 0 for the likeliest token each time.
        top_p: The smallest set of tokens that holds this share of the chance is drawn from (Holtzman et al. 2020,
            arXiv:1904.09751).
        seed: Of the draws.
        stop: Texts before which writing ends.

    Raises:
        TooLong: there is no room for one token.
    """
    started = perf_counter()
    numbers, _ = render(tokens, turns, open_ended=True)
    room = decoder.sizes.max_position_embeddings - len(numbers)
    if room < 1:
        raise TooLong(len(numbers), decoder.sizes.max_position_embeddings - 1)
    most = room if max_tokens is None else min(room, max_tokens)
    rng = np.random.default_rng(seed)
    cache = Cache(decoder.sizes, len(numbers) + most)
    scores = decoder.logits(numbers, cache)
    first_token_s = perf_counter() - started
    out: list[int] = []
    finish, text = "length", ""
    while len(out) < most:
        number = _chosen(scores, temperature, top_p, rng)
        out.append(number)
        if number == tokens.special[END]:
            finish = "stop"
            break
        if stop:
            text = tokens.decode(out)
            place = min((at for at in (text.find(one) for one in stop) if at >= 0), default=-1)
            if place >= 0:
                return Written(text[:place], len(numbers), len(out), "stop", first_token_s, perf_counter() - started)
        if len(out) < most:
            scores = decoder.logits([number], cache)
    return Written(tokens.decode(out), len(numbers), len(out), finish, first_token_s, perf_counter() - started)


def _chosen(scores: NDArray[np.float32], temperature: float, top_p: float, rng: np.random.Generator) -> int:
    if temperature <= 0:
        return int(scores.argmax())
    chances = np.exp((scores - scores.max()).astype(np.float64) / temperature)
    chances /= chances.sum()
    order = np.argsort(-chances, kind="stable")
    kept = order[: int(np.searchsorted(np.cumsum(chances[order]), min(top_p, 1.0))) + 1]
    return int(rng.choice(kept, p=chances[kept] / chances[kept].sum()))
