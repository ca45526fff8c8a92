"""What providers' errors mean, spelling by spelling."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.errors import AccessDenied, ModelError, OutOfCredit, ProviderFailed, RateLimited, RequestRejected
from touchstone.models.chat_failure import SHOWN_CHARACTERS, Said, failure_of, retry_after_s, shown


def error(message: str = "no", code: Any = None, kind: Any = None) -> dict[str, Any]:
    return {"error": {"message": message, "code": code, "type": kind}}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, error(), RequestRejected),
        (401, error(), AccessDenied),
        (402, {"error": {"message": "Insufficient Balance"}}, OutOfCredit),  # DeepSeek
        (403, error(), AccessDenied),
        (403, {"error": {"message": "Input token count + max_tokens must be less"}}, RequestRejected),  # Together
        (404, error(), RequestRejected),
        (408, error(), ProviderFailed),
        (409, error(), ProviderFailed),
        (413, error(), RequestRejected),
        (422, error(), RequestRejected),
        (429, error(), RateLimited),
        (429, error(code="insufficient_quota"), OutOfCredit),  # OpenAI
        (429, error(code="1113"), OutOfCredit),  # Zhipu
        (429, error(code=1113), OutOfCredit),
        (429, error(code="1302"), RateLimited),  # Zhipu: too many at once
        (429, error(kind="exceeded_current_quota_error"), OutOfCredit),  # Moonshot
        (400, error("Your credit balance is too low to access the API"), OutOfCredit),  # Anthropic
        (400, error(code="Arrearage"), OutOfCredit),  # DashScope
        (429, error("You exceeded your current quota", 429, "RESOURCE_EXHAUSTED"), RateLimited),  # Gemini, per minute
        (500, error(), ProviderFailed),
        (502, "<html>Bad gateway</html>", ProviderFailed),
        (503, None, ProviderFailed),
        (529, error(kind="overloaded_error"), ProviderFailed),
        (302, "", RequestRejected),
        (418, [], RequestRejected),
        (None, error(code=429), RateLimited),  # OpenRouter, inside a stream
        (None, error(code="rate_limit_exceeded"), RateLimited),
        (None, error(kind="overloaded_error"), ProviderFailed),
        (None, error(kind="authentication_error"), AccessDenied),
        (None, error(kind="invalid_request_error"), RequestRejected),
        (None, error(code="insufficient_quota"), OutOfCredit),
        (None, {"object": "error", "message": "too long", "code": 400}, RequestRejected),  # vLLM
        (None, {"error": "something"}, ProviderFailed),
    ],
)
def test_a_providers_error_has_one_class(status: int | None, body: object, expected: type[ModelError]) -> None:
    """Status, code, type and sentence together decide; money is recognised wherever it is said."""
    found = failure_of(Said(body), status, "m at host", "shown")
    assert type(found) is expected
    assert "m at host" in str(found)


@pytest.mark.parametrize(("status", "stops"), [(400, False), (401, True), (402, True), (404, True), (429, False)])
def test_what_would_fail_for_every_row_stops_the_lane(status: int, stops: bool) -> None:
    """A missing model, a wrong key and an empty account are said once, not once a row (F5)."""
    assert failure_of(Said(None), status, "m", "x").stops_lane is stops


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "content_filter", "message": "…", "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
        error("Output data may contain inappropriate content.", code="data_inspection_failed"),
        error(code="1301"),
        error("Content Exists Risk"),
        error("anthropic/claude requires moderation. Your input was flagged for violence"),
    ],
)
def test_a_blocked_prompt_is_recognised(body: object) -> None:
    """A filter's block is an outcome of its own, told apart from a rejected request (F17)."""
    assert Said(body).blocked
    assert not Said(error("context too long", code="context_length_exceeded")).blocked


NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": format_datetime(NOON.replace(minute=1), usegmt=True)}, 60.0),
        ({"retry-after": format_datetime(NOON.replace(hour=11), usegmt=True)}, 0.0),
        (
            {
                "retry-after": format_datetime(NOON.replace(hour=3, second=5), usegmt=True),
                "date": format_datetime(NOON.replace(hour=3), usegmt=True),
            },
            5.0,
        ),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, milliseconds or a date; a date is measured by the provider's own clock where it tells it (F19)."""
    assert retry_after_s(headers, NOON.timestamp) == seconds


@settings(deadline=None)
@given(st.text())
def test_what_is_shown_is_one_short_printable_line(text: str) -> None:
    """No reply can put control codes, bidirectional tricks or a second line into an error."""
    line = shown(text)
    assert line.isprintable()
    assert 0 < len(line) <= 10 * SHOWN_CHARACTERS


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.text() | st.integers() | st.booleans(),
        lambda s: st.lists(s) | st.dictionaries(st.sampled_from(["error", "message", "code", "type", "innererror"]), s),
    )
)
def test_an_error_object_of_any_shape_is_read(found: object) -> None:
    """Whatever a server puts into an error, it becomes one of our classes."""
    assert isinstance(failure_of(Said(found), None, "m", "x"), ModelError)
