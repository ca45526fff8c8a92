"""Kept replies: the same request to the same version in the same project, whole and unharmed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.deployment.govern.books import Books

from touchstone.deployment.base import Answered, Asked, Usage
from touchstone.deployment.govern.reply_cache import LONGEST_BYTES, ReplyCache, cache_key
from touchstone.deployment.govern.tables import cached_replies

ANSWERED = Answered(b'{"choices": []}', Usage(5, 7, 1, 0), "small-2026-10-01")
BODY = {"messages": [{"role": "user", "content": "hello"}], "temperature": 0}


def key(project: str = "web", endpoint: str = "helpdesk", version: int = 1, recipe: str = "abc", **body: Any) -> str:
    asked = Asked("chat", {**BODY, **body}, stream=False, request="req-1")
    return cache_key(project, endpoint, version, recipe, asked)


@pytest.fixture
def cache(books: Books) -> ReplyCache:
    return ReplyCache(books.engine, books.writer, clock=books.clock)


async def put(cache: ReplyCache, place: str, answered: Answered = ANSWERED, keep_s: int = 60) -> None:
    kept = cache.keep(place, answered, project="web", endpoint="helpdesk", version=1, keep_s=keep_s)
    assert kept is not None
    await kept


async def test_the_same_request_finds_the_reply(cache: ReplyCache) -> None:
    """Bytes, usage and the name of who answered."""
    assert await cache.get(key()) is None
    await put(cache, key())

    assert await cache.get(key()) == ANSWERED
    cache.close()
    assert await cache.get(key()) == ANSWERED


async def test_it_has_its_time(books: Books, cache: ReplyCache) -> None:
    """To the second."""
    await put(cache, key(), keep_s=60)
    books.clock.at_s += 59
    assert await cache.get(key()) is not None
    books.clock.at_s += 1

    assert await cache.get(key()) is None


@pytest.mark.parametrize(
    "other",
    [
        {"project": "app"},
        {"endpoint": "other"},
        {"version": 2},
        {"recipe": "abd"},
        {"temperature": 1},
        {"user": "somebody"},
        {"messages": [{"role": "user", "content": "hello "}]},
        {"tools": []},
    ],
)
def test_what_shapes_a_reply_is_in_its_key(other: dict[str, Any]) -> None:
    """Another project, version, recipe or field is another reply."""
    assert key(**other) != key()


def test_how_a_reply_travels_is_not() -> None:
    """Streamed or not, and with its fields in another order, it is the same request."""
    turned = dict(reversed(BODY.items()))
    asked = Asked("chat", {**turned, "stream": True, "stream_options": {"include_usage": True}}, True, "req-9")

    assert cache_key("web", "helpdesk", 1, "abc", asked) == key()


def test_names_cannot_be_made_to_meet() -> None:
    """The parts of a key do not run into each other."""
    assert key(project="we", endpoint="bhelpdesk") != key(project="web", endpoint="helpdesk")


async def test_a_reply_that_was_changed_in_the_store_is_none(books: Books, cache: ReplyCache) -> None:
    """Its digest is looked at."""
    await put(cache, key())
    with books.engine.begin() as connection:
        connection.execute(cached_replies.update().values(body=b"poison"))

    assert await cache.get(key()) is None


async def test_large_replies_and_short_disks_keep_nothing(books: Books, cache: ReplyCache) -> None:
    """Nothing fails because of that."""
    large = Answered(bytes(LONGEST_BYTES + 1), Usage(), "small")
    assert cache.keep(key(), large, project="web", endpoint="e", version=1, keep_s=60) is None
    short = ReplyCache(books.engine, books.writer, may_keep=lambda: False, clock=books.clock)

    assert short.keep(key(), ANSWERED, project="web", endpoint="e", version=1, keep_s=60) is None


async def test_a_later_reply_takes_the_place(cache: ReplyCache) -> None:
    """Two that asked at once keep one of theirs."""
    later = Answered(b"later", Usage(1, 1), "small")
    await put(cache, key())
    await put(cache, key(), later)

    assert await cache.get(key()) == later
