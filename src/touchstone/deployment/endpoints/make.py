"""From a candidate to what serves it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from touchstone.catalog.base import Price
from touchstone.deployment.base import Upstream
from touchstone.deployment.endpoints.caller import ServingCaller
from touchstone.deployment.endpoints.passed_on import PassedOn
from touchstone.deployment.endpoints.provider import WholeProvider
from touchstone.deployment.endpoints.served import AnsweredWhole, PassedThrough
from touchstone.evaluation.base import Candidate
from touchstone.models.openai_compatible import OpenAICompatible
from touchstone.strategies.chat import PromptCandidate


def upstream_of(
    candidate: Candidate,
    price: Price | None,
    *,
    sampling: Literal["measured", "client"],
    most_output_tokens: int,
    image_hosts: Collection[str],
    whole_provider: bool = False,
) -> Upstream:
    """
    What serves a candidate.

    Args:
        candidate: As it was measured, its callers made by `ServingCaller`.
        whole_provider: Whether every kind of request is passed on, as for a model that is served as it is.
        price: What a request is charged; None where nobody knows.
        sampling, most_output_tokens, image_hosts: See `Policy`.
    """
    policy: dict[str, Any] = {
        "sampling": sampling, "most_output_tokens": most_output_tokens, "image_hosts": image_hosts,
    }  # fmt: skip
    if isinstance(candidate, PromptCandidate) and isinstance(candidate.caller, ServingCaller):
        model = candidate.caller.model
        if isinstance(model, OpenAICompatible):
            chat = PassedThrough(candidate, model, price, **policy)
            return WholeProvider(chat, PassedOn(model, price)) if whole_provider else chat
    return AnsweredWhole(candidate, price, **policy)
