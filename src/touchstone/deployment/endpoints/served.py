"""
What answers for a version: the candidate that was measured, in front of whatever runs its model.

Two ways lead from a candidate to a reply. A chat candidate whose model is behind OpenAI's protocol is passed through:
its messages are made, sent, and the reply goes on as bytes while it comes. Any other candidate answers a case as it
does in a trial, and the completion is written in OpenAI's shape.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import orjson

from touchstone.catalog.base import Price
from touchstone.data.base import Case
from touchstone.deployment.base import Answered, Asked, Flow, Kind, Ready, Usage
from touchstone.deployment.endpoints.fields import Passing, Unusable, passing
from touchstone.deployment.endpoints.flow import PassedFlow, finishes, heard_usage
from touchstone.deployment.endpoints.question import Question, question, sent_messages
from touchstone.deployment.json_object import json_object
from touchstone.errors import ProviderFailed, RequestRejected
from touchstone.evaluation.base import Candidate
from touchstone.models.base import ChatRequest, Completion, TextPart
from touchstone.models.chat_serve import STREAM_END, completion_body, finish_reason, stream_events
from touchstone.models.heard import Heard
from touchstone.models.openai_compatible import OpenAICompatible
from touchstone.models.picture_tokens import PICTURE_TOKENS
from touchstone.strategies.base import ContextPassage
from touchstone.strategies.chat import PromptCandidate

CHAT: frozenset[Kind] = frozenset({"chat"})
UNTOLD_TOKENS = 512
"""The most that weights of our own write where nobody names a limit, see `models/local` and `models/starter`."""
_FRAME_TOKENS = 16
"""A provider's own words around a message: role, separators and the like; OpenAI counts 3 or 4."""


class _Recipe:
    """What both ways share: the rules of a request, and how much it takes at most."""

    kinds = CHAT

    def __init__(
        self,
        price: Price | None,
        *,
        sampling: Literal["measured", "client"],
        most_output_tokens: int,
        image_hosts: Collection[str],
    ) -> None:
        self.price = price
        self.sampling = sampling
        self.most_output_tokens = most_output_tokens
        self.image_hosts = image_hosts

    def rules(self, asked: Asked, own: Mapping[str, Any]) -> Passing:
        """Which fields of a request pass. Raises `Unusable`."""
        return passing(asked.body, own, sampling=self.sampling, most_output_tokens=self.most_output_tokens)

    def question(self, asked: Asked) -> Question:
        """What is asked. Raises `Unusable`."""
        return question(asked.body, asked.request, self.image_hosts)


class PassedThrough(_Recipe):
    """
    A chat candidate whose model is behind OpenAI's protocol, as an `Upstream`.

    Args:
        candidate: What was measured.
        model: Its model.
        price: What a request is charged.
        sampling, most_output_tokens, image_hosts: See `Policy`.
    """

    def __init__(self, candidate: PromptCandidate, model: OpenAICompatible, price: Price | None, **policy: Any) -> None:
        super().__init__(price, **policy)
        self.candidate = candidate
        self._model = model
        self.model = model.name

    async def prepare(self, asked: Asked) -> Ready:
        """The body that is sent, with the examples and passages that belong to the question."""
        rules = self.rules(asked, self.candidate.fields)
        found = self.question(asked)
        passages: tuple[ContextPassage, ...] = ()
        if found.case is None:
            request = self.candidate.request_without_turn()
        else:
            passages = await self.candidate.passages(found.case)
            request = _filled(self.candidate, found.case, passages)
        whole, _ = self._model.write(request, stream=asked.stream)
        body = orjson.loads(whole)
        own = body["messages"]
        head = 1 if self.candidate.system else 0
        shots = len(own) - head - (0 if found.case is None else 1)
        body.update(rules.fields)
        body["messages"] = sent_messages(found, own, head, shots)
        body[self._model.max_tokens_field] = rules.max_tokens
        return Ready(
            asked,
            orjson.dumps(body),
            most_input_tokens(body),
            rules.max_tokens * int(rules.fields.get("n", 1)),
            rules.ignored,
            tuple(passage.text for passage in passages),
        )

    async def answer(self, ready: Ready) -> Answered:
        """The whole reply, as the provider wrote it."""
        passed = await self._model.relay().ask("/chat/completions", ready.sent)
        found = _document(passed.body, self.model)
        choices = [choice for choice in found.get("choices") or () if isinstance(choice, dict)]
        return Answered(
            passed.body,
            stated_usage(found, len(ready.sent)),
            str(found.get("model") or self.model),
            finish=finishes(choices),
        )

    async def open(self, ready: Ready) -> Flow:
        """The reply as it comes."""
        stream = await self._model.relay().open("/chat/completions", ready.sent)
        return PassedFlow(
            stream, self.model, self.model, request_bytes=len(ready.sent), usage_wanted=wants_usage(ready.asked)
        )

    def at(self, model: OpenAICompatible) -> PassedThrough:
        """The same recipe in front of a model elsewhere; left by `release`."""
        policy = {
            "sampling": self.sampling, "most_output_tokens": self.most_output_tokens, "image_hosts": self.image_hosts,
        }  # fmt: skip
        return PassedThrough(self.candidate, model, self.price, **policy)

    async def release(self) -> None:
        """Close the connections, and leave the candidate to others."""
        await self._model.close()

    async def close(self) -> None:
        """Release the candidate."""
        await self.candidate.close()


