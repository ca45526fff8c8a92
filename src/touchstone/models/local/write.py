"""What a network of `transformers` answers: a decoder and an encoder-decoder write, an encoder says a label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from touchstone.errors import ExtraMissing
from touchstone.models.local.networks import load_network
from touchstone.models.local.weights_kind import family_of, labels_of, read_config
from touchstone.models.local.words import Words, read_words
from touchstone.models.starter.write import TooLong, Written

MOST_OUTPUT_TOKENS = 512
"""Where nobody says how long an answer may be."""
_SMALL = 20_000_000
"""Parameters of a network that one thread is enough for."""
_DEFAULT_CONTEXT = 4_096
"""Tokens, where the config does not say; relative positions have no end of their own."""


class LocalNetwork:
    """
    A network of a folder, ready to answer.

    Args:
        folder: Checked when it is opened.

    Raises:
        DataError: the folder cannot be trusted or read.
        ExtraMissing: the extra `train` is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import torch
        except ImportError as error:
            raise ExtraMissing(feature="a model from a folder", extra="train") from error
        self._torch = torch
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network: Any = load_network(folder, half=self.device == "cuda").to(self.device).eval()
        if sum(value.numel() for value in self.network.parameters()) < _SMALL:
            # A second thread waits more than it works, and one sums in the same order on every machine.
            torch.set_num_threads(1)
        config = read_config(folder)
        self.family = family_of(config)
        self.labels = labels_of(config)
        self.words: Words = read_words(folder)
        self.context = int(
            config.get("max_position_embeddings")
            or config.get("n_positions")
            or config.get("n_ctx")
            or _DEFAULT_CONTEXT
        )
        ends = self.network.config.eos_token_id
        self.ends = {*([ends] if isinstance(ends, int) else ends or ()), *([self.words.end] if self.words.end else ())}
        own = getattr(self.network, "generation_config", None)
        further = getattr(own, "eos_token_id", None)
        self.ends |= {further} if isinstance(further, int) else set(further or ())

    def write(
        self,
        turns: Sequence[tuple[str, str]],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> Written:
        """
        The next turn, as `models.starter.write.write` has it.

        Raises:
            TooLong: there is no room for one token.
        """
        started = perf_counter()
        encoder_decoder = self.family == "encoder-decoder"
        numbers = self.words.given(turns) if encoder_decoder else self.words.asked(turns)
        room = self.context if encoder_decoder else self.context - len(numbers)
        if room < 1 or len(numbers) > self.context:
            raise TooLong(len(numbers), self.context if encoder_decoder else self.context - 1)
        most = min(room, MOST_OUTPUT_TOKENS if max_tokens is None else max_tokens)
        torch = self._torch
        generator = torch.Generator(device=self.device).manual_seed(seed % 2**63)
        first_token_s = 0.0
        out: list[int] = []
        finish, text = "length", ""
        with torch.inference_mode():
            step, state = self._begin(numbers, encoder_decoder=encoder_decoder)
            while len(out) < most:
                scores, state = step(state, out[-1:])
                first_token_s = first_token_s or perf_counter() - started
                number = self._chosen(scores, temperature, top_p, generator)
                out.append(number)
                if number in self.ends:
                    finish = "stop"
                    break
                if stop:
                    text = self.words.text(out)
                    place = min((at for at in (text.find(one) for one in stop) if at >= 0), default=-1)
                    if place >= 0:
                        whole_s = perf_counter() - started
                        return Written(text[:place], len(numbers), len(out), "stop", first_token_s, whole_s)
        said = self.words.text(out[:-1] if finish == "stop" else out)
        return Written(said, len(numbers), len(out), finish, first_token_s, perf_counter() - started)

    def _begin(self, numbers: list[int], *, encoder_decoder: bool) -> tuple[Any, Any]:
        """(what gives the scores of the next token after a state and the token chosen last, the first state)."""
        torch, network = self._torch, self.network
        given = torch.tensor([numbers], device=self.device)
        if not encoder_decoder:

            def further(cache: Any, last: list[int]) -> tuple[Any, Any]:
                asked = torch.tensor([last], device=self.device) if last else given
                found = network(input_ids=asked, past_key_values=cache, use_cache=True)
                return found.logits[0, -1], found.past_key_values

            return further, None
        mask = torch.ones_like(given)
        read = network.get_encoder()(input_ids=given, attention_mask=mask)
        begin = network.config.decoder_start_token_id

        def next_word(cache: Any, last: list[int]) -> tuple[Any, Any]:
            asked = torch.tensor([last or [begin]], device=self.device)
            found = network(
                encoder_outputs=read,
                attention_mask=mask,
                decoder_input_ids=asked,
                past_key_values=cache,
                use_cache=True,
            )
            return found.logits[0, -1], found.past_key_values

        return next_word, None

    def _chosen(self, scores: Any, temperature: float, top_p: float, generator: Any) -> int:
        if temperature <= 0:
            return int(scores.argmax())
        chances = (scores.double() / temperature).softmax(-1)
        ordered, places = chances.sort(descending=True)
        ordered[(ordered.cumsum(-1) - ordered) >= top_p] = 0.0
        return int(places[self._torch.multinomial(ordered, 1, generator=generator)])

    def classify(self, turns: Sequence[tuple[str, str]]) -> tuple[dict[str, float], int, float]:
        """
        Each label with its chance, the likeliest first.

        Returns:
            (label to chance, tokens read, seconds).

        Raises:
            TooLong: the input has more tokens than the network reads.
        """
        started = perf_counter()
        numbers = self.words.given(turns)
        if len(numbers) > self.context:
            raise TooLong(len(numbers), self.context)
        torch = self._torch
        with torch.inference_mode():
            given = torch.tensor([numbers], device=self.device)
            scores = self.network(input_ids=given, attention_mask=torch.ones_like(given)).logits[0]
            chances = scores.double().softmax(-1).tolist()
        order = sorted(zip(self.labels, chances, strict=True), key=lambda pair: (-pair[1], pair[0]))
        return dict(order), len(numbers), perf_counter() - started
