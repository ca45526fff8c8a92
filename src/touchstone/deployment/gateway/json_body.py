"""JSON bodies: looked at before they are parsed, because parsing makes many times their size of them."""

from __future__ import annotations

import re
from typing import Any

import orjson

from touchstone.deployment.gateway.base import GatewayError
from touchstone.deployment.gateway.limits import DoorLimits

# Possessive, and an unclosed string runs to the end: no byte is looked at twice, whatever the text is.
_STRINGS = re.compile(rb'"(?>[^"\\]++|\\.)*+(?:"|\Z|\\\Z)', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
"""Arrays and objects count alike; that a bracket is closed by one of the other kind is the parser's to say."""


def parse_json(body: bytes, limits: DoorLimits) -> Any:
    """
    The value of a JSON text, UTF-8, without `NaN` and its like.

    Raises:
        GatewayError: it is no JSON, or nested deeper or in more arrays and objects than `limits` allow.
    """
    containers = body.count(b"[") + body.count(b"{")
    if containers > min(limits.json_depth, limits.json_containers):
        _look_closer(body, limits)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise GatewayError("invalid_json") from None


def _look_closer(body: bytes, limits: DoorLimits) -> None:
    # Brackets within strings are no brackets; there may be many in a question about source code.
    brackets = _STRINGS.sub(b"", body).translate(_ONE_KIND, _ALL_BUT_BRACKETS)
    if brackets.count(b"[") > limits.json_containers:
        raise GatewayError("too_many_values", limit=limits.json_containers)
    if depth_of(brackets, limits.json_depth) > limits.json_depth:
        raise GatewayError("too_deep", limit=limits.json_depth)


def depth_of(brackets: bytes, most: int) -> int:
    """
    How deep square brackets stand in each other, counted to `most` + 1; one that is never closed counts as one level.

    Each step takes away the innermost level, so that the work is done in C and at most `most` times.
    """
    depth = 0
    while brackets:
        if depth > most:
            return depth
        shorter = brackets.replace(b"[]", b"")
        if len(shorter) == len(brackets):
            # Nothing closes any more, so it is no JSON; the parser says so unless it could go too deep first.
            return depth + brackets.count(b"[")
        brackets, depth = shorter, depth + 1
    return depth
