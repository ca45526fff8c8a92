"""
Our own safety rules behind `/v1/moderations`, in OpenAI's shape.

The categories are those of our rules: personal data, orders to a model, words of a list. Whether a text is violent or
hateful no rule here can tell, so no category says that it is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from touchstone.catalog.base import Price
from touchstone.deployment.base import Answered, Asked, Flow, Kind, Ready, SafetyPolicy, Usage
from touchstone.deployment.endpoints.fields import Unusable
from touchstone.deployment.endpoints.own_fields import check_fields, texts_of
from touchstone.deployment.safety.guard import RuleGuard
from touchstone.deployment.safety.pii import MASKS
from touchstone.errors import RequestRejected
from touchstone.models.chat_reply import BYTES_PER_TOKEN

MOST_TEXTS = 256
_FIELDS = frozenset({"input"})
_AT_ONCE = 2


class ModeratesHere:
    """
    Rules as an `Upstream`.

    Args:
        name: What replies call it.
        price: What a request is charged.
        blocked: Words and phrases that flag a text; one between slashes is a linear-time regular expression.
    """

    kinds: frozenset[Kind] = frozenset({"moderation"})

    def __init__(self, name: str, price: Price | None, *, blocked: Sequence[str] = ()) -> None:
        self.model = name
        self.price = price
        self._guard = RuleGuard(SafetyPolicy(pii="block", injection="block", blocked=tuple(blocked)))
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def prepare(self, asked: Asked) -> Ready:
        """The texts. Raises `Unusable`."""
        check_fields(asked, _FIELDS)
        texts = texts_of(_joined(asked.body.get("input")), "input", most=MOST_TEXTS)
        size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
        return Ready(asked, texts, size, 0)

    async def answer(self, ready: Ready) -> Answered:
        """A verdict for each text."""
        async with self._turns:
            return await asyncio.to_thread(self._answer, ready)

    def _answer(self, ready: Ready) -> Answered:
        body = orjson.dumps(
            {
                "id": f"modr-{ready.asked.request}",
                "model": self.model,
                "results": [self._judged(text) for text in ready.sent],
            }
        )
        tokens = -(-ready.input_tokens // BYTES_PER_TOKEN)
        return Answered(body, Usage(tokens, 0, estimated=True), self.model)

    def _judged(self, text: str) -> dict[str, Any]:
        scores = {"blocked": 0.0, "pii": 0.0, **{f"pii/{kind}": 0.0 for kind in MASKS}, "injection": 0.0}
        ruling = self._guard.by_rules([text], "in")
        for finding in ruling.findings:
            family, _, kind = finding.rule.partition(".")
            for name in (family, f"{family}/{kind}"):
                if name in scores:
                    scores[name] = max(scores[name], 1.0 if finding.score is None else finding.score)
        return {
            "flagged": ruling.action == "block",
            "categories": {name: score > 0 for name, score in scores.items()},
            "category_scores": scores,
            "category_applied_input_types": {name: ["text"] for name in scores},
        }

    async def open(self, ready: Ready) -> Flow:
        """A verdict is not streamed."""
        raise RequestRejected("this kind of reply is not streamed")

    async def close(self) -> None:
        """There is nothing to release."""


def _joined(given: Any) -> Any:
    """The text of an input that comes in parts, which OpenAI judges as one; what is no text cannot be judged."""
    if not isinstance(given, list) or not given or not all(isinstance(part, dict) for part in given):
        return given
    if any(part.get("type") != "text" or not isinstance(part.get("text"), str) for part in given):
        raise Unusable("input has a part that is no text, which nobody here can judge", param="input")
    return "\n".join(part["text"] for part in given)
