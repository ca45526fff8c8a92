"""How much memory a model needs on a machine of one's own."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.catalog.memory import USABLE_SHARE, MemoryNeed, Precision, memory_need
from touchstone.catalog.model import Model, Network
from touchstone.language import _
from touchstone.reporting import catalog_words as words
from touchstone.reporting import numbers
from touchstone.reporting.pages import Block, Fact, Facts, Paragraph, Section, Table

_CONTEXTS = (8_192, 32_768, 131_072)
_PRECISIONS: Sequence[Precision] = ("16bit", "8bit", "4bit")
_DEVICES_GIB = (8, 12, 16, 24, 32, 48, 80, 141, 8 * 80, 8 * 141)
"""Memory of common devices, GiB: laptops and consumer cards, then one data-centre card, then eight of them."""


def memory_section(model: Model) -> Section:
    """Weights and cache by precision and context, and the smallest common device that holds them."""
    title = _("Memory on your own machine")
    if model.parameters is None:
        return Section(title, [], anchor="memory")
    keeps = memory_need(model.parameters, model.network).cache_bytes
    writes = bool({"text", "code"} & set(model.output_types))
    if not writes or not keeps:
        alone = _weights_alone(model.parameters, model.network, _beside(writes and keeps is None))
        return Section(title, [alone], anchor="memory")
    longest = model.context_tokens
    contexts = sorted({*(c for c in _CONTEXTS if longest is None or c <= longest), *([longest] if longest else [])})
    rows = []
    for precision in _PRECISIONS:
        for context in contexts:
            need = memory_need(model.parameters, model.network, precision=precision, context_tokens=context)
            rows.append(
                (
                    _bits(precision),
                    words.tokens(context),
                    words.gib(need.weight_bytes),
                    words.gib(need.cache_bytes),
                    words.gib(need.total_bytes),
                    _smallest(need),
                )
            )
    note = _(
        "Computed for one sequence from the published sizes of the layers, cache in 16 bit; 8 and 4 bit as "
        "llama.cpp's Q8_0 and Q4_K_M. A device counts when {share:.0%} of it holds both. More sequences at once "
        "need as many caches."
    ).format(share=USABLE_SHARE)
    if model.network is not None and model.network.published_bits is not None:
        said = _(
            "Its maker published the weights in 4 bit, and the rows of 4 bit are those files; more bits do not "
            "improve it."
        )
        note = _("{first} {second}").format(first=note, second=said)
    heads = (_("Weights in"), _("Context"), _("Weights"), _("Cache"), _("Together"), _("Fits on"))
    return Section(title, [Table(heads, rows, numbers=frozenset({1, 2, 3, 4}), note=note)], anchor="memory")


def memory_answer(
    model: Model,
    *,
    precision: Precision = "16bit",
    context_tokens: int = 8_192,
    sequences: int = 1,
    cache_bits: float = 16.0,
    memory_gib: float | None = None,
) -> list[Block]:
    """
    What a model needs for one way of serving it, and whether a device holds that.

    Args:
        model: Its parameters are known.
        precision: Of the weights.
        context_tokens: Of each sequence, input and output together.
        sequences: Answered at once.
        cache_bits: Of one value of the cache.
        memory_gib: Of the device; None asks about none.
    """
    need = memory_need(
        model.parameters or 0,
        model.network,
        precision=precision,
        context_tokens=context_tokens,
        sequences=sequences,
        cache_bits=cache_bits,
    )
    rows = [
        Fact(_("Weights"), words.gib(need.weight_bytes)),
        Fact(_("Cache"), words.gib(need.cache_bytes)),
        Fact(_("Together"), words.gib(need.total_bytes)),
        *([Fact(_("Fits on"), _smallest(need))] if need.total_bytes is not None else []),
    ]
    if memory_gib is not None:
        fits = need.fits(memory_gib)
        device = _("In {size:g} GiB").format(size=memory_gib)
        rows.append(Fact(device, _("unknown: the cache decides it") if fits is None else words.yes_no(fits)))
    blocks: list[Block] = [Facts(rows)]
    if need.cache_bytes is None:
        blocks.append(Paragraph(_beside(unknown=True), tone="quiet"))
    if model.context_tokens is not None and context_tokens > model.context_tokens:
        said = _("It reads {most} tokens at most; {asked} is more than that.")
        most, wanted = numbers.count(model.context_tokens), numbers.count(context_tokens)
        blocks.append(Paragraph(said.format(most=most, asked=wanted), tone="warning"))
    return blocks


def _weights_alone(parameters: int, network: Network | None, beside: str) -> Table:
    """Of a model that keeps nothing from token to token, or of which nobody says what it keeps."""
    rows = []
    for precision in _PRECISIONS:
        need = memory_need(parameters, network, precision=precision).model_copy(update={"cache_bytes": 0})
        rows.append((_bits(precision), words.gib(need.weight_bytes), _smallest(need)))
    note = _("The weights alone; a device counts when {share:.0%} of it holds them. {beside}").format(
        share=USABLE_SHARE, beside=beside
    )
    return Table((_("Weights in"), _("Weights"), _("Fits on")), rows, numbers=frozenset({1}), note=note)


def _beside(unknown: bool) -> str:
    if unknown:
        return _("What each token of context takes comes on top: nobody whom we read states the sizes of its layers.")
    return _("Working memory comes on top; it grows with the input and with how much is done at once.")


def _bits(precision: Precision) -> str:
    return _("{bits} bit").format(bits=precision.removesuffix("bit"))


def _smallest(need: MemoryNeed) -> str:
    size = next((size for size in _DEVICES_GIB if need.fits(size)), None)
    if size is None:
        return _("more than {size:,} GB").format(size=_DEVICES_GIB[-1])
    return _("{n} × {size} GB").format(n=8, size=size // 8) if size > 141 else _("{size} GB").format(size=size)
