"""A byte-level vocabulary as GGUF has it: tokens, merges, how pieces are cut, and the template for conversations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from touchstone.errors import DataError
from touchstone.models.starter.tokens import PATTERN, SPECIAL

_PIECES = {
    # Ours cuts digits and spaces one by one, where GPT-2 takes runs of them. No merge was learned across such cuts, so
    # that the tokens are the same; a test holds both to the same numbers.
    PATTERN: "gpt-2",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": "gpt-2",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+": "llama-bpe",  # noqa: E501
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+": "qwen2",  # noqa: E501
}
"""How a tokenizer's file cuts text, to llama.cpp's name for it (`src/llama-vocab.cpp`)."""

OWN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'developer' %}<|system|>{% else %}{{ '<|' + message['role'] + '|>' }}{% endif %}"
    "{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""Conversations as the starter models read them (`models/starter/tokens.py`)."""

Kind = Literal["NORMAL", "CONTROL", "USER_DEFINED"]


class Vocabulary(NamedTuple):
    """What a GGUF file says of tokens."""

    tokens: tuple[str, ...]
    kinds: tuple[Kind, ...]
    merges: tuple[str, ...]
    pieces: str
    """llama.cpp's name for how text is cut before bytes are merged."""
    end: int | None
    """The token after which nothing follows."""
    template: str | None
    """For conversations, in Jinja."""


def read_vocabulary(file: Path, folder: Path, config: Mapping[str, Any]) -> Vocabulary:
    """
    The vocabulary of a `tokenizer.json`.

    Args:
        file: As the `tokenizers` library writes it.
        folder: Where a template may lie beside it.
        config: Of the weights: how many tokens there are, and which one ends.

    Raises:
        DataError: it is no byte-level BPE, or cuts text in a way that llama.cpp has no name for here.
    """
    try:
        read = json.loads(file.read_bytes())
        model = read["model"]
        if model["type"] != "BPE" or model.get("byte_fallback"):
            raise ValueError("no byte-level BPE")
        numbers = {str(token): int(number) for token, number in model["vocab"].items()}
        added = {str(one["content"]): (int(one["id"]), bool(one["special"])) for one in read.get("added_tokens", ())}
        merges = tuple(one if isinstance(one, str) else " ".join(one) for one in model["merges"])
        pieces = _pieces(read["pre_tokenizer"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError("this tokenizer cannot be written as GGUF: {reason}", path=file, reason=str(error)) from error
    size = int(config["vocab_size"])
    tokens: list[str] = [f"[PAD{number}]" for number in range(size)]
    kinds: list[Kind] = ["CONTROL"] * size
    for token, number in numbers.items():
        _put(tokens, kinds, number, token, "NORMAL", file)
    for token, (number, special) in added.items():
        _put(tokens, kinds, number, token, "CONTROL" if special else "USER_DEFINED", file)
    return Vocabulary(
        tokens=tuple(tokens),
        kinds=tuple(kinds),
        merges=merges,
        pieces=pieces,
        end=_end(config, folder, added),
        template=OWN_TEMPLATE if set(SPECIAL) <= added.keys() else _template(folder),
    )


def _put(tokens: list[str], kinds: list[Kind], number: int, token: str, kind: Kind, file: Path) -> None:
    if not 0 <= number < len(tokens):
        raise DataError("token {number} lies outside the network's {size}", path=file, number=number, size=len(tokens))
    tokens[number], kinds[number] = token, kind


def _pieces(cutter: Mapping[str, Any]) -> str:
    parts = cutter["pretokenizers"] if cutter["type"] == "Sequence" else [cutter]
    for one in parts:
        if one["type"] == "Split":
            pattern = one["pattern"].get("Regex")
            if pattern in _PIECES:
                return _PIECES[pattern]
            raise ValueError("its pieces are cut in a way that is not known here")
    if any(one["type"] == "ByteLevel" and one.get("use_regex", True) for one in parts):
        return "gpt-2"
    raise ValueError("its pieces are cut in a way that is not known here")


def _end(config: Mapping[str, Any], folder: Path, added: Mapping[str, tuple[int, bool]]) -> int | None:
    """The tokenizer's own end where it names one: of a model that converses, it is the end of a turn."""
    named = _tokenizer_config(folder).get("eos_token")
    token = named.get("content") if isinstance(named, dict) else named
    if isinstance(token, str) and token in added:
        return added[token][0]
    found = config.get("eos_token_id")
    return found if isinstance(found, int) else found[0] if isinstance(found, list) and found else None


def _template(folder: Path) -> str | None:
    apart = folder / "chat_template.jinja"
    if apart.is_file():
        return apart.read_text(encoding="utf-8")
    found = _tokenizer_config(folder).get("chat_template")
    return found if isinstance(found, str) else None


def _tokenizer_config(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "tokenizer_config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
