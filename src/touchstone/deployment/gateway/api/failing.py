"""What an upstream's failure means: its code, what it costs, and whether somebody else may be asked instead."""

from __future__ import annotations

from touchstone.deployment.gateway.failures import as_failure
from touchstone.errors import (
    AccessDenied,
    ModelError,
    NoReply,
    OutOfCredit,
    ProviderFailed,
    RateLimited,
    Unreachable,
)

FAILS_OVER = (Unreachable, ProviderFailed, RateLimited, AccessDenied, OutOfCredit, NoReply)
"""
Failures after which the next endpoint may be asked, as long as the client was sent nothing (A13). A request that was
rejected would be rejected there too, and one that was answered by the wrong model was answered.
"""


def code_of(error: BaseException) -> str:
    """Its code, as rows and replies name it."""
    return as_failure(error).code


def billed_usd(error: ModelError) -> float | None:
    """What a failure costs; None where nobody knows, which a budget is charged the hold for."""
    if error.charged:
        return error.cost_usd
    return None if error.maybe_billed else 0.0
