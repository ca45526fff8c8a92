"""A vocabulary of one's own, trained with the `tokenizers` library and written as one `tokenizer.json`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from touchstone.errors import ExtraMissing
from touchstone.models.starter.tokens import PATTERN, SPECIAL, byte_signs


def train_tokenizer(texts: Iterable[str], path: Path, *, size: int) -> None:
    """
    Train byte-level byte pair encoding and write it.

    Args:
        texts: What it is trained on.
        path: The `tokenizer.json` to write.
        size: Tokens of the vocabulary, the 256 bytes and the special tokens included.

    Raises:
        ExtraMissing: the extra `train` is not installed.
    """
    try:
        from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    except ImportError as error:
        raise ExtraMissing(feature="training", extra="train") from error
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[AddedToken(name, special=True) for name in SPECIAL],
        initial_alphabet=sorted(byte_signs().values()),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save(str(path), pretty=False)
