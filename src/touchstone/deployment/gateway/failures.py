"""
Every refusal in OpenAI's shape: a code, a status and a sentence of ours. Nothing of an exception's text (R14).

The sentences are English, like everything that programs read: field names, codes, statuses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from touchstone.deployment.gateway.base import GatewayError, Outgoing
from touchstone.deployment.govern.refusals import Refused
from touchstone.errors import (
    AccessDenied,
    ContentFiltered,
    ModelError,
    NoReply,
    OutOfCredit,
    ProviderFailed,
    RateLimited,
    RequestRejected,
    SafetyUnavailable,
    StoreError,
    StreamCut,
    Unreachable,
    WrongModel,
)


class Failure(NamedTuple):
    """What a code means."""

    status: int
    type: str
    """OpenAI's word for the kind of error."""
    words: str


_REQUEST = "invalid_request_error"
_KEY = "authentication_error"
_RIGHT = "permission_error"
_RATE = "rate_limit_error"
_SERVER = "server_error"

FAILURES: Mapping[str, Failure] = {
    # How a request is framed.
    "bad_request": Failure(400, _REQUEST, "This is no HTTP request that can be read in one way only."),
    "bad_framing": Failure(400, _REQUEST, "The length of the body is given in no way, or in more ways than one."),
    "bad_target": Failure(400, _REQUEST, "The request target must be a path that begins with one slash."),
    "bad_host": Failure(400, _REQUEST, "There must be one Host header that names a host, and a port if need be."),
    "bad_version": Failure(400, _REQUEST, "Only HTTP/1.1 and HTTP/1.0 are spoken here."),
    "trailers": Failure(400, _REQUEST, "Fields after a chunked body are not taken."),
    "headers_too_large": Failure(431, _REQUEST, "The request line and headers are larger than {limit} bytes."),
    "too_many_headers": Failure(431, _REQUEST, "There are more than {limit} headers."),
    "header_timeout": Failure(408, _REQUEST, "The headers did not arrive within {limit} s."),
    "body_timeout": Failure(408, _REQUEST, "The body did not arrive within {limit} s."),
    "too_many_connections": Failure(429, _RATE, "There are too many connections from this address."),
    "no_connection_left": Failure(503, _SERVER, "There are too many connections."),
    # Who asks, from where, for what.
    "host_not_allowed": Failure(421, _REQUEST, "This host name is not served here; start with --allow-host NAME."),
    "cross_site": Failure(403, _RIGHT, "Web pages of other sites may not send requests here."),
    "duplicate_header": Failure(400, _REQUEST, "A header that may stand once stands twice."),
    "key_in_query": Failure(400, _REQUEST, "A key does not belong into the address; send Authorization: Bearer KEY."),
    "two_credentials": Failure(400, _REQUEST, "There are two different keys; send one, as Authorization: Bearer KEY."),
    "missing_api_key": Failure(401, _KEY, "There is no key; send it as Authorization: Bearer KEY."),
    "invalid_api_key": Failure(401, _KEY, "The key is not known here, or no longer."),
    "too_many_wrong_keys": Failure(429, _RATE, "Too many wrong keys came from this address; wait before the next."),
    "key_ended": Failure(401, _KEY, "The key was revoked or has expired meanwhile, so the reply ends here."),
    "missing_scope": Failure(403, _RIGHT, "The key may not do this; it lacks the scope {scope}."),
    "not_found": Failure(404, _REQUEST, "There is nothing under this path."),
    "method_not_allowed": Failure(405, _REQUEST, "This path does not take this method."),
    # How much at a time.
    "overloaded": Failure(503, _SERVER, "As many requests as can be are under way; try again soon."),
    "too_many_in_flight": Failure(429, _RATE, "The key has as many requests under way as it may: {limit}."),
    "requests_per_minute": Failure(429, _RATE, "The key has sent as many requests a minute as it may: {limit}."),
    "tokens_per_minute": Failure(429, _RATE, "The key has used as many tokens a minute as it may: {limit}."),
    "request_over_token_limit": Failure(
        400, _REQUEST, "This request may take {tokens} tokens, and the key has {limit} a minute; ask for fewer."
    ),
    "shutting_down": Failure(503, _SERVER, "The gateway is stopping; send the request again."),
    # What is in it.
    "unsupported_media_type": Failure(415, _REQUEST, "The body must be {media}, and not encoded further."),
    "body_too_large": Failure(413, _REQUEST, "The body is larger than {limit} bytes."),
    "invalid_query": Failure(400, _REQUEST, "What stands behind the ? cannot be read."),
    "unknown_parameter": Failure(400, _REQUEST, "This parameter is not known here."),
    "invalid_json": Failure(400, _REQUEST, "The body is no JSON."),
    "too_deep": Failure(400, _REQUEST, "Arrays and objects are nested deeper than {limit} times."),
    "too_many_values": Failure(400, _REQUEST, "There are more than {limit} arrays and objects in the body."),
    "invalid_value": Failure(400, _REQUEST, "A value cannot be used: {reason}."),
    "model_not_found": Failure(404, _REQUEST, "There is no such model for this key."),
    "unsupported": Failure(400, _REQUEST, "This is not offered here: {what}."),
    # What a guard says.
    "content_blocked": Failure(400, "content_filter", "The content was blocked by the policy of this endpoint."),
    "safety_unavailable": Failure(503, _SERVER, "The content could not be checked, so it was not passed on."),
    # What became of it upstream.
    "endpoint_stopped": Failure(503, _SERVER, "The endpoint is stopped."),
    "upstream_rejected": Failure(400, _REQUEST, "The model's service rejects this request."),
    "upstream_filtered": Failure(400, "content_filter", "The model's service blocked this content."),
    "upstream_denied": Failure(502, _SERVER, "The model's service does not let the gateway in."),
    "upstream_out_of_credit": Failure(502, _SERVER, "The gateway's account at the model's service is empty."),
    "upstream_rate_limited": Failure(429, _RATE, "The model's service is asked too often; try again later."),
    "upstream_failed": Failure(502, _SERVER, "The model's service failed."),
    "upstream_unreachable": Failure(503, _SERVER, "The model's service cannot be reached."),
    "upstream_no_reply": Failure(504, _SERVER, "The model's service gave no complete reply."),
    "upstream_cut": Failure(502, _SERVER, "The reply broke off."),
    "upstream_other_model": Failure(502, _SERVER, "Another model answered than was asked for."),
    "store_unavailable": Failure(503, _SERVER, "The gateway's store does not answer."),
    "not_ready": Failure(503, _SERVER, "The gateway is not ready yet."),
    "internal_error": Failure(500, _SERVER, "Something failed here; the request's id says more to whoever runs this."),
}  # fmt: skip
"""Every code of ours, by which programs know what happened; documented, tested, never changed in its meaning."""

