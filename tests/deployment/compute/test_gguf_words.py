"""Vocabularies as GGUF has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from touchstone.deployment.compute.gguf_words import OWN_TEMPLATE, read_vocabulary
from touchstone.errors import DataError
from touchstone.models.starter.folder import SHIPPED

QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def tokenizer(place: Path, pattern: str | None, **changes: Any) -> Path:
    """A byte-level vocabulary of five tokens."""
    cutter: dict[str, Any] = {"type": "ByteLevel", "use_regex": pattern is None}
    if pattern is not None:
        split = {"type": "Split", "pattern": {"Regex": pattern}}
        cutter = {"type": "Sequence", "pretokenizers": [split, cutter]}
    read = {
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]},
        "added_tokens": [
            {"id": 3, "content": "<|im_end|>", "special": True},
            {"id": 4, "content": "<tool>", "special": False},
        ],
        "pre_tokenizer": cutter,
        **changes,
    }
    file = place / "tokenizer.json"
    file.write_text(json.dumps(read))
    return file


def test_ours_has_its_roles_as_special_tokens() -> None:
    """And a template that writes conversations with them."""
    words = read_vocabulary(SHIPPED / "tokenizer.json", SHIPPED / "m", {"vocab_size": 2048, "eos_token_id": 0})
    assert words.tokens[:4] == ("<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
    assert words.kinds[:5] == ("CONTROL",) * 4 + ("NORMAL",)
    assert (words.pieces, words.end, words.template) == ("gpt-2", 0, OWN_TEMPLATE)


@pytest.mark.parametrize(
    ("pattern", "name"), [(None, "gpt-2"), (QWEN, "qwen2"), (QWEN.replace(r"\p{N}|", r"\p{N}{1,3}|", 1), "llama-bpe")]
)
def test_how_text_is_cut_has_a_name(pattern: str | None, name: str, tmp_path: Path) -> None:
    """By the very pattern; the end of a turn is the tokenizer's own, and numbers without a token are filled up."""
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>", "chat_template": "{{ x }}"}))
    words = read_vocabulary(tokenizer(tmp_path, pattern), tmp_path, {"vocab_size": 6, "eos_token_id": 0})
    assert (words.pieces, words.end, words.template) == (name, 3, "{{ x }}")
    assert words.merges == ("a b",)
    assert words.kinds == ("NORMAL", "NORMAL", "NORMAL", "CONTROL", "USER_DEFINED", "CONTROL")
    assert words.tokens[5] == "[PAD5]"


@pytest.mark.parametrize(
    "changes",
    [
        {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "."}}},
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"pre_tokenizer": None},
        {"model": {"type": "Unigram", "vocab": []}},
        {"added_tokens": [{"id": 9, "content": "x", "special": True}]},
    ],
)
def test_what_would_be_cut_otherwise_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    """Other pieces would be other tokens, and nobody would notice."""
    with pytest.raises(DataError):
        read_vocabulary(tokenizer(tmp_path, None, **changes), tmp_path, {"vocab_size": 6})
