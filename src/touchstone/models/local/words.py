"""From conversations to tokens, by the vocabulary of a folder of weights: one of ours, or anybody's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from touchstone.errors import DataError, ExtraMissing
from touchstone.models.starter.tokens import END, Tokens, render

Turns = Sequence[tuple[str, str]]
"""(role, text): system, user, assistant."""

_LONGEST_TEMPLATE = 200_000
"""Characters of a template for conversations."""


class Words(Protocol):
    """A vocabulary, and how conversations are written with it."""

    end: int | None
    """The token after which nothing follows; None where the folder names none."""

    def conversation(self, turns: Turns) -> tuple[list[int], list[bool]]:
        """(tokens, whether the assistant says them). Raises `DataError` where there is no way to write one."""
        ...

    def asked(self, turns: Turns) -> list[int]:
        """Tokens up to where the assistant begins."""
        ...

    def given(self, turns: Turns) -> list[int]:
        """What an encoder reads: the turns, and nothing that invites an answer."""
        ...

    def answer(self, text: str) -> list[int]:
        """What an encoder-decoder writes, its end included."""
        ...

    def text(self, numbers: Sequence[int]) -> str:
        """Tokens as text, special ones left out."""
        ...


def read_words(folder: Path) -> Words:
    """
    The vocabulary of a folder that was checked before.

    Raises:
        DataError: it cannot be read.
        ExtraMissing: it needs transformers, which are not installed.
    """
    try:
        return OwnWords(Tokens.read(folder / "tokenizer.json"))
    except (DataError, OSError):
        return ForeignWords(folder)


class OwnWords:
    """A vocabulary of Touchstone, with its roles as tokens."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self.end: int | None = tokens.special[END]
        self.size = tokens.size

    def conversation(self, turns: Turns) -> tuple[list[int], list[bool]]:
        """As `Words` has it."""
        return render(self._tokens, turns)

    def asked(self, turns: Turns) -> list[int]:
        """As `Words` has it."""
        return render(self._tokens, turns, open_ended=True)[0]

    def given(self, turns: Turns) -> list[int]:
        """As `Words` has it."""
        return render(self._tokens, turns)[0]

    def answer(self, text: str) -> list[int]:
        """As `Words` has it."""
        return [*self._tokens.encode(text), self._tokens.special[END]]

    def text(self, numbers: Sequence[int]) -> str:
        """As `Words` has it."""
        return self._tokens.decode(numbers)


class ForeignWords:
    """
    A vocabulary that the `transformers` library reads.

    A template for conversations is rendered in the library's sandbox, which has neither files nor modules; it runs in
    this process, which has no keys and opens no connection.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from transformers import AutoTokenizer
        except ImportError as error:
            raise ExtraMissing(feature="a model from a folder", extra="train") from error
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError("the tokenizer cannot be read: {reason}", path=folder, reason=str(error)[:300]) from error
        self._folder = folder
        self.end: int | None = self._tokenizer.eos_token_id

    def conversation(self, turns: Turns) -> tuple[list[int], list[bool]]:
        """As `Words` has it."""
        numbers = self._applied(turns)
        said = [False] * len(numbers)
        for place, (role, _) in enumerate(turns):
            if role == "assistant":
                asked, whole = self._applied(turns[:place], open_ended=True), self._applied(turns[: place + 1])
                # Some templates write earlier turns differently once others follow; those are read, not learned.
                if numbers[: len(whole)] == whole and whole[: len(asked)] == asked:
                    said[len(asked) : len(whole)] = [True] * (len(whole) - len(asked))
        if not any(said):
            raise DataError(
                "the template for conversations does not show where the assistant's turn begins; use another model",
                path=self._folder,
            )
        return numbers, said

    def asked(self, turns: Turns) -> list[int]:
        """As `Words` has it."""
        return self._applied(turns, open_ended=True)

    def given(self, turns: Turns) -> list[int]:
        """As `Words` has it."""
        return list(self._tokenizer("\n".join(text for _, text in turns), verbose=False)["input_ids"])

    def answer(self, text: str) -> list[int]:
        """As `Words` has it."""
        numbers = list(self._tokenizer(text_target=text, verbose=False)["input_ids"])
        return numbers if numbers[-1:] == [self.end] or self.end is None else [*numbers, self.end]

    def text(self, numbers: Sequence[int]) -> str:
        """As `Words` has it."""
        return str(self._tokenizer.decode(list(numbers), skip_special_tokens=True))

    def _applied(self, turns: Turns, *, open_ended: bool = False) -> list[int]:
        template = self._tokenizer.chat_template
        if not isinstance(template, str) or not template:
            raise DataError(
                "the tokenizer has no template for conversations; use an instruction-tuned model", path=self._folder
            )
        if len(template) > _LONGEST_TEMPLATE:
            raise DataError(
                "the template for conversations has more than {most:,} characters",
                path=self._folder,
                most=_LONGEST_TEMPLATE,
            )
        messages = [{"role": role, "content": text} for role, text in turns]
        try:
            found = self._tokenizer.apply_chat_template(
                messages, add_generation_prompt=open_ended, tokenize=True, return_dict=True
            )
        except Exception as error:  # whatever a template does, it is the folder's fault and one finding
            raise DataError(
                "the template for conversations fails: {reason}", path=self._folder, reason=str(error)[:300]
            ) from error
        return list(found["input_ids"])