_OF_MODELS: tuple[tuple[type[ModelError], str], ...] = (
    (ContentFiltered, "upstream_filtered"),
    (RequestRejected, "upstream_rejected"),
    (AccessDenied, "upstream_denied"),
    (OutOfCredit, "upstream_out_of_credit"),
    (RateLimited, "upstream_rate_limited"),
    (WrongModel, "upstream_other_model"),
    (ProviderFailed, "upstream_failed"),
    (Unreachable, "upstream_unreachable"),
    (StreamCut, "upstream_cut"),
    (NoReply, "upstream_no_reply"),
)


Refusal = GatewayError | Refused
"""Refused by the gateway itself, or by whoever governs keys and money."""


def as_failure(error: BaseException) -> Refusal:
    """What a client is told of an error: its code, never its text."""
    if isinstance(error, GatewayError | Refused):
        return error
    if isinstance(error, ModelError):
        code = next((code for kind, code in _OF_MODELS if isinstance(error, kind)), "upstream_failed")
        return GatewayError(code, retry_after_s=error.retry_after_s)
    if isinstance(error, StoreError):
        return GatewayError("store_unavailable")
    if isinstance(error, SafetyUnavailable):
        return GatewayError(error.code, retry_after_s=error.retry_after_s)
    return GatewayError("internal_error")


def status_of(error: Refusal) -> int:
    """Its HTTP status."""
    return error.status if isinstance(error, Refused) else FAILURES[error.code].status


def body_of(error: Refusal) -> bytes:
    """`{"error": {…}}` of a refusal."""
    if isinstance(error, Refused):
        kind = _RATE if error.status == 429 else _SERVER if error.status >= 500 else _REQUEST
        words, param = str(error), None
    else:
        _status, kind, template = FAILURES[error.code]
        words, param = template.format(**error.values), error.param
    return orjson.dumps({"error": {"message": words, "type": kind, "param": param, "code": error.code}})


def event_of(error: Refusal) -> bytes:
    """The same as the last event of a stream, after which no `[DONE]` comes."""
    return b"data: " + body_of(error) + b"\n\n"


def reply_of(error: Refusal) -> Outgoing:
    """The reply that refuses a request."""
    headers: list[tuple[bytes, bytes]] = []
    status = status_of(error)
    if error.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_s))))
    elif status in (429, 503) and isinstance(error, GatewayError):
        headers.append((b"retry-after", b"1"))
    if isinstance(error, Refused):
        return Outgoing(status, body_of(error), headers=headers)
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="touchstone"'))
    headers += error.headers
    if error.close:
        headers.append((b"connection", b"close"))
    return Outgoing(status, body_of(error), headers=headers)
