"""Networks of the usual families, made with transformers from a few sizes; nothing is downloaded, no code is loaded."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from touchstone.models.local.weights_kind import Family as Family
from touchstone.noun import Noun

_DROPOUT = 0.1
"""Of encoders and encoder-decoders, as in Devlin et al. 2018 (arXiv:1810.04805) and Raffel et al. 2019 (1910.10683)."""


class NetworkSizes(Noun):
    """How large a network is."""

    layers: int = Field(ge=1, le=64)
    """Of an encoder-decoder, so many on either side."""
    width: int = Field(ge=8, le=8_192)
    """Values that stand for a token between layers."""
    heads: int = Field(ge=1, le=64)
    inner: int = Field(ge=8, le=65_536)
    """Values inside a layer's feed-forward part."""
    context_tokens: int = Field(default=512, ge=16, le=131_072)


def make_decoder(sizes: NetworkSizes, vocabulary: int) -> Any:
    """A decoder of the Llama family with new weights, its output sharing the embeddings."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=sizes.width,
            intermediate_size=sizes.inner,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            num_key_value_heads=sizes.heads,
            max_position_embeddings=sizes.context_tokens,
            rms_norm_eps=1e-5,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=0,
            pad_token_id=0,
        )
    )


def make_encoder(sizes: NetworkSizes, vocabulary: int, labels: tuple[str, ...]) -> Any:
    """An encoder as in BERT with new weights: with a head for labels, or for hidden words where there are none."""
    from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification

    named = {"id2label": dict(enumerate(labels)), "label2id": {label: place for place, label in enumerate(labels)}}
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=sizes.width,
        intermediate_size=sizes.inner,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        max_position_embeddings=sizes.context_tokens,
        hidden_dropout_prob=_DROPOUT,
        attention_probs_dropout_prob=_DROPOUT,
        type_vocab_size=1,
        pad_token_id=0,
        **(named if labels else {}),
    )
    return (BertForSequenceClassification if labels else BertForMaskedLM)(config)


def make_encoder_decoder(sizes: NetworkSizes, vocabulary: int) -> Any:
    """An encoder-decoder as in T5 version 1.1 with new weights; it begins to write after token 0."""
    from transformers import T5Config, T5ForConditionalGeneration

    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocabulary,
            d_model=sizes.width,
            d_ff=sizes.inner,
            d_kv=sizes.width // sizes.heads,
            num_layers=sizes.layers,
            num_decoder_layers=sizes.layers,
            num_heads=sizes.heads,
            dropout_rate=_DROPOUT,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=True,
            pad_token_id=0,
            eos_token_id=0,
            decoder_start_token_id=0,
            n_positions=sizes.context_tokens,
        )
    )
