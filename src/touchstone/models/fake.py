"""
A scripted model: no network, no chance, no key.

For tests, documentation and first steps. What it answers depends only on the request and its own parameters, never on
the order of calls, so that a run with it can be repeated byte by byte.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import orjson

from touchstone import errors
from touchstone.catalog.base import Price
from touchstone.errors import ModelError, SettingsError
from touchstone.models.base import ChatRequest, Completion, Reply, TextPart, Usage
from touchstone.models.chat_reply import BYTES_PER_TOKEN, read_reply
from touchstone.models.chat_serve import completion_body, stream_events
from touchstone.noun import Noun

FAILURES: Mapping[str, type[ModelError]] = {
    "access_denied": errors.AccessDenied,
    "no_reply": errors.NoReply,
    "out_of_credit": errors.OutOfCredit,
    "provider_failed": errors.ProviderFailed,
    "rate_limited": errors.RateLimited,
    "request_rejected": errors.RequestRejected,
    "stream_cut": errors.StreamCut,
    "unreachable": errors.Unreachable,
}
"""Errors a fake can be told to raise, by name."""


class FakeReply(Noun):
    """One scripted reply, where text alone is not enough."""

    text: str = ""
    reasoning: str | None = None
    finish: Literal["stop", "length", "refusal", "filter", "tool"] = "stop"
    input_tokens: int | None = None
    """Counted from the request, four bytes a token, when it is not given."""
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    latency_s: float | None = None
    """The model's own when it is not given."""
    first_token_s: float | None = None
    served_model: str | None = None


class FakeFailure(Noun):
    """Which requests fail, and how."""

    every: int = 1
    """One request in this many, chosen by its digest: the same ones in every run."""
    error: str = "provider_failed"
    times: int | None = 1
    """How often the same request fails before it succeeds; None for always."""
    retry_after_s: float | None = None


Answer = Callable[[ChatRequest], "str | FakeReply | ModelError"]


