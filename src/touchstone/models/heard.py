"""What is heard of one reply, from its one message or from the chunks of a stream: text, reasoning, finish, usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from touchstone.errors import ModelError


@dataclass
class Heard:
    """What was heard so far; texts in the pieces in which they came."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    finish: str | None = None
    tool: bool = False
    usage: dict[str, int] = field(default_factory=dict)
    shrank: bool = False
    """Whether a later count was smaller than an earlier one."""
    model: str | None = None
    fingerprint: str | None = None
    first_text: int | None = None
    """Offset in the stream at which the first content was complete."""
    first_thought: int | None = None
    failure: ModelError | None = None
    """The error object that came instead of the rest."""

    def hear(self, message: Mapping[str, Any], end: int = 0) -> None:
        """Add a message, or the delta of a chunk that ended at an offset."""
        before = len(self.text)
        thoughts = len(self.reasoning)
        _hear_content(message.get("content"), self.text, self.reasoning)
        for key in ("reasoning_content", "reasoning"):
            thought = message.get(key)
            if isinstance(thought, str) and thought:
                self.reasoning.append(thought)
                break  # some servers send both, with the same words
        refusal = message.get("refusal")
        if isinstance(refusal, str) and refusal:
            self.refusal.append(refusal)
        if message.get("tool_calls") or message.get("function_call"):
            self.tool = True
        if self.first_text is None and (len(self.text) > before or refusal):
            self.first_text = end
        if self.first_thought is None and len(self.reasoning) > thoughts:
            self.first_thought = end

    def hear_about(self, body: Mapping[str, Any]) -> None:
        """Add what a reply or chunk says about itself: model, fingerprint, usage."""
        model, fingerprint = body.get("model"), body.get("system_fingerprint")
        if self.model is None and isinstance(model, str) and model:
            self.model = model
        if self.fingerprint is None and isinstance(fingerprint, str) and fingerprint:
            self.fingerprint = fingerprint
        self.count(body.get("usage"))

    def count(self, usage: object) -> None:
        """Add a usage object; of repeated ones each field's maximum holds."""
        if not isinstance(usage, Mapping):
            return
        prompt_details = usage.get("prompt_tokens_details")
        completion_details = usage.get("completion_tokens_details")
        reasoning = completion_details.get("reasoning_tokens") if isinstance(completion_details, Mapping) else None
        cached = prompt_details.get("cached_tokens") if isinstance(prompt_details, Mapping) else None
        if cached is None:
            # DeepSeek and Moonshot
            cached = usage.get("prompt_cache_hit_tokens", usage.get("cached_tokens"))
        for name, value in (
            ("input", usage.get("prompt_tokens")),
            ("output", usage.get("completion_tokens")),
            ("total", usage.get("total_tokens")),
            ("cached", cached),
            ("reasoning", reasoning),
        ):
            if type(value) is int and value >= 0:
                before = self.usage.get(name, 0)
                self.shrank = self.shrank or value < before
                self.usage[name] = max(value, before)


def _hear_content(content: object, text: list[str], reasoning: list[str]) -> None:
    if isinstance(content, str):
        if content:
            text.append(content)
    elif isinstance(content, list):
        # Mistral's reasoning models answer in parts: {"type": "thinking", "thinking": [...]} before the text.
        for part in content:
            if isinstance(part, dict):
                if part.get("type") == "thinking":
                    _hear_content(part.get("thinking"), reasoning, reasoning)
                else:
                    _hear_content(part.get("text"), text, reasoning)
