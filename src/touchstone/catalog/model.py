"""
Nouns of what exists: a model, its card's facts, and where each was read.

The fields are the keys of a card file, `cards/LAB/NAME.toml`. What nobody wrote down is None, never a guess.
"""

import re
from datetime import date
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from touchstone.errors import InvalidValue
from touchstone.noun import Noun

_MODEL_ID = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9._:+-]*")
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


@lru_cache(maxsize=4096)  # every offer and every result names a model
def _check_model_id(text: str) -> str:
    if not _MODEL_ID.fullmatch(text):
        raise InvalidValue(
            "{value!r} is no model id; write lab/name in small letters, such as deepseek/deepseek-v3", value=text
        )
    return text


@lru_cache(maxsize=4096)  # the cards of a catalog hold the same few days thousands of times
def _check_date(text: str) -> str:
    if not _DATE.fullmatch(text):
        raise InvalidValue("{value!r} is no date; write 2026-08-21, 2026-08 or 2026", value=text)
    try:
        earliest(text)
    except ValueError:
        raise InvalidValue("{value!r} is no day of any calendar", value=text) from None
    return text


ModelId = Annotated[str, AfterValidator(_check_model_id)]
"""`lab/name`, small letters."""
PartialDate = Annotated[str, AfterValidator(_check_date)]
"""ISO 8601; the day, or the day and the month, may be unknown: `2025-04`, `2025`."""


def earliest(text: str) -> date:
    """The first day that a partial date can mean."""
    year, month, day = (*text.split("-"), "01", "01")[:3]
    return date(int(year), int(month), int(day))


class Words(Noun):
    """The same text in both languages that people read here."""

    en: str = Field(min_length=1)
    zh: str = Field(min_length=1)

    def in_language(self, code: str) -> str:
        """The text in `zh`, or in English for any other language."""
        return self.zh if code.startswith("zh") else self.en


class Source(Noun):
    """Where facts of a card were read, and when."""

    name: str
    url: str | None = None
    as_of: PartialDate
    """The day the page was read, or the date it carries."""
    facts: tuple[str, ...] = Field(min_length=1)
    """Names of the card's fields that this source supports, such as `context_tokens`; `network` means all of it."""


class Network(Noun):
    """The sizes of a model's layers that decide how much memory it needs; names as in the papers, not one library's."""

    layers: int = Field(ge=1)
    """Blocks in all; of an encoder-decoder, those of the decoder."""
    hidden_size: int = Field(ge=1)
    attention_heads: int | None = Field(default=None, ge=1)
    key_value_heads: int | None = Field(default=None, ge=1)
    """As many as `attention_heads` without grouped queries; fewer with them."""
    head_size: int | None = Field(default=None, ge=1)
    """Values of one key; `hidden_size / attention_heads` unless the maker says otherwise."""
    value_head_size: int | None = Field(default=None, ge=1)
    """Values of one value, where it differs from `head_size`."""
    attention_layers: int | None = Field(default=None, ge=0)
    """Blocks with attention; None means all of them. Hybrids have fewer."""
    cache_layers: int | None = Field(default=None, ge=1)
    """Attention blocks that keep keys and values of their own; None means all. The others reuse what these keep."""
    keeps_cache: bool | None = None
    """False for an encoder, which reads its whole input at once and keeps nothing of it; None means that it does."""
    sliding_window: int | None = Field(default=None, ge=1)
    """Tokens that a windowed block looks back."""
    sliding_layers: int | None = Field(default=None, ge=0)
    """How many of the blocks that keep a cache look back only `sliding_window` tokens; None with a window means all."""
    sliding_key_value_heads: int | None = Field(default=None, ge=1)
    """Of the windowed blocks, where they differ."""
    sliding_head_size: int | None = Field(default=None, ge=1)
    latent_rank: int | None = Field(default=None, ge=1)
    """Multi-head latent attention: values of the compressed key and value that are kept per token and block."""
    latent_rope_size: int | None = Field(default=None, ge=0)
    """Multi-head latent attention: values of the rotary key that are kept beside it."""
    index_head_size: int | None = Field(default=None, ge=1)
    """Sparse attention: values of the key that its indexer keeps per token and block, beside the cache."""
    state_layers: int | None = Field(default=None, ge=0)
    """State-space or linear-attention blocks, whose memory does not grow with the context."""
    state_values: int | None = Field(default=None, ge=1)
    """Values that one such block keeps per sequence (recurrent state and convolution window)."""
    encoder_layers: int | None = Field(default=None, ge=1)
    """Of an encoder-decoder: the decoder keeps a key and a value of the encoded input in each of its blocks."""
    encoder_tokens: int | None = Field(default=None, ge=1)
    """Positions of the encoded input where they are always as many, such as 1,500 for the 30 seconds of Whisper."""
    vocabulary: int | None = Field(default=None, ge=1)
    """Tokens that embeddings stand for."""
    published_bits: float | None = Field(default=None, gt=0, le=8.5)
    """Bits per weight in the files of the maker, where it trained them for 4 bit (MXFP4), all weights counted; at most
    what 8 bit take."""


class Snapshot(Noun):
    """A dated version of a model that can be asked for by its own name."""

    name: str
    """As the maker calls it, such as `gpt-4o-2024-08-06`."""
    released: PartialDate | None = None
    retired: PartialDate | None = None
    """The day it stops or stopped answering."""
    note: Words | None = None


