"""JSON bodies are looked at before they are parsed."""

from __future__ import annotations

import contextlib
import time

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from touchstone.deployment.gateway.base import GatewayError
from touchstone.deployment.gateway.json_body import depth_of, parse_json
from touchstone.deployment.gateway.limits import DoorLimits

LIMITS = DoorLimits(json_depth=5, json_containers=50)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(alphabet='[]{}"\\ab', max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='[]{}"\\', max_size=3), inner, max_size=3)
    ),
    max_leaves=25,
)


def depth(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 0


def containers(value: object) -> int:
    inner = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else None
    return 0 if inner is None else 1 + sum(map(containers, inner))


@given(VALUES)
@example([[[[[[]]]]]])
@example([[[[[]]]]])
@example({"[": [{"]": [{"a": [{}]}]}]})
@example([[]] * 50)
def test_what_is_neither_deep_nor_much_is_parsed(value: object) -> None:
    """Refused is exactly what is deeper or more than allowed, whatever brackets and quotes stand in its strings."""
    body = orjson.dumps(value)
    if depth(value) <= LIMITS.json_depth and containers(value) <= LIMITS.json_containers:
        assert parse_json(body, LIMITS) == value
    else:
        with pytest.raises(GatewayError) as refused:
            parse_json(body, LIMITS)
        assert refused.value.code in ("too_deep", "too_many_values")


@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:\\0', max_size=60).map(str.encode))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    """Nothing but a value or a refusal comes of any bytes."""
    with contextlib.suppress(GatewayError):
        assert parse_json(body, LIMITS) == orjson.loads(body)


@given(st.text(alphabet="[]", max_size=40))
def test_depth_is_never_said_to_be_less_than_the_parser_would_go(brackets: str) -> None:
    """Until its first mistake a parser goes at most as deep as is said."""
    depth = deepest = 0
    for bracket in brackets:
        depth += 1 if bracket == "[" else -1
        if depth < 0:
            break
        deepest = max(deepest, depth)
    assert depth_of(brackets.encode(), 100) >= deepest


@pytest.mark.parametrize(
    "body",
    [b'"\\"' * 1_000_000, b"[" * 4_000_000, b'["' * 1_000_000, b"[]" * 2_000_000, b"[{" * 500_000 + b"}]" * 500_000],
)
def test_hostile_text_takes_no_longer_than_other_text(body: bytes) -> None:
    """Four megabytes are looked through in a moment, however they are made."""
    started = time.process_time()
    with pytest.raises(GatewayError):
        parse_json(body, DoorLimits(json_containers=10_000_000))
    assert time.process_time() - started < 1.5
