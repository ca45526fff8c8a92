"""What a process of ours is asked to write, and its answer as a reply; shared by all weights on this machine."""

from __future__ import annotations

from typing import Any

from touchstone.errors import RequestRejected
from touchstone.models.base import ChatRequest, Completion, Message, Reply, TextPart, Usage
from touchstone.models.chat_serve import completion_body


def text_of(message: Message, model: str) -> str:
    """The text of a message. Raises `RequestRejected` where it holds more than text."""
    if isinstance(message.content, str):
        return message.content
    if not all(isinstance(part, TextPart) for part in message.content):
        raise RequestRejected("{model} reads text only; leave images and recordings out", model=model)
    return "".join(part.text for part in message.content if isinstance(part, TextPart))


def drawing(request: ChatRequest) -> dict[str, Any]:
    """How tokens are drawn, and where writing ends."""
    return {
        "temperature": request.temperature or 0.0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "seed": (request.seed or 0) * 1_000_003 + request.draw,
        "stop": list(request.stop),
    }


def reply_of(found: dict[str, Any], model: str, served_name: str) -> Reply:
    """
    What a process wrote, as a reply.

    Raises:
        RequestRejected: the conversation is too long for the model, or its weights cannot be loaded.
    """
    if "too_long" in found:
        tokens, most = found["too_long"]
        raise RequestRejected(
            "{model} reads at most {most} tokens and this is {tokens}; shorten the system text, examples or passages",
            model=model,
            most=most,
            tokens=tokens,
        )
    if "error" in found:
        raise RequestRejected("{model} cannot be loaded: {reason}", model=model, reason=found["error"])
    completion = Completion(
        parts=(TextPart(text=found["text"]),) if found["text"] else (),
        usage=Usage(input_tokens=found["input_tokens"], output_tokens=found["output_tokens"]),
        finish=found["finish"],
        served_model=served_name,
    )
    return Reply(body=completion_body(completion, served_name), latency_s=found["latency_s"])