class _Case(NamedTuple):
    """What a candidate of one's own is asked."""

    case: Case
    passages: tuple[ContextPassage, ...]
    max_tokens: int | None
    """The limit that its model is told; None leaves the recipe's own, or the model's."""


class AnsweredWhole(_Recipe):
    """
    Any candidate that answers cases, as an `Upstream`: a baseline, a starter model, weights of one's own.

    Args:
        candidate: What was measured.
        price: What a request is charged.
        sampling, most_output_tokens, image_hosts: See `Policy`.
    """

    def __init__(self, candidate: Candidate, price: Price | None, **policy: Any) -> None:
        super().__init__(price, **policy)
        self.candidate = candidate
        self.model = candidate.recipe.model

    async def prepare(self, asked: Asked) -> Ready:
        """The case that is answered."""
        candidate = self.candidate
        prompted = candidate if isinstance(candidate, PromptCandidate) else None
        own = {} if prompted is None else prompted.fields
        rules = self.rules(asked, own)
        refused = sorted(set(rules.fields) & {"tools", "functions", "logprobs", "top_logprobs"})
        if refused or rules.fields.get("n", 1) != 1:
            raise Unusable(
                "{model} has no {field}", param=(refused or ["n"])[0], model=self.model, field=(refused or ["n"])[0]
            )
        found = self.question(asked)
        if found.case is None or not found.alone:
            raise Unusable(
                "{model} was measured on single questions; send one message of a user",
                param="messages",
                model=self.model,
            )
        passages: tuple[ContextPassage, ...] = ()
        most_read = most_input_tokens(asked.body)
        named = [name for name in ("max_completion_tokens", "max_tokens") if asked.body.get(name) is not None]
        if prompted is not None:
            # Found once, so that what a guard looks at is what the model reads.
            passages = await prompted.passages(found.case)
            most_read += _text_bytes(_filled(prompted, found.case, passages))
        told = rules.max_tokens if prompted is not None and (named or own.get("max_tokens")) else None
        # What nobody is told of bounds nothing: a small limit in a request must not make what is held too little.
        most_written = told or max(rules.max_tokens, self.most_output_tokens, UNTOLD_TOKENS)
        ignored = {*rules.ignored, *rules.fields, *(named if prompted is None else ())} - {"n"}
        return Ready(
            asked,
            _Case(found.case, passages, told),
            most_read,
            most_written,
            tuple(sorted(ignored)),
            tuple(passage.text for passage in passages),
        )

    async def answer(self, ready: Ready) -> Answered:
        """The completion of the case, in OpenAI's shape."""
        completion = await self._answer(ready)
        body = completion_body(
            completion, self.model, reply_id=f"chatcmpl-{ready.asked.request}", created=int(time.time())
        )
        return Answered(body, usage_of(completion), self.model, finish=(finish_reason(completion),))

    async def open(self, ready: Ready) -> Flow:
        """The completion, piece by piece, once it is there."""
        sent_at = time.perf_counter()
        completion = await self._answer(ready)
        return WholeFlow(completion, self.model, ready.asked, time.perf_counter() - sent_at)

    async def _answer(self, ready: Ready) -> Completion:
        """The answer under the name that tables have; inside a process a model may call itself something shorter."""
        found: _Case = ready.sent
        if isinstance(self.candidate, PromptCandidate):
            completion = await self.candidate.answer(found.case, passages=found.passages, max_tokens=found.max_tokens)
        else:
            completion = await self.candidate.answer(found.case)
        return completion.model_copy(update={"served_model": self.model})

    async def close(self) -> None:
        """Release the candidate."""
        await self.candidate.close()