class PointsTo(Noun):
    """What a moving name stood for, from a day on."""

    model: ModelId
    since: PartialDate


Modality = Literal["text", "image", "audio", "video", "file"]


class Model(Noun):
    """One model that people choose, apart from who serves it."""

    id: ModelId
    name: str
    name_zh: str | None = None
    """Its Chinese name, where it has one of its own."""
    aliases: tuple[str, ...] = ()
    """Other names under which people look for it; for finding only, never for prices."""
    lab: str
    """Id in `labs.toml`: who made it."""
    family: str | None = None
    """Name that generations share, such as `Llama` or `Qwen`."""
    summary: Words
    """What it is and what it is chosen for, in one or two sentences."""

    tasks: tuple[str, ...] = Field(min_length=1)
    """Ids of taxonomy terms of the kind `task`, the main one first."""
    input_modalities: tuple[Modality, ...] | None = None
    output_types: tuple[str, ...] = Field(min_length=1)
    """Ids of taxonomy terms of the kind `output`, such as `text` or `embedding`."""
    architecture: str | None = None
    """Id of a taxonomy term of the kind `architecture`."""
    traits: tuple[str, ...] = ()
    """Ids of taxonomy terms of the kind `trait`, such as `mixture-of-experts`."""
    origin: Literal["foundation", "derived"] | None = None
    base_model: ModelId | None = None
    """What a derived model was made from, when that is known."""
    relation: str | None = None
    """Id of a taxonomy term of the kind `relation`: how it was made from its base model."""

    weights: Literal["open", "gated", "closed"] | None = None
    """Whether they can be downloaded; `gated` means after accepting terms."""
    licence: str | None = None
    """Id in `licences.toml`: that of the weights, or the terms of the service."""

    parameters: int | None = Field(default=None, ge=1)
    active_parameters: int | None = Field(default=None, ge=1)
    """Parameters that one token passes through, where experts are chosen."""
    context_tokens: int | None = Field(default=None, ge=1)
    """The longest input and output together that the maker supports."""
    max_output_tokens: int | None = Field(default=None, ge=1)
    embedding_dimensions: int | None = Field(default=None, ge=1)
    languages: tuple[str, ...] | None = None
    """ISO 639-1 codes of the languages that the maker names; `und` where it says only that there are many."""
    tools: bool | None = None
    structured_output: bool | None = None
    reasoning: bool | None = None
    """Whether it thinks before it answers, always or when asked to."""

    released: PartialDate | None = None
    knowledge_cutoff: PartialDate | None = None
    retired: PartialDate | None = None
    """The day the maker stops or stopped serving it; weights that were downloaded go on working."""
    successor: ModelId | None = None

    intended_use: Words | None = None
    limits: Words | None = None
    training_data: Words | None = None
    """What the maker says about it, and what it does not say."""

    hugging_face: str | None = None
    """Repository of the weights on the Hugging Face Hub, `owner/name`."""
    model_scope: str | None = None
    """Repository of the weights on ModelScope, `owner/name`."""
    links: tuple[str, ...] = ()
    """Pages worth reading: the maker's page, the paper, the licence text."""
    network: Network | None = None
    snapshots: tuple[Snapshot, ...] = ()
    points_to: tuple[PointsTo, ...] = ()
    """For a moving name such as `deepseek-chat`: what it stood for, oldest first."""
    ours: bool = False
    """Whether the user's own team made it or added it."""
    sources: tuple[Source, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        known = _fact_names()
        for source in self.sources:
            if not known.issuperset(source.facts):
                raise InvalidValue(
                    "source {source!r} of {model} supports {fact!r}, which is no fact of a card",
                    source=source.name,
                    model=self.id,
                    fact=next(fact for fact in source.facts if fact not in known),
                )
        if self.origin == "foundation" and (self.base_model or self.relation):
            raise InvalidValue("{model} is called a foundation model and names a base model", model=self.id)
        if self.base_model == self.id:
            raise InvalidValue(
                "{model} names itself as its base model; name the model that it was made from", model=self.id
            )
        if self.active_parameters and self.parameters and self.active_parameters > self.parameters:
            raise InvalidValue("{model} has more active parameters than parameters", model=self.id)
        return self

    @property
    def unsourced(self) -> tuple[str, ...]:
        """Facts that the card states and no source supports."""
        supported = {fact for source in self.sources for fact in source.facts}
        return tuple(name for name, value in self._facts() if not _unstated(value) and name not in supported)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Facts that nobody stated."""
        return tuple(name for name, value in self._facts() if _unstated(value))

    def _facts(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in type(self).model_fields if name not in NOT_FACTS]

    @property
    def moves(self) -> bool:
        """Whether the name stands for different models at different times."""
        return bool(self.points_to)


NOT_FACTS = frozenset(
    {
        "id",
        "name",
        "name_zh",
        "aliases",
        "lab",
        "family",
        "summary",
        "tasks",
        "output_types",
        "links",
        "ours",
        "sources",
    }
)
"""Fields of a `Model` that name, sort or describe it; all others are facts, and each fact has a source."""


@cache
def _fact_names() -> frozenset[str]:
    """Names of the fields of a `Model` that are facts."""
    return frozenset(Model.model_fields) - NOT_FACTS


def _unstated(value: object) -> bool:
    return value is None or value == ()
