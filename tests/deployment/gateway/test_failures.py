"""Refusals: one shape, codes that stay, no text of an exception."""

from __future__ import annotations

import json

import pytest

from touchstone import errors
from touchstone.deployment.gateway.base import GatewayError, Outgoing
from touchstone.deployment.gateway.failures import FAILURES, as_failure, body_of, event_of, reply_of, status_of
from touchstone.deployment.govern.refusals import OverBudget

VALUES = {"limit": 3, "scope": "admin", "media": "application/json", "reason": "why", "what": "it", "tokens": 9}


def headers(reply: Outgoing) -> dict[bytes, bytes]:
    return dict(reply.headers)


@pytest.mark.parametrize("code", FAILURES)
def test_every_code_has_a_status_and_a_sentence(code: str) -> None:
    """Each can be said as it is, in OpenAI's shape; 429 and 503 say when to come again, 401 how to be let in."""
    reply = reply_of(GatewayError(code, param="model", **VALUES))
    assert isinstance(reply.body, bytes)
    found = json.loads(reply.body)
    assert set(found) == {"error"}
    assert set(found["error"]) == {"message", "type", "param", "code"}
    assert found["error"]["code"] == code
    assert found["error"]["message"].endswith(".")
    assert 400 <= reply.status < 600
    assert (b"retry-after" in headers(reply)) == (reply.status in (429, 503))
    assert (b"www-authenticate" in headers(reply)) == (reply.status == 401)


def test_errors_of_models_are_codes() -> None:
    """Each kind has its own code and status; what the service wrote is not in it."""
    found = {}
    for name in (
        "RequestRejected", "AccessDenied", "OutOfCredit", "RateLimited", "ProviderFailed", "Unreachable",
        "WrongModel", "NoReply", "StreamCut", "ModelError",
    ):  # fmt: skip
        error = getattr(errors, name)("the service says: {text}", text="sk-secret", retry_after_s=2.4)
        failure = as_failure(error)
        assert b"sk-secret" not in body_of(failure)
        found[name] = (failure.code, status_of(failure))
    assert found == {
        "RequestRejected": ("upstream_rejected", 400),
        "AccessDenied": ("upstream_denied", 502),
        "OutOfCredit": ("upstream_out_of_credit", 502),
        "RateLimited": ("upstream_rate_limited", 429),
        "ProviderFailed": ("upstream_failed", 502),
        "Unreachable": ("upstream_unreachable", 503),
        "WrongModel": ("upstream_other_model", 502),
        "NoReply": ("upstream_no_reply", 504),
        "StreamCut": ("upstream_cut", 502),
        "ModelError": ("upstream_failed", 502),
    }
    late = reply_of(as_failure(errors.RateLimited("later", retry_after_s=2.4)))
    assert headers(late)[b"retry-after"] == b"3"


def test_refusals_of_the_meter_keep_their_code_and_words() -> None:
    """Who governs money says itself what the matter is."""
    reply = reply_of(as_failure(OverBudget("the budget of {usd} USD is spent", usd=3, retry_after_s=60)))
    assert reply.status == 429
    assert headers(reply)[b"retry-after"] == b"60"
    assert isinstance(reply.body, bytes)
    assert json.loads(reply.body)["error"] == {
        "message": "the budget of 3 USD is spent",
        "type": "rate_limit_error",
        "param": None,
        "code": "insufficient_quota",
    }


def test_a_refusal_that_waiting_does_not_help_names_no_time() -> None:
    """A budget without a window is spent for good."""
    assert b"retry-after" not in headers(reply_of(OverBudget("spent")))


def test_all_other_errors_are_one_code() -> None:
    """Neither the text nor the kind of an exception is told."""
    for error in (ValueError("sk-secret"), KeyError("x"), errors.UserError("y"), RuntimeError()):
        assert as_failure(error).code == "internal_error"
    assert as_failure(errors.SafetyUnavailable("x", reason="timeout")).code == "safety_unavailable"
    assert as_failure(errors.StoreError("/home/me/store is full")).code == "store_unavailable"


def test_the_event_of_a_refusal_ends_a_stream_without_its_mark() -> None:
    """It is one event with the same object."""
    event = event_of(GatewayError("shutting_down"))
    assert event.startswith(b'data: {"error":{')
    assert event.endswith(b"}}\n\n")
    assert b"[DONE]" not in event
