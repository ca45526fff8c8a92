"""Why a request is refused before anybody is asked. The gateway makes replies of them; each has a code and a status."""

from __future__ import annotations

from touchstone.deployment.base import Budget
from touchstone.deployment.govern.windows import retry_after_s
from touchstone.errors import TouchstoneError


class Refused(TouchstoneError):
    """
    A request that reaches nobody.

    Attributes:
        code: For programs; stands in the row and in the reply.
        status: Of the HTTP reply.
        retry_after_s: After how many seconds it may be tried again; None where waiting does not help.
    """

    code = "refused"
    status = 400

    def __init__(self, template: str, /, *, retry_after_s: int | None = None, **values: object) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(template, **values)


class OverBudget(Refused):
    """What a request may cost at most is more than is left of its key's budget."""

    code = "insufficient_quota"
    status = 429


class NoPrice(Refused):
    """A key with a budget asks an endpoint of which nobody knows what it costs."""

    code = "price_unknown"
    status = 403


class MeterDown(Refused):
    """The store takes no rows, so nobody is asked: what is not metered is not served."""

    code = "metering_unavailable"
    status = 503


class OtherBody(Refused):
    """An idempotency key that was used for another request before."""

    code = "idempotency_key_reused"
    status = 422


class StillRunning(Refused):
    """The request of this idempotency key has not ended yet."""

    code = "idempotent_request_running"
    status = 409


class ReplyNotKept(Refused):
    """The request of this idempotency key has ended, and its reply is not kept: too large, or one of too many."""

    code = "idempotent_reply_not_kept"
    status = 409


def no_price(endpoint: str, *, judges: bool = False) -> NoPrice:
    """Why a key with a budget may not ask an endpoint. Whom a guard would ask is no business of the client's."""
    if judges:
        return NoPrice(
            "no price is known for what checks the content of this request, so a key with a budget may not send it; "
            "name a price when that endpoint is deployed, or use a key without a budget"
        )
    return NoPrice(
        "no price is known for {endpoint}, so a key with a budget may not ask it; name a price when it is deployed, "
        "or use a key without a budget",
        endpoint=endpoint,
    )


def over_budget(usd: float, budget: Budget, window: int, at_s: float, *, judges: bool = False) -> OverBudget:
    """
    Why the most that a request, or a guard's question about it, may cost is too much.

    Args:
        usd: The most.
        budget: Of its key.
        window: In which it was to be held.
        at_s: Now, seconds since 1970.
        judges: Whether a guard would ask.
    """
    wait_s = retry_after_s(budget.window, window, at_s)
    said = {"usd": usd, "cap": budget.usd, "window": budget.window}
    if judges:
        return OverBudget(
            "checking the content of this request may cost up to {usd:.6g} USD, more than is left of the key's "
            "{cap:g} USD ({window})",
            retry_after_s=wait_s,
            **said,
        )
    return OverBudget(
        "this request may cost up to {usd:.6g} USD, more than is left of the key's {cap:g} USD ({window})",
        retry_after_s=wait_s,
        **said,
    )
