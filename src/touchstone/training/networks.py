"""Networks of the usual families, made with transformers from a few sizes; nothing is downloaded, no code is loaded."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from touchstone.noun import Noun

Family = Literal["decoder-only", "encoder-only", "encoder-decoder"]


class NetworkSizes(Noun):
    """How large a network is."""

    layers: int = Field(ge=1, le=64)
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
