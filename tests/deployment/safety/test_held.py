"""Event streams put together and taken apart; more in `promises/test_a19_one_choke_point.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.base import SafetyPolicy
from touchstone.deployment.safety.guard import make_guard
from touchstone.deployment.safety.held import HeldStream
from touchstone.deployment.safety.screen import Screen
from touchstone.models.event_stream import events

EVENTS = st.lists(
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 10**12) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["choices", "delta", "content", "index", "logprobs", "type", "arguments", "odd"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    ),
    max_size=4,
)


def stream(bodies: list[Any]) -> bytes:
    return b"".join(b"data: " + orjson.dumps(body) + b"\n\n" for body in bodies)


@given(EVENTS)
def test_any_events_can_be_read_and_come_back_as_they_were(bodies: list[Any]) -> None:
    """Whatever shapes follow each other, the same texts put back give the same events."""
    held = HeldStream(stream(bodies))
    back = b"".join(held.put(held.texts))
    objects = [body for body in bodies if isinstance(body, dict)]
    assert [said for event in events(back) if isinstance(said := orjson.loads(event.data), dict)] == objects


def test_a_field_of_two_kinds_is_two_texts() -> None:
    """An upstream that sends a text and then an object under one name hides neither."""
    held = HeldStream(stream([{"odd": "alpha"}, {"odd": {"content": "beta"}}, {"odd": ["gamma"]}, {"odd": "delta"}]))
    assert {"alphadelta", "beta", "gamma"} <= set(held.texts)
    masked = b"".join(held.put(["X" if text in {"alphadelta", "beta", "gamma"} else text for text in held.texts]))
    said = [orjson.loads(event.data) for event in events(masked)]
    assert said == [{"odd": "X"}, {"odd": {"content": "X"}}, {"odd": ["X"]}, {"odd": ""}]


def test_what_tells_a_text_by_pieces_is_dropped_from_every_event() -> None:
    """Log probabilities of all events go where any text changed."""
    piece = {"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [{"token": "a"}]}}]}
    held = HeldStream(stream([piece, piece]))
    back = b"".join(
        held.put(
            ["X" if place.endswith("content") else text for text, place in zip(held.texts, held.places, strict=True)]
        )
    )
    assert [orjson.loads(event.data)["choices"][0]["logprobs"] for event in events(back)] == [None, None]


def test_a_masked_name_of_a_field_takes_its_text_along() -> None:
    """A field whose own name was masked says nothing more."""
    held = HeldStream(stream([{"jane odd": "a"}, {"jane odd": "b"}]))
    back = b"".join(held.put(["[X]" if text == "jane odd" else text for text in held.texts]))
    assert b"jane" not in back


async def test_a_long_stream_is_taken_apart_beside_the_event_loop() -> None:
    """Another request's next step comes while a long reply is looked at; what passes is what came."""
    event = b'data: {"choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
    policy = SafetyPolicy(blocked=("forbidden",))
    screen = Screen(make_guard(policy), policy, "shop", lambda _record: None)

    async def pieces() -> AsyncIterator[bytes]:
        yield event * 6_000

    looking = asyncio.ensure_future(screen.stream(pieces(), "req-1"))
    steps = 0
    while not looking.done():
        await asyncio.sleep(0.001)
        steps += 1
    assert steps > 10
    assert b"".join((await looking).body) == event * 6_000