class FakeModel:
    """
    A model that answers by script.

    The reply is looked up in this order: `script`, `rules`, `reply`; with `labels` and none of these it guesses one of
    them; otherwise it repeats the last user message, like a parrot.

    Args:
        served_name: What it is called after `fake/`.
        name: What people call it; `fake/` and the served name by default.
        reply: The reply to everything, or a function of the request that returns a text, a `FakeReply` or an error.
        rules: Replies by a piece of text; the first piece that is in the last user message wins.
        script: A JSONL file of `{"input": …, "reply": …}`; `target` serves as well as `reply`, so that a file of
            cases is a script that is always right. The whole last user message, or else the longest input in it, wins.
        labels: The answers there are, for guessing and for mistakes; by default those of `rules` and `script`.
        accuracy: Share of the requests that get the looked-up reply; the others get another one of `labels`. What a
            function replies is left alone.
        seed: Draws mistakes and guesses. Two fakes with the same seed find the same requests hard: what the one with
            the lower accuracy gets right, the other gets right too. By default each name has a seed of its own.
        latency_s: Declared, and waited for unless `wait` is false.
        first_token_s: Declared; the reply is then a stream.
        fail: A `FakeFailure` as a mapping, such as `{every: 7, error: rate_limited}`.
        price: As in the task file; a model with a price is treated as one that costs money.
        paid: Whether calls are journalled and their replies reused; by default when there is a price.
        wait: Whether latencies pass in real time.

    Attributes:
        calls: Every request that was sent, in order.
        most_in_flight: The largest number of requests at once.

    Raises:
        SettingsError: a parameter has a value that cannot be used.
    """

    def __init__(
        self,
        served_name: str = "parrot",
        *,
        name: str | None = None,
        reply: str | Answer | None = None,
        rules: Mapping[str, str] | None = None,
        script: str | Path | None = None,
        labels: Sequence[str] = (),
        accuracy: float = 1.0,
        seed: int | None = None,
        latency_s: float = 0.0,
        first_token_s: float | None = None,
        fail: Mapping[str, Any] | None = None,
        price: Price | None = None,
        paid: bool | None = None,
        wait: bool = True,
    ) -> None:
        self.served_name = served_name
        self.name = name or f"fake/{served_name}"
        self.reply = reply
        self.rules = dict(rules or {})
        self.script = _read_script(Path(script)) if script is not None else {}
        self.labels = tuple(str(label) for label in labels) or _distinct([*self.rules.values(), *self.script.values()])
        self.accuracy = accuracy
        self.seed = seed
        self.latency_s = latency_s
        self.first_token_s = first_token_s
        self.fail = None if fail is None else _failure(fail)
        self.price = price
        self.paid = price is not None if paid is None else paid
        self.wait = wait
        self.calls: list[ChatRequest] = []
        self.most_in_flight = 0
        self._in_flight = 0
        self._failed: dict[str, int] = {}
        if not 0 <= accuracy <= 1:
            raise SettingsError("accuracy of {model} is {value!r}; give 0 to 1", model=self.name, value=accuracy)
        if accuracy < 1 and len(set(self.labels)) < 2:
            raise SettingsError("accuracy of {model} needs labels, at least two, to be wrong with", model=self.name)
        self.endpoint = f"fake/1|{served_name}|{self._fingerprint()}"

    def __repr__(self) -> str:
        return f"FakeModel({self.served_name!r})"

    async def send(self, request: ChatRequest) -> Reply:
        """
        The scripted reply, as the bytes a provider would send.

        Raises:
            ModelError: the script says so.
        """
        with self._counted(request):
            digest = _digest(request)
            answer = self._answer(request, digest)
            if isinstance(answer, ModelError):
                raise answer
            latency_s = self.latency_s if answer.latency_s is None else answer.latency_s
            if self.wait and latency_s > 0:
                await asyncio.sleep(latency_s)
            self._fail(digest)
            return self._write(request, answer, latency_s)

    def read(self, reply: Reply) -> Completion:
        """What a reply says, priced."""
        return read_reply(reply, place=self.name, price=self.price)

    async def close(self) -> None:
        """Nothing to release."""

    @contextmanager
    def _counted(self, request: ChatRequest) -> Iterator[None]:
        self.calls.append(request)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            yield
        finally:
            self._in_flight -= 1

    def _answer(self, request: ChatRequest, digest: str) -> FakeReply | ModelError:
        said = _last_user_text(request)
        if callable(self.reply):
            found = self.reply(request)
            return FakeReply(text=found) if isinstance(found, str) else found
        text = self._looked_up(said)
        if text is None:
            text = self.reply
        if text is None and self.labels:
            return FakeReply(text=self.labels[int(self._chance(digest, "guess") * len(self.labels))])
        if text is None:
            return FakeReply(text=said)
        if self._chance(digest, "right") >= self.accuracy:
            others = [label for label in self.labels if label != text]
            return FakeReply(text=others[int(self._chance(digest, "wrong") * len(others))])
        return FakeReply(text=text)

    def _looked_up(self, said: str) -> str | None:
        if self.script:
            if said in self.script:
                return self.script[said]
            inside = [text for text in self.script if text in said]
            if inside:
                return self.script[max(inside, key=len)]
        return next((reply for piece, reply in self.rules.items() if piece in said), None)

    def _chance(self, digest: str, purpose: str) -> float:
        """A number in [0, 1) that depends on the request, the seed and the purpose alone."""
        source = self.served_name if self.seed is None else str(self.seed)
        found = hashlib.blake2b(f"{source}\0{purpose}\0{digest}".encode(), digest_size=8).digest()
        return int.from_bytes(found, "big") / 2**64

    def _fail(self, digest: str) -> None:
        fail = self.fail
        if fail is None or int(digest[:12], 16) % fail.every:
            return
        before = self._failed.get(digest, 0)
        self._failed[digest] = before + 1
        if fail.times is None or before < fail.times:
            raise FAILURES[fail.error](
                "{model}: {error}, as scripted", retry_after_s=fail.retry_after_s, model=self.name, error=fail.error
            )

    def _write(self, request: ChatRequest, answer: FakeReply, latency_s: float) -> Reply:
        sent = sum(
            len(part.text.encode("utf-8", "replace")) if isinstance(part, TextPart) else 1000
            for message in request.messages
            for part in ((TextPart(text=message.content),) if isinstance(message.content, str) else message.content)
        )
        text, finish = answer.text, answer.finish
        if request.max_tokens is not None and _tokens(text) > request.max_tokens:
            text, finish = text[: request.max_tokens * BYTES_PER_TOKEN], "length"
        completion = Completion(
            parts=(TextPart(text=text),) if text else (),
            usage=Usage(
                input_tokens=-(-sent // BYTES_PER_TOKEN) if answer.input_tokens is None else answer.input_tokens,
                output_tokens=_tokens(text + (answer.reasoning or ""))
                if answer.output_tokens is None
                else answer.output_tokens,
                cached_input_tokens=answer.cached_input_tokens,
                reasoning_tokens=_tokens(answer.reasoning) if answer.reasoning else None,
            ),
            finish=finish,
            reasoning=answer.reasoning,
            served_model=answer.served_model or self.served_name,
        )
        first_s = self.first_token_s if answer.first_token_s is None else answer.first_token_s
        if first_s is None:
            return Reply(body=completion_body(completion, self.served_name), latency_s=latency_s)
        return _streamed(list(stream_events(completion, self.served_name, usage=True)), first_s, latency_s)

    def _fingerprint(self) -> str:
        """Digest of everything that decides replies, so that stored ones are not reused for another script."""
        reply = getattr(self.reply, "__qualname__", "function") if callable(self.reply) else self.reply
        parts = [reply, self.rules, self.script, self.labels, self.accuracy, self.seed, self.first_token_s]
        return hashlib.blake2b(orjson.dumps(parts), digest_size=8).hexdigest()


def _streamed(events: list[bytes], first_s: float, latency_s: float) -> Reply:
    """A stream whose role comes at once, its first token when declared, and the rest evenly until the end."""
    times: list[tuple[int, float]] = []
    size = 0
    for position, event in enumerate(events):
        size += len(event)
        share = (position - 1) / max(1, len(events) - 2)
        times.append((size, 0.0 if position == 0 else first_s + share * max(0.0, latency_s - first_s)))
    return Reply(body=b"".join(events), streamed=True, latency_s=max(latency_s, first_s), chunk_times_s=tuple(times))


def _last_user_text(request: ChatRequest) -> str:
    for message in reversed(request.messages):
        if message.role == "user":
            if isinstance(message.content, str):
                return message.content
            return "".join(part.text for part in message.content if isinstance(part, TextPart))
    return ""


def _digest(request: ChatRequest) -> str:
    body = request.model_dump_json(exclude_defaults=True).encode("utf-8", "backslashreplace")
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def _distinct(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _failure(fail: Mapping[str, Any]) -> FakeFailure:
    from pydantic import ValidationError

    try:
        found = FakeFailure.model_validate(dict(fail))
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(
            "fail of a fake model: {field}: {reason}; it takes every, error, times, retry_after_s",
            field=".".join(map(str, first["loc"])),
            reason=errors.refusal(first),
        ) from None
    if found.error not in FAILURES:
        raise errors.UnknownName(kind="failure of a fake model", name=found.error, known=FAILURES)
    if found.every < 1:
        raise SettingsError("fail of a fake model: every is {value}; give 1 or more", value=found.every)
    return found


def _read_script(path: Path) -> dict[str, str]:
    """Replies by input from a JSONL file."""
    script: dict[str, str] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SettingsError("script {path} cannot be read: {reason}", path=str(path), reason=error.strerror) from None
    for row, line in enumerate((line for line in lines if line.strip()), start=1):
        try:
            found = orjson.loads(line)
            reply = found["reply"] if "reply" in found else found["target"]
            script[str(found["input"])] = reply if isinstance(reply, str) else orjson.dumps(reply).decode()
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise errors.DataError(
                "a row of a script has an input and a reply (or a target); this one has not", path=path, row=row
            ) from None
    return script
