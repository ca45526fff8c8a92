"""What is stored can be read again: no noun takes a number that JSON cannot say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from touchstone.deployment.base import Budget, ComputeSettings, Limits, Policy, SafetyPolicy
from touchstone.noun import Noun

_COUNTS = ("requests_per_minute", "tokens_per_minute", "in_flight")
_TIMES = ("idle_s", "first_byte_s", "drain_s")


@pytest.mark.parametrize(
    ("noun", "given"),
    [
        *((Budget, {"usd": number}) for number in (float("inf"), float("nan"))),
        *((Policy, {name: float("inf")}) for name in _TIMES),
        *((Policy, {name: 10**30}) for name in ("max_output_tokens", "cache_s", "keep_content_days")),
        (SafetyPolicy, {"timeout_s": float("inf")}),
        *((ComputeSettings, {"kind": "starter", name: float("inf")}) for name in ("memory_gib", "idle_stop_s")),
        *((Limits, {name: 10**30}) for name in _COUNTS),
    ],
)
def test_a_number_that_could_not_be_read_again_is_refused(noun: type[Noun], given: dict[str, Any]) -> None:
    """One such key, or endpoint, would make the list of all of them unreadable, and with it the gateway."""
    with pytest.raises(ValidationError):
        noun.model_validate(given)