class WholeFlow:
    """A completion that is there already, as a `Flow`."""

    def __init__(self, completion: Completion, model: str, asked: Asked, seconds: float) -> None:
        self.model = model
        self.first_token_s: float | None = seconds
        self.usage = usage_of(completion)
        self.finish = (finish_reason(completion),)
        self._events = stream_events(
            completion,
            model,
            reply_id=f"chatcmpl-{asked.request}",
            usage=wants_usage(asked),
            created=int(time.time()),
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The events of its stream."""
        for event in self._events:
            if event != STREAM_END:
                yield event

    async def close(self) -> None:
        """There is nothing to end."""


def usage_of(completion: Completion) -> Usage:
    """The usage of a completion."""
    used = completion.usage
    return Usage(used.input_tokens, used.output_tokens, used.cached_input_tokens, used.reasoning_tokens, used.estimated)


def _document(body: bytes, place: str) -> dict[str, Any]:
    found = json_object(body)
    if found is None or "choices" not in found:
        raise ProviderFailed("{place}: status 200, but the reply is no chat completion", place=place)
    return found


def wants_usage(asked: Asked) -> bool:
    """Whether the client wants the chunk of a stream that counts."""
    options = asked.body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def most_input_tokens(body: Mapping[str, Any]) -> int:
    """
    An upper end of the input tokens of a chat request: no token is shorter than a byte of the text that it stands for.

    Pictures are billed by their size on the screen, not by their bytes, so each counts as much as the dearest of the
    usual models takes for one.
    """
    size = 0
    for turn in body["messages"]:
        size += _FRAME_TOKENS
        content = turn.get("content")
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") == "image_url":
                size += PICTURE_TOKENS - len(orjson.dumps(part))
        size += len(orjson.dumps(turn))
    return size + sum(
        len(orjson.dumps(body[name])) for name in ("tools", "functions", "response_format") if name in body
    )


def _filled(candidate: PromptCandidate, case: Case, passages: Sequence[ContextPassage]) -> ChatRequest:
    """What a recipe asks for a case. Raises `Unusable` where its prompt has a hole that the request does not fill."""
    try:
        return candidate.request(case, 0, passages)
    except RequestRejected as error:
        raise Unusable(
            "the prompt of this endpoint cannot be filled from the request; it needs {slot}, as one of "
            "touchstone.fields",
            param="touchstone",
            slot=error.values.get("slot", "more"),
        ) from error


def _text_bytes(request: ChatRequest) -> int:
    """An upper end of the tokens of what a recipe sends in words: its own, its examples, its passages."""
    size = 0
    for message in request.messages:
        content = message.content
        texts = (content,) if isinstance(content, str) else (p.text for p in content if isinstance(p, TextPart))
        size += _FRAME_TOKENS + sum(len(text.encode("utf-8", "replace")) for text in texts)
    return size


def stated_usage(found: Mapping[str, Any], request_bytes: int) -> Usage:
    """The usage that a whole chat reply states; estimated from its text where it states none."""
    heard = Heard()
    heard.count(found.get("usage"))
    choices = [choice for choice in found.get("choices") or () if isinstance(choice, dict)]
    for choice in choices:
        heard.count(choice.get("usage"))
    if not {"input", "output"} <= heard.usage.keys():
        for choice in choices:
            message = choice.get("message")
            if isinstance(message, dict):
                heard.hear(message)
    return heard_usage(heard, heard, request_bytes)
