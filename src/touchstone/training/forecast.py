"""
What a training will take, before it is begun: memory, time, money; and what real sizes would take.

Rules of thumb with their sources, each good to about a factor of two; a few timed steps on the machine itself are
better where there is one, and a measured training better still.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from touchstone.language import N_
from touchstone.noun import Noun
from touchstone.training.networks import Family, NetworkSizes

TOKENS_A_PARAMETER = 20
"""Of a new network, for the least loss with a given amount of computing (Hoffmann et al. 2022, arXiv:2203.15556)."""

REAL_SIZES: dict[str, float] = {"1B": 1e9, "7B": 7e9, "70B": 70e9}
"""Parameters of what people mean by a model, to stand beside the forecast of a small one."""

_FOUR = 4
"""Bytes of a float32; weights, gradients and moments are kept so (`models.local.networks.load_network`)."""
_RUNTIME_BYTES = 400 * 10**6
"""Of Python, torch and transformers before anything is loaded: 390 to 410 MB seen with torch 2.13 on a processor."""


class Device(Noun):
    """Where a training runs, as people state it."""

    name: str
    """What it is called: `NVIDIA H100`, `this machine`."""
    flops: float | None = Field(default=None, gt=0)
    """Floating-point operations a second that a training really gets out of it; None where nobody knows."""
    tokens_per_s: float | None = Field(default=None, gt=0)
    """Tokens a second, measured with this very model; better than `flops` where it is known."""
    usd_per_hour: float | None = Field(default=None, ge=0)
    """None where nobody says; not free."""
    memory_bytes: float | None = Field(default=None, gt=0)


H100 = Device(name=N_("NVIDIA H100 at 40 % of its peak"), flops=0.4 * 989e12, memory_bytes=80e9)
"""
989 teraflops of bfloat16 without sparsity (NVIDIA H100 SXM data sheet); 38 to 43 % of the peak is what the Llama 3 team
got out of them (Grattafiori et al. 2024, arXiv:2407.21783, table 4).
"""


class Shape(Noun):
    """What of a network decides how much room and time it takes."""

    parameters: int = Field(ge=1)
    trained_parameters: int = Field(ge=0)
    layers: int = Field(ge=1)
    width: int = Field(ge=1)
    inner: int = Field(ge=1)
    heads: int = Field(ge=1)
    vocabulary: int = Field(ge=1)


class Memory(Noun):
    """Bytes at the most, by what needs them."""

    weights: float
    gradients: float
    optimiser: float
    """Two moments of each number that learns (AdamW; Kingma and Ba 2014, arXiv:1412.6980)."""
    activations: float
    """What the way back needs of the way there."""
    scores: float
    """Of every token of a batch for every token of the vocabulary, with their gradient."""
    runtime: float

    @property
    def total(self) -> float:
        """All together."""
        return self.weights + self.gradients + self.optimiser + self.activations + self.scores + self.runtime


class Forecast(Noun):
    """What a training will take; None where nobody can say."""

    parameters: int
    trained_parameters: int
    tokens: int
    """All rows, as often as they are seen."""
    flops: float
    memory: Memory
    device: str
    seconds: float | None
    from_what: Literal["measured", "stated", "unknown"]
    """Where the seconds come from: tokens a second that were measured, operations a second that were stated."""
    usd: float | None
    fits: bool | None
    """Whether the memory is enough; None where nobody knows how much there is."""


class RealSize(Noun):
    """What a network of a size that people use would take from nothing."""

    name: str
    parameters: float
    tokens: float
    flops: float
    device: str
    device_hours: float
    """Of one such device; on a thousand the clock shows a thousandth."""
    usd: float | None
    """None where nobody states what an hour costs."""


def count_parameters(family: Family, sizes: NetworkSizes, vocabulary: int, labels: int = 0) -> int:
    """
    Numbers of a new network as `networks` makes it; a test compares with what transformers makes.

    Decoder (Llama): embeddings V·d shared with the output; a layer 4·d² + 3·d·f + 2·d; a norm d.
    Encoder (BERT): embeddings (V + context + 1)·d + 2·d; a layer 4·(d² + d) + 2·d·f + f + d + 4·d; a pooler d² + d
    and a head for labels, or a transformation d² + 3·d and V biases for hidden words.
    Encoder-decoder (T5 1.1): embeddings V·d; a layer of the encoder 4·d² + 3·d·f + 2·d, of the decoder 8·d² + 3·d·f +
    3·d; relative positions 32·heads twice; norms 2·d.
    """
    d, f, n = sizes.width, sizes.inner, sizes.layers
    if family == "decoder-only":
        return vocabulary * d + n * (4 * d * d + 3 * d * f + 2 * d) + d
    if family == "encoder-only":
        layer = 4 * (d * d + d) + 2 * d * f + f + d + 4 * d
        head = d * d + d + labels * (d + 1) if labels else d * d + 3 * d + vocabulary
        return (vocabulary + sizes.context_tokens + 1) * d + 2 * d + n * layer + head
    inner = d // sizes.heads * sizes.heads
    reads = 4 * d * inner + 3 * d * f + 2 * d
    writes = 8 * d * inner + 3 * d * f + 3 * d
    return vocabulary * d + n * (reads + writes) + 2 * 32 * sizes.heads + 2 * d


def shape_of(family: Family, sizes: NetworkSizes, vocabulary: int, labels: int = 0) -> Shape:
    """That of a new network, all of which learns."""
    parameters = count_parameters(family, sizes, vocabulary, labels)
    return Shape(
        parameters=parameters,
        trained_parameters=parameters,
        layers=sizes.layers * (2 if family == "encoder-decoder" else 1),
        width=sizes.width,
        inner=sizes.inner,
        heads=sizes.heads,
        vocabulary=labels or vocabulary,
    )


def with_adapters(shape: Shape, rank: int) -> Shape:
    """
    The same with adapters of a rank beside every matrix of its layers, which alone learn.

    A matrix of a by b gets rank·(a + b) numbers (Hu et al. 2021, arXiv:2106.09685, section 4.1): four of d by d and
    three of d by f in each layer.
    """
    added = shape.layers * rank * (4 * 2 * shape.width + 3 * (shape.width + shape.inner))
    return shape.model_copy(update={"parameters": shape.parameters + added, "trained_parameters": added})


def memory_needed(shape: Shape, batch_tokens: int, row_tokens: int, *, runtime: float = _RUNTIME_BYTES) -> Memory:
    """
    Bytes at the most of a step.

    A layer keeps s·b·h·(34 + 5·a·s/h) bytes at 16 bits with a feed-forward part of 4·h (Korthikanti et al. 2022,
    arXiv:2205.05198, equation 1): 17 values of the width a token and 2.5 a head for each pair of tokens. Of the 17, 8
    are the 4·h before and after the activation; a gated part of f keeps three such, so 9·h + 3·f. Scores of the
    vocabulary stand there three times: as they are, as what the loss makes of them, and as their gradient.

    Args:
        shape: Of the network.
        batch_tokens: Of a step, padding included.
        row_tokens: Of the longest row; attention looks at every pair of its tokens.
        runtime: Bytes of the libraries themselves; 0 on an accelerator.
    """
    row_tokens = min(row_tokens, batch_tokens)
    values = batch_tokens * (9 * shape.width + 3 * shape.inner + 2.5 * shape.heads * row_tokens)
    return Memory(
        weights=_FOUR * shape.parameters,
        gradients=_FOUR * shape.trained_parameters,
        optimiser=2 * _FOUR * shape.trained_parameters,
        activations=_FOUR * shape.layers * values,
        scores=3 * _FOUR * batch_tokens * shape.vocabulary,
        runtime=runtime,
    )


def flops_needed(shape: Shape, tokens: float) -> float:
    """
    Floating-point operations of a training: 6 N D, of which 2 N D is the way there and 4 N D the way back (Kaplan et
    al. 2020, arXiv:2001.08361, section 2.1).

    Of weights that do not learn the way back needs no gradient of their own, only what passes through: 4 N D.
    """
    frozen = shape.parameters - shape.trained_parameters
    return (6.0 * shape.trained_parameters + 4.0 * frozen) * tokens


def forecast(
    shape: Shape, *, tokens: int, epochs: float, batch_tokens: int, row_tokens: int, device: Device
) -> Forecast:
    """
    What a training will take.

    Args:
        shape: Of the network.
        tokens: Of all rows, once through.
        epochs: How often they are seen.
        batch_tokens: Of a step.
        row_tokens: Of the longest row.
        device: Where; its seconds are unknown where nobody says how quick it is.
    """
    seen = round(tokens * epochs)
    flops = flops_needed(shape, seen)
    if device.tokens_per_s is not None:
        seconds, said = seen / device.tokens_per_s, "measured"
    elif device.flops is not None:
        seconds, said = flops / device.flops, "stated"
    else:
        seconds, said = None, "unknown"
    memory = memory_needed(shape, batch_tokens, row_tokens)
    return Forecast(
        parameters=shape.parameters,
        trained_parameters=shape.trained_parameters,
        tokens=seen,
        flops=flops,
        memory=memory,
        device=device.name,
        seconds=seconds,
        from_what=said,
        usd=seconds / 3600 * device.usd_per_hour if seconds is not None and device.usd_per_hour is not None else None,
        fits=memory.total <= device.memory_bytes if device.memory_bytes is not None else None,
    )


def real_sizes(device: Device = H100) -> tuple[RealSize, ...]:
    """
    What networks of real sizes would take from nothing, with 20 tokens a parameter.

    Raises:
        ValueError: nobody says how many operations a second the device does.
    """
    if device.flops is None:
        raise ValueError("without operations a second nothing can be said of other sizes")
    found = []
    for name, parameters in REAL_SIZES.items():
        tokens = TOKENS_A_PARAMETER * parameters
        flops = 6.0 * parameters * tokens
        hours = flops / device.flops / 3600
        found.append(
            RealSize(
                name=name,
                parameters=parameters,
                tokens=tokens,
                flops=flops,
                device=device.name,
                device_hours=hours,
                usd=hours * device.usd_per_hour if device.usd_per_hour is not None else None,
            )
        )
    return tuple(found)


def shape_of_config(config: Mapping[str, Any]) -> Shape:
    """
    That of weights whose `config.json` is known, all of which learn; of a decoder, with grouped queries counted.

    Raises:
        ValueError: the config does not say its sizes.
    """
    width = _first(config, "hidden_size", "d_model", "n_embd")
    heads = _first(config, "num_attention_heads", "num_heads", "n_head")
    layers = _first(config, "num_hidden_layers", "num_layers", "n_layer")
    inner = _first(config, "intermediate_size", "d_ff", "n_inner", otherwise=4 * width)
    vocabulary = _first(config, "vocab_size")
    head = _first(config, "head_dim", "d_kv", otherwise=max(1, width // heads))
    groups = _first(config, "num_key_value_heads", otherwise=heads)
    # Queries and outputs have all heads, keys and values the groups; a gated part has three matrices.
    layer = 2 * width * heads * head + 2 * width * groups * head + 3 * width * inner + 2 * width
    twice = 2 if config.get("is_encoder_decoder") else 1
    embeddings = vocabulary * width * (1 if config.get("tie_word_embeddings", True) else 2)
    parameters = embeddings + twice * layers * layer + width
    return Shape(
        parameters=parameters,
        trained_parameters=parameters,
        layers=twice * layers,
        width=width,
        inner=inner,
        heads=heads,
        vocabulary=vocabulary,
    )


def _first(config: Mapping[str, Any], *names: str, otherwise: int | None = None) -> int:
    for name in names:
        if isinstance(config.get(name), int):
            return int(config[name])
    if otherwise is None:
        raise ValueError(f"the config does not say {names[0]}")
    return otherwise
